"""Why a key was looked at and what came of it: the last twenty lines for each key, for the debug page (rule O2).

Triggers and workers write, the debug page reads; any thread, one lock for dictionary operations. Bounded: the keys that
were written about longest ago are forgotten first. Lines name objects, reasons and results, never content.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

    from kaspr_controller.engine.clock import Clock
    from kaspr_controller.kube.kinds import ObjectKey

LINES = 20
KEYS = 1000


class Line(NamedTuple):
    """One line: when, and what happened."""

    at: datetime
    text: str


class Journal:
    """See the module."""

    def __init__(self, clock: Clock, *, keys: int = KEYS, lines: int = LINES) -> None:
        self._clock = clock
        self._most_keys = keys
        self._most_lines = lines
        self._lock = threading.Lock()
        self._lines: OrderedDict[ObjectKey, deque[Line]] = OrderedDict()  # under the lock

    def write(self, key: ObjectKey, text: str) -> None:
        """Add a line."""
        line = Line(self._clock.now(), text)
        with self._lock:
            lines = self._lines.get(key)
            if lines is None:
                lines = self._lines[key] = deque(maxlen=self._most_lines)
                if len(self._lines) > self._most_keys:
                    self._lines.popitem(last=False)
            else:
                self._lines.move_to_end(key)
            lines.append(line)

    def read(self, key: ObjectKey) -> list[Line]:
        """The lines about a key, oldest first."""
        with self._lock:
            return list(self._lines.get(key, ()))
