"""What state is each member in: judged from its own answers, its pod, and what its peers say meanwhile.

In: pods, the newest observation of each, the topics that must be read, and what Kafka says of the group, if anybody could
ask. Out: `Group`, one `Judged` a pod, the only view of members that the decisions get. Pure; times are seconds of the
monotonic clock of the observations, so that only ages come out. The order is that of a real start (real-runtime C9 to
C11). Absence of information is never evidence: nobody is called zombie, hung or frozen for what was not heard, but only
for what it said itself, or for not answering while a peer answered the same poller.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from kaspr_controller.status.observations import Assignment, Observation
from kaspr_controller.status.pods import Pod

State: TypeAlias = Literal[
    "leaving",  # its pod is being deleted
    "starting",  # nobody listens yet, or the consumer has not started
    "not-begun",  # answers, no flag, no assignment: before it joins (or more members than partitions)
    "rebalancing",  # as every start and every rebalance does
    "recovering",  # rebuilds its tables
    "calm",  # processes what it was given
    "zombie",  # its coordinator has died: rebalancing for ever, with nothing assigned
    "hung",  # rebalancing for ever while it keeps its seat, so that nobody else reads its partitions
    "cut-off",  # lost its brokers: says rebalancing and what it had before
    "frozen",  # does not answer while others do
    "alien",  # another app answers from the address
    "lying",  # answers, but nothing that can be believed
    "silent",  # nothing is known
]

PATIENCE = 3
"""Unanswered polls in a row that a calm member is allowed; a busy process or a dropped packet costs one or two."""
ALIEN = "another app answers"
BELIEVED = "it was calm a moment ago"
SUSPECT: frozenset[State] = frozenset({"zombie", "hung", "frozen"})
"""States that only a new process ends."""
PASSING: frozenset[State] = frozenset({"leaving", "starting", "not-begun", "rebalancing", "recovering"})
"""States that end by themselves."""

_SPEAKING: frozenset[State] = frozenset({"calm", "not-begun", "rebalancing", "recovering"})
"""States by a member's own words that prove that the poller got through to it."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, unless said otherwise; the defaults follow from the measured runtime.

    Attributes:
        start: how long a healthy start may take, busy machine (measured: 68).
        session: the session timeout of the members, after which the broker gives a silent seat away.
        margin: added to it before its end is taken for granted.
        frozen: silence after which a member counts as frozen; a garbage collection or an import takes less.
        frozen_polls: unanswered polls in a row that this takes at least.
        fresh: age up to which an answer speaks for the present; two polls.
    """

    start: float = 60.0
    session: float = 120.0
    margin: float = 30.0
    frozen: float = 30.0
    frozen_polls: int = 5
    fresh: float = 75.0

    @property
    def gone(self) -> float:
        """Silence after which a seat is certainly given away."""
        return self.session + self.margin


@dataclass(frozen=True, slots=True)
class Seats:
    """What Kafka says of the group: whether it is stable, and which instance ids hold a seat."""

    stable: bool
    instances: frozenset[str]


@dataclass(frozen=True, slots=True)
class Judged:
    """One member.

    Attributes:
        pod: its pod.
        state: see `State`.
        age: seconds that it has been so, by the clock of that state; 0 when no clock belongs to it.
        why: what the state rests on, a phrase.
        watched: seconds since this process heard of or about it first; None when it was never asked.
        answered: seconds since its newest answer or time-out; None when it was never asked.
        changed: seconds since its answer last changed.
        leader: it says that it leads, and the answer is fresh.
        actives: topic -> partitions that it reads, only for calm members.
        assigned: it reported an assignment when it was last understood.
        speaking: its newest answer was understood, and is fresh. A zombie that has fallen silent is still one, but no
            proof that anybody can be reached.
    """

    pod: Pod
    state: State
    age: float = 0.0
    why: str = ""
    watched: float | None = None
    answered: float | None = None
    changed: float | None = None
    leader: bool = False
    actives: Assignment | None = None
    assigned: bool = False
    speaking: bool = False

    @property
    def calm(self) -> bool:
        """It processes."""
        return self.state == "calm"


@dataclass(frozen=True, slots=True)
class Group:
    """All members of an app.

    Attributes:
        members: by ordinal.
        unread: subscribed topics that no calm member reads; None while that is not known.
        disputed: topics of which two calm members claim the same partition.
        seats: what Kafka says, None when nobody could ask.
    """

    members: tuple[Judged, ...] = ()
    unread: tuple[str, ...] | None = None
    disputed: tuple[str, ...] = ()
    seats: Seats | None = None

    @property
    def calm(self) -> tuple[Judged, ...]:
        """The members that process."""
        return tuple(member for member in self.members if member.calm)

    def whole(self, desired: int) -> bool:
        """Every wanted ordinal has its pod, and no other is left; a count would miss both in a scale-down."""
        return sorted(member.pod.ordinal for member in self.members) == list(range(desired))

    @property
    def covered(self) -> bool:
        """Every subscribed topic is known to be read."""
        return self.unread == ()


@dataclass(frozen=True, slots=True)
class _Context:
    """What a member is judged against: everybody by their own words, the freshly calm ones, and Kafka's view."""

    members: tuple[Judged, ...]
    calm: tuple[Judged, ...]
    now: float
    limits: Limits
    seats: Seats | None


def judge(
    pods: Iterable[Pod],
    observations: Mapping[str, Observation],
    *,
    topics: Collection[str],
    now: float,
    limits: Limits | None = None,
    seats: Seats | None = None,
) -> Group:
    """The members of one app.

    Args:
        pods: all of them, also those on their way out.
        observations: by pod UID.
        topics: what must be read by somebody.
        now: seconds of the clock of the observations.
        limits: how long things may take.
        seats: what Kafka says, None when nobody could ask or the answer is old.
    """
    bounds = limits or Limits()
    first = [
        _alone(pod, observations.get(pod.uid), now, bounds)
        for pod in sorted(pods, key=lambda each: (each.ordinal, each.deleting))
    ]
    calm = [member for member in first if member.calm and _recent(member, bounds)]
    context = _Context(tuple(first), tuple(calm), now, bounds, seats)
    members = tuple(
        member if seen is None or member.pod.deleting else _among(member, seen, context)
        for member in first
        for seen in (observations.get(member.pod.uid),)
    )
    return Group(members, unread(members, topics), _disputed(members), seats)


def _alone(pod: Pod, seen: Observation | None, now: float, limits: Limits) -> Judged:
    """What the member's own words and its pod say."""
    if pod.deleting:
        return Judged(pod, "leaving", why="its pod is being deleted")
    if not pod.running:
        text = pod.trouble.message if pod.trouble else "its container does not run"
        return Judged(pod, "starting", why=text)
    if seen is None:
        young = pod.running_for is not None and pod.running_for <= limits.start
        return Judged(pod, "starting" if young else "silent", why="it has not been heard yet")
    state, since, why = _own_words(pod, seen, now, limits)
    fresh = seen.answer.kind == "ok" and now - seen.at <= limits.fresh
    said = seen.last_ok
    return Judged(
        pod,
        state,
        age=max(0.0, now - since),
        why=why,
        watched=max(0.0, now - seen.first_seen),
        answered=max(0.0, now - seen.at),
        changed=max(0.0, now - seen.changed_at),
        leader=fresh and seen.answer.leader,
        actives=said.actives if said is not None and state == "calm" else None,
        assigned=said is not None and said.assigned,
        speaking=fresh,
    )


def _own_words(pod: Pod, seen: Observation, now: float, limits: Limits) -> tuple[State, float, str]:
    answer = seen.answer
    if answer.kind == "starting":
        return "starting", seen.changed_at, "its consumer has not started"
    if answer.kind == "wrong":
        return "alien" if answer.reason == ALIEN else "lying", seen.changed_at, answer.reason
    if answer.kind == "ok":
        fresh = now - seen.at <= limits.fresh
        return _flags(seen) if fresh else ("silent", seen.at, "its last answer is old")
    return _unheard(pod, seen, limits)


def _unheard(pod: Pod, seen: Observation, limits: Limits) -> tuple[State, float, str]:
    """Nobody listens, or no answer in time: a calm member is believed for a few polls."""
    believed = seen.last_ok is not None and seen.last_ok.running
    if believed and seen.failures < PATIENCE:
        return "calm", seen.changed_at, BELIEVED
    young = pod.running_for is None or pod.running_for <= limits.start
    if seen.answer.kind == "refused" and young:
        return "starting", seen.changed_at, seen.answer.reason
    since = seen.changed_at if seen.silent_since is None else seen.silent_since
    return "silent", since, seen.answer.reason


def _flags(seen: Observation) -> tuple[State, float, str]:
    answer = seen.answer
    if answer.recovering:
        return "recovering", seen.changed_at, "it rebuilds its tables"
    if answer.rebalancing:
        since = seen.rebalancing_since
        return "rebalancing", seen.changed_at if since is None else since, "it is rebalancing"
    if answer.assigned:
        return "calm", seen.changed_at, ""
    return "not-begun", seen.changed_at, "it has no partitions yet"


def _among(member: Judged, seen: Observation, context: _Context) -> Judged:
    """What the peers add: only they tell a zombie from a start, a cut-off from a hung, a frozen from a silent one."""
    silent = member.state == "silent" and seen.silent_since is not None
    if silent and _frozen(member, seen, context):
        return _now(member, "frozen", member.age, "it does not answer while others do")
    since = seen.rebalancing_since
    if since is None or not (silent or member.state == "rebalancing"):
        return member
    if member.assigned:
        return _stuck(member, seen, context.now - since, context)
    return _zombie(member, seen, context)


def _frozen(member: Judged, seen: Observation, context: _Context) -> bool:
    """Frozen rule of real-runtime 4.4: the same poller reached somebody else of the app, late in the silence."""
    limits = context.limits
    if seen.timeouts < limits.frozen_polls or member.age < limits.frozen or not _recent(member, limits):
        return False
    return any(
        peer.pod.uid != member.pod.uid
        and peer.answered is not None
        and peer.answered <= min(limits.fresh, member.age - limits.frozen / 2)
        and peer.state in _SPEAKING
        and peer.why != BELIEVED
        for peer in context.members
    )


def _zombie(member: Judged, seen: Observation, context: _Context) -> Judged:
    """C1. A rebalance stops every member, so a calm peer or a stable group proves that this one waits for nothing.

    Without that proof a ghost may hold the rebalance up for a session timeout (C4).
    """
    if seen.zombie_since is None:
        return member
    age, seats = context.now - seen.zombie_since, context.seats
    waits_for_nothing = bool(context.calm) or (seats is not None and seats.stable)
    if age > (context.limits.start if waits_for_nothing else context.limits.gone):
        return _now(member, "zombie", age, "it rebalances for ever with nothing assigned")
    return member


def _stuck(member: Judged, seen: Observation, age: float, context: _Context) -> Judged:
    """C10. Who lost its brokers loses its seat, and peers get its partitions; who hangs keeps both."""
    if age <= context.limits.start:
        return member
    kept = seen.last_ok.actives if seen.last_ok is not None else {}
    if any(_overlap(kept, peer.actives or {}) for peer in context.calm):
        return _now(member, "cut-off", age, "others were given its partitions")
    seats = context.seats
    if seats is not None and member.pod.name not in seats.instances:
        return _now(member, "cut-off", age, "Kafka has given its seat away")
    # For a session timeout Kafka shows the seat of a member that lost its brokers as that of one that hangs: stable.
    if age <= context.limits.gone:
        return member
    seated = seats is not None and seats.stable
    if seated or (context.calm and any(kept.values())):
        return _now(member, "hung", age, "it keeps its seat and does not get on")
    return _now(member, "cut-off", age, "nothing shows that its brokers hear it")


def _now(member: Judged, state: State, age: float, why: str) -> Judged:
    return replace(member, state=state, age=max(0.0, age), why=why, leader=False, actives=None)


def _recent(member: Judged, limits: Limits) -> bool:
    return member.answered is not None and member.answered <= limits.fresh


def _overlap(one: Assignment, other: Assignment) -> bool:
    return any(set(partitions) & set(other.get(topic, ())) for topic, partitions in one.items())


def unread(members: Sequence[Judged], topics: Collection[str]) -> tuple[str, ...] | None:
    """Topics that no calm member reads; None while nobody was heard who could read them."""
    if not any(member.watched is not None for member in members):
        return None
    read = {
        topic
        for member in members
        if member.calm and member.actives
        for topic, partitions in member.actives.items()
        if partitions
    }
    return tuple(sorted(set(topics) - read))


def _disputed(members: Sequence[Judged]) -> tuple[str, ...]:
    """Topics of which two calm members claim one partition: answers from different moments, or a liar."""
    seen: set[tuple[str, int]] = set()
    found: set[str] = set()
    for member in members:
        for topic, partitions in (member.actives or {}).items():
            places = {(topic, number) for number in partitions}
            if places & seen:
                found.add(topic)
            seen |= places
    return tuple(sorted(found))
