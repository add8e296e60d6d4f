"""Threads of the program: named, and never ended in silence.

`make` is the only place where this room creates one. Python drops a `SystemExit` that ends a thread without a word; here
it becomes an ordinary uncaught exception, which the life cycle turns into the end of the process (rule X4). `Loop` runs
somebody else's function, that of the Event sender or a member poller for instance, as a `Runnable`.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def make(name: str, target: Callable[[], None], *, daemon: bool = False) -> threading.Thread:
    """A thread that is not started yet. `daemon` is for those that may hang in the network (rule X1)."""

    def run() -> None:
        try:
            target()
        except SystemExit as error:
            raise RuntimeError(f"SystemExit({error.code!r}) ended the thread {name}") from error

    return threading.Thread(target=run, name=name, daemon=daemon)


def join_all(threads: list[threading.Thread], timeout: float, now: Callable[[], float]) -> bool:
    """Wait for started threads, `timeout` seconds for all of them together; whether none runs any more."""
    end = now() + timeout
    for thread in threads:
        if thread.ident is not None:
            thread.join(max(0.0, end - now()))
    return not any(thread.is_alive() for thread in threads)


class Loop:
    """One or more threads that run a function until it sees `stop`; a `Runnable`.

    Args:
        name: of the runnable and, with a number, of its threads.
        body: called once per thread with the event that ends it; returns soon after that is set.
        monotonic: seconds, for `join`.
        count: number of threads.
        wake: frees a body from a pause that does not look at the event; returns at once.
    """

    def __init__(
        self,
        name: str,
        body: Callable[[threading.Event], None],
        monotonic: Callable[[], float],
        *,
        count: int = 1,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self.name = name
        self._stop = threading.Event()
        self._monotonic = monotonic
        self._wake = wake
        self._threads = [make(f"{name}-{number}", lambda: body(self._stop)) for number in range(count)]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Set the event; returns at once."""
        self._stop.set()
        self._wake()

    def join(self, timeout: float) -> bool:
        """Wait for the threads; whether none runs any more."""
        return join_all(self._threads, timeout, self._monotonic)

    @property
    def alive(self) -> bool:
        """Whether all threads run."""
        return all(thread.is_alive() for thread in self._threads)
