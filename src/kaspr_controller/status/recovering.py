"""Which members are replaced because only a new process ends what they are in: zombies, frozen and hung ones.

In: the judged members, the workload, what the previous status says of suspects and of members already replaced. Out: a
decision with pods to delete. Nothing is killed on one look: a suspect is struck three times, half a minute apart, each
time on a newer answer (or a newer time-out while peers answered). Strikes are counts of time, not of passes (D53), and
belong to a pod UID (D50). They stand in the status; what happened while nobody looked is never held against a member.
Every reason not to act now has a name. A kill is stored before it is carried out; one that never happened is noticed,
because the pod is still there and not going, and asked for again at no charge to the budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kaspr_controller.status.actions import Decision, DeletePod, Refusal, soonest
from kaspr_controller.status.conditions import Verdict, enumerate_few
from kaspr_controller.status.judging import PASSING, SUSPECT, Group
from kaspr_controller.status.moments import seconds_of, text_of
from kaspr_controller.status.rollout import Rollout
from kaspr_controller.status.suspecting import (
    Policy,
    Suspect,
    next_strike,
    read_suspect,
    ripe,
    suspects,
    threshold,
    write_suspect,
)

_REMEMBERED = 50
"""Kills that are kept in the status at most; the budget allows far fewer in its window."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A member that was replaced: when that was decided, and when it was last asked for."""

    uid: str
    name: str
    why: str
    at: float
    asked_at: float


@dataclass(frozen=True, slots=True)
class Recovery:
    """The status part: suspects by name, kills by time."""

    suspects: tuple[Suspect, ...] = ()
    kills: tuple[Kill, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """One pass.

    Attributes:
        group: the members, judged.
        rollout: the workload.
        desired: members that the app shall have.
        faulty: a child of the app is not as it should be (D51).
        goodbyes: somebody can take seats away in Kafka now; else a zombie's seat has to run out first.
        slot_after: seconds until another app's turn is over; 0 when it is ours.
        paused: the app is.
        leading: this process may act.
    """

    group: Group
    rollout: Rollout
    desired: int
    faulty: bool = False
    goodbyes: bool = True
    slot_after: float = 0.0
    paused: bool = False
    leading: bool = True

    @property
    def rolling(self) -> bool:
        """Pods of two revisions exist, or will."""
        return (
            not self.rollout.exists or not self.rollout.observed or self.rollout.updated != self.rollout.total
        )


def decide(policy: Policy, part: Recovery, facts: Facts, *, now: float) -> Decision[Recovery]:
    """Whom to replace now; `now` in seconds since 1970."""
    if facts.paused or not facts.leading:
        return Decision(part, explanation="hands off")
    kills = _remembered(policy, part.kills, facts, now)
    if not policy.enabled or facts.rolling:
        why = "RolloutInProgress" if policy.enabled else "Disabled"
        return _hold(Recovery((), kills), facts, Refusal(why, _HOLDS[why]))
    found = suspects(policy, part.suspects, facts.group, zombie_after=_patience(policy, facts), now=now)
    part = Recovery(found, kills)
    if not any(member.state in SUSPECT for member in facts.group.members):
        # What has run out is put away in time: else a restart would find something to write.
        over = soonest(*(kill.at + policy.window - now for kill in kills))
        return Decision(part, requeue_after=over, explanation="no member has to be replaced")
    refusal = next((said for gate in _GATES if (said := gate(policy, part, facts, now))), None)
    if refusal is not None:
        return _hold(part, facts, refusal, next_strike(policy, found, now))
    return _replace(policy, part, facts, now)


_HOLDS = {
    "RolloutInProgress": "pods of two revisions exist; whoever hangs is about to be replaced anyway",
    "Disabled": "the replacement of hung members is switched off",
}


def _patience(policy: Policy, facts: Facts) -> float:
    """Seconds that a zombie is left alone.

    Without a goodbye its replacement would be given the same assignment and die of it, until the seat has run out (C1).
    """
    return 0.0 if facts.goodbyes else policy.limits.gone


# Kills


def _remembered(policy: Policy, kills: Iterable[Kill], facts: Facts, now: float) -> tuple[Kill, ...]:
    """The kills that still count: in the window, or not over yet."""
    # A clock that was set back must not make the budget forget: what lies ahead counts as now.
    past = [replace(kill, at=min(kill.at, now), asked_at=min(kill.asked_at, now)) for kill in kills]
    kept = [kill for kill in past if now - kill.at < policy.window or _in_flight(kill, facts)]
    return tuple(sorted(kept, key=lambda kill: kill.at)[-_REMEMBERED:])


def _in_flight(kill: Kill, facts: Facts) -> bool:
    """The pod is going, or its replacement is not there or still on its way to being calm."""
    ordinal = kill.name.rpartition("-")[2]
    if ordinal.isdecimal() and int(ordinal) >= facts.desired:
        return False
    of_name = [member for member in facts.group.members if member.pod.name == kill.name]
    if any(member.pod.uid == kill.uid for member in of_name):
        return any(member.pod.uid == kill.uid and member.pod.deleting for member in of_name)
    return not of_name or any(member.state in PASSING for member in of_name)


# Gates: the first that speaks keeps every kill back


def _healthy(policy: Policy, part: Recovery, facts: Facts, now: float) -> Refusal | None:
    """D49, D51: the rest of the app has to be there, so that what we do is not one more trouble."""
    del policy, part, now
    if facts.faulty:
        return Refusal("AppInError", "objects of the app are not as they should be")
    members = facts.group.members
    busy = [f"{each.pod.name} is {each.state}" for each in members if each.state in PASSING]
    if busy:
        return Refusal("MembersNotCalm", enumerate_few(busy))
    if not facts.group.whole(facts.desired):
        return Refusal(
            "MembersNotCalm", f"there are {len(members)} pods, not those of {facts.desired} members"
        )
    return None


def _heard(policy: Policy, part: Recovery, facts: Facts, now: float) -> Refusal | None:
    """Section 4.4 of real-runtime: nobody answers, nobody is touched."""
    del policy, part, now
    if any(member.speaking for member in facts.group.members):
        return None
    return Refusal("NobodyAnswers", "no member answers: the fault may be on the way to them")


def _confirmed(policy: Policy, part: Recovery, facts: Facts, now: float) -> Refusal | None:
    if _candidates(policy, part, facts, now):
        return None
    waiting = [f"{each.name} is {each.kind}, strike {each.strikes}" for each in part.suspects]
    left = min(
        (threshold(policy, each, _patience(policy, facts)) - (now - each.since) for each in part.suspects),
        default=0.0,
    )
    return Refusal("Confirming", enumerate_few(waiting), max(left, 1.0))


def _affordable(policy: Policy, part: Recovery, facts: Facts, now: float) -> Refusal | None:
    paid = {kill.uid for kill in part.kills}
    if any(each.uid in paid for each in _candidates(policy, part, facts, now)):
        # Decided, but the pod is as it was: we were stopped in between, or the server refused.
        return None
    if _left(policy, part, facts) > 0:
        return None
    flying = sum(_in_flight(kill, facts) for kill in part.kills)
    if flying:
        return Refusal("RecoveryInFlight", f"{flying} replaced members are not calm yet")
    after = min((kill.at for kill in part.kills), default=now) + policy.window - now
    text = f"{policy.budget(facts.desired)} in {policy.window:.0f} s is all that this app may lose"
    return Refusal("BudgetSpent", text, after)


def _turn(policy: Policy, part: Recovery, facts: Facts, now: float) -> Refusal | None:
    del policy, part, now
    if facts.slot_after <= 0:
        return None
    return Refusal("SlotTaken", "a member of another app was replaced a moment ago", facts.slot_after)


_GATES: tuple[Callable[[Policy, Recovery, Facts, float], Refusal | None], ...] = (
    _healthy,
    _heard,
    _confirmed,
    _affordable,
    _turn,
)


def _left(policy: Policy, part: Recovery, facts: Facts) -> int:
    """Kills that the budget still has; one that was decided and undone is paid already."""
    return policy.budget(facts.desired) - len(part.kills)


def _candidates(policy: Policy, part: Recovery, facts: Facts, now: float) -> list[Suspect]:
    """Confirmed suspects, oldest first, that are so right now."""
    state = {member.pod.uid: member.state for member in facts.group.members}
    found = [
        each
        for each in part.suspects
        if each.strikes >= policy.strikes
        and state.get(each.uid) == each.kind
        and ripe(policy, each, _patience(policy, facts), now)
    ]
    return sorted(found, key=lambda each: (each.since, each.name))


def _replace(policy: Policy, part: Recovery, facts: Facts, now: float) -> Decision[Recovery]:
    paid = {kill.uid: kill for kill in part.kills}
    left = _left(policy, part, facts)
    chosen: list[Suspect] = []
    for each in _candidates(policy, part, facts, now):
        if each.uid in paid:
            if now - paid[each.uid].asked_at < policy.retry:
                continue
        elif left <= 0:
            continue
        else:
            left -= 1
        chosen.append(each)
    chosen = chosen[: policy.per_pass]
    if not chosen:
        return _hold(part, facts, Refusal("RecoveryInFlight", "a kill has just been asked for", policy.retry))
    fresh = {
        each.uid: Kill(each.uid, each.name, each.kind, _paid_at(paid.get(each.uid), now), now)
        for each in chosen
    }
    kills = tuple(sorted({**paid, **fresh}.values(), key=lambda kill: kill.at))
    text = f"replacing {enumerate_few([f'{each.name} ({each.kind})' for each in chosen])}"
    verdict = Verdict("HungMembers", "True", "Replacing", text)
    actions = tuple(DeletePod(each.uid, each.name, each.kind) for each in chosen)
    return Decision(Recovery(part.suspects, kills), actions, policy.retry, (verdict,), explanation=text)


def _paid_at(kill: Kill | None, now: float) -> float:
    return now if kill is None else kill.at


def _hold(part: Recovery, facts: Facts, refusal: Refusal, after: float | None = None) -> Decision[Recovery]:
    ill = [f"{each.pod.name} is {each.state}" for each in facts.group.members if each.state in SUSPECT]
    if not ill:
        return Decision(part, explanation="no member has to be replaced")
    text = f"{enumerate_few(ill)}; not replaced now: {refusal.message}"
    verdict = Verdict("HungMembers", "True", refusal.reason, text)
    return Decision(part, (), soonest(after, refusal.after), (verdict,), (refusal,), text)


# The status


def read(raw: Any) -> Recovery:
    """The part in a status; entries that are not understood are left out: their clocks start anew."""
    if not isinstance(raw, Mapping):
        return Recovery()
    return Recovery(
        tuple(found for item in _items(raw.get("suspects")) if (found := read_suspect(item)) is not None),
        tuple(kill for item in _items(raw.get("kills")) if (kill := _read_kill(item)) is not None),
    )


def _items(raw: Any) -> list[Mapping[str, Any]]:
    return [item for item in raw if isinstance(item, Mapping)] if isinstance(raw, list | tuple) else []


def _read_kill(item: Mapping[str, Any]) -> Kill | None:
    at, asked = seconds_of(item.get("at")), seconds_of(item.get("askedAt"))
    if at is None:
        return None
    return Kill(
        str(item.get("podUID")),
        str(item.get("name")),
        str(item.get("why")),
        at,
        at if asked is None else asked,
    )


def write(part: Recovery) -> dict[str, Any]:
    """The part as JSON, empty when there is nothing to say."""
    suspects = [write_suspect(each) for each in part.suspects]
    kills = [
        {
            "podUID": kill.uid,
            "name": kill.name,
            "why": kill.why,
            "at": text_of(kill.at),
            "askedAt": text_of(kill.asked_at),
        }
        for kill in part.kills
    ]
    return {**({"suspects": suspects} if suspects else {}), **({"kills": kills} if kills else {})}
