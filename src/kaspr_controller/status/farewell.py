"""For which seats of the Kafka group a goodbye is said now: static members cannot say it themselves.

In: the pods, judged, what is rendered, who was killed, and how Kafka can be reached. Out: a decision with goodbyes. A seat
outlives its process by a session timeout (real-runtime C1, C4), so a member that is gone for good leaves partitions unread,
and one that comes back with other subscriptions dies of its old assignment. A goodbye ends that in seconds; it belongs
after the old pod is gone and before its replacement joins. Invariant: none is said for a name whose newest pod may have
joined already, nor for a pod that was not itself seen and then seen gone. Who held which seat stands in the status, so a
restart in between forgets nobody. Without access to Kafka the seats run out by themselves, and a condition says the cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from kaspr_controller.status.actions import Decision, Refusal, SayGoodbye, soonest
from kaspr_controller.status.conditions import Verdict, enumerate_few
from kaspr_controller.status.judging import Group, Judged, Limits
from kaspr_controller.status.moments import seconds_of, text_of
from kaspr_controller.status.rebalancing import digest_of

Access: TypeAlias = Literal["ok", "off", "failing"]
_UNFIT = frozenset({"zombie", "frozen"})
"""What a pod was killed for, so that its successor must not inherit its seat."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings and the app's annotations say; times in seconds.

    Attributes:
        static: members hold seats by name at all.
        per_pass: goodbyes at once.
        window: time that `budget` is for.
        budget: goodbyes in a window; each is a rebalance for the members that stay.
        retry: time until the second attempt, doubled for each further one.
        join_after: age of a container at which it may have joined (measured: 8 to 9).
        limits: of the members.
    """

    static: bool = True
    per_pass: int = 10
    window: float = 60.0
    budget: int = 50
    retry: float = 5.0
    join_after: float = 8.0
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a seat, also while the pod is away and its successor has not been made yet.

    Attributes:
        name: of the pod and of the seat.
        uid: of the pod.
        fingerprint: digest of what it reads, "" when it does not say.
        gone_at: when it was found gone, seconds since 1970; None while it is there.
    """

    name: str
    uid: str
    fingerprint: str = ""
    gone_at: float | None = None


@dataclass(frozen=True, slots=True)
class Owed:
    """A goodbye that is due: for whom, why, since when (1970), and what was tried."""

    name: str
    gone_uid: str
    why: str
    since: float
    attempts: int = 0
    last_at: float | None = None


@dataclass(frozen=True, slots=True)
class Farewells:
    """The status part: holders and debts by name, and when goodbyes were said lately."""

    holders: tuple[Holder, ...] = ()
    owed: tuple[Owed, ...] = ()
    said: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """One pass.

    Attributes:
        group: all pods, judged, also those on their way out.
        complete: the list of pods is known to be complete, so that absence means gone.
        desired: members that the workload asks for.
        rendered: the subscriptions as they stand in the pods' annotation.
        killed: pod UID -> why, of the members that were replaced on purpose.
        access: whether goodbyes can be said.
        access_reason: why not.
        done: (name, gone UID) of goodbyes that were said successfully.
        viewed_at: when the seats in `group` were read, seconds since 1970; None when they were not.
        paused: the app is.
        leading: this process may act.
    """

    group: Group
    desired: int
    rendered: str
    complete: bool = True
    killed: Mapping[str, str] = field(default_factory=dict)
    access: Access = "ok"
    access_reason: str = ""
    done: frozenset[tuple[str, str]] = frozenset()
    viewed_at: float | None = None
    paused: bool = False
    leading: bool = True


def decide(policy: Policy, part: Farewells, facts: Facts, *, now: float) -> Decision[Farewells]:
    """The goodbyes to say now; `now` in seconds since 1970."""
    if facts.paused or not facts.leading or not facts.complete:
        return Decision(part, explanation="hands off" if facts.complete else "the pods are not all known")
    if not policy.static:
        return Decision(Farewells(), explanation="members leave the group by themselves")
    # By name: the newest departure counts, a seat is taken away once.
    due = {
        each.name: each
        for each in (*part.owed, *_departed(part, facts, now))
        if not _settled(policy, each, facts, now)
    }
    said = tuple(min(at, now) for at in part.said if now - at < policy.window)
    part = Farewells(_holders(policy, part, facts, now), tuple(due[name] for name in sorted(due)), said)
    if not part.owed:
        # What has run out is put away in time: else a restart would find something to write.
        over = soonest(*(at + policy.window - now for at in said))
        return Decision(part, requeue_after=over, explanation="every seat is held by a pod")
    if facts.access != "ok":
        return _without_access(policy, part, facts, now)
    return _say(policy, part, facts, now)


def _departed(part: Farewells, facts: Facts, now: float) -> Iterable[Owed]:
    """Seats whose pod was seen and is gone, and to which nobody may come back as before."""
    live = {member.pod.uid for member in facts.group.members}
    for holder in part.holders:
        if holder.uid not in live and (why := _why(holder, facts)):
            yield Owed(
                holder.name, holder.uid, why, now if holder.gone_at is None else min(holder.gone_at, now)
            )


def _why(holder: Holder, facts: Facts) -> str:
    """Why its seat must not be waited for; "" when a plain restart takes it back, which is what it is for."""
    if _ordinal(holder.name) >= facts.desired:
        return "scaled-down"
    if facts.killed.get(holder.uid) in _UNFIT:
        return facts.killed[holder.uid]
    changed = holder.fingerprint and holder.fingerprint != digest_of(facts.rendered)
    return "subscriptions-changed" if changed else ""


def _holders(policy: Policy, part: Farewells, facts: Facts, now: float) -> tuple[Holder, ...]:
    """Who holds which seat now; a pod on its way out keeps the entry that it had.

    A pod that went away keeps its entry until it has a successor: if none comes, because the app is scaled down just
    then, somebody has to know whose seat it was.
    """
    known = {holder.uid: holder for holder in part.holders}
    found = [
        replace(holder, gone_at=gone)
        for holder in part.holders
        for gone in (now if holder.gone_at is None else holder.gone_at,)
        if all(holder.name != member.pod.name for member in facts.group.members)
        and not _why(holder, facts)
        and now - gone <= policy.limits.gone
    ]
    for member in facts.group.members:
        pod = member.pod
        text = pod.subscriptions
        holder = Holder(pod.name, pod.uid, digest_of(text) if text is not None else "")
        found.append(known.get(pod.uid, holder))
    return tuple(sorted(found, key=lambda each: each.name))


def _settled(policy: Policy, owed: Owed, facts: Facts, now: float) -> bool:
    """Said, run out, or overtaken by a successor that took the seat."""
    if (owed.name, owed.gone_uid) in facts.done or now - owed.since > policy.limits.gone or now < owed.since:
        return True
    seats = facts.group.seats
    viewed = facts.viewed_at is not None and facts.viewed_at > owed.since
    if viewed and seats is not None and owed.name not in seats.instances:
        return True
    successor = _successor(owed, facts.group)
    return successor is not None and _joined(successor) is True


def _successor(owed: Owed, group: Group) -> Judged | None:
    return next(
        (
            member
            for member in group.members
            if member.pod.name == owed.name and member.pod.uid != owed.gone_uid
        ),
        None,
    )


def _joined(member: Judged, join_after: float = 0.0) -> bool | None:
    """Whether a pod holds the seat of its name by now; None when that cannot be told."""
    pod = member.pod
    if member.state in ("calm", "recovering", "zombie", "hung", "cut-off"):
        return True
    if member.state == "rebalancing":
        return True if member.assigned else (False if member.age <= join_after else None)
    if member.state in ("starting", "not-begun") and member.watched is not None:
        return False
    if not pod.running and not pod.deleting:
        return False
    young = pod.running_for is not None and pod.running_for <= join_after
    return False if young and not pod.deleting else None


def _say(policy: Policy, part: Farewells, facts: Facts, now: float) -> Decision[Farewells]:
    left = min(policy.per_pass, policy.budget - len(part.said))
    refused: list[Refusal] = []
    actions: list[SayGoodbye] = []
    owed: list[Owed] = []
    for each in part.owed:
        refusal = _refusal(policy, each, facts, now)
        if refusal is None and len(actions) >= left:
            refusal = Refusal("BudgetSpent", f"{each.name} waits for its turn", 1.0)
        if refusal is not None:
            refused.append(refusal)
            owed.append(each)
            continue
        actions.append(SayGoodbye(each.name, each.gone_uid, each.why))
        owed.append(replace(each, attempts=each.attempts + 1, last_at=now))
    after = soonest(*(refusal.after for refusal in refused), *(_pause(policy, each) for each in owed))
    if actions:
        text = f"saying goodbye for {enumerate_few([f'{each.instance_id} ({each.why})' for each in actions])}"
    else:
        text = f"goodbyes wait: {enumerate_few([refusal.message for refusal in refused])}"
    said = (*part.said, *(now for _ in actions))
    return Decision(
        Farewells(part.holders, tuple(owed), said), tuple(actions), after, (), tuple(refused), text
    )


def _refusal(policy: Policy, owed: Owed, facts: Facts, now: float) -> Refusal | None:
    """Why a goodbye is not said now."""
    successor = _successor(owed, facts.group)
    if successor is not None and _joined(successor, policy.join_after) is not False:
        # Said too late it would evict the successor in the middle of its join.
        return Refusal("SuccessorUnclear", f"the new pod {owed.name} may have joined already", policy.retry)
    if owed.last_at is not None and (left := owed.last_at + _pause(policy, owed) - now) > 0:
        return Refusal("WaitingForKafka", f"the goodbye of {owed.name} is under way", left)
    return None


def _pause(policy: Policy, owed: Owed) -> float:
    return float(policy.retry * 2 ** min(max(owed.attempts - 1, 0), 5))


def _without_access(policy: Policy, part: Farewells, facts: Facts, now: float) -> Decision[Farewells]:
    """The slower ways: the seats run out by themselves; who comes back to an old assignment is replaced once."""
    reason = "GoodbyesOff" if facts.access == "off" else "KafkaNotReachable"
    names = enumerate_few([each.name for each in part.owed])
    left = max((each.since for each in part.owed), default=now) + policy.limits.gone - now
    # No figure that counts down: each would be a write of the status.
    gone, costs = policy.limits.gone, []
    if any(_successor(each, facts.group) is None for each in part.owed):
        costs.append(f"partitions of members that are gone are read by nobody for up to {gone:.0f} s")
    if any(each.why == "subscriptions-changed" for each in part.owed):
        costs.append(
            f"a member that no longer reads all its topics may have to be replaced once more, after {gone:.0f} s"
        )
    why = facts.access_reason or ("switched off" if facts.access == "off" else "no access")
    text = f"no goodbye can be said for {names} ({why}): {'; '.join(costs) or 'their seats run out by themselves'}"
    # Where nobody is to read, nobody misses it.
    verdicts = (Verdict("SeatsAbandoned", "True", reason, text),) if facts.desired else ()
    return Decision(part, (), soonest(left, 30.0), verdicts, (Refusal(reason, text, left),), text)


def ghosts(part: Farewells, group: Group) -> tuple[str, ...]:
    """Seats that nobody holds, as far as is known: what is owed, and what Kafka shows without a pod.

    A stranger in the group, whose seat has no name of ours, is nobody's ghost.
    """
    names = {member.pod.name for member in group.members}
    stems = {name.rpartition("-")[0] for name in names}
    shown = group.seats.instances - names if group.seats is not None else frozenset()
    seen = {name for name in shown if name.rpartition("-")[0] in stems}
    return tuple(sorted({each.name for each in part.owed if each.name not in names} | seen))


def ghosts_for(policy: Policy, part: Farewells, *, now: float) -> float | None:
    """Seconds until the last seat that is owed a goodbye has run out."""
    return max((each.since + policy.limits.gone - now for each in part.owed), default=None)


def waiting(policy: Policy, part: Farewells, group: Group, *, now: float) -> tuple[str, ...]:
    """Why partitions may be unread although every member is calm, as sentences.

    Members do not notice that a seat was taken away before their next heartbeat; until then they show their old share.
    """
    there = {member.pod.name for member in group.members}
    names = [each.name for each in part.owed if each.name not in there]
    if names:
        return (f"seats that nobody holds still have partitions: {enumerate_few(names)}",)
    if any(now - at < policy.join_after for at in part.said):
        return ("the members share the partitions of one that left",)
    return ()


def _ordinal(name: str) -> int:
    number = name.rpartition("-")[2]
    return int(number) if number.isdecimal() else -1


# The status


def read(raw: Any) -> Farewells:
    """The part in a status; what is not understood is left out: a goodbye less, never one too many."""
    if not isinstance(raw, Mapping):
        return Farewells()
    return Farewells(
        tuple(
            Holder(
                item["name"],
                item["podUID"],
                str(item.get("fingerprint") or ""),
                seconds_of(item.get("goneAt")),
            )
            for item in _items(raw.get("holders"))
        ),
        tuple(found for item in _items(raw.get("owed")) if (found := _read_owed(item)) is not None),
        tuple(at for text in _list(raw.get("said")) if (at := seconds_of(text)) is not None),
    )


def _list(raw: Any) -> list[Any]:
    return list(raw) if isinstance(raw, list | tuple) else []


def _items(raw: Any) -> list[Mapping[str, Any]]:
    return [
        item
        for item in _list(raw)
        if isinstance(item, Mapping)
        and isinstance(item.get("name"), str)
        and isinstance(item.get("podUID"), str)
    ]


def _read_owed(item: Mapping[str, Any]) -> Owed | None:
    since, attempts = seconds_of(item.get("since")), item.get("attempts")
    if since is None:
        return None
    tried = attempts if isinstance(attempts, int) and attempts > 0 else 0
    return Owed(
        item["name"], item["podUID"], str(item.get("why") or ""), since, tried, seconds_of(item.get("lastAt"))
    )


def write(part: Farewells) -> dict[str, Any]:
    """The part as JSON, without what is empty."""
    holders = [
        {
            "name": each.name,
            "podUID": each.uid,
            **({"fingerprint": each.fingerprint} if each.fingerprint else {}),
            **({"goneAt": text_of(each.gone_at)} if each.gone_at is not None else {}),
        }
        for each in part.holders
    ]
    owed = [
        {
            "name": each.name,
            "podUID": each.gone_uid,
            "why": each.why,
            "since": text_of(each.since),
            **({"attempts": each.attempts} if each.attempts else {}),
            **({"lastAt": text_of(each.last_at)} if each.last_at is not None else {}),
        }
        for each in part.owed
    ]
    fields: dict[str, Any] = {"holders": holders, "owed": owed, "said": [text_of(at) for at in part.said]}
    return {key: value for key, value in fields.items() if value}
