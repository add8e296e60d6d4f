"""How long to wait after a failure: doubling delays with jitter, and a token bucket against many failures at once.

`Doubling` counts the failures of one thing (a watch, a lease), `Failures` those of many keys (the work queue), and
`TokenBucket` spreads what all of them want to do at once. Randomness and clocks are handed in. Used by one thread, or
under the lock of its owner; nothing here waits, it only says how long.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Hashable

    from kaspr_controller.engine.clock import Clock

_MOST_DOUBLINGS = 60  # 2.0**1024 does not exist, and every cap is reached long before


class Doubling:
    """Delays `base`, 2 `base`, 4 `base`... up to `cap`, each stretched by up to `jitter` of itself (rule 3 of the bar).

    Args:
        base: first delay in seconds.
        cap: longest delay before jitter.
        jitter: 1.0 makes every sleep fall into [d, 2d), so that a fleet of clients does not come back as one.
        reset: seconds without a failure after which the next one counts as the first.
    """

    def __init__(
        self, rng: random.Random, clock: Clock, *, base: float, cap: float, jitter: float = 1.0, reset: float
    ) -> None:
        self._rng = rng
        self._clock = clock
        self._base = base
        self._cap = cap
        self._jitter = jitter
        self._reset = reset
        self._failures = 0
        self._last = float("-inf")

    def next(self, floor: float | None = None) -> float:
        """Seconds to wait after one more failure, at least `floor` (the server's `Retry-After`, rule W7)."""
        now = self._clock.monotonic()
        if now - self._last >= self._reset:
            self._failures = 0
        delay = min(self._base * 2.0 ** min(self._failures, _MOST_DOUBLINGS), self._cap)
        self._failures += 1
        delay = max(delay + delay * self._jitter * self._rng.random(), floor or 0.0)
        self._last = now + delay
        return delay


class Failures:
    """Failures in a row by key, and the delay before the next try (rule Q2).

    Args:
        base: seconds after the first failure. Five milliseconds, as elsewhere, means eight tries in the first 1.3 s:
            nothing that failed for a reason is mended by then.
        cap: longest delay in seconds: after an outage nobody waits longer than this.
        jitter: share of the delay, up or down.
    """

    def __init__(
        self, rng: random.Random, *, base: float = 0.2, cap: float = 300.0, jitter: float = 0.1
    ) -> None:
        self._rng = rng
        self._base = base
        self._cap = cap
        self._jitter = jitter
        self._counts: dict[Hashable, int] = {}

    def next(self, key: Hashable) -> float:
        """Seconds until the next try, after one more failure."""
        count = self._counts.get(key, 0)
        self._counts[key] = count + 1
        delay = min(self._base * 2.0 ** min(count, _MOST_DOUBLINGS), self._cap)
        return delay * (1 + self._jitter * (2 * self._rng.random() - 1))

    def count(self, key: Hashable) -> int:
        """Failures in a row."""
        return self._counts.get(key, 0)

    def forget(self, key: Hashable) -> None:
        """The key succeeded, or is gone."""
        self._counts.pop(key, None)

    def __len__(self) -> int:
        return len(self._counts)


class TokenBucket:
    """`rate` tokens a second, saved up to `burst`; whoever takes one that is not there yet is told when it is."""

    def __init__(self, clock: Clock, *, rate: float, burst: int) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._at = clock.monotonic()

    def take(self) -> float:
        """Take a token; gives the seconds until it may be used."""
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate) - 1
        self._at = now
        return max(0.0, -self._tokens / self._rate)
