"""The poller as a part of the program that is started and stopped with the others.

Threads are made by the engine, so that it can name them, watch them and dump their stacks: `spawn` is its way to make one.
`start` begins one thread a slot, `stop` lets each end after the question in hand (3 s at most), `join` waits for that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from kaspr_controller.members.polling import Poller


class Handle(Protocol):
    """A thread that was started; `threading.Thread` is one."""

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        ...

    def is_alive(self) -> bool:
        """Whether it has not ended."""
        ...


Spawn: TypeAlias = Callable[[str, Callable[[], None]], Handle]
"""Start a thread: its name and its body."""


class RunningPoller:
    """Start and stop of a poller.

    Args:
        poller: what runs.
        spawn: makes and starts a thread.
        monotonic: the clock of `join`, in seconds.
    """

    def __init__(
        self, poller: Poller, spawn: Spawn, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = "members"
        self.poller = poller
        self._spawn = spawn
        self._monotonic = monotonic
        self._threads: list[Handle] = []

    def start(self) -> None:
        """Begin to ask; returns at once."""
        self._threads = [
            self._spawn(f"poll-members-{n}", self.poller.run_slot) for n in range(self.poller.slots)
        ]

    def stop(self) -> None:
        """Ask no more; may be called at any time and more than once."""
        self.poller.stop()

    def join(self, timeout: float | None = None) -> bool:
        """Whether every thread has ended within `timeout` seconds."""
        deadline = None if timeout is None else self._monotonic() + timeout
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - self._monotonic()))
        return not self.alive()

    def alive(self) -> bool:
        """Whether a thread has not ended."""
        return any(thread.is_alive() for thread in self._threads)
