"""The namespace of the demo as watches report it: objects now, everything that happened, and waiting for a state.

In: events from the following threads (`take`, `replace`). Out: objects and history for the main thread, which waits here
and nowhere else. Thread-safe. Invariant: an object is never older than one already seen, and each change is told once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

Raw = Mapping[str, Any]
Key = tuple[str, str]
"""Kind and name: there is one namespace."""
T = TypeVar("T")
_LOOK_SECONDS = 0.5


class Stuck(Exception):  # noqa: N818  # it tells a state, which is then reported
    """The demo cannot go on; the message says what was awaited, or what failed."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one object; `old` or `new` is None when it came or went."""

    old: Raw | None
    new: Raw | None

    @property
    def known(self) -> Raw:
        """The newest state there is."""
        found = self.new or self.old
        assert found is not None  # noqa: S101  # one of the two is always there
        return found

    @property
    def kind(self) -> str:
        """The kind of the object."""
        return str(self.known["kind"])


class World:
    """Objects of one namespace.

    Args:
        tell: called with each change, in order, from the thread that reports it.
        alive: called while waiting; raises when waiting has become pointless.
    """

    def __init__(self, *, tell: Callable[[Change], None], alive: Callable[[], None]) -> None:
        self._tell = tell
        self._alive = alive
        self._changed = threading.Condition()
        self._objects: dict[Key, Raw] = {}
        self._history: list[Change] = []
        self._last = time.monotonic()

    def take(self, obj: Raw, *, gone: bool = False) -> None:
        """An object was seen, or seen to be deleted."""
        with self._changed:
            key = (obj["kind"], obj["metadata"]["name"])
            old = self._objects.get(key)
            if gone:
                self._objects.pop(key, None)
            elif old and _version(old) == _version(obj):
                return
            else:
                self._objects[key] = obj
            change = Change(old or obj if gone else old, None if gone else obj)
            self._history.append(change)
            self._last = time.monotonic()
            self._tell(change)
            self._changed.notify_all()

    def replace(self, kind: str, objects: Iterable[Raw]) -> None:
        """All objects of a kind were listed: those that are missing have gone."""
        with self._changed:
            listed = list(objects)
            names = {obj["metadata"]["name"] for obj in listed}
            for obj in [obj for obj in self.all(kind) if obj["metadata"]["name"] not in names]:
                self.take(obj, gone=True)
            for obj in listed:
                self.take(obj)

    def find(self, kind: str, name: str) -> Raw | None:
        """One object, None when there is none."""
        with self._changed:
            return self._objects.get((kind, name))

    def all(self, kind: str) -> list[Raw]:
        """All objects of a kind, by name."""
        with self._changed:
            return [obj for key, obj in sorted(self._objects.items()) if key[0] == kind]

    def custom(self) -> list[Raw]:
        """All custom resources of this project, by kind and name."""
        with self._changed:
            found = sorted(self._objects.items())
        return [obj for _, obj in found if obj["apiVersion"].startswith("kaspr.io/")]

    def mark(self) -> int:
        """A place in the history, for `since`."""
        with self._changed:
            return len(self._history)

    def since(self, mark: int) -> list[Change]:
        """Everything that happened after a mark."""
        with self._changed:
            return self._history[mark:]

    def silence(self) -> float:
        """Seconds since the last change."""
        with self._changed:
            return time.monotonic() - self._last

    def wait(self, check: Callable[[], T | None], seconds: float, what: str) -> T:
        """Wait until `check` gives something truthy, and return that.

        Raises:
            Stuck: not within `seconds`.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while True:
                found = check()
                if found:
                    return found
                self._alive()
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Stuck(f"not within {seconds:g} s: {what}")
                # Not every check is about objects (a port, a member): look now and then without a change too.
                self._changed.wait(min(left, _LOOK_SECONDS))


def _version(obj: Raw) -> Any:
    return obj["metadata"].get("resourceVersion")
