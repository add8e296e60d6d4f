"""What a reconcile would change now, without changing it: for `kaspr-controller diff`.

In: filled stores and a key. Out: the planned changes, from the same load, render and compare steps that a pass takes; the
server answers what a write would do with dry runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kaspr_controller.converge.applying import Converger
from kaspr_controller.converge.changes import ChangeSet, Entry, Owner
from kaspr_controller.converge.ownership import is_controlled_by, written_here
from kaspr_controller.converge.planning import PlannedChange
from kaspr_controller.desired.bundle import Bundle, render_app
from kaspr_controller.desired.options import Options
from kaspr_controller.kube.kinds import PERSISTENT_VOLUME_CLAIM, Kind, ObjectKey, Raw
from kaspr_controller.reconcilers import driving, inheriting, isolating, kinds, moving, observing
from kaspr_controller.reconcilers.loading import Stores, load_app


@dataclass(frozen=True, slots=True)
class Plan:
    """What would happen to one app; `refused` says why nothing would."""

    app: ObjectKey
    refused: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    changes: tuple[PlannedChange, ...] = ()
    unwanted: tuple[ObjectKey, ...] = ()


def plan_app(
    stores: Stores, converger: Converger, key: ObjectKey, *, options: Options, driven: bool = True
) -> Plan | None:
    """The plan for one app, None when there is no such app; `driven` as in `rolling.Policy`."""
    loaded = load_app(stores, key)
    if loaded is None:
        return None
    if loaded.paused:
        return Plan(key, refused=("the app is paused (kaspr.io/pause-reconciliation)",))
    if loaded.app is None:
        return Plan(key, refused=loaded.errors)
    uids = frozenset(str(raw["metadata"]["uid"]) for raw in loaded.raws)
    owner = Owner(key, loaded.app.metadata.uid, uids)
    live = observing.workload(stores, key)
    found = observing.facts(stores, key, (owner.uid, *uids))
    facts = inheriting.inherited(found, loaded.raw, loaded.raws)
    here, awaited = moving.split(stores, owner, loaded, running=facts.workload is not None)
    app, planned = loaded.app, dict[ObjectKey, PlannedChange]()

    def write(bundle: Bundle) -> ChangeSet:
        intents = [driving.as_live(intent, live, driven=driven) for intent in bundle.intents]
        planned.clear()
        planned.update({change.key: change for change in converger.plan(owner, intents)})
        return ChangeSet(tuple(change.entry or Entry(change.key, "unchanged") for change in planned.values()))

    bundle = isolating.converge(
        lambda unstorable: render_app(app, here, facts, options, unstorable=unstorable),
        write,
        running=facts.workload is not None,
    ).bundle
    if bundle.refused:
        return Plan(key, refused=tuple(map(str, bundle.refused)))
    return Plan(
        key,
        held=(*_held(bundle), *moving.sentences(awaited)),
        changes=tuple(planned.values()),
        unwanted=_unwanted(stores, owner, bundle.wanted),
    )


def _held(bundle: Bundle) -> Iterator[str]:
    return (f"{kind} {name}: {problem}" for (kind, name), problem in sorted(bundle.problems.items()))


def _unwanted(stores: Stores, owner: Owner, wanted: frozenset[tuple[str, str]]) -> tuple[ObjectKey, ...]:
    """Objects of the app that would be removed once nothing refers to them."""
    return tuple(
        ObjectKey(kind.kind, owner.key.namespace, item["metadata"]["name"])
        for kind in kinds.CHILDREN
        for item in stores[kind.kind].by_owner(owner.uid)
        if (kind.kind, item["metadata"]["name"]) not in wanted and _removable(kind, item, owner.uid)
    )


def _removable(kind: Kind, item: Raw, uid: str) -> bool:
    """Whether pruning would touch it: an owner reference alone is not enough (see `converge.pruning`)."""
    return is_controlled_by(item, uid) and (kind is not PERSISTENT_VOLUME_CLAIM or written_here(item))
