"""The columns of `kubectl get`: what a person wants to know first about each kind.

Values only; read by the CRD generator. Columns of priority 1 appear with `-o wide`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Column:
    """One column: heading, where its value stands, whether only wide output shows it."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False

    def to_raw(self) -> dict[str, Any]:
        """The entry in `additionalPrinterColumns`."""
        entry: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return {**entry, "priority": 1} if self.wide else entry


def _of_ready(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


_APP = Column("App", r".metadata.labels.kaspr\.io/app")
_READY = Column("Ready", _of_ready("status"))
_REASON = Column("Reason", _of_ready("reason"))
_MESSAGE = Column("Message", _of_ready("message"), wide=True)
_AGE = Column("Age", ".metadata.creationTimestamp", type="date")


def _component(*columns: Column) -> tuple[Column, ...]:
    return (_APP, *columns, _READY, _REASON, _AGE, _MESSAGE)


COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "KasprApp": (
        Column("Version", ".status.kasprVersion"),
        _READY,
        _REASON,
        Column("Members", ".status.availableMembers"),
        Column("Rebalancing", ".status.rebalancingMembers"),
        _AGE,
        _MESSAGE,
    ),
    "KasprAgent": _component(
        Column("Topic", ".spec.input.topic.name"), Column("Channel", ".spec.input.channel.name")
    ),
    "KasprTable": _component(Column("Global", ".spec.global", type="boolean")),
    "KasprJoin": _component(
        Column("Left", ".spec.leftTable"), Column("Right", ".spec.rightTable"), Column("Type", ".spec.type")
    ),
    "KasprWebView": _component(
        Column("Method", ".spec.request.method"), Column("Path", ".spec.request.path")
    ),
    "KasprTask": _component(
        Column("Cron", ".spec.schedule.cron"), Column("Interval", ".spec.schedule.interval")
    ),
}
