"""A dictionary of entries with its indexes: the shelf that a store has two of.

Called by `store.Store` with its lock held; knows no thread. The invariant: an index value leads to exactly the keys
whose entry has that value, and values without keys are gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from kaspr_controller.engine.changes import Entry
    from kaspr_controller.kube.kinds import ObjectKey


class Layer:
    """Entries by key and by index value."""

    def __init__(self, indexes: int) -> None:
        self.entries: dict[ObjectKey, Entry] = {}
        self._indexes: tuple[dict[str, set[ObjectKey]], ...] = tuple({} for _ in range(indexes))
        self.bytes = 0

    def put(self, key: ObjectKey, entry: Entry) -> Entry | None:
        """Store an entry; gives the one before."""
        before = self.entries.get(key)
        self.entries[key] = entry
        self.bytes += len(entry.packed.data) - (len(before.packed.data) if before else 0)
        if before is None or before.values != entry.values:
            if before:
                self._unlist(key, before)
            for index, values in zip(self._indexes, entry.values, strict=True):
                for value in values:
                    index.setdefault(value, set()).add(key)
        return before

    def pop(self, key: ObjectKey) -> Entry | None:
        """Remove an entry; gives it."""
        entry = self.entries.pop(key, None)
        if entry:
            self.bytes -= len(entry.packed.data)
            self._unlist(key, entry)
        return entry

    def find(self, index: int, value: str) -> Collection[ObjectKey]:
        """The keys that an index value leads to."""
        return self._indexes[index].get(value, ())

    def _unlist(self, key: ObjectKey, entry: Entry) -> None:
        for index, values in zip(self._indexes, entry.values, strict=True):
            for value in values:
                index[value].discard(key)
                if not index[value]:
                    del index[value]

    def faults(self) -> Iterator[str]:
        """What breaks the invariant, for tests and the debug page."""
        for number, index in enumerate(self._indexes):
            listed = {(value, key) for value, keys in index.items() for key in keys}
            wanted = {(value, key) for key, entry in self.entries.items() for value in entry.values[number]}
            yield from (f"index {number} lists {key} under {value}" for value, key in listed - wanted)
            yield from (f"index {number} misses {key} under {value}" for value, key in wanted - listed)
            yield from (f"index {number} keeps {value!r} without keys" for value in index if not index[value])
        counted = sum(len(entry.packed.data) for entry in self.entries.values())
        if counted != self.bytes:
            yield f"{self.bytes} bytes counted, {counted} held"
