"""A scheduler whose time is moved by hand."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Due:
    """A callback on the list."""

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback: Callable[[], object] | None = callback

    def cancel(self) -> None:
        self.callback = None


class FakeScheduler:
    """Runs callbacks in the order of their times while `advance` moves over them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.heap: list[tuple[float, int, Due]] = []
        self.order = itertools.count()

    def time(self) -> float:
        return self.now

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Due:
        due = Due(callback)
        heapq.heappush(self.heap, (self.now + delay, next(self.order), due))
        return due

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self.heap and self.heap[0][0] <= end:
            self.now, _, due = heapq.heappop(self.heap)
            if due.callback is not None:
                due.callback()
        self.now = end
