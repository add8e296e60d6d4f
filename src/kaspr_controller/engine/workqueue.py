"""The work queue: which key to reconcile next, each key once at a time.

In: keys from triggers (`add`) and from workers (`add_after`, `add_rate_limited`). Out: keys to workers
(`get`, then `done`). Any thread may call anything; waiting goes through the injected clock.

Promised: a key is never in two hands at once; any number of adds while it is in hand make exactly one more run; no add
is lost before `shutdown`; a run supersedes every look that was planned for its key before, so each run decides anew
when the next one is due. Layers below: `priorities` (who is first), `delaying` (what is later), `backoff` (how much
later). Rules Q1 to Q7.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from kaspr_controller.engine.backoff import Failures, TokenBucket
from kaspr_controller.engine.delaying import Delays
from kaspr_controller.engine.priorities import INITIAL, OWNED, USER, ReadyKeys
from kaspr_controller.telemetry import metrics

if TYPE_CHECKING:
    import random

    from kaspr_controller.engine.clock import Clock
    from kaspr_controller.kube.kinds import ObjectKey

FLOOR = 1.0
"""Least seconds between two starts of one key: a storm of events costs one run a second (rule Q3)."""
FAR = 600.0
"""Looks planned this many seconds ahead are moved by up to a tenth, or a fleet that was looked at together would be again and
again (rule C6)."""
AGEING = 60.0
"""Seconds after which a ready key is served whatever its priority (rule Q6)."""
RETRY_RATE = 10.0
RETRY_BURST = 100
"""Retries a second for all keys together, and how many may be saved up (rule Q2)."""


class _Work(NamedTuple):
    began: float
    priority: int


@dataclass(frozen=True, slots=True)
class QueueView:
    """What the debug page shows: keys with their priority and seconds (waited, still to wait, at work)."""

    ready: tuple[tuple[ObjectKey, int, float], ...]
    planned: tuple[tuple[ObjectKey, int, float], ...]
    processing: tuple[tuple[ObjectKey, int, float], ...]


class WorkQueue:
    """See the module.

    Args:
        name: for metrics.
        clock: all waiting and measuring.
        rng: jitter of the retries and of looks far ahead.
        floor: least seconds between two starts of a key; an add of priority 0 or above is not held back.
        ageing: seconds after which priority no longer counts.
    """

    def __init__(
        self, name: str, clock: Clock, rng: random.Random, *, floor: float = FLOOR, ageing: float = AGEING
    ) -> None:
        self.name = name
        self._clock = clock
        self._floor = floor
        self._lock = threading.Lock()
        # Two conditions, one lock: a worker that is notified must not turn out to be somebody who waits for the end.
        self._changed = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        # All below: under the lock.
        self._dirty: dict[
            ObjectKey, int
        ] = {}  # keys that need work, with its priority: ready, or next after this run
        self._processing: dict[ObjectKey, _Work] = {}  # keys in hand; a worker each
        self._ready = ReadyKeys(ageing)  # exactly the dirty keys that are not in hand
        self._since: dict[ObjectKey, float] = {}  # for every dirty key: since when
        self._delays = Delays()  # planned looks; never at a dirty key
        self._starts: OrderedDict[ObjectKey, float] = OrderedDict()  # the last start of keys within the floor
        self._rng = rng
        self._failures = Failures(rng)
        self._bucket = TokenBucket(clock, rate=RETRY_RATE, burst=RETRY_BURST)
        self._closed = False
        self._meter = _Meter(self)

    # For triggers.

    def add(self, key: ObjectKey, priority: int = USER) -> None:
        """The key needs work now, or within the floor since its last start when the priority is below 0."""
        with self._changed:
            if not self._closed:
                self._add(key, priority, self._clock.monotonic())

    # For workers.

    def get(self, timeout: float | None = None) -> ObjectKey | None:
        """The next key; the caller owns it until it calls `done`.

        Args:
            timeout: seconds to wait; None waits until there is a key or the queue is shut down.

        Returns:
            None after the timeout, and for ever once the queue is shut down and empty.
        """
        taken = self._take(timeout)
        if taken is None:
            return None
        # Outside the lock: an observation takes as long as everything else in here together.
        self._meter.waited(taken[1])
        return taken[0]

    def _take(self, timeout: float | None) -> tuple[ObjectKey, float] | None:
        """The next key and how long it was ready."""
        with self._changed:
            end = None if timeout is None else self._clock.monotonic() + timeout
            while True:
                now = self._clock.monotonic()
                self._promote(now)
                if taken := self._ready.take(now):
                    return taken[0], self._start(*taken, now)
                if self._closed or (end is not None and now >= end):
                    return None
                first = self._delays.first()
                moments = [moment for moment in (end, first.at if first else None) if moment is not None]
                self._clock.park(self._changed, min(moments) - now if moments else None)

    def done(self, key: ObjectKey) -> None:
        """The run ended; if the key was added meanwhile, it runs once more."""
        with self._changed:
            work = self._processing.pop(key)
            now = self._clock.monotonic()
            priority = self._dirty.get(key)
            if priority is not None:
                if self._too_soon(key, priority, now):
                    del self._dirty[key], self._since[key]
                    self._plan(key, self._starts[key] + self._floor, priority)
                else:
                    self._ready.put(key, priority, now)
                    self._changed.notify()
            if self._closed and not self._processing:
                self._idle.notify_all()
        self._meter.worked(now - work.began)

    def add_after(self, key: ObjectKey, seconds: float, priority: int | None = None) -> None:
        """The key needs another look in some seconds; an earlier plan stays.

        Args:
            key: not added when it needs work already: that run will decide anew.
            seconds: 0 or less means now.
            priority: None keeps that of the run that asks.
        """
        with self._changed:
            if self._closed:
                return
            self._meter.delayed()
            now = self._clock.monotonic()
            priority = self._priority(key) if priority is None else priority
            if seconds >= FAR:
                seconds *= self._rng.uniform(0.9, 1.1)
            if seconds <= 0:
                self._add(key, priority, now)
            elif key in self._dirty:
                self._raise(key, priority)
            else:
                self._plan(key, now + seconds, priority)

    def add_rate_limited(self, key: ObjectKey, floor: float = 0.0) -> float:
        """The run failed: plan a retry with the priority of the run.

        Args:
            key: what failed; one more failure is counted.
            floor: least seconds to wait, as the server wished (`Retry-After`).

        Returns:
            The delay in seconds.
        """
        with self._changed:
            delay = max(self._failures.next(key), self._bucket.take(), floor)
        self.add_after(key, delay)
        return delay

    def forget(self, key: ObjectKey) -> None:
        """The run succeeded: its failures no longer count."""
        with self._changed:
            self._failures.forget(key)

    def failures(self, key: ObjectKey) -> int:
        """Failures in a row."""
        with self._changed:
            return self._failures.count(key)

    # For the life cycle.

    def shutdown(self, *, drain: bool = False, timeout: float | None = None) -> bool:
        """Take no more keys. What is ready is still handed out, planned looks are dropped.

        Args:
            drain: also wait until everything that was ready or in hand is done.
            timeout: seconds to wait for that; None waits as long as it takes.

        Returns:
            Whether nothing is left.
        """
        with self._changed:
            self._closed = True
            self._delays.clear()
            self._changed.notify_all()
            end = None if timeout is None else self._clock.monotonic() + timeout
            while drain and (self._processing or self._dirty):
                left = None if end is None else end - self._clock.monotonic()
                if left is not None and left <= 0:
                    break
                self._clock.park(self._idle, left)
            return not (self._processing or self._dirty)

    @property
    def closed(self) -> bool:
        """Whether `shutdown` was called."""
        return self._closed

    # For eyes.

    def __len__(self) -> int:
        """Keys that are ready."""
        with self._changed:
            return len(self._ready)

    def depths(self) -> dict[int, int]:
        """Ready keys by priority."""
        with self._changed:
            return self._ready.depths()

    def ages(self) -> list[float]:
        """Seconds since the start of each run in hand."""
        with self._changed:
            now = self._clock.monotonic()
            return [now - work.began for work in self._processing.values()]

    def view(self) -> QueueView:
        """Everything that is in here."""
        with self._changed:
            now = self._clock.monotonic()
            return QueueView(
                tuple((key, self._dirty[key], now - self._since[key]) for key in self._ready.keys()),  # noqa: SIM118
                tuple((due.key, due.priority, due.at - now) for due in self._delays.planned()),
                tuple((key, work.priority, now - work.began) for key, work in self._processing.items()),
            )

    def check(self) -> None:
        """Compare the structures with what their comments promise; for tests.

        Raises:
            AssertionError: they disagree.
        """
        with self._changed:
            dirty, ready = set(self._dirty), set(self._ready.keys())
            planned = {due.key for due in self._delays.planned()}
            faults = {
                "ready keys are the dirty ones not in hand": ready == dirty - self._processing.keys(),
                "no look is planned for a dirty key": not planned & dirty,
                "it is known since when each dirty key is dirty": dirty == self._since.keys(),
                "starts are kept in their order": [*self._starts.values()] == sorted(self._starts.values()),
            }
            wrong = [text for text, holds in faults.items() if not holds]
            if wrong:
                raise AssertionError("; ".join(wrong))

    # Steps; the lock is held.

    def _add(self, key: ObjectKey, priority: int, now: float) -> None:
        if key in self._dirty:
            self._raise(key, priority)
        elif key not in self._processing and self._too_soon(key, priority, now):
            self._plan(key, self._starts[key] + self._floor, priority)
        else:
            planned = self._delays.pop(key)
            self._mark(key, max(priority, planned.priority) if planned else priority, now)

    def _mark(self, key: ObjectKey, priority: int, now: float) -> None:
        """Make a key dirty, and ready unless it is in hand."""
        self._dirty[key] = priority
        self._since[key] = now
        self._meter.added(priority)
        if key not in self._processing:
            self._ready.put(key, priority, now)
            self._changed.notify()

    def _raise(self, key: ObjectKey, priority: int) -> None:
        if priority > self._dirty[key]:
            self._dirty[key] = priority
            if key in self._ready:
                self._ready.put(key, priority, self._clock.monotonic())

    def _plan(self, key: ObjectKey, at: float, priority: int) -> None:
        if self._delays.put(key, at, priority):
            self._changed.notify()  # somebody waits for a later moment

    def _promote(self, now: float) -> None:
        for due in self._delays.ready(now):
            self._mark(due.key, due.priority, now)

    def _start(self, key: ObjectKey, priority: int, now: float) -> float:
        """Put a key into its worker's hand; gives how long it was ready."""
        del self._dirty[key]
        self._processing[key] = _Work(now, priority)
        self._starts[key] = now
        self._starts.move_to_end(key)
        while self._starts and next(iter(self._starts.values())) <= now - self._floor:
            self._starts.popitem(last=False)
        return now - self._since.pop(key)

    def _too_soon(self, key: ObjectKey, priority: int, now: float) -> bool:
        start = self._starts.get(key)
        return priority < USER and start is not None and now < start + self._floor

    def _priority(self, key: ObjectKey) -> int:
        work = self._processing.get(key)
        return work.priority if work else USER


class _Meter:
    """The queue's numbers under client-go's names; gauges are computed when somebody asks."""

    def __init__(self, queue: WorkQueue) -> None:
        labels = (queue.name, queue.name)
        self._queue = queue
        self._adds = metrics.QUEUE_ADDS.labels(*labels)
        self._retries = metrics.QUEUE_RETRIES.labels(*labels)
        self._wait = metrics.QUEUE_WAIT_SECONDS.labels(*labels)
        self._work = metrics.QUEUE_WORK_SECONDS.labels(*labels)
        self._exposed: set[int] = set()
        metrics.QUEUE_UNFINISHED_SECONDS.labels(*labels).set_function(lambda: sum(queue.ages()))
        metrics.QUEUE_LONGEST_SECONDS.labels(*labels).set_function(lambda: max(queue.ages(), default=0.0))
        for priority in (USER, OWNED, INITIAL):
            self._expose(priority)

    def _expose(self, priority: int) -> None:
        queue = self._queue
        self._exposed.add(priority)
        gauge = metrics.QUEUE_DEPTH.labels(queue.name, queue.name, str(priority))
        gauge.set_function(lambda: queue.depths().get(priority, 0))

    def added(self, priority: int) -> None:
        self._adds.inc()
        if priority not in self._exposed:
            self._expose(priority)

    def delayed(self) -> None:
        self._retries.inc()

    def waited(self, seconds: float) -> None:
        self._wait.observe(seconds)

    def worked(self, seconds: float) -> None:
        self._work.observe(seconds)
