"""Several namespaces as one cache: a store per namespace behind the reading and writing side of one.

In: one `Store` per watched namespace, each filled by its own informer. Out: what reconcilers, triggers and converge need
of a store. An object is looked for in the store of its namespace only, so a namespace that is not watched looks empty.
Holds no lock and no state of its own. Used when a list of namespaces is watched (rule N1).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from kaspr_controller.engine.changes import Meta
    from kaspr_controller.engine.store import Store
    from kaspr_controller.kube.kinds import ObjectKey, Raw

# `StoreUnion.list` hides the builtin from the signatures of its class.
Objects: TypeAlias = "list[Raw]"
Keys: TypeAlias = "list[ObjectKey]"


class StoreUnion:
    """Reads go to the store of the namespace, or to all of them where no namespace is named."""

    def __init__(self, stores: Mapping[str, Store]) -> None:
        self._stores = dict(stores)

    @property
    def synced(self) -> bool:
        """Whether every part has its first list."""
        return all(store.synced for store in self._stores.values())

    def get(self, key: ObjectKey) -> Raw | None:
        """One object, or None."""
        store = self._stores.get(key.namespace)
        return store.get(key) if store else None

    def meta(self, key: ObjectKey) -> Meta | None:
        """The identity card of one object."""
        store = self._stores.get(key.namespace)
        return store.meta(key) if store else None

    def list(self, index: str, value: str) -> Objects:
        """The objects with `value` in an index, namespace after namespace."""
        return list(chain.from_iterable(store.list(index, value) for store in self._stores.values()))

    def by_owner(self, uid: str) -> Objects:
        """The objects with an owner reference to this UID."""
        return list(chain.from_iterable(store.by_owner(uid) for store in self._stores.values()))

    def keys_by_owner(self, uid: str) -> Keys:
        """Their keys."""
        return list(chain.from_iterable(store.keys_by_owner(uid) for store in self._stores.values()))

    def keys(self) -> Keys:
        """All keys, sorted."""
        return sorted(chain.from_iterable(store.keys() for store in self._stores.values()))

    def overlay(self, obj: Raw) -> None:
        """Show the answer to a write of ours at once."""
        store = self._stores.get(obj["metadata"].get("namespace", ""))
        if store:
            store.overlay(obj)

    def forget(self, key: ObjectKey, uid: str) -> None:
        """Hide an object that we deleted."""
        store = self._stores.get(key.namespace)
        if store:
            store.forget(key, uid)
