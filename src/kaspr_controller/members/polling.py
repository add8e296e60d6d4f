"""Ask every member that somebody wants to know about, again and again, within bounds (rule B3).

Reconcilers say `want` and `drop` and read `observations`, from any thread; a few slots (threads made by the engine)
take what is due, ask outside the lock and note the answer. `on_change` is called when an answer differs from the last
one of the same pod, so nobody has to look at clocks to notice, and for each answer that never came: they are forgiven a few
times, so it is their number that matters. Invariants: one question at a time for a pod; an app
with many silent members gets half of the slots at most; nothing is kept of pods that are no longer wanted.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

from kaspr_controller.status.observations import Answer, Observation, observe
from kaspr_controller.telemetry import metrics

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Mapping

    from kaspr_controller.engine.clock import Clock
    from kaspr_controller.kube.kinds import ObjectKey
    from kaspr_controller.members.targets import Target

SLOTS = 4
"""Questions at a time. A healthy answer takes milliseconds; four slots ask 200 members every 2 s with ease."""
BREAKER_FAILURES = 8
"""Failures in a row of every member of an app after which it is asked less often."""
BREAKER_SECONDS = 30.0
"""Time between questions to such an app; one answer ends it."""
SPREAD_SECONDS = 2.0
"""New members are asked first within this time: soon, but not a whole fleet at once after a start."""
_JITTER = 0.1
_SPARE = 64


class Asks(Protocol):
    """What the poller needs of a client. Never raises."""

    def status(self, target: Target, *, namespace: str) -> Answer:
        """How the member is."""
        ...


@dataclass(slots=True)
class _Member:
    target: Target
    when: float = 0.0
    ticket: int = 0
    observation: Observation | None = None


@dataclass(slots=True)
class _App:
    key: ObjectKey
    every: float
    members: dict[str, _Member] = field(default_factory=dict)
    asking: set[str] = field(default_factory=set)
    parked: dict[str, None] = field(default_factory=dict)

    @property
    def slowed(self) -> bool:
        """The circuit breaker: nobody has been heard for a while."""
        return bool(self.members) and all(
            each.observation is not None and each.observation.failures >= BREAKER_FAILURES
            for each in self.members.values()
        )

    @property
    def interval(self) -> float:
        return max(self.every, BREAKER_SECONDS) if self.slowed else self.every


_Entry: TypeAlias = tuple[float, int, _App, str]


@dataclass(frozen=True, slots=True, eq=False)
class Due:
    """One question that is to be asked now. `app` and `member` are the poller's own notes."""

    app_key: ObjectKey
    target: Target
    app: _App = field(repr=False)
    member: _Member = field(repr=False)


class Poller:
    """Keeps the newest observation of every wanted member.

    Args:
        client: asks one member.
        on_change: called without a lock, with the app whose member answers differently than before.
        clock: its monotonic seconds are the times of the observations.
        rng: source of the jitter.
        slots: questions at a time, as many threads run `run_slot`.
    """

    def __init__(
        self,
        client: Asks,
        *,
        on_change: Callable[[ObjectKey], None],
        clock: Clock,
        rng: random.Random,
        slots: int = SLOTS,
    ) -> None:
        self.slots = slots
        self._client = client
        self._on_change = on_change
        self._clock = clock
        self._rng = rng
        self._share = max(1, slots // 2)
        self._apps: dict[ObjectKey, _App] = {}
        self._heap: list[_Entry] = []
        self._crowded = _SPARE
        self._tickets = itertools.count(1)
        self._wake = threading.Condition()
        self._watched = False
        self._stopping = False

    def want(self, app_key: ObjectKey, targets: Iterable[Target], *, every: float) -> None:
        """Ask these members of the app, and no others of it, every `every` seconds.

        What was seen of a pod is kept while its UID is among the targets, also when its address changes. A pod without
        an address is not asked.
        """
        if every <= 0:
            raise ValueError(f"every={every}: polls need time between them")
        now = self._clock.monotonic()
        wanted = {target.pod_uid: target for target in targets if target.addressable}
        with self._wake:
            app = self._apps.setdefault(app_key, _App(app_key, every))
            sooner, app.every = every < app.every, every
            for uid in app.members.keys() - wanted.keys():
                del app.members[uid]
            for uid, target in wanted.items():
                member = app.members.get(uid)
                if member is None:
                    app.members[uid] = _Member(target)
                    self._schedule(app, uid, now + self._rng.uniform(0, min(every, SPREAD_SECONDS)))
                elif member.target != target:
                    member.target = target
                    self._schedule(app, uid, now)
                elif sooner:
                    self._schedule(app, uid, min(member.when, now + self._rng.uniform(0, app.interval)))

    def drop(self, app_key: ObjectKey) -> None:
        """Forget the app and everything seen of its members."""
        with self._wake:
            app = self._apps.pop(app_key, None)
            if app is not None:
                app.members.clear()
                app.parked.clear()

    def observations(self, app_key: ObjectKey) -> Mapping[str, Observation]:
        """The newest observation of each member by pod UID; members that were not asked yet are not in it."""
        with self._wake:
            app = self._apps.get(app_key)
            members = app.members if app is not None else {}
            return {uid: each.observation for uid, each in members.items() if each.observation is not None}

    def slowed(self, app_key: ObjectKey) -> bool:
        """Whether nobody of the app answered for so long that it is asked every 30 s only."""
        with self._wake:
            app = self._apps.get(app_key)
            return app is not None and app.slowed

    def due(self, now: float, limit: int | None = None) -> list[Due]:
        """Take the questions whose time has come, earliest first; each must be handed to `poll_one`."""
        with self._wake:
            return self._due(now, len(self._heap) if limit is None else limit)

    def poll_one(self, due: Due) -> None:
        """Ask one member and note its answer, unless the pod is no longer wanted or has another address by now."""
        answer = self._client.status(due.target, namespace=due.app_key.namespace)
        metrics.MEMBER_POLLS.labels(answer=answer.kind).inc()
        if self._record(due, answer, self._clock.monotonic()):
            self._on_change(due.app_key)

    def run_slot(self) -> None:
        """Ask what is due until `stop`; the body of one thread."""
        while (due := self._next()) is not None:
            self.poll_one(due)

    def stop(self) -> None:
        """Let every slot end after the question in hand."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()

    def _next(self) -> Due | None:
        """Wait for the next question. One slot watches the time, the others sleep until it has found something."""
        with self._wake:
            while not self._stopping:
                now = self._clock.monotonic()
                if found := self._due(now, 1):
                    self._wake.notify()
                    return found[0]
                if self._watched:
                    self._clock.park(self._wake, None)
                    continue
                self._watched = True
                self._clock.park(self._wake, self._heap[0][0] - now if self._heap else None)
                self._watched = False
            return None

    def _due(self, now: float, limit: int) -> list[Due]:
        found: list[Due] = []
        while self._heap and self._heap[0][0] <= now and len(found) < limit:
            _, ticket, app, uid = heapq.heappop(self._heap)
            member = app.members.get(uid)
            if member is None or member.ticket != ticket or uid in app.asking:
                continue
            if len(app.asking) >= self._share:
                app.parked[uid] = None
                continue
            app.asking.add(uid)
            found.append(Due(app.key, member.target, app, member))
        return found

    def _record(self, due: Due, answer: Answer, now: float) -> bool:
        """Note the answer and plan the next question; True when somebody has to look at it.

        A frozen member of a calm app gives the same answer, none, again and again. If only the first one counted as a
        change, nobody would ever look at the member again, for that one is forgiven (C11).
        """
        app, member, uid = due.app, due.member, due.target.pod_uid
        with self._wake:
            app.asking.discard(uid)
            self._unpark(app, now)
            if app.members.get(uid) is not member or member.target != due.target:
                self._schedule(app, uid, now)
                return False
            before, slowed = member.observation, app.slowed
            member.observation = observe(before, answer, at=now)
            if slowed and not app.slowed:
                for other in app.members:
                    self._schedule(app, other, now + self._rng.uniform(0, app.every))
            self._schedule(app, uid, now + app.interval * self._rng.uniform(1 - _JITTER, 1 + _JITTER))
            return before is None or before.answer != answer or answer.kind == "timeout"

    def _unpark(self, app: _App, now: float) -> None:
        while app.parked:
            uid = next(iter(app.parked))
            del app.parked[uid]
            if uid in app.members:
                self._schedule(app, uid, now)
                return

    def _schedule(self, app: _App, uid: str, when: float) -> None:
        """Plan the next question to a member instead of the one that is planned, if it is a member at all."""
        member = app.members.get(uid)
        if member is None:
            return
        member.when, member.ticket = when, next(self._tickets)
        heapq.heappush(self._heap, (when, member.ticket, app, uid))
        if self._heap[0][1] == member.ticket:
            self._wake.notify_all()
        if len(self._heap) > self._crowded:
            self._heap = [entry for entry in self._heap if _is_planned(entry)]
            heapq.heapify(self._heap)
            self._crowded = 2 * len(self._heap) + _SPARE


def _is_planned(entry: _Entry) -> bool:
    _, ticket, app, uid = entry
    member = app.members.get(uid)
    return member is not None and member.ticket == ticket
