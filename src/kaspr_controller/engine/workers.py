"""Worker threads: take a key, reconcile it, tell the queue what came of it.

In: keys from the work queue. Out: calls of `reconcile(key)`, one key in one hand at a time; `settling` decides what its
end means. Before a key is taken the `Door` may hold the worker (server away). The invariants: `done` is called for every
key that was taken, whatever happens; an exception of a reconcile never ends a worker; a run has a time budget that every
request within it obeys, since a thread cannot be killed (rule R3).
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kaspr_controller.engine import threads
from kaspr_controller.engine.packing import unpacked_once
from kaspr_controller.engine.priorities import OWNED
from kaspr_controller.engine.settling import Verdict, settle
from kaspr_controller.telemetry import logs, metrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from kaspr_controller.engine.clock import Clock
    from kaspr_controller.engine.journal import Journal
    from kaspr_controller.engine.pausing import Door
    from kaspr_controller.engine.results import Result
    from kaspr_controller.engine.workqueue import WorkQueue
    from kaspr_controller.kube.kinds import ObjectKey

BUDGET = 60.0
"""Seconds that all requests of one run may take together."""
ROUTINE = 1.0
"""A look planned further ahead than this is routine and comes with the priority of routine work; a shorter wait keeps
the priority of its run, because somebody waits for its end."""

log = logs.get_logger("engine.workers")


@dataclass(frozen=True, slots=True)
class Running:
    """A run in hand.

    Attributes:
        key: what is reconciled.
        thread: ident of the worker's thread, to find its stack.
        seconds: since the start.
        run: the id in its log lines.
    """

    key: ObjectKey
    thread: int
    seconds: float
    run: str


@dataclass(frozen=True, slots=True)
class _Run:
    key: ObjectKey
    thread: int
    began: float
    id: str


class Workers:
    """The workers of one controller; a `Runnable`.

    Args:
        name: of the controller, in metrics, logs and thread names.
        queue: where keys come from; shut down by `stop`.
        reconcile: one pass over one key. Returns a `Result`, raises `Terminal`, `Wait`, `Transient` or an API error.
        count: number of threads (rule R4: 4 for apps, more do not help under the GIL).
        clock: durations.
        door: holds workers while the API server is away; None never does.
        budget: limits all requests within a block to some seconds together (`Client.budget`).
        journal: told what came of each run; None tells nobody.
        new_id: ids for log lines.
    """

    def __init__(  # noqa: PLR0913  # every tool of a run is handed in
        self,
        name: str,
        queue: WorkQueue,
        reconcile: Callable[[ObjectKey], Result],
        count: int,
        *,
        clock: Clock,
        door: Door | None = None,
        budget: Callable[[float], AbstractContextManager[None]] | None = None,
        journal: Journal | None = None,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self.name = f"workers-{name}"
        self._controller = name
        self._queue = queue
        self._reconcile = reconcile
        self._clock = clock
        self._door = door
        self._budget = budget or (lambda _seconds: contextlib.nullcontext())
        self._journal = journal
        self._new_id = new_id
        self._stopping = threading.Event()
        self._runs: dict[int, _Run] = {}  # by worker number; each worker writes its own entry, anybody reads
        self._threads = [
            threads.make(f"worker-{name}-{number}", lambda number=number: self._work(number))  # type: ignore[misc]
            for number in range(count)
        ]
        self._meter = _Meter(name, count)

    # Runnable.

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Take no more keys; runs in hand go on to their end. Returns at once."""
        self._stopping.set()
        self._queue.shutdown()

    def join(self, timeout: float) -> bool:
        """Wait for the runs in hand; whether all workers have ended."""
        return threads.join_all(self._threads, timeout, self._clock.monotonic)

    # Views.

    @property
    def alive(self) -> bool:
        """Whether all threads run."""
        return all(thread.is_alive() for thread in self._threads)

    def running(self) -> list[Running]:
        """The runs in hand, the longest first."""
        now = self._clock.monotonic()
        runs = [Running(run.key, run.thread, now - run.began, run.id) for run in list(self._runs.values())]
        return sorted(runs, key=lambda run: -run.seconds)

    # The threads.

    def _work(self, number: int) -> None:
        while not self._stopping.is_set() and (self._door is None or self._door.admit(self._stopping)):
            key = self._queue.get()
            if key is None:
                return
            try:
                if not self._stopping.is_set():
                    self._handle(key, number)
            finally:
                self._queue.done(key)

    def _handle(self, key: ObjectKey, number: int) -> None:
        run = _Run(key, threading.get_ident(), self._clock.monotonic(), self._new_id())
        self._runs[number] = run
        try:
            with self._meter.active(), logs.bound(**self._context(run)):
                self._run(run)
        finally:
            del self._runs[number]

    def _context(self, run: _Run) -> dict[str, object]:
        """What every log line of a run carries, under controller-runtime's names (rule O3)."""
        kind, namespace, name = run.key
        return {
            "controller": self._controller,
            "controllerKind": kind,
            kind: {"name": name, "namespace": namespace},
            "namespace": namespace,
            "name": name,
            "reconcileID": run.id,
        }

    def _run(self, run: _Run) -> None:
        outcome: Result | Exception
        try:
            with self._budget(BUDGET), unpacked_once():
                outcome = self._reconcile(run.key)
        except Exception as error:  # noqa: BLE001  # rule R2: this is the boundary
            outcome = error
        seconds = self._clock.monotonic() - run.began
        verdict = settle(outcome, away=self._door is not None and self._door.away)
        self._meter.ended(verdict, seconds)
        self._requeue(run.key, verdict)
        self._tell(run.key, verdict, outcome, seconds)

    def _requeue(self, key: ObjectKey, verdict: Verdict) -> None:
        if verdict.forget:
            self._queue.forget(key)
        if verdict.retry:
            self._queue.add_rate_limited(key, verdict.floor)
        elif verdict.after is not None:
            self._queue.add_after(key, verdict.after, OWNED if verdict.after > ROUTINE else None)

    def _tell(self, key: ObjectKey, verdict: Verdict, outcome: Result | Exception, seconds: float) -> None:
        if verdict.result == "error":
            failure = outcome if isinstance(outcome, Exception) and not verdict.terminal else None
            log.error("reconcile failed", error=verdict.reason, terminal=verdict.terminal, exc_info=failure)
        else:
            log.debug("reconciled", result=verdict.result, reason=verdict.reason, seconds=round(seconds, 4))
        if self._journal:
            after = "" if verdict.after is None else f", again in {verdict.after:.1f} s"
            text = f"{verdict.result} {verdict.reason}".rstrip()
            self._journal.write(key, f"ran {seconds * 1000:.0f} ms: {text}{after}")


class _Meter:
    """The workers' numbers under controller-runtime's names; every label exists from the start (rule P1)."""

    def __init__(self, name: str, count: int) -> None:
        self._totals = {
            label: metrics.RECONCILE_TOTAL.labels(name, label)
            for label in ("success", "requeue_after", "requeue", "error")
        }
        self._errors = metrics.RECONCILE_ERRORS.labels(name)
        self._terminal = metrics.RECONCILE_TERMINAL.labels(name)
        self._panics = metrics.RECONCILE_PANICS.labels(name)
        self._timeouts = metrics.RECONCILE_TIMEOUTS.labels(name)
        self._seconds = metrics.RECONCILE_SECONDS.labels(name)
        self._active = metrics.ACTIVE_WORKERS.labels(name)
        metrics.MAX_CONCURRENT.labels(name).set(count)

    def active(self) -> AbstractContextManager[None]:
        """Counts as active within the block."""
        return self._active.track_inprogress()

    def ended(self, verdict: Verdict, seconds: float) -> None:
        """A run came to its end."""
        self._totals[verdict.result].inc()
        self._seconds.observe(seconds)
        if verdict.result == "error":
            self._errors.inc()
        for flag, counter in (
            (verdict.terminal, self._terminal),
            (verdict.panic, self._panics),
            (verdict.timeout or seconds > BUDGET, self._timeouts),
        ):
            if flag:
                counter.inc()
