"""A clock that stands still until a test moves it, or until somebody waits on it."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REAL_LIMIT = 5.0
"""Real seconds after which a wait of a test counts as hung."""


class FakeClock:
    """Monotonic seconds and UTC time that move together.

    With `jump` (the default, for code on the test's own thread) `wait` returns at once: an unset event costs its whole
    timeout of fake time, a set one none. `slept` lists these timeouts in order, so that a test can state a backoff.

    Without it (for code on threads of its own) a wait blocks until the event is set or `advance` passes its end, and
    `await_sleepers` tells the test when the others are waiting, so that it moves the clock at the right moment.
    """

    def __init__(self, start: float = 1000.0, now: datetime = EPOCH, *, jump: bool = True) -> None:
        self._changed = threading.Condition()
        self._start = start
        self._monotonic = start
        self._epoch = now
        self._jump = jump
        self._sleepers: list[tuple[threading.Condition, float]] = []
        self.slept: list[float] = []

    def monotonic(self) -> float:
        with self._changed:
            return self._monotonic

    def now(self) -> datetime:
        with self._changed:
            return self._epoch + timedelta(seconds=self._monotonic - self._start)

    def shift(self, seconds: float) -> None:
        """Move the wall clock alone, as a correction of the machine's time does."""
        with self._changed:
            self._epoch += timedelta(seconds=seconds)

    def advance(self, seconds: float) -> None:
        """Move on and wake whoever waited for a moment that is now past."""
        with self._changed:
            self._monotonic += seconds
            due = [sleeper for sleeper, end in self._sleepers if end <= self._monotonic]
        for sleeper in due:
            with sleeper:
                sleeper.notify_all()

    def wait(self, event: threading.Event, timeout: float) -> bool:
        if event.is_set():
            return True
        with self._changed:
            self.slept.append(timeout)
            if self._jump:
                self._monotonic += max(timeout, 0.0)
                return event.is_set()
            end = self._monotonic + timeout
        inner: threading.Condition = event._cond  # type: ignore[attr-defined]
        with inner:
            while not event.is_set() and self.monotonic() < end:
                self._sleep(inner, end)
        return event.is_set()

    def park(self, condition: threading.Condition, timeout: float | None) -> None:
        with self._changed:
            if timeout is not None and self._jump:
                self._monotonic += max(timeout, 0.0)
                return
            end = float("inf") if timeout is None else self._monotonic + timeout
        if self.monotonic() < end:
            self._sleep(condition, end)

    def _sleep(self, condition: threading.Condition, end: float) -> None:
        with self._changed:
            self._sleepers.append((condition, end))
            self._changed.notify_all()
        woken = condition.wait(REAL_LIMIT)
        with self._changed:
            self._sleepers.remove((condition, end))
        assert woken, f"nobody ended this wait within {REAL_LIMIT} real seconds"

    def await_sleepers(self, count: int = 1, *, until: float | None = None) -> None:
        """Block until `count` threads wait, one of them for the moment `until` if given."""
        limit = time.monotonic() + REAL_LIMIT
        with self._changed:
            while True:
                ends = [end for _, end in self._sleepers]
                if len(ends) >= count and (until is None or any(abs(end - until) < 1e-6 for end in ends)):
                    return
                left = limit - time.monotonic()
                assert left > 0, f"{len(ends)} of {count} waits came about, until {ends}"
                self._changed.wait(left)
