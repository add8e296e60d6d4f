"""Differences that are none: how the server writes down what it was given, learned from its own answers (rule S3).

In: the differences between an intent and the answer to its apply. Out: whether the same differences were answered before.
Called by `applying` from several worker threads; one lock, held for dictionary operations only. Invariant: an entry holds
only for the same incarnation, the same intent and the same live values, so a real change is never mistaken for one.

Lost on restart on purpose: `canonical` and `mergekeys` know statically what the server does to everything that is
rendered; this memory catches what a newer server or an admission webhook adds.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from hashlib import blake2b
from typing import TYPE_CHECKING

from kaspr_controller.converge.covering import Difference, path_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kaspr_controller.converge.ports import Monotonic

TTL_SECONDS = 1800.0
"""After half an hour without use a difference is tried once more: a webhook that caused it may be gone."""

CAPACITY = 4096
"""Entries of about 300 bytes; eight for each object of 500."""

_DIGEST_BYTES = 16


class LearnedNoOps:
    """A bounded memory, least recently used out first.

    Args:
        clock: for the age of entries.
        capacity: entries kept.
        ttl: seconds an entry lives without being used.
    """

    def __init__(self, clock: Monotonic, *, capacity: int = CAPACITY, ttl: float = TTL_SECONDS) -> None:
        self._clock = clock
        self._capacity = capacity
        self._ttl = ttl
        self._lock = threading.Lock()
        # Guarded by _lock: (uid, hash of the intent, digest of the differences) -> time of the last use.
        self._entries: OrderedDict[tuple[str, str, bytes], float] = OrderedDict()

    def learn(self, uid: str, desired_hash: str, found: Iterable[Difference]) -> None:
        """Remember that the server answers this intent with these differences."""
        entry = (uid, desired_hash, _digest(found))
        now = self._clock.monotonic()
        with self._lock:
            self._entries[entry] = now
            self._entries.move_to_end(entry)
            while len(self._entries) > self._capacity:
                self._entries.popitem(last=False)

    def knows(self, uid: str, desired_hash: str, found: Iterable[Difference]) -> bool:
        """Whether these differences are the server's own spelling of this intent."""
        entry = (uid, desired_hash, _digest(found))
        now = self._clock.monotonic()
        with self._lock:
            used = self._entries.get(entry)
            if used is None:
                return False
            if now - used > self._ttl:
                del self._entries[entry]
                return False
            self._entries[entry] = now
            self._entries.move_to_end(entry)
            return True

    def __len__(self) -> int:
        with self._lock:
            return len(self._entries)


def _digest(found: Iterable[Difference]) -> bytes:
    # Digested, not kept: a live value may be a secret.
    text = json.dumps([(path_text(each.path), each.live) for each in found], sort_keys=True)
    return blake2b(text.encode(), digest_size=_DIGEST_BYTES).digest()
