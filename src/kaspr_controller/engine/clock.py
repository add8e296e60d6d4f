"""Time as a value: what every waiting or measuring part of this room is handed.

`Clock` is the protocol, `SystemClock` the real one, `tests/fakes/clock.py` the one that a test moves by hand. All waits
of the program go through a clock, so a test never sleeps and a stop never meets a wait that nobody can end: there is no
bare sleep here, only waits on something that another thread can set. Any thread; a clock has no state of ours.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import threading


class Clock(Protocol):
    """Two times and two ways to wait."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment; never goes back. For every duration."""
        ...

    def now(self) -> datetime:
        """The wall clock in UTC, zone included. Only for texts that people or the API read."""
        ...

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """Wait until the event is set, at most `timeout` seconds; True when it is set."""
        ...

    def park(self, condition: threading.Condition, timeout: float | None) -> None:
        """Wait for a notification of a condition that the caller holds, at most `timeout` seconds (None: no limit).

        May return early, so callers look again in a loop.
        """
        ...


# CLOCK_BOOTTIME goes on while the machine is suspended, CLOCK_MONOTONIC does not: after a suspended virtual machine
# wakes up, a leader that measures with the latter still believes in a lease that somebody else took over long ago.
_BOOT_TIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


class SystemClock:
    """The machine's clocks."""

    def monotonic(self) -> float:
        """Seconds since boot, suspended time included where the system offers that (Linux)."""
        return time.monotonic() if _BOOT_TIME is None else time.clock_gettime(_BOOT_TIME)

    def now(self) -> datetime:
        """The wall clock in UTC."""
        return datetime.now(UTC)

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """Wait at most `timeout` seconds; True when the event is set. A timeout of 0 or less only looks."""
        return event.wait(max(timeout, 0.0))

    def park(self, condition: threading.Condition, timeout: float | None) -> None:
        """Wait for a notification, at most `timeout` seconds."""
        condition.wait(timeout)
