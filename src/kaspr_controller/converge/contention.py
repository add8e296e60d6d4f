"""Two writers of one field: who keeps changing back what we write is not fought (rule S4).

In: every write that changed an object. Out: whether the next one has to wait, and which fields are contended. Called by
`applying` from several worker threads; one lock, held for dictionary operations only. Invariant: with one and the same
intent a field is changed at most twice in a row, then its object rests for a minute; another intent is written at once.

Fields are told apart: somebody who tries out one field after another by hand changes an object often and fights nobody.
Every field remembers its own time, so that two rivals who take turns are noticed as well as one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kaspr_controller.converge.ports import Monotonic
    from kaspr_controller.kube.kinds import ObjectKey

WINDOW_SECONDS = 10.0
"""Two changes of a field by one intent within this time are no coincidence: the first would have lasted."""

REST_SECONDS = 60.0
"""Then two writes a minute at most, a load that nobody notices and a wrong field that lasts a minute at most."""

CAPACITY = 4096


@dataclass(frozen=True, slots=True)
class Rest:
    """Why an object is not written now.

    Attributes:
        paths: the fields that somebody else changed back.
        seconds: until it may be written again.
    """

    paths: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class _Write:
    desired_hash: str
    changed_at: dict[str, float]  # by field, those of the window only; never changed once it is here
    paths: tuple[str, ...]
    rests_until: float | None


class Contention:
    """Remembers the last change of each object; the oldest are dropped first.

    Args:
        clock: for the periods.
        window: seconds within which a second change counts as contention.
        rest: seconds without writes after that.
    """

    def __init__(
        self, clock: Monotonic, *, window: float = WINDOW_SECONDS, rest: float = REST_SECONDS
    ) -> None:
        self._clock = clock
        self._window = window
        self._rest = rest
        self._lock = threading.Lock()
        # Guarded by _lock.
        self._writes: OrderedDict[ObjectKey, _Write] = OrderedDict()

    def changed(self, key: ObjectKey, desired_hash: str, paths: tuple[str, ...]) -> None:
        """An apply of this intent changed the object in these fields."""
        now = self._clock.monotonic()
        with self._lock:
            last = self._writes.pop(key, None)
            recent = self._recent(last, now) if last and last.desired_hash == desired_hash else {}
            again = tuple(path for path in paths if path in recent)
            changed_at = recent | dict.fromkeys(paths, now)
            self._writes[key] = _Write(desired_hash, changed_at, again, now + self._rest if again else None)
            while len(self._writes) > CAPACITY:
                self._writes.popitem(last=False)

    def rest(self, key: ObjectKey, desired_hash: str) -> Rest | None:
        """Whether this intent has to wait."""
        now = self._clock.monotonic()
        with self._lock:
            last = self._writes.get(key)
        if last is None or last.rests_until is None or last.desired_hash != desired_hash:
            return None
        return Rest(last.paths, last.rests_until - now) if now < last.rests_until else None

    def _recent(self, write: _Write, now: float) -> dict[str, float]:
        """The fields that were changed within the window."""
        return {path: at for path, at in write.changed_at.items() if now - at <= self._window}
