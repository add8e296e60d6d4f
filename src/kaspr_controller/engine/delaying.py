"""Keys that become ready later: a heap by time with one entry per key.

Called by the work queue with its lock held. The invariant: per key the earliest wanted time and the highest wanted
priority count, and entries that were superseded are skipped when they come up.
"""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kaspr_controller.kube.kinds import ObjectKey


class Due(NamedTuple):
    """One planned look at a key."""

    at: float
    number: int  # the order of planning decides between equal times, and keeps keys from being compared
    key: ObjectKey
    priority: int


class Delays:
    """Keys with the time at which they become ready."""

    def __init__(self) -> None:
        self._heap: list[Due] = []
        self._valid: dict[ObjectKey, Due] = {}
        self._numbers = itertools.count()

    def put(self, key: ObjectKey, at: float, priority: int) -> bool:
        """Plan a look; True when it comes before everything else that was planned."""
        present = self._valid.get(key)
        if present:
            at, priority = min(at, present.at), max(priority, present.priority)
            if (at, priority) == (present.at, present.priority):
                return False
        due = Due(at, next(self._numbers), key, priority)
        self._valid[key] = due
        heapq.heappush(self._heap, due)
        self._sweep()
        return self._heap[0] is due

    def pop(self, key: ObjectKey) -> Due | None:
        """Cancel the planned look at a key; gives it."""
        return self._valid.pop(key, None)

    def ready(self, now: float) -> list[Due]:
        """Remove and give what is due."""
        due = []
        while (first := self.first()) is not None and first.at <= now:
            heapq.heappop(self._heap)
            del self._valid[first.key]
            due.append(first)
        return due

    def first(self) -> Due | None:
        """The next planned look."""
        while self._heap and self._valid.get(self._heap[0].key) is not self._heap[0]:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None

    def _sweep(self) -> None:
        # Superseded entries lie in the heap until their time; a key that is planned and cancelled all day for a look
        # in ten hours must not fill the memory with them.
        if len(self._heap) > 2 * len(self._valid) + 64:
            self._heap = sorted(self._valid.values())

    def clear(self) -> None:
        """Cancel everything."""
        self._heap.clear()
        self._valid.clear()

    def planned(self) -> list[Due]:
        """All planned looks, the next one first."""
        return sorted(self._valid.values())

    def __contains__(self, key: ObjectKey) -> bool:
        return key in self._valid

    def __len__(self) -> int:
        return len(self._valid)
