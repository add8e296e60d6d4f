"""Delete what an owner has and wants no more (rule D2).

In: the owner, the keys it wants, the kinds to look through, a question that may keep an object for now. Out: one entry
for each object that is not wanted. Called by reconcilers, through `applying`, on worker threads, after the wanted objects
are written. Invariants: only an object whose controller is this very incarnation of the owner is deleted, after a look at
the live object, with its UID and version as preconditions; a claim only if this program wrote it, so never one that a
StatefulSet made from its claim templates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspr_controller.converge import metering
from kaspr_controller.converge.changes import ChangeSet, Entry, Owner, from_error, waiting
from kaspr_controller.converge.ownership import WAIT_SECONDS, is_controlled_by, written_here
from kaspr_controller.kube.errors import ApiError, NotFound, NotLeading
from kaspr_controller.kube.kinds import CONFIG_MAP, PERSISTENT_VOLUME_CLAIM
from kaspr_controller.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from kaspr_controller.converge.ports import Api, Cache
    from kaspr_controller.kube.kinds import Kind, ObjectKey, Raw


class Pruner:
    """Deletes with the client what the caches show.

    Args:
        client: requests to the API server.
        stores: the caches by kind.
    """

    def __init__(self, client: Api, stores: Mapping[str, Cache]) -> None:
        self._client = client
        self._stores = stores

    def prune(
        self,
        owner: Owner,
        *,
        wanted: frozenset[ObjectKey],
        kinds: Sequence[Kind],
        may_delete: Callable[[Raw], str | None],
    ) -> ChangeSet:
        """Delete the owner's objects of `kinds`, in that order, except the wanted ones.

        `may_delete` gets an object and returns why it has to stay for now (a pod still mounts it), or None. It is asked
        twice: with the cached object and with the live one.

        Raises:
            errors.NotLeading: this process must not write any more. Every other error becomes an entry.
        """
        return ChangeSet(
            tuple(
                self._guarded(owner, kind, live, may_delete)
                for kind in kinds
                for live in self._unwanted(owner, kind, wanted)
            )
        )

    def _unwanted(self, owner: Owner, kind: Kind, wanted: frozenset[ObjectKey]) -> Iterator[Raw]:
        for uid in _controllers(kind, owner):
            # Nearly all are wanted, pass after pass: their keys say so, and nothing is decoded.
            for key in self._stores[kind.kind].keys_by_owner(uid):
                live = None if key in wanted else self._stores[kind.kind].get(key)
                if live is not None and _is_prunable(kind, live, owner):
                    yield live

    def _guarded(
        self, owner: Owner, kind: Kind, cached: Raw, may_delete: Callable[[Raw], str | None]
    ) -> Entry:
        key = _key(kind, cached)
        try:
            return _objection(key, cached, may_delete) or self._delete(owner, kind, cached, may_delete)
        except NotLeading:
            raise
        except ApiError as error:
            return from_error(key, error)

    def _delete(
        self, owner: Owner, kind: Kind, cached: Raw, may_delete: Callable[[Raw], str | None]
    ) -> Entry:
        key, uid = _key(kind, cached), cached["metadata"]["uid"]
        try:
            live = self._client.get(kind, key.namespace, key.name)
            meta = live["metadata"]
            if meta["uid"] != uid or not _is_prunable(kind, live, owner):
                return Entry(key, "unchanged", "NotOurs", f"{key} changed hands meanwhile: it is left alone")
            entry = _objection(key, live, may_delete)
            if entry is not None:
                return entry
            self._client.delete(
                kind, key.namespace, key.name, uid=uid, resource_version=meta["resourceVersion"]
            )
        except NotFound:
            self._stores[kind.kind].forget(key, uid)
            return Entry(key, "deleted", message=f"{key} was gone already")
        self._stores[kind.kind].forget(key, uid)
        metrics.DELETES.labels(kind.kind, "unwanted").inc()
        metering.deleted(owner, key)
        return Entry(key, "deleted")


def _key(kind: Kind, live: Raw) -> ObjectKey:
    # Items of a list answer carry no kind.
    meta = live["metadata"]
    return kind.key(meta.get("namespace", ""), meta["name"])


def _controllers(kind: Kind, owner: Owner) -> Iterator[str]:
    """The UIDs whose objects are the owner's: for ConfigMaps those of components too, since the predecessor wrote them so."""
    yield owner.uid
    if kind == CONFIG_MAP:
        yield from sorted(owner.also)


def _is_prunable(kind: Kind, live: Raw, owner: Owner) -> bool:
    if not any(is_controlled_by(live, uid) for uid in _controllers(kind, owner)):
        return False
    return kind is not PERSISTENT_VOLUME_CLAIM or written_here(live)


def _objection(key: ObjectKey, live: Raw, may_delete: Callable[[Raw], str | None]) -> Entry | None:
    if live["metadata"].get("deletionTimestamp"):
        return waiting(key, "Deleting", f"{key} is being deleted", after=WAIT_SECONDS)
    why = may_delete(live)
    return waiting(key, "InUse", f"{key} stays for now: {why}") if why else None
