"""Panels and dashboards as Grafana stores them, from the little that differs between them.

In: title, expressions, unit. Out: JSON objects, laid out in rows of 24 columns. Called by `dashboards.py`. Pure.
Invariant: a panel has a description, since a graph that nobody can read is decoration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Raw: TypeAlias = dict[str, Any]
View: TypeAlias = Literal["timeseries", "stat", "table", "state-timeline"]

COLUMNS = 24
SOURCE: Raw = {"type": "prometheus", "uid": "${datasource}"}
SCHEMA = 39
"""The version of the format: that of Grafana 10.4, which newer ones read."""
_HEIGHTS: Mapping[View, int] = {"timeseries": 8, "stat": 4, "table": 8, "state-timeline": 8}


@dataclass(frozen=True, slots=True)
class Panel:
    """One graph.

    Attributes:
        title: what it shows.
        description: how to read it: what is normal, what is not.
        queries: expression -> legend.
        unit: as Grafana calls it.
        view: how it is drawn.
        width: columns of 24.
        steps: value -> colour from it on, beginning with the least; `None` is the lowest.
        names: value -> word that is shown for it.
    """

    title: str
    description: str
    queries: Mapping[str, str]
    unit: str = "short"
    view: View = "timeseries"
    width: int = 8
    steps: tuple[tuple[float | None, str], ...] = ((None, "green"),)
    names: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def json(self, number: int, x: int, y: int) -> Raw:
        """The panel at a place."""
        return {
            "id": number,
            "type": self.view,
            "title": self.title,
            "description": self.description,
            "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": _HEIGHTS[self.view]},
            "targets": [self._target(index, *query) for index, query in enumerate(self.queries.items())],
            "fieldConfig": {"defaults": self._defaults(), "overrides": []},
            "options": self._options(),
        }

    def _target(self, index: int, expression: str, legend: str) -> Raw:
        target: Raw = {
            "refId": chr(ord("A") + index),
            "datasource": SOURCE,
            "expr": expression,
            "legendFormat": legend,
        }
        if self.view in {"stat", "table"}:
            target["instant"] = True
        if self.view == "table":
            target["format"] = "table"
        return target

    def _defaults(self) -> Raw:
        steps = [{"value": value, "color": colour} for value, colour in self.steps]
        defaults: Raw = {"unit": self.unit, "thresholds": {"mode": "absolute", "steps": steps}}
        if self.view == "timeseries":
            defaults["min"] = 0
        if self.names:
            words = {
                value: {"text": word, "color": colour, "index": index}
                for index, (value, (word, colour)) in enumerate(self.names.items())
            }
            defaults["mappings"] = [{"type": "value", "options": words}]
        return defaults

    def _options(self) -> Raw:
        if self.view == "timeseries":
            return {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }
        if self.view == "stat":
            return {
                "colorMode": "value",
                "graphMode": "none",
                "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                "textMode": "auto",
            }
        return {}


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels below it."""

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of the page: the values of a label of a metric."""

    name: str
    metric: str
    label: str

    def json(self) -> Raw:
        """As Grafana stores it; all values by default."""
        query = f"label_values({self.metric}, {self.label})"
        return {
            "name": self.name,
            "label": self.name,
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": query, "refId": self.name},
            "definition": query,
            "refresh": 2,
            "sort": 1,
            "includeAll": True,
            "multi": True,
            "allValue": ".*",
            "current": {"text": "All", "value": "$__all"},
        }


def dashboard(uid: str, title: str, rows: Iterable[Row], variables: Iterable[Variable] = ()) -> Raw:
    """A whole dashboard; `uid` is its address, which links and bookmarks rely on."""
    panels: list[Raw] = []
    y = 0
    for row in rows:
        place = {"x": 0, "y": y, "w": COLUMNS, "h": 1}
        panels.append(
            {"id": len(panels) + 1, "type": "row", "title": row.title, "gridPos": place, "panels": []}
        )
        y = _laid_out(panels, row.panels, y + 1)
    source = {"name": "datasource", "label": "datasource", "type": "datasource", "query": "prometheus"}
    return {
        "uid": uid,
        "title": title,
        "tags": ["kaspr"],
        "editable": True,
        "schemaVersion": SCHEMA,
        "version": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [source, *(variable.json() for variable in variables)]},
        "annotations": {"list": []},
        "panels": panels,
    }


def _laid_out(panels: list[Raw], row: Iterable[Panel], y: int) -> int:
    """Append the panels from left to right; gives the first line below them."""
    x = height = 0
    for panel in row:
        if x + panel.width > COLUMNS:
            x, y, height = 0, y + height, 0
        panels.append(panel.json(len(panels) + 1, x, y))
        x += panel.width
        height = max(height, _HEIGHTS[panel.view])
    return y + height
