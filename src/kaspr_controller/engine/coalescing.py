"""One change set, one rollout: how long to wait until a burst of changes is over.

In: `touch(key)` for every change that belongs to a set, from informer threads. Out: `remaining(key)`, the seconds that a
reconcile should still wait. A lone change waits for a moment, since the second one of a burst comes within it; once a
burst is on, it waits for a longer quiet; and never beyond a limit, since somebody may change things for ever. Times come
from the injected clock.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kaspr_controller.engine.clock import Clock
    from kaspr_controller.kube.kinds import ObjectKey


_RESOLUTION = 0.001
"""Seconds. A wait that is shorter than a timer can keep is over; sums of floats never meet a limit exactly."""

_STALE = 10.0
"""Seconds after the last change at which a burst that nobody asked about (a paused app) no longer counts: the next
change begins a new one, instead of meeting a limit that passed long ago."""


@dataclass(slots=True)
class _Burst:
    first: float
    last: float
    touches: int = 1


class Quiescence:
    """Bursts by key. Thread-safe; an entry is forgotten as soon as its burst is over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._bursts: dict[ObjectKey, _Burst] = {}

    def touch(self, key: ObjectKey) -> None:
        """Something of the set changed just now."""
        now = self._clock.monotonic()
        with self._lock:
            burst = self._bursts.get(key)
            if burst is None or now - burst.last > _STALE:
                self._bursts[key] = _Burst(now, now)
            else:
                burst.last = now
                burst.touches += 1

    def forget(self, key: ObjectKey) -> None:
        """Whoever the set belongs to is gone."""
        with self._lock:
            self._bursts.pop(key, None)

    def remaining(self, key: ObjectKey, *, first: float, burst: float, limit: float) -> float:
        """Seconds until the set counts as complete; 0.0 when it does, and then the burst is over.

        Args:
            key: whose set.
            first: quiet after a lone change, in seconds.
            burst: quiet after the last of several changes, in seconds.
            limit: the longest time from the first change, in seconds.
        """
        now = self._clock.monotonic()
        with self._lock:
            seen = self._bursts.get(key)
            if seen is None:
                return 0.0
            quiet = first if seen.touches == 1 else burst
            wait = min(seen.last + quiet, seen.first + limit) - now
            if wait <= _RESOLUTION:
                del self._bursts[key]
                return 0.0
            return wait
