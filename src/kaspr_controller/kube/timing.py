"""The clock as this room needs it, and the time a call may still take.

The program's clock is made one room above and handed in; `Clock` is the part of it that is used here. `Deadlines` joins
three limits for a call: its own, that of the reconcile on this thread, and that of a process which is about to stop.
Any thread; the invariant is that no call starts that could not end in time.
"""

from __future__ import annotations

import contextlib
import contextvars
from datetime import UTC
from typing import TYPE_CHECKING, Protocol

from kaspr_controller.kube import errors

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator
    from datetime import datetime

_deadline: contextvars.ContextVar[float] = contextvars.ContextVar("kube_deadline", default=float("inf"))


class Clock(Protocol):
    """Monotonic seconds, wall-clock time in UTC, and a wait that an event ends early."""

    def monotonic(self) -> float:
        """Seconds since some fixed moment."""
        ...

    def now(self) -> datetime:
        """The time in UTC, with its zone."""
        ...

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """Wait at most `timeout` seconds; True when the event was set."""
        ...


class Deadlines:
    """How many seconds a call may still take."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = float("inf")

    @contextlib.contextmanager
    def budget(self, seconds: float) -> Iterator[None]:
        """Every call of this thread within the block ends `seconds` from now; an outer, shorter budget stays."""
        token = _deadline.set(min(_deadline.get(), self._clock.monotonic() + seconds))
        try:
            yield
        finally:
            _deadline.reset(token)

    def finish_within(self, seconds: float) -> None:
        """From now on every call of every thread ends within `seconds` (rule X3: a stop cuts the I/O budget)."""
        self._last = self._clock.monotonic() + seconds

    def start(self, limit: float) -> float:
        """The monotonic time at which a call that begins now and may take `limit` seconds has to end.

        Raises:
            errors.Timeout: no time is left.
        """
        now = self._clock.monotonic()
        deadline = min(now + limit, _deadline.get(), self._last)
        if deadline <= now:
            raise errors.Timeout("the time for this reconcile is used up; nothing was sent")
        return deadline

    def left(self, deadline: float) -> float:
        """Seconds until `deadline`, or until the end of the process if that comes first; may be negative."""
        return min(deadline, self._last) - self._clock.monotonic()


def micro_time(moment: datetime) -> str:
    """A time as Leases and Events carry it: RFC 3339 in UTC with six decimals."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
