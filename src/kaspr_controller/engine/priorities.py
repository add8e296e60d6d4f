"""Ready keys by priority, first come first served within one: the inner structure of the work queue.

In: a key with a priority and the time. Out: the key to work on next. A key that has waited for too long goes first
whatever its priority, because routine work that starves is work that is never done (rule Q6). Called by the work queue
with its lock held. The invariant: a key stands in exactly one class.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kaspr_controller.kube.kinds import ObjectKey

USER = 0
"""Somebody changed something and waits for it."""
OWNED = -50
"""Something changed that follows from our own work, or a planned second look."""
INITIAL = -100
"""The first list after a start, or an object told again: nothing new (rule C4)."""


class ReadyKeys:
    """Ready keys.

    Args:
        ageing: seconds after which a key is served regardless of its priority.
    """

    def __init__(self, ageing: float) -> None:
        self._ageing = ageing
        # OrderedDict, not dict: taking the first key of a dict again and again walks over all that were taken before.
        self._classes: dict[int, OrderedDict[ObjectKey, float]] = {}
        self._order: list[int] = []  # the priorities, highest first
        self._priorities: dict[ObjectKey, int] = {}

    def put(self, key: ObjectKey, priority: int, now: float) -> None:
        """Add a key, or raise it: a raised key joins the end of its new class, a lower priority changes nothing."""
        present = self._priorities.get(key)
        if present is not None:
            if present >= priority:
                return
            del self._classes[present][key]
        self._priorities[key] = priority
        queue = self._classes.get(priority)
        if queue is None:
            queue = self._classes[priority] = OrderedDict()
            self._order = sorted(self._classes, reverse=True)
        queue[key] = now

    def take(self, now: float) -> tuple[ObjectKey, int] | None:
        """Remove and give the next key with its priority; None when there is none."""
        best: OrderedDict[ObjectKey, float] | None = None
        oldest = now - self._ageing
        for priority in self._order:
            queue = self._classes[priority]
            if not queue:
                continue
            head = next(iter(queue.values()))
            if best is None:
                best = queue
            if head <= oldest:
                best, oldest = queue, head
        if best is None:
            return None
        key, _ = best.popitem(last=False)
        return key, self._priorities.pop(key)

    def clear(self) -> None:
        """Remove all keys."""
        self._priorities.clear()
        for queue in self._classes.values():
            queue.clear()

    def depths(self) -> dict[int, int]:
        """Number of keys by priority, for every priority ever used."""
        return {priority: len(self._classes[priority]) for priority in self._order}

    def keys(self) -> list[ObjectKey]:
        """All keys: by class, then in the order of coming."""
        return [key for priority in self._order for key in self._classes[priority]]

    def __contains__(self, key: ObjectKey) -> bool:
        return key in self._priorities

    def __len__(self) -> int:
        return len(self._priorities)
