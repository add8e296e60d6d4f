"""The garbage collector and the thread switch, set up for a process that keeps thousands of objects (rule M4).

`Collector.install` is called by the composition root, `freeze` once the caches are filled, `publish` as a chore of the
main thread. Measured elsewhere with plain dicts: a full collection over 10 000 cached objects takes 162 ms, after
`gc.freeze()` none of them is looked at; with four busy threads an I/O thread waits up to 165 ms for the GIL at the default
switch interval of 5 ms, 22 ms at 1 ms. The invariant: the callback, which runs in the middle of anything, takes no lock.
"""

from __future__ import annotations

import ctypes
import gc
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from kaspr_controller.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SWITCH_SECONDS = 0.001
THRESHOLDS = (5_000, 20, 50)
"""Allocations until a young, middle and full collection (default 700, 10, 10): one decoded object makes a hundred
containers, and nearly all of them are gone by reference counting before anybody has to look."""
_KEPT = 10_000
ARENAS = 2
"""Heaps of the C library that all threads share. By default each of some thirty threads gets one of its own and keeps what
it once needed: 5 MiB more after a start over a hundred apps. Two, because under the GIL hardly more threads allocate."""
_M_ARENA_MAX = -8


def share_arenas() -> bool:
    """Have all threads that start from now on share `ARENAS` heaps; False where the C library knows no such thing."""
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS))
    except (AttributeError, OSError):
        return False


class Collector:
    """Sets the collector up, and measures its pauses."""

    def __init__(self, timer: Callable[[], float] = time.perf_counter) -> None:
        self._timer = timer
        self._began = 0.0
        # A histogram takes a lock, and a collection may begin while this very thread holds that lock, for instance in
        # the middle of a scrape: observing from the callback would then wait for itself. So it only takes notes.
        self._pauses: deque[tuple[int, float]] = deque(maxlen=_KEPT)
        self._before: tuple[tuple[int, int, int], float] | None = None
        self._histograms = [metrics.GC_PAUSE_SECONDS.labels(str(generation)) for generation in range(3)]

    def install(self) -> None:
        """Set thresholds and switch interval, and begin to measure."""
        if self._before is not None:
            return
        self._before = (gc.get_threshold(), sys.getswitchinterval())
        gc.set_threshold(*THRESHOLDS)
        sys.setswitchinterval(SWITCH_SECONDS)
        gc.callbacks.append(self._note)

    def uninstall(self) -> None:
        """Put everything back as it was."""
        if self._before is None:
            return
        thresholds, interval = self._before
        self._before = None
        gc.callbacks.remove(self._note)
        gc.set_threshold(*thresholds)
        sys.setswitchinterval(interval)
        gc.unfreeze()

    def freeze(self) -> int:
        """Take everything that lives now out of all later collections; gives how many containers that are."""
        gc.collect()
        gc.freeze()
        return gc.get_freeze_count()

    def publish(self) -> None:
        """Put the pauses since the last call into the histogram; on an ordinary thread."""
        while self._pauses:
            generation, seconds = self._pauses.popleft()
            self._histograms[generation].observe(seconds)

    def _note(self, phase: str, info: Mapping[str, int]) -> None:
        if phase == "start":
            self._began = self._timer()
        else:
            self._pauses.append((info["generation"], self._timer() - self._began))
