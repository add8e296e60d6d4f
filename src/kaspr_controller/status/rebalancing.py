"""When is the group asked to share its topics anew: the intent, kept in the status until the members show that it is done.

In: what the members are to read, what they do, what the previous status says of it. Out: a decision with at most one
signal. Under static membership a topic that was added is read by nobody until somebody asks the leader to rejoin
(real-runtime C3). The predecessor forgot that request in its next cycle (D40); here it is a state:

    Idle -> Pending -> Signalled -> (Rejoining) -> Done        manual requests may also end as Expired

The new fingerprint and the intent that follows from it are stored in one write, so neither a crash nor a failed pass loses
a rebalance. Where the restarts alone lead to a complete assignment (goodbyes were said, a member joined) none is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias, get_args

from kaspr_controller.status.actions import (
    AcknowledgeRebalance,
    Action,
    Decision,
    Refusal,
    SignalRebalance,
    soonest,
)
from kaspr_controller.status.conditions import Verdict, enumerate_few
from kaspr_controller.status.judging import Group, Judged, Limits
from kaspr_controller.status.moments import seconds_of, text_of
from kaspr_controller.status.rollout import Rollout

State: TypeAlias = Literal["Idle", "Pending", "Signalled", "Rejoining", "Done", "Expired"]
_OPEN: frozenset[State] = frozenset({"Pending", "Signalled", "Rejoining"})
_FALSE = frozenset({"", "false", "0", "no", "off"})
_PASSING = frozenset({"leaving", "starting", "not-begun", "rebalancing", "recovering", "zombie", "hung"})


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings and the app's annotations say.

    Attributes:
        enabled: ask by ourselves when subscriptions change; a manual request is carried out in any case.
        static: members keep their seats over a restart; dynamic ones join anew by themselves (C5).
        retry: seconds until the second attempt, doubled for each further one.
        retry_limit: the longest pause between attempts. Each costs the app 12 to 14 s of processing.
        expiry: seconds after which a manual request that cannot be carried out ends.
        limits: of the members.
    """

    enabled: bool = True
    static: bool = True
    retry: float = 30.0
    retry_limit: float = 3600.0
    expiry: float = 1800.0
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Rebalance:
    """The status part.

    Attributes:
        fingerprint: digest of the subscriptions that were last seen rendered; None when never tracked, which is something
            else than tracked and empty (D43).
        state: see the module.
        forced: only a rejoin ends it; otherwise a complete assignment does.
        manual: asked for by annotation alone, so that topics nobody can read do not keep it open.
        requested_at: when it became Pending, seconds since 1970.
        attempts: signals sent for it.
        last_attempt_at: when the last one was stored, just before it was sent.
        reason: what it waits for, or how it ended.
    """

    fingerprint: str | None = None
    state: State = "Idle"
    forced: bool = False
    manual: bool = False
    requested_at: float | None = None
    attempts: int = 0
    last_attempt_at: float | None = None
    reason: str = ""

    @property
    def required(self) -> bool:
        """The value of `status.rebalanceRequired`."""
        return self.state in _OPEN


@dataclass(frozen=True, slots=True)
class Facts:
    """One pass.

    Attributes:
        rendered: the subscriptions as they stand in the pods' annotation.
        group: the members, judged.
        rollout: the workload.
        desired: members that the app shall have.
        annotation: value of `kaspr.io/rebalance`, None when it is not there.
        ghosts: seats in the group that no live pod holds.
        ghosts_for: seconds until the last of them has run out, None when unknown.
        asked: members are polled at all.
        paused: the app is.
        leading: this process may act.
        inherited: the predecessor's status says that a rebalance is required.
    """

    rendered: str
    group: Group
    rollout: Rollout
    desired: int
    annotation: str | None = None
    ghosts: tuple[str, ...] = ()
    ghosts_for: float | None = None
    asked: bool = True
    paused: bool = False
    leading: bool = True
    inherited: bool = False


def decide(policy: Policy, part: Rebalance, facts: Facts, *, now: float) -> Decision[Rebalance]:
    """The next step of the rebalance, if one is needed; `now` in seconds since 1970."""
    if facts.paused or not facts.leading:
        why = "Paused" if facts.paused else "NotLeading"
        refused = (Refusal(why, "nothing is done meanwhile"),) if part.required else ()
        return Decision(part, refused=refused, explanation="hands off")
    part = _advance(policy, _track(policy, part, facts, now), facts, now)
    if _wanted(facts.annotation):
        return _acknowledge(part, now)
    part = _expire(policy, part, now)
    if not part.required:
        return Decision(part, explanation=_settled(part))
    refusal = next((found for guard in _GUARDS if (found := guard(policy, part, facts, now))), None)
    if refusal is not None:
        return _wait(policy, part, refusal, now)
    return _signal(policy, part, facts, now)


def _track(policy: Policy, part: Rebalance, facts: Facts, now: float) -> Rebalance:
    """Notice a change of the subscriptions; the first sight of an app is none."""
    digest = digest_of(facts.rendered)
    outrun = part.state == "Idle" and _outrun(facts)
    if digest == part.fingerprint and not outrun:
        return part
    known = part.fingerprint is not None or outrun
    # Without a workload and its pods nobody has read anything yet: the first pods start with what is rendered then.
    new = not facts.rollout.exists and not facts.group.members and not part.required
    if not policy.static or new or not (known or facts.inherited):
        return replace(part, fingerprint=digest)
    # A manual request that is still open is fulfilled by the same rejoin.
    forced = _opaque(facts) or (part.required and part.forced)
    reason = "SubscriptionsChanged" if known else "TakenOver"
    return Rebalance(digest, "Pending", forced=forced, requested_at=now, reason=reason)


def _outrun(facts: Facts) -> bool:
    """Whether pods of ours were started with something else before any status was written, as their annotation tells."""
    return any(member.pod.subscriptions not in (None, facts.rendered) for member in facts.group.members)


def _opaque(facts: Facts) -> bool:
    """Whether something else than topics changed, so that no assignment can show that it took effect.

    Items with a colon are no topics: the hash of a list that is too long, marks of tables (D44).
    """
    marks = _marks(facts.rendered)
    texts = [member.pod.subscriptions for member in facts.group.members if not member.pod.deleting]
    known = [text for text in texts if text is not None]
    # Pods that have the new text already: it was lost between the write of the template and that of the status.
    return any(_marks(text) != marks for text in known) or (bool(marks) and set(known) == {facts.rendered})


def _marks(text: str) -> frozenset[str]:
    return frozenset(item for item in text.split(",") if ":" in item)


def _acknowledge(part: Rebalance, now: float) -> Decision[Rebalance]:
    """Take a manual request into the status; the signal waits until the annotation is gone, or it might count twice."""
    manual = part.manual or not part.required
    fresh = part.state != "Pending" or not part.forced
    asked = Rebalance(
        part.fingerprint,
        "Pending",
        forced=True,
        manual=manual,
        requested_at=now if fresh or part.requested_at is None else part.requested_at,
        reason="Requested",
    )
    text = "a rebalance was asked for by annotation"
    verdict = Verdict("RebalancePending", "True", "Requested", text)
    return Decision(asked, (AcknowledgeRebalance(),), 1.0, (verdict,), explanation=text)


def _advance(policy: Policy, part: Rebalance, facts: Facts, now: float) -> Rebalance:
    """What the members show of a rebalance that is open."""
    if not part.required:
        return part
    if part.state == "Signalled" and part.last_attempt_at is not None:
        since = now - part.last_attempt_at
        if any(_rejoined(member, since) for member in facts.group.members):
            part = replace(part, state="Rejoining", reason="MembersRejoin")
    if _stale(facts) or not _all_calm(policy, facts):
        return part
    covered = part.manual or facts.group.covered
    if covered and (part.state == "Rejoining" or not part.forced):
        return replace(part, state="Done", reason="Rejoined" if part.attempts else "AssignmentsComplete")
    return part


def _rejoined(member: Judged, since: float) -> bool:
    """It rebalances, or has answered something else than before the signal."""
    if member.state in ("rebalancing", "recovering"):
        return member.age < since
    return member.calm and member.changed is not None and member.changed < since


def _expire(policy: Policy, part: Rebalance, now: float) -> Rebalance:
    asked = part.requested_at
    if not part.required or not part.manual or asked is None or now - asked <= policy.expiry:
        return part
    return replace(part, state="Expired")


# Guards: the first that speaks keeps the signal back


def _automatic(policy: Policy, part: Rebalance, facts: Facts, now: float) -> Refusal | None:
    del facts, now
    if policy.enabled or part.manual:
        return None
    return Refusal("Disabled", "automatic rebalances are switched off; set kaspr.io/rebalance to ask for one")


def _asked(policy: Policy, part: Rebalance, facts: Facts, now: float) -> Refusal | None:
    del policy, part, now
    return None if facts.asked else Refusal("MembersNotAsked", "the members are not asked for their status")


def _rolled(policy: Policy, part: Rebalance, facts: Facts, now: float) -> Refusal | None:
    """D41: members that still run other definitions would join with other topics."""
    del policy, part, now
    if facts.desired == 0:
        return Refusal("ScaledToZero", "no member runs")
    return Refusal("RolloutInProgress", "members still run other definitions") if _stale(facts) else None


def _ghostless(policy: Policy, part: Rebalance, facts: Facts, now: float) -> Refusal | None:
    """C4: a rebalance waits for every seat; one that nobody holds stalls the whole group for a session timeout."""
    del policy, part, now
    if not facts.ghosts:
        return None
    text = f"seats that nobody holds would stall it: {enumerate_few(facts.ghosts)}"
    return Refusal("GhostsInGroup", text, facts.ghosts_for)


def _calm(policy: Policy, part: Rebalance, facts: Facts, now: float) -> Refusal | None:
    """D42. Whoever says nothing sensible is waited for until its seat has certainly been given away."""
    del part, now
    members = facts.group.members
    busy = [member for member in members if not member.calm and _blocks(member, policy.limits)]
    if busy:
        return Refusal("MembersNotCalm", enumerate_few([f"{each.pod.name} is {each.state}" for each in busy]))
    # One that was calm a moment ago may have been given the missing topic since, and be frozen now.
    mute = [member.pod.name for member in members if member.calm and not member.speaking]
    if mute:
        return Refusal("MembersNotCalm", f"no answer just now from {enumerate_few(mute)}")
    if not facts.group.whole(facts.desired):
        return Refusal(
            "MembersNotCalm", f"there are {len(members)} pods, not those of {facts.desired} members"
        )
    return None


def _blocks(member: Judged, limits: Limits) -> bool:
    return member.state in _PASSING or member.age <= limits.gone


def _led(policy: Policy, part: Rebalance, facts: Facts, now: float) -> Refusal | None:
    del policy, part, now
    return None if _leaders(facts) else Refusal("NoLeader", "no calm member says that it leads")


def _patient(policy: Policy, part: Rebalance, facts: Facts, now: float) -> Refusal | None:
    del facts
    if part.last_attempt_at is None:
        return None
    left = part.last_attempt_at + _pause(policy, part.attempts) - now
    # A clock that was set back must not silence us for longer than the pause.
    left = min(left, _pause(policy, part.attempts))
    return (
        Refusal("WaitingForAssignments", "asked, the members do not show it yet", left) if left > 0 else None
    )


_GUARDS: tuple[Callable[[Policy, Rebalance, Facts, float], Refusal | None], ...] = (
    _automatic,
    _asked,
    _rolled,
    _ghostless,
    _calm,
    _led,
    _patient,
)


def _stale(facts: Facts) -> bool:
    """Some pod runs something else than what is rendered; a pod that does not say is judged by its revision."""
    texts = {member.pod.subscriptions for member in facts.group.members}
    return not facts.rollout.complete or bool(texts - {None, facts.rendered})


def _all_calm(policy: Policy, facts: Facts) -> bool:
    """Everybody is; whoever lost its seat long ago has no say, its partitions went to others."""
    whole = facts.desired > 0 and facts.group.whole(facts.desired)
    return whole and all(member.calm or not _blocks(member, policy.limits) for member in facts.group.members)


def _leaders(facts: Facts) -> list[Judged]:
    return [member for member in facts.group.calm if member.leader]


def _pause(policy: Policy, attempts: int) -> float:
    return float(min(policy.retry_limit, policy.retry * 2 ** min(max(attempts - 1, 0), 20)))


def _signal(policy: Policy, part: Rebalance, facts: Facts, now: float) -> Decision[Rebalance]:
    leaders = _leaders(facts)
    # Two that say so: one is wrong or late. Taking turns finds the right one.
    leader = leaders[part.attempts % len(leaders)].pod
    attempt = part.attempts + 1
    sent = replace(part, state="Signalled", attempts=attempt, last_attempt_at=now, reason="Signalled")
    text = f"asked {leader.name}, the leader, for a rebalance (attempt {attempt})"
    action: Action = SignalRebalance(leader.uid, leader.name, attempt)
    verdict = Verdict("RebalancePending", "True", "Signalled", text)
    return Decision(sent, (action,), _pause(policy, attempt), (verdict,), explanation=text)


def _wait(policy: Policy, part: Rebalance, refusal: Refusal, now: float) -> Decision[Rebalance]:
    left = part.requested_at + policy.expiry - now if part.manual and part.requested_at is not None else None
    gone = policy.limits.margin if refusal.reason == "MembersNotCalm" else None
    text = f"a rebalance waits: {refusal.message}"
    if part.attempts and refusal.reason == "WaitingForAssignments":
        text = f"{text}, {part.attempts} attempts"
    verdict = Verdict("RebalancePending", "True", refusal.reason, text)
    waiting = replace(part, reason=refusal.reason)
    return Decision(waiting, (), soonest(refusal.after, left, gone), (verdict,), (refusal,), text)


def _settled(part: Rebalance) -> str:
    if part.state == "Idle":
        return "no rebalance is needed"
    return f"the last rebalance is over: {part.state}, {part.reason}, {part.attempts} attempts"


def _wanted(annotation: str | None) -> bool:
    """A request by annotation; `false` is none (D46)."""
    return annotation is not None and annotation.strip().lower() not in _FALSE


def digest_of(subscriptions: str) -> str:
    """A short text that differs when the subscriptions do; they themselves may have 64 KiB."""
    return hashlib.sha256(subscriptions.encode()).hexdigest()[:16]


def read(raw: Any) -> Rebalance:
    """The part in a status; what is not understood is as if it were not there."""
    if not isinstance(raw, Mapping):
        return Rebalance()
    fingerprint, attempts = raw.get("fingerprint"), raw.get("attempts")
    states: tuple[State, ...] = get_args(State)
    return Rebalance(
        fingerprint=fingerprint if isinstance(fingerprint, str) else None,
        state=next((state for state in states if state == raw.get("state")), "Idle"),
        forced=raw.get("forced") is True,
        manual=raw.get("manual") is True,
        requested_at=seconds_of(raw.get("requestedAt")),
        attempts=attempts if isinstance(attempts, int) and attempts > 0 else 0,
        last_attempt_at=seconds_of(raw.get("lastAttemptAt")),
        reason=str(raw.get("reason") or ""),
    )


def write(part: Rebalance) -> dict[str, Any]:
    """The part as JSON, without what is empty."""
    fields = {
        "fingerprint": part.fingerprint,
        "state": part.state,
        "forced": part.forced or None,
        "manual": part.manual or None,
        "requestedAt": text_of(part.requested_at) if part.requested_at is not None else None,
        "attempts": part.attempts or None,
        "lastAttemptAt": text_of(part.last_attempt_at) if part.last_attempt_at is not None else None,
        "reason": part.reason or None,
    }
    return {key: value for key, value in fields.items() if value is not None}
