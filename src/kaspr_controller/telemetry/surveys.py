"""Metrics about custom resources that are read when somebody scrapes, not kept: none can be stale or left over.

In: a function that gives a `Survey` of the cached objects, handed in by wiring. Out: the families `kaspr_condition`,
`kaspr_app_members` and `kaspr_invalid_objects`. Runs on the listener's threads. Invariant: there is a series for what exists
at the moment of the scrape, and for nothing else. Every replica shows them, the standbys too: aggregate with `max`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector


class Condition(NamedTuple):
    """One condition of one object; `value` is 1 for True, 0 for False, -1 for Unknown."""

    kind: str
    namespace: str
    name: str
    type: str
    reason: str
    value: int


class Members(NamedTuple):
    """How many members of an app are in a state: `wanted`, `available` or `rebalancing`."""

    namespace: str
    app: str
    state: str
    number: int


@dataclass(frozen=True, slots=True)
class Survey:
    """What the custom resources say of themselves at one moment.

    Attributes:
        conditions: all of them.
        members: of the apps whose status tells.
        invalid: kind -> objects whose spec is held back; kinds without any have a 0.
    """

    conditions: tuple[Condition, ...] = ()
    members: tuple[Members, ...] = ()
    invalid: Mapping[str, int] = field(default_factory=dict)


class SurveyCollector(Collector):
    """Asks for a survey at each scrape; `source` is set once, before the HTTP server starts."""

    def __init__(self) -> None:
        self.source: Callable[[], Survey] = Survey

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The families without samples."""
        return _families(Survey())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The families of this moment."""
        return _families(self.source())


def _families(survey: Survey) -> Iterator[GaugeMetricFamily]:
    conditions = GaugeMetricFamily(
        "kaspr_condition",
        "Conditions of custom resources: 1 True, 0 False, -1 Unknown",
        labels=("kind", "namespace", "name", "type", "reason"),
    )
    for *labels, value in survey.conditions:
        conditions.add_metric([str(label) for label in labels], value)
    yield conditions
    members = GaugeMetricFamily(
        "kaspr_app_members", "Members of an app by state", labels=("namespace", "app_name", "state")
    )
    for *labels, number in survey.members:
        members.add_metric([str(label) for label in labels], number)
    yield members
    invalid = GaugeMetricFamily(
        "kaspr_invalid_objects", "Custom resources whose spec is held back", labels=("kind",)
    )
    for kind, count in survey.invalid.items():
        invalid.add_metric([kind], count)
    yield invalid
