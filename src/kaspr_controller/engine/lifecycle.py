"""Start, serve, stop: the order in which the parts of the process come and go.

In: groups of runnables in starting order (HTTP, caches, leader election, Events, workers) and signals. Out: an exit code.
`run` occupies the main thread; `request_stop` and `abort` come from any. Each group is started, then waited for; the stop
goes the other way round, each group being waited for before the next is told, so that the lease is given back only when
nobody writes any more (rules X1, X3, L1). The invariant: from the first signal to the end of the process it takes at most
the stop limit, a second signal ends it at once, and a thread that dies takes the process with it (rule X4).
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import queue
import signal
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from kaspr_controller.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType

    from kaspr_controller.engine.clock import Clock

STOP_LIMIT = 25.0
"""Seconds from the first signal to the exit; the pod's grace period is 30."""
CHORE_SECONDS = 5.0
"""How often the main thread, which otherwise waits, does its chores."""
LOOK_SECONDS = 0.05
"""How soon a group that is starting is asked again whether it is ready; twice as long after each look."""
LONGEST_LOOK_SECONDS = 0.5
"""A standby asks for days: not twenty times a second, but soon enough for the next leader to begin."""

log = get_logger("engine.lifecycle")


class Runnable(Protocol):
    """A part of the process that runs on threads of its own."""

    @property
    def name(self) -> str:
        """For logs."""
        ...

    def start(self) -> None:
        """Begin; returns soon. An exception ends the process."""
        ...

    def stop(self) -> None:
        """Ask for the end; returns at once. May come before `start`, and more than once."""
        ...

    def join(self, timeout: float) -> bool:
        """Wait for the end, at most `timeout` seconds; whether it came."""
        ...


@dataclass(frozen=True, slots=True)
class Group:
    """Runnables that start and stop together.

    Attributes:
        name: for logs.
        ready: whether the next group may start; asked again and again, must be cheap.
        patience: seconds until `ready` must hold, else the process ends; None waits for ever (a standby).
        grace: seconds for all members together to end after `stop`.
        then: called once on the main thread when the group is ready.
    """

    name: str
    runnables: tuple[Runnable, ...]
    ready: Callable[[], bool] = lambda: True
    patience: float | None = None
    grace: float = 2.0
    then: Callable[[], None] = lambda: None


class Closer:
    """Something without a thread of its own that is closed when its group stops; a `Runnable`.

    Named last in its group, it frees those that would otherwise wait for an answer that does not come.
    """

    def __init__(self, name: str, close: Callable[[], None]) -> None:
        self.name = name
        self._close = close

    def start(self) -> None:
        """Nothing to begin."""

    def stop(self) -> None:
        """Close it."""
        self._close()

    def join(self, timeout: float) -> bool:
        """Nothing to wait for."""
        del timeout
        return True


class _Request(NamedTuple):
    reason: str
    code: int


class Lifecycle:
    """See the module.

    Args:
        groups: in starting order.
        clock: patience and grace.
        on_stop: called when the stop begins, with the seconds that work in hand still has (rule X3: cut the budgets).
        chores: called every 5 s on the main thread; one that raises is logged.
        stop_limit: seconds for the whole stop.
        leave: ends the process at once; `os._exit`, but for tests.
    """

    def __init__(
        self,
        groups: Sequence[Group],
        *,
        clock: Clock,
        on_stop: Callable[[float], None] = lambda _seconds: None,
        chores: Sequence[Callable[[], None]] = (),
        stop_limit: float = STOP_LIMIT,
        leave: Callable[[int], object] = os._exit,
    ) -> None:
        self._groups = tuple(groups)
        self._clock = clock
        self._on_stop = on_stop
        self._chores = tuple(chores)
        self._stop_limit = stop_limit
        self._leave = leave
        self._signals = 0
        # SimpleQueue, not Event: a signal handler runs in the middle of the main thread, perhaps within Event.wait and
        # with its lock held; only SimpleQueue.put is made for that.
        self._requests: queue.SimpleQueue[_Request] = queue.SimpleQueue()

    def request_stop(self, reason: str, *, code: int = 0) -> None:
        """Have the process stop in good order; any thread, returns at once."""
        self._requests.put(_Request(reason, code))

    def abort(self, reason: str) -> None:
        """End the process at once with code 1: no drain, no release (a lost lease must stop all writes now)."""
        log.error("the process ends at once", reason=reason)
        _flush()
        self._leave(1)

    def run(self) -> int:
        """Start all groups, serve until somebody requests a stop, stop; gives the exit code."""
        started: list[Group] = []
        with self._hooks():
            try:
                request = self._start(started) or self._serve()
            except Exception:
                log.exception("the process could not start or go on")
                request = _Request("error", 1)
            log.info("stopping", reason=request.reason)
            ended = self._stop(started)
        if not ended:
            # Threads that are not daemons would keep the interpreter from its end.
            _dump_stacks()
            _flush()
            self._leave(1)
        return request.code if ended else 1

    # Starting.

    def _start(self, started: list[Group]) -> _Request | None:
        for group in self._groups:
            log.info("starting", group=group.name)
            started.append(group)
            for runnable in group.runnables:
                runnable.start()
            if request := self._await(group):
                return request
            group.then()
        log.info("everything runs")
        return None

    def _await(self, group: Group) -> _Request | None:
        """Wait until the group is ready; gives a request that came first, or our own when patience ends."""
        end = None if group.patience is None else self._clock.monotonic() + group.patience
        next_chores = self._clock.monotonic() + CHORE_SECONDS
        pause = LOOK_SECONDS
        while not group.ready():
            if request := self._next_request(pause):
                return request
            pause = min(2 * pause, LONGEST_LOOK_SECONDS)
            now = self._clock.monotonic()
            if end is not None and now >= end:
                log.error("not ready in time", group=group.name, seconds=group.patience)
                return _Request(f"{group.name} was not ready in time", 1)
            if now >= next_chores:
                self._do_chores()
                next_chores = now + CHORE_SECONDS
        return self._next_request(0)

    # Serving.

    def _serve(self) -> _Request:
        while True:
            if request := self._next_request(CHORE_SECONDS):
                return request
            self._do_chores()

    def _next_request(self, timeout: float) -> _Request | None:
        with contextlib.suppress(queue.Empty):
            return self._requests.get(timeout > 0, timeout or None)
        return None

    def _do_chores(self) -> None:
        for chore in self._chores:
            try:
                chore()
            except Exception:
                log.exception("a chore failed")

    # Stopping.

    def _stop(self, started: list[Group]) -> bool:
        """Stop the groups in reverse; whether all ended."""
        end = self._clock.monotonic() + self._stop_limit
        work = max((group.grace for group in started), default=0.0)
        self._on_stop(min(work, self._stop_limit))
        stuck = [name for group in reversed(started) for name in self._stop_group(group, end)]
        if stuck:
            log.error("some parts did not end in time", parts=stuck)
        else:
            log.info("everything has ended")
        return not stuck

    def _stop_group(self, group: Group, end: float) -> list[str]:
        """Stop a group and wait for it; gives the names of those that did not end."""
        for runnable in group.runnables:
            try:
                runnable.stop()
            except Exception:
                log.exception("a part could not be told to stop", part=runnable.name)
        until = min(end, self._clock.monotonic() + group.grace)
        return [
            runnable.name
            for runnable in group.runnables
            if not runnable.join(max(0.0, until - self._clock.monotonic()))
        ]

    # Hooks.

    @contextlib.contextmanager
    def _hooks(self) -> Iterator[None]:
        """Signals and the end of threads are ours within the block; signals only on the main thread."""
        main = threading.current_thread() is threading.main_thread()
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        hook = threading.excepthook
        threading.excepthook = self._thread_died
        if main:
            for number in before:
                signal.signal(number, self._on_signal)
            faulthandler.register(signal.SIGUSR1, file=sys.__stderr__ or 2, all_threads=True)
        try:
            yield
        finally:
            threading.excepthook = hook
            if main:
                for number, handler in before.items():
                    signal.signal(number, handler)
                faulthandler.unregister(signal.SIGUSR1)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._signals += 1
        name = signal.Signals(number).name
        if self._signals > 1:
            # No logger here: the signal may have come in the middle of a line that is being written.
            os.write(2, f"second signal ({name}): the process ends at once\n".encode())
            self._leave(1)
        self.request_stop(name)

    def _thread_died(self, args: threading.ExceptHookArgs) -> None:
        name = args.thread.name if args.thread else "?"
        error = args.exc_value or args.exc_type()
        log.error("a thread died, so the process ends", thread=name, exc_info=error)
        _dump_stacks()
        _flush()
        self._leave(1)


def _dump_stacks() -> None:
    """The stacks of all threads to standard error."""
    with contextlib.suppress(OSError, ValueError):  # no standard error is no reason to go on
        faulthandler.dump_traceback(file=sys.__stderr__ or 2, all_threads=True)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
