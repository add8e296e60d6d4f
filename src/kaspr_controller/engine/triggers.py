"""Changes to keys: who has to look again because of what changed (rules E1 to E3).

In: a `Change` from a store, on an informer thread. Out: keys in the work queue. The table of entries belongs to the
reconcilers; here is only how an entry is read. Predicates and maps are pure and never call the API.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from kaspr_controller.engine.priorities import INITIAL, USER
from kaspr_controller.kube.kinds import Kind, ObjectKey
from kaspr_controller.telemetry import metrics
from kaspr_controller.telemetry.logs import get_logger

if TYPE_CHECKING:
    from kaspr_controller.engine.changes import Change
    from kaspr_controller.engine.journal import Journal

log = get_logger("engine.triggers")


class Queue(Protocol):
    """Where keys go."""

    def add(self, key: ObjectKey, priority: int = USER) -> None:
        """Queue a key."""
        ...


@dataclass(frozen=True, slots=True)
class Trigger:
    """One row of a trigger table.

    Attributes:
        source: the kind whose changes are looked at.
        predicate: whether a change matters.
        map: the keys that have to be looked at because of it; gets the stores by kind for look-ups.
        priority: of the keys; what a first list brings is queued behind everything else (rule C4).
    """

    source: Kind
    predicate: Callable[[Change], bool]
    map: Callable[[Change, Any], Iterable[ObjectKey]]
    priority: int = USER

    @property
    def name(self) -> str:
        """The row in a word, for logs and the journal."""
        return f"{self.source.kind}.{self.predicate.__name__}"


class TriggerTable:
    """Reads the rows for every change; `handle` is what a store's informer calls.

    Args:
        triggers: the rows.
        stores: by kind, for the maps.
        queue: where keys go.
        journal: told which row queued a key; None tells nobody.
    """

    def __init__(
        self,
        triggers: Iterable[Trigger],
        *,
        stores: Mapping[str, Any],
        queue: Queue,
        journal: Journal | None = None,
    ) -> None:
        self._rows: dict[str, list[Trigger]] = {}
        for trigger in triggers:
            self._rows.setdefault(trigger.source.kind, []).append(trigger)
        self._stores = stores
        self._queue = queue
        self._journal = journal

    def handle(self, change: Change) -> None:
        """Queue every key that the change concerns; a row that raises costs itself only."""
        for trigger in self._rows.get(change.key.kind, ()):
            try:
                self._pull(trigger, change)
            except Exception:
                metrics.HANDLER_ERRORS.labels(change.key.kind, trigger.name).inc()
                log.exception("a trigger failed", trigger=trigger.name, object=str(change.key))

    def _pull(self, trigger: Trigger, change: Change) -> None:
        if not trigger.predicate(change):
            return
        priority = INITIAL if change.initial or change.resync else trigger.priority
        for key in trigger.map(change, self._stores):
            self._queue.add(key, priority)
            if self._journal and not change.initial:
                self._journal.write(key, f"queued by {trigger.name} of {change.key}")

    def explain(self) -> str:
        """The table as text, one row a line."""
        return "\n".join(
            f"{row.source.kind:<24} {row.predicate.__name__:<18} -> {row.map.__name__} (priority {row.priority})"
            for rows in self._rows.values()
            for row in rows
        )
