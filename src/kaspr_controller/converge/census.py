"""Which names strangers hold, so that a new object need not be asked for by name (decision record 0007).

In: a kind, a namespace, a name. Out: whether surely no object that our caches do not show had that name a moment ago.
Asked by `comparing` on worker threads before it creates something. Caches hold what carries our label; here one list of
all others, names only, answers for every object that is created within a second. The invariant: a census is never older
than `FRESH_SECONDS`, and where it cannot tell, the caller looks at the object itself.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from kaspr_controller.api import labels
from kaspr_controller.kube.errors import ApiError, NotLeading

if TYPE_CHECKING:
    from kaspr_controller.converge.ports import Monotonic
    from kaspr_controller.kube.kinds import Kind

FRESH_SECONDS = 1.0
"""Age up to which a list counts as a look. A stranger that takes a name within this second is taken for ours; a look at
each object leaves the same gap, as long as a write waits for its turn."""
CROWD = 500
"""Strangers of one kind in one namespace: where there are more, listing them costs more than a few looks."""
CROWDED_SECONDS = 60.0

STRANGERS = f"{labels.K8S_MANAGED_BY}!={labels.MANAGED_BY_VALUE}"
LABELLED = frozenset({"ConfigMap", "Service", "ServiceAccount"})
"""Kinds of which the caches hold everything that carries our label, so that strangers are all the others. Of workloads
and autoscalers they hold what our custom resources own, and an orphan with our label is not among that; claims are
selected by another label, since those of members do not carry this one."""


class Lister(Protocol):
    """The one request of this module."""

    def names(
        self, kind: Kind, namespace: str, *, label_selector: str, limit: int
    ) -> tuple[frozenset[str], bool]:
        """Names of at most `limit` objects, and whether these are all."""
        ...


@dataclass(slots=True)
class _Place:
    """What is known of one kind in one namespace; under its lock."""

    lock: threading.Lock
    taken: frozenset[str] = frozenset()
    until: float = float("-inf")
    crowded_until: float = float("-inf")


class Census:
    """Asks for the names of strangers, at most once a second for each kind and namespace.

    Args:
        client: for the lists.
        clock: for their age.
    """

    def __init__(self, client: Lister, clock: Monotonic) -> None:
        self._client = client
        self._clock = clock
        self._lock = threading.Lock()
        self._places: dict[tuple[str, str], _Place] = {}

    def is_free(self, kind: Kind, namespace: str, name: str) -> bool:
        """Whether surely no stranger has the name; False where it has to be looked at."""
        if kind.kind not in LABELLED:
            return False
        with self._lock:
            place = self._places.setdefault((kind.kind, namespace), _Place(threading.Lock()))
        # Those who come meanwhile wait for the list under way: each would send the same one.
        with place.lock:
            now = self._clock.monotonic()
            if now < place.crowded_until:
                return False
            if now >= place.until and not self._count(place, kind, namespace, now):
                return False
            return name not in place.taken

    def _count(self, place: _Place, kind: Kind, namespace: str, now: float) -> bool:
        """Take a new census; False when it does not tell everything."""
        try:
            taken, complete = self._client.names(kind, namespace, label_selector=STRANGERS, limit=CROWD)
        except NotLeading:
            raise
        except ApiError:
            return False  # the look at the object meets the same trouble, and reports it
        if not complete:
            place.crowded_until = now + CROWDED_SECONDS
            return False
        place.taken, place.until = taken, now + FRESH_SECONDS
        return True
