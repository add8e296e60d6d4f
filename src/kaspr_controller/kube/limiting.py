"""How hard we may press on the API server: a token bucket, a breaker, both shared by all threads of a client.

The client asks both before each request and tells them what came of it. `RateLimiter` spreads reads and writes (rule
A1: 50 per second, bursts of 100; halved for 30 s after a 429); watches are not counted. `Breaker` (rule A3) refuses
requests once ten in a row got no answer, and lets one through every few seconds until one is answered. Time is injected;
no lock is held while waiting.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from kaspr_controller.kube import errors

if TYPE_CHECKING:
    from kaspr_controller.kube.timing import Clock

QPS = 50.0
BURST = 100
THROTTLE_SECONDS = 30.0
BREAKER_FAILURES = 10
PROBE_SECONDS = 2.0


class RateLimiter:
    """A token bucket whose waiters queue up by reservation.

    Args:
        clock: monotonic seconds, and the wait.
        qps: requests per second in the long run; 0 switches the limiter off.
        burst: requests that may go at once after a quiet time.
    """

    def __init__(self, clock: Clock, *, qps: float = QPS, burst: int = BURST) -> None:
        self._clock = clock
        self._qps = qps
        self._burst = float(max(burst, 1))
        self._lock = threading.Lock()
        self._tokens = self._burst
        self._updated = clock.monotonic()
        self._slow_until = float("-inf")

    def take(self, limit: float, stop: threading.Event) -> None:
        """Wait for a token, at most `limit` seconds; a stop ends the wait early.

        Raises:
            errors.Timeout: the queue is longer than `limit`; no token was taken.
        """
        if self._qps <= 0:
            return
        delay = self._reserve(limit)
        if delay > 0:
            self._clock.wait(stop, delay)

    def slow_down(self) -> None:
        """The server answered 429: half the rate for the next 30 s."""
        with self._lock:
            self._refill()
            self._slow_until = self._clock.monotonic() + THROTTLE_SECONDS

    def _reserve(self, limit: float) -> float:
        with self._lock:
            rate = self._refill()
            delay = max(0.0, (1.0 - self._tokens) / rate)
            if delay > limit:
                raise errors.Timeout(
                    f"our own request limit of {rate:g} per second is used up; nothing was sent"
                )
            self._tokens -= 1.0  # below zero: the debt that later callers queue behind
            return delay

    def _refill(self) -> float:
        now = self._clock.monotonic()
        # Time before the end of a slow phase counts half.
        slow = max(0.0, min(now, self._slow_until) - self._updated)
        self._tokens += (now - self._updated - slow / 2) * self._qps
        self._tokens = min(self._tokens, self._burst)
        self._updated = now
        return self._qps / 2 if now < self._slow_until else self._qps


class Breaker:
    """Open after ten requests in a row without an answer; any answer closes it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._next_probe = 0.0

    @property
    def available(self) -> bool:
        """Whether requests have a chance: False pauses the workers."""
        return self._failures < BREAKER_FAILURES

    def admit(self) -> None:
        """Let a request pass, or one probe every 2 s while open.

        Raises:
            errors.Unavailable: open, and the next probe is not due; `retry_after` says when.
        """
        if self.available:
            return
        with self._lock:
            now = self._clock.monotonic()
            if now < self._next_probe:
                raise errors.Unavailable(
                    f"the API server did not answer the last {self._failures} requests",
                    retry_after=self._next_probe - now,
                )
            self._next_probe = now + PROBE_SECONDS

    def answered(self) -> None:
        """The server answered something."""
        if self._failures:
            with self._lock:
                self._failures = 0

    def failed(self) -> None:
        """A request got no answer."""
        with self._lock:
            self._failures += 1
            if self._failures == BREAKER_FAILURES:
                self._next_probe = self._clock.monotonic() + PROBE_SECONDS
