"""Prepare: components as the render takes them, kept for the passes that come soon.

In: a component as it was read. Out: `Prepared`. What it becomes depends on its spec and name alone, and an app is mostly
looked at again because of something else: its own spec, its workload, its pods. Parsing and checking five components is a
quarter of what a render costs. Called on worker threads; one lock, held for dictionary operations only. May be lost.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TypeAlias

from kaspr_controller.desired.components import Prepared, prepare
from kaspr_controller.kube.kinds import Raw
from kaspr_controller.reconcilers.loading import load_component

CAPACITY = 512
"""Components kept, at some 4 KiB: those of a hundred apps that are being worked on at the same time."""

_Version: TypeAlias = tuple[str, int]
"""UID and generation: the server counts every change of a spec, and a name lasts as long as its UID."""


class PreparedComponents:
    """The last components that were prepared; least recently used out first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Version, Prepared] = OrderedDict()  # under the lock

    def of(self, raw: Raw) -> Prepared:
        """The component, prepared; one that cannot be used says why."""
        meta = raw["metadata"]
        version = (str(meta["uid"]), int(meta.get("generation", 0)))
        with self._lock:
            found = self._kept.get(version)
            if found is not None:
                self._kept.move_to_end(version)
                return found
        made = prepare(load_component(raw))
        with self._lock:
            self._kept[version] = made
            while len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return made

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)
