"""The desk as a part of the program that is started and stopped with the others.

Threads are made by the engine, so that it can name them, watch them and dump their stacks: `spawn` is its way to make one.
`start` begins one thread a slot, `stop` lets each end after the request in hand (10 s at most), `join` waits for that and
closes the connections.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from kaspr_controller.groups.client import GroupClient
    from kaspr_controller.groups.desk import GroupDesk


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


class RunningDesk:
    """Start and stop of a desk.

    Args:
        desk: what runs.
        client: the desk's, closed when no thread uses it any more.
        spawn: makes and starts a thread; it may hang in a name look-up, so it should not keep the process alive.
        monotonic: the clock of `join`, in seconds.
    """

    def __init__(
        self,
        desk: GroupDesk,
        client: GroupClient,
        spawn: Spawn,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = "groups"
        self._desk = desk
        self._client = client
        self._spawn = spawn
        self._monotonic = monotonic
        self._threads: list[Handle] = []

    def start(self) -> None:
        """Begin to carry requests out; returns at once."""
        self._threads = [self._spawn(f"ask-groups-{n}", self._desk.run_slot) for n in range(self._desk.slots)]

    def stop(self) -> None:
        """Begin nothing more; may be called at any time and more than once."""
        self._desk.stop()

    def join(self, timeout: float | None = None) -> bool:
        """Whether every thread has ended within `timeout` seconds."""
        deadline = None if timeout is None else self._monotonic() + timeout
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - self._monotonic()))
        if not self.alive():
            self._client.close()
        return not self.alive()

    def alive(self) -> bool:
        """Whether a thread has not ended."""
        return any(thread.is_alive() for thread in self._threads)
