"""Volumes that grow: which claims are enlarged now, when the StatefulSet is made anew, and what is awaited.

In: what the spec asks for, the claims of the members, their storage classes, the workload. Out: a `Plan`. Claim templates
are immutable, so new members get the new size only from a StatefulSet that was deleted without its pods and created
around them. Every step is told by live objects alone, so it does not matter where the last pass was cut off. Invariants:
nothing is touched when one claim cannot follow; nothing shrinks; the StatefulSet goes only when no rollout is under way,
since a new one knows no older revision, and only when no claim could be collected with it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kaspr_controller.api import quantities
from kaspr_controller.status.conditions import Verdict, enumerate_few

TYPE = "StorageResizing"

LOOK_AGAIN_SECONDS = 10.0
"""For what no event tells: a claim that is bound, a StatefulSet that somebody holds back."""
ASK_AGAIN_SECONDS = 60.0
"""For a storage class that may be edited, and a quota that may be raised."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The volume claim of one member.

    Attributes:
        name: of the object.
        uid, version: of what was looked at; a patch is for nothing else.
        requested: `spec.resources.requests.storage`.
        capacity: what the volume has, "" while there is none.
        storage_class: "" for none.
        bound: it has a volume; the size of one that has none cannot be changed.
        owned: it names the StatefulSet as its owner.
        words: what the cluster says about a change of its size.
    """

    name: str
    uid: str = ""
    version: str = ""
    requested: str = "0"
    capacity: str = ""
    storage_class: str = ""
    bound: bool = True
    owned: bool = False
    words: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """One pass.

    Attributes:
        wanted: the size that the spec asks for, "" where members have no claims.
        template: the size in the live claim template, "" when there is no StatefulSet.
        claims: of the members that the workload asks for, by ordinal.
        classes: storage class -> whether it allows expansion; those that could not be read are left out.
        fixed: why the StatefulSet cannot be made anew, "" when it can.
        settled: no rollout and no scaling is under way.
        refused: the server's words when it would not enlarge a claim just now.
    """

    wanted: str = ""
    template: str = ""
    claims: tuple[Claim, ...] = ()
    classes: Mapping[str, bool] = field(default_factory=dict)
    fixed: str = ""
    settled: bool = False
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done, and said.

    Attributes:
        grow: claims to enlarge.
        releasing: claims must not belong to the StatefulSet from now on: it is about to go.
        replace: it may go now.
        verdicts: the condition; none when nothing is awaited.
        requeue_after: seconds until another look, None when events tell.
    """

    grow: tuple[Claim, ...] = ()
    releasing: bool = False
    replace: bool = False
    verdicts: tuple[Verdict, ...] = ()
    requeue_after: float | None = None


def decide(facts: Facts) -> Plan:
    """The next step."""
    small = too_small(facts)
    if stuck := [claim for claim in small if not _may_grow(claim, facts)]:
        return _plan("ExpansionNotAllowed", _blocked(stuck, facts), ASK_AGAIN_SECONDS)
    grow = tuple(claim for claim in small if claim.bound)
    if grow:
        if facts.refused:
            text = f"{_names(grow)} cannot be enlarged to {facts.wanted}: {facts.refused}"
            return _plan("ClaimRefused", text, ASK_AGAIN_SECONDS)
        text = f"{_names(grow)} are to be enlarged to {facts.wanted}"
        return _plan("EnlargingClaims", text, LOOK_AGAIN_SECONDS, grow=grow)
    if _behind(facts):
        return _renew(facts)
    return _await(facts, small)


def too_small(facts: Facts) -> list[Claim]:
    """The claims that ask for less than the spec does."""
    if not facts.wanted:
        return []
    wanted = quantities.parse(facts.wanted)
    return [claim for claim in facts.claims if quantities.parse(claim.requested) < wanted]


def _may_grow(claim: Claim, facts: Facts) -> bool:
    """Of a class that could not be read the server will tell, when it is asked to enlarge the first claim."""
    if not claim.storage_class:
        return not claim.bound
    return facts.classes.get(claim.storage_class, True)


def _behind(facts: Facts) -> bool:
    """Whether a member that is added now would get a volume that is too small."""
    if not facts.wanted or not facts.template:
        return False
    return quantities.parse(facts.template) < quantities.parse(facts.wanted)


def _renew(facts: Facts) -> Plan:
    """The StatefulSet has to be made anew."""
    head = f"The volumes of the members get {facts.wanted}, new members still {facts.template}"
    if facts.fixed:
        return _plan("StatefulSetKept", f"{head}: {facts.fixed}")
    if not facts.settled:
        text = f"{head}: the StatefulSet is made anew, around its running pods, when the rollout is over"
        # Releasing already: writing that and taking it back in turns would be a rollout that never ends.
        return _plan("WaitingForRollout", text, LOOK_AGAIN_SECONDS, releasing=True)
    if owned := [claim for claim in facts.claims if claim.owned]:
        text = f"{head}: {_names(owned)} must not go with the StatefulSet, which is made anew then"
        return _plan("ReleasingClaims", text, LOOK_AGAIN_SECONDS, releasing=True)
    text = f"{head}: the StatefulSet is made anew around its running pods"
    return _plan("ReplacingStatefulSet", text, LOOK_AGAIN_SECONDS, releasing=True, replace=True)


def _await(facts: Facts, unbound: Sequence[Claim]) -> Plan:
    """Everything is asked for; the rest is done by the cluster, and only told."""
    if unbound:
        text = f"{_names(unbound)} can be enlarged to {facts.wanted} once they have a volume"
        return _plan("WaitingForBinding", text, LOOK_AGAIN_SECONDS)
    growing = [claim for claim in facts.claims if _grows(claim)]
    if not growing:
        return Plan()
    each = [f"{claim.name} has {claim.capacity}{claim.words and f' ({claim.words})'}" for claim in growing]
    total = len(facts.claims)
    text = (
        f"{total - len(growing)} of {total} volumes have the size that is asked for: {enumerate_few(each)}; the storage of the "
        "cluster enlarges them"
    )
    return _plan("WaitingForVolumes", text)


def _grows(claim: Claim) -> bool:
    return bool(claim.capacity) and quantities.parse(claim.capacity) < quantities.parse(claim.requested)


def _blocked(stuck: Sequence[Claim], facts: Facts) -> str:
    classes = sorted({claim.storage_class for claim in stuck})
    named = enumerate_few([f"storage class {name} does not allow it" for name in classes if name])
    why = named or "they have no storage class"
    return (
        f"{_names(stuck)} cannot be enlarged to {facts.wanted}: {why} (allowVolumeExpansion). Nothing was changed; what runs "
        "keeps its volumes"
    )


def _names(claims: Sequence[Claim]) -> str:
    return enumerate_few([claim.name for claim in claims])


def _plan(
    reason: str,
    message: str,
    after: float | None = None,
    *,
    grow: tuple[Claim, ...] = (),
    releasing: bool = False,
    replace: bool = False,
) -> Plan:
    return Plan(grow, releasing, replace, (Verdict(TYPE, "True", reason, message),), after)
