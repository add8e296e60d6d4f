"""What has to be written for an intent: nothing, or which object with which differences.

In: an owner and an intent. Out: an `Entry` when nothing is to be sent, else a `Write`. Called by `applying` and
`planning` on worker threads. Reads the caches, and the server for an object that no cache shows: caches hold only
objects with our labels, so a stranger of the same name is visible only there. Invariant: no write request is made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kaspr_controller.converge.canonical import HASH_ANNOTATION, hash_of
from kaspr_controller.converge.changes import Entry, Owner
from kaspr_controller.converge.covering import Difference, differences
from kaspr_controller.converge.ownership import objection, owner_objection
from kaspr_controller.converge.settled import Settled
from kaspr_controller.kube.errors import NotFound
from kaspr_controller.kube.kinds import ObjectKey, built_in, key_of
from kaspr_controller.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kaspr_controller.converge.census import Census
    from kaspr_controller.converge.learned import LearnedNoOps
    from kaspr_controller.converge.ports import Api, Cache
    from kaspr_controller.kube.kinds import Raw

_HASH_PATH = ("metadata", "annotations", HASH_ANNOTATION)


@dataclass(frozen=True, slots=True)
class Write:
    """An intent that the live object does not satisfy.

    Attributes:
        key: the object.
        intent: what is wanted.
        desired_hash: its hash.
        live: the object as it is, None when there is none.
        found: the differences; only the hash when a field was taken out of the intent.
    """

    key: ObjectKey
    intent: Raw
    desired_hash: str
    live: Raw | None
    found: tuple[Difference, ...]

    @property
    def uid(self) -> str | None:
        """The incarnation to write, None for a new object."""
        return None if self.live is None else self.live["metadata"]["uid"]

    @property
    def drifted(self) -> bool:
        """Whether somebody else has changed what was written for this very intent."""
        if self.live is None:
            return False
        return (self.live["metadata"].get("annotations") or {}).get(HASH_ANNOTATION) == self.desired_hash

    @property
    def paths(self) -> tuple[str, ...]:
        """The fields that differ."""
        return tuple(map(str, self.found))


class Comparison:
    """Compares intents with the caches.

    Args:
        client: for live reads.
        stores: the caches by kind; every kind that is written has one.
        learned: differences that are none.
        census: knows names that are free; None looks at each object.
    """

    def __init__(
        self, client: Api, stores: Mapping[str, Cache], learned: LearnedNoOps, census: Census | None = None
    ) -> None:
        self._client = client
        self._stores = stores
        self._learned = learned
        self._census = census
        self._settled = Settled()

    def compare(self, owner: Owner, intent: Raw, key: ObjectKey) -> Entry | Write:
        """What is to be done for one intent.

        Raises:
            errors.ApiError: the live read of an object that no cache shows failed.
        """
        store, desired_hash = self._stores[key.kind], hash_of(intent)
        card = store.meta(key)
        if card is not None and self._settled.holds(card.uid, card.resource_version, desired_hash, owner):
            return _unchanged(key, "seen")
        live = store.get(key) or self._look(owner, intent, key)
        if live is None:
            return self._owner_objection(owner, key) or Write(key, intent, desired_hash, None, ())
        return objection(key, live, owner, intent) or self._against(owner, live, intent, desired_hash)

    def revised(self, owner: Owner, write: Write, intent: Raw) -> Entry | Write:
        """The same for another intent for the object of a `Write`, which is not looked for again."""
        if write.live is None:
            return Write(write.key, intent, hash_of(intent), None, ())
        return self._against(owner, write.live, intent, hash_of(intent))

    def written(self, owner: Owner, write: Write, answer: Raw) -> None:
        """The server answered a write with this object."""
        meta, left = answer["metadata"], differences(write.intent, answer)
        if left:
            # The direct answer to a forced apply: what is still different is the server's spelling.
            self._learned.learn(meta["uid"], write.desired_hash, left)
        else:
            self._settled.note(meta["uid"], meta["resourceVersion"], write.desired_hash, owner)

    def exists(self, key: ObjectKey) -> bool:
        """Whether the cache shows the object, and not as one that is about to go."""
        store = self._stores.get(key.kind)
        card = None if store is None else store.meta(key)
        return card is not None and not card.deleting

    def _look(self, owner: Owner, intent: Raw, key: ObjectKey) -> Raw | None:
        """The object as the server has it; one of ours goes into the cache."""
        kind = built_in(intent)
        if self._census is not None and self._census.is_free(kind, key.namespace, key.name):
            return None
        try:
            live = self._client.get(kind, key.namespace, key.name)
        except NotFound:
            return None
        if objection(key, live, owner, intent) is None:
            self._stores[key.kind].overlay(live)
        return live

    def _owner_objection(self, owner: Owner, key: ObjectKey) -> Entry | None:
        owners = self._stores.get(owner.key.kind)
        return None if owners is None else owner_objection(key, owner, owners.meta(owner.key))

    def _against(self, owner: Owner, live: Raw, intent: Raw, desired_hash: str) -> Entry | Write:
        meta, key = live["metadata"], key_of(intent)
        found = differences(intent, live)
        there = (meta.get("annotations") or {}).get(HASH_ANNOTATION)
        if there == desired_hash:
            if not found:
                self._settled.note(meta["uid"], meta["resourceVersion"], desired_hash, owner)
                return _unchanged(key, "covered")
            if self._learned.knows(meta["uid"], desired_hash, found):
                return _unchanged(key, "learned")
        elif not found:
            found = [Difference(_HASH_PATH, there)]
        return Write(key, intent, desired_hash, live, tuple(found))


def _unchanged(key: ObjectKey, why: str) -> Entry:
    metrics.SKIPS.labels(key.kind, why).inc()
    return Entry(key, "unchanged")
