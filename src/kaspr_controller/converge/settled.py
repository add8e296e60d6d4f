"""Objects that were found to be as wanted: which version of them, for which intent and owner.

In: verdicts of `comparing`. Out: whether the same question was answered before; then neither is the object unpacked nor are
its fields compared. A comparison depends on nothing but the live object, the intent and the owner, so a verdict holds until
one of the three is another. Called from several worker threads; one lock, held for dictionary operations only. May be lost.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from kaspr_controller.converge.changes import Owner

CAPACITY = 2048
"""Objects of a few hundred bytes each; those of two hundred apps."""

_Answer: TypeAlias = "tuple[str, str, Owner]"
"""Resource version, hash of the intent, owner."""


class Settled:
    """A bounded memory by UID, least recently used out first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._answers: OrderedDict[str, _Answer] = OrderedDict()  # under the lock

    def note(self, uid: str, version: str, desired_hash: str, owner: Owner) -> None:
        """This version of the object is as this intent wants it, and belongs to this owner."""
        with self._lock:
            self._answers[uid] = (version, desired_hash, owner)
            self._answers.move_to_end(uid)
            while len(self._answers) > self._capacity:
                self._answers.popitem(last=False)

    def holds(self, uid: str, version: str, desired_hash: str, owner: Owner) -> bool:
        """Whether that was noted of this very version, intent and owner."""
        with self._lock:
            found = self._answers.get(uid) == (version, desired_hash, owner)
            if found:
                self._answers.move_to_end(uid)
            return found

    def __len__(self) -> int:
        with self._lock:
            return len(self._answers)
