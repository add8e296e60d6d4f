"""The local copy of one kind: what a watch told, corrected by what our own writes already know.

An informer thread puts lists and watch events in, workers put the answers to their writes in, everybody reads.

What is promised
    * Every read is one moment of the store. Changing an object that is returned changes nothing here (rule C5), but
      within one run of a worker readers share it, so nobody does. Lists come in the order of their keys.
    * Objects are as fresh as the watch, except that our own writes show at once: `overlay` puts the answer to a write
      in front, and neither an older watch event nor an older list brings the state before it back. `forget` hides an
      object that we deleted until the watch confirms. So a second reconcile sees what the first one did (rule F2).
    * An overlay lives until the watch has passed its resource version: the object's own event, or any later event,
      bookmark or list of this kind. Then the watch is right again, whatever it says.
    * Changes tell the states of the watch, never those of overlays, in the order of the watch; per object none is
      lost between `old` and `new`. A UID change is told as a deletion and an addition (rule C2). A list tells what
      differs from the state before; what vanished unseen is a deletion with the last known state.
    * One lock, held for dictionary operations only, never while something is decoded, indexed or handled (rule C1).

What is not promised
    * Order between objects of different kinds, and that every version of an object is seen: a list skips versions.
    * That an object that is not here does not exist: it may lack the selected label, or the transform dropped it.
      Look live before something is destroyed or created because of that (rules M1, F3).
    * That resource versions are numbers. If a comparison fails, the watch wins at once.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Literal, TypeAlias

from kaspr_controller.engine.changes import Change, Entry, meta_of
from kaspr_controller.engine.freshness import reached
from kaspr_controller.engine.layers import Layer
from kaspr_controller.engine.packing import Packer
from kaspr_controller.kube.kinds import Kind, ObjectKey, Raw
from kaspr_controller.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from kaspr_controller.engine.changes import Meta

EventType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED"]
Indexer: TypeAlias = "Callable[[Raw], Iterable[str]]"
Transform: TypeAlias = "Callable[[Raw], Raw | None]"

# `Store.list` hides the builtin from the signatures of its class.
Objects: TypeAlias = "list[Raw]"
Keys: TypeAlias = "list[ObjectKey]"
Changes: TypeAlias = "list[Change]"
Texts: TypeAlias = "list[str]"
Found: TypeAlias = "list[tuple[ObjectKey, Entry]]"

_OWNER = "owner"
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_BOOKMARKS = 2
"""Bookmarks that a hidden object outlives at most. The first may have been on its way when our delete was answered; the
second comes a minute later and includes the deletion. If the object is still there, the delete never happened."""


class Store:
    """Objects of one kind; see the module for what is promised.

    Args:
        kind: the only kind of objects in here.
        indexers: name -> function that gives an object's values for `list`. Pure, cheap.
        transform: what to keep of an object, None to leave it out. Pure, idempotent; must not edit its argument.
    """

    def __init__(
        self, kind: Kind, *, indexers: Mapping[str, Indexer] | None = None, transform: Transform | None = None
    ) -> None:
        self.kind = kind
        self._indexers = dict(indexers or {})
        # The owner index needs no function: its values are part of every entry's Meta.
        self._index_numbers = {name: number for number, name in enumerate((_OWNER, *self._indexers))}
        self._transform = transform
        self._packer = Packer()
        self._lock = threading.Lock()
        # All below: under the lock. `_last_rv` and `_synced` may be read without it.
        self._base = Layer(len(self._index_numbers))
        self._over = Layer(len(self._index_numbers))
        self._hidden: dict[tuple[ObjectKey, str], int] = {}  # key and UID -> bookmarks since
        self._last_rv = ""
        self._synced = False
        self._measured = (0, 0)  # objects and bytes as the gauges know them; the informer's thread only

    # Reading.

    @property
    def last_rv(self) -> str:
        """Resource version of the last event, bookmark or list; "" before the first list."""
        return self._last_rv

    @property
    def synced(self) -> bool:
        """Whether the first list is in."""
        return self._synced

    def get(self, key: ObjectKey) -> Raw | None:
        """One object, or None."""
        with self._lock:
            entry = self._visible(key)
        return entry.raw() if entry else None

    def meta(self, key: ObjectKey) -> Meta | None:
        """The identity card of one object: much cheaper than the object."""
        with self._lock:
            entry = self._visible(key)
        return entry.meta if entry else None

    def list(self, index: str, value: str) -> Objects:
        """The objects that have `value` in the index `index`.

        Raises:
            KeyError: no such index.
        """
        return [entry.raw() for _, entry in self._find(index, value)]

    def by_owner(self, uid: str) -> Objects:
        """The objects with an owner reference to this UID."""
        return self.list(_OWNER, uid)

    def keys_by_owner(self, uid: str) -> Keys:
        """Their keys: much cheaper than the objects."""
        return [key for key, _ in self._find(_OWNER, uid)]

    def keys(self) -> Keys:
        """All keys, sorted."""
        with self._lock:
            keys = {*self._base.entries, *self._over.entries}
            return sorted(key for key in keys if self._visible(key))

    def all(self) -> Objects:
        """All objects. Decodes everything: for rare use only."""
        with self._lock:
            keys = sorted({*self._base.entries, *self._over.entries})
            entries = [self._visible(key) for key in keys]
        return [entry.raw() for entry in entries if entry]

    def __len__(self) -> int:
        with self._lock:
            if not self._over.entries and not self._hidden:
                return len(self._base.entries)
        return len(self.keys())

    # Our own writes.

    def overlay(self, obj: Raw) -> None:
        """Show the answer to a write of ours at once."""
        prepared = self._prepare(obj)
        if prepared is None:
            return
        key, entry = prepared
        version = entry.meta.resource_version
        with self._lock:
            # The watch may be faster than the answer; an overlay behind it would bring an old state back.
            if self._last_rv and reached(self._last_rv, version):
                return
            if (present := self._over.entries.get(key)) and reached(present.meta.resource_version, version):
                return
            self._over.pop(key)  # so that the dictionary stays in the order of versions, roughly
            self._over.put(key, entry)

    def forget(self, key: ObjectKey, uid: str) -> None:
        """Hide an object that we deleted, until the watch confirms or shows it as being deleted."""
        with self._lock:
            entry = self._visible(key)
            # Otherwise the watch was faster: it shows that the object is ending, or gone, or another one.
            if entry and entry.meta.uid == uid and not entry.meta.deleting:
                self._hidden[key, uid] = 0

    # The watch.

    def apply(self, event: EventType, obj: Raw) -> Changes:
        """Take in one watch event; gives what it changed: nothing, one change, or two for a new incarnation."""
        prepared = self._echoed(obj) or self._prepare(obj)
        key, entry = prepared or (self._key(obj), None)
        version = obj["metadata"].get("resourceVersion", "")
        vanished = event == "DELETED" or entry is None
        with self._lock:
            over = self._over.entries.get(key)
            echo = over is not None and over.meta.resource_version == version
            if over and reached(version, over.meta.resource_version):
                self._over.pop(key)
            old = self._base.pop(key) if vanished or entry is None else self._take(key, entry)
            if vanished and old:
                self._hidden.pop((key, old.meta.uid), None)
            self._pass(version)
        self._measure()
        if vanished:
            return [Change(key, entry or old, None, echo=echo)] if old else []
        return _compare(key, old, entry, initial=False, echo=echo)

    def bookmark(self, version: str) -> None:
        """The watch has told everything up to this version."""
        with self._lock:
            self._pass(version, everything=True)
            self._hidden = {what: count + 1 for what, count in self._hidden.items() if count + 1 < _BOOKMARKS}

    def stage(self) -> Staged:
        """A list that is being received page by page; nothing shows until it is committed."""
        return Staged(self)

    def _commit(self, staged: Mapping[ObjectKey, Entry], version: str) -> Changes:
        with self._lock:
            initial, self._synced = not self._synced, True
            if self._last_rv and not reached(version, self._last_rv):
                # Lists are never older than what we saw, so the server's history went back (etcd was restored from a
                # backup). What our own writes left in front would now stay there for ever.
                self._over = Layer(len(self._index_numbers))
                self._hidden.clear()
            lost = [key for key in self._base.entries if key not in staged]
            gone = [(key, self._base.pop(key)) for key in lost]
            # What was listed as we knew it is the very entry that we have.
            news = [pair for pair in staged.items() if self._base.entries.get(pair[0]) is not pair[1]]
            changed = [(key, self._take(key, entry), entry) for key, entry in news]
            self._pass(version, everything=True)
        self._measure()
        changes = [Change(key, old, None) for key, old in gone]
        for key, old, entry in changed:
            changes.extend(_compare(key, old, entry, initial=initial))
        return changes

    # Steps of the above; the lock is held.

    def _take(self, key: ObjectKey, entry: Entry) -> Entry | None:
        """Put a state of the watch into the base layer; gives the one before."""
        # After our delete was answered, a state without deletionTimestamp is from before it, whatever its version.
        if entry.meta.deleting:
            self._hidden.pop((key, entry.meta.uid), None)
        return self._base.put(key, entry)

    def _pass(self, version: str, *, everything: bool = False) -> None:
        """Note that the watch has come to `version`, and drop the overlays that it has overtaken."""
        self._last_rv = version or self._last_rv
        overtaken = []
        for key, over in self._over.entries.items():
            if reached(self._last_rv, over.meta.resource_version):
                overtaken.append(key)
            elif not everything:
                break  # they are in the order of their versions, roughly; lists and bookmarks look at all of them
        for key in overtaken:
            self._over.pop(key)

    def _visible(self, key: ObjectKey) -> Entry | None:
        entry = self._over.entries.get(key) or self._base.entries.get(key)
        return None if entry and (key, entry.meta.uid) in self._hidden else entry

    def _measure(self) -> None:
        """Add what has changed to the gauges: with a list of namespaces, several stores share those of their kind."""
        objects, size = self._measured
        self._measured = (len(self._base.entries), self._base.bytes)
        metrics.STORE_OBJECTS.labels(self.kind.kind).inc(self._measured[0] - objects)
        metrics.STORE_BYTES.labels(self.kind.kind).inc(self._measured[1] - size)

    def _find(self, index: str, value: str) -> Found:
        """The entries that have a value in an index; takes the lock itself."""
        number = self._index_numbers[index]
        with self._lock:
            keys = {*self._base.find(number, value), *self._over.find(number, value)}
            found = ((key, self._visible(key)) for key in sorted(keys))
            return [(key, entry) for key, entry in found if entry and value in entry.values[number]]

    # Preparing: outside the lock.

    def _key(self, obj: Raw) -> ObjectKey:
        meta = obj["metadata"]
        return self.kind.key(meta.get("namespace", ""), meta["name"])

    def _prepare(self, obj: Raw) -> tuple[ObjectKey, Entry] | None:
        """Key and entry of an object; None when the transform leaves it out."""
        # Items of a list carry no kind of their own.
        obj = {"apiVersion": self.kind.api_version, "kind": self.kind.kind, **obj}
        kept = self._transform(obj) if self._transform else obj
        if kept is None:
            return None
        stripped = strip(kept)
        meta = meta_of(stripped)
        values = (meta.owners, *(tuple(dict.fromkeys(index(stripped))) for index in self._indexers.values()))
        return self._key(stripped), Entry(self._packer.pack(stripped), meta, values)

    def _echoed(self, obj: Raw) -> tuple[ObjectKey, Entry] | None:
        """The entry that our own write left, if this is the same version: packing it again would give the same."""
        key, meta = self._key(obj), obj["metadata"]
        with self._lock:
            over = self._over.entries.get(key)
        return (key, over) if over and _is_version(over, meta) else None

    def _known(self, obj: Raw) -> tuple[ObjectKey, Entry] | None:
        """The entry we have, if it is of the same version: a list mostly repeats what is known."""
        key, meta = self._key(obj), obj["metadata"]
        with self._lock:
            entry = self._base.entries.get(key)
        return (key, entry) if entry and _is_version(entry, meta) else None

    def _present(self, obj: Raw) -> dict[ObjectKey, Entry]:
        """The entry we have of the same incarnation, whatever its version."""
        key = self._key(obj)
        with self._lock:
            entry = self._base.entries.get(key)
        return {key: entry} if entry and entry.meta.uid == obj["metadata"]["uid"] else {}

    def faults(self) -> Texts:
        """What breaks the invariants of the indexes; empty in a healthy store."""
        with self._lock:
            return [*self._base.faults(), *self._over.faults()]


class Staged:
    """A list under way. Objects are packed as they come, so that two full copies never exist (rule W4)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._entries: dict[ObjectKey, Entry] = {}

    def add(self, obj: Raw) -> None:
        """Take in one object; if that fails, what is known of it stays, since it is not gone."""
        try:
            prepared = self._store._known(obj) or self._store._prepare(obj)  # noqa: SLF001  # one unit, two classes
        except Exception:
            self._entries.update(self._store._present(obj))  # noqa: SLF001
            raise
        if prepared:
            self._entries[prepared[0]] = prepared[1]

    def commit(self, version: str) -> Changes:
        """Make the list the state of the store at once; gives what changed."""
        return self._store._commit(self._entries, version)  # noqa: SLF001  # one unit, two classes


def _is_version(entry: Entry, meta: Raw) -> bool:
    """Whether metadata is that of the very object in the entry."""
    return entry.meta.resource_version == meta.get("resourceVersion") and entry.meta.uid == meta.get("uid")


def _compare(
    key: ObjectKey, old: Entry | None, new: Entry | None, *, initial: bool, echo: bool = False
) -> Changes:
    if old and new and old.meta.uid != new.meta.uid:
        return [Change(key, old, None), Change(key, None, new, echo=echo)]
    if old and new and old.meta.resource_version == new.meta.resource_version:
        return []
    return [Change(key, old, new, initial=initial and old is None, echo=echo)]


def strip(obj: Raw) -> Raw:
    """The object without what no reconciler reads and what can be half of it (rule M2)."""
    meta = obj["metadata"]
    annotations = meta.get("annotations")
    extra = annotations and _LAST_APPLIED in annotations
    if "managedFields" not in meta and not extra:
        return obj
    kept = {name: value for name, value in meta.items() if name != "managedFields"}
    if extra:
        kept["annotations"] = {name: text for name, text in annotations.items() if name != _LAST_APPLIED}
    return {**obj, "metadata": kept}
