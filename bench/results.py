"""From runs to figures: medians with intervals, goals, and the ratio to the floor.

In: the measures of every run. Out: `Figure`, and the rows of the table. Functions of values; the bootstrap has a fixed
seed, so equal runs give equal tables.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bench.scenarios import Measures

_RESAMPLES = 2000
_ENOUGH = 5
"""Runs from which on a bootstrap says more than the lowest and the highest run."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A median, with its 95 % interval; with few runs from the lowest to the highest run."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure:
        """The figure of some runs."""
        median = statistics.median(values)
        if len(values) < _ENOUGH:
            return cls(median, min(values), max(values))
        rng = random.Random(0)
        medians = sorted(statistics.median(rng.choices(values, k=len(values))) for _ in range(_RESAMPLES))
        return cls(median, medians[int(_RESAMPLES * 0.025)], medians[int(_RESAMPLES * 0.975)])


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Attributes:
        measure: its name in a run.
        text: what a reader sees.
        unit: of the figures.
        goal: the highest value that is good enough, by number of apps; None where there is no goal.
        floor: the goal is this many times the floor instead.
    """

    measure: str
    text: str
    unit: str = ""
    goal: Callable[[int], float] | None = None
    floor: float | None = None


def _at_most(limit: float) -> Callable[[int], float]:
    return lambda _apps: limit


def _memory(apps: int) -> float:
    """P6: 55, 75 and 120 MiB with 10, 300 and 1 000 apps, and straight lines between them."""
    if apps <= 300:  # noqa: PLR2004
        return 55 + (apps - 10) * 20 / 290
    return 75 + (apps - 300) * 45 / 700


ROWS = (
    Row("idle_writes", "P1 writes while nothing changes", goal=_at_most(0)),
    Row("idle_requests_per_s", "P2 requests while nothing changes, lease included", "1/s", _at_most(0.5)),
    Row("idle_cpu_percent", "CPU while nothing changes", "% of a core"),
    Row("edit_p50_ms", "P3 edit to StatefulSet, p50", "ms", _at_most(30)),
    Row("edit_p99_ms", "P3 edit to StatefulSet, p99", "ms", _at_most(80)),
    Row("edit_writes", "writes per edit"),
    Row("burst_s", "P4 burst until all children are there", "s", floor=1.4),
    Row("burst_writes_per_app", "P4 writes per app until then", goal=_at_most(13)),
    Row("writes_per_app", "writes per app until quiet"),
    Row("status_writes_per_app", "of these statuses"),
    Row("event_writes_per_app", "of these Events"),
    Row("gets_per_app", "reads per app"),
    Row("rewritten", "P4 workloads written more than once", goal=_at_most(0)),
    Row("cold_s", "P5 start over settled apps", "s", _at_most(5)),
    Row("cold_requests", "P5 requests of it", goal=_at_most(40)),
    Row("cold_writes", "P5 writes of it", goal=_at_most(0)),
    Row("rss_mib", "P6 memory after the burst", "MiB", _memory),
    Row("burst_peak_ratio", "P6 peak in the burst", "x", _at_most(1.3)),
    Row("cold_peak_ratio", "P6 peak in a start", "x", _at_most(1.3)),
    Row("rss_empty_mib", "memory without apps", "MiB"),
    Row("touch_cpu_ms", "P7 CPU per event without effect", "ms", _at_most(1)),
    Row("edit_cpu_ms", "P7 CPU per edit", "ms", _at_most(8)),
    Row("cpu_ms_per_app", "P7 CPU per app created", "ms", _at_most(12)),
    Row("cold_cpu_s", "CPU of a start", "s"),
    Row("fair_p99_ms", "p99 of others while one app is edited 10 times a second", "ms"),
    Row("cold_edit_s", "edit during a start", "s", _at_most(1)),
    Row("stop_s", "SIGTERM to exit", "s", _at_most(0.5)),
    Row("stolen_percent", "what the host took away meanwhile", "% of a core"),
)

Runs = Mapping[tuple[str, int], Sequence[Measures]]
"""The runs by subject and number of apps."""


def figure(runs: Runs, subject: str, apps: int, measure: str) -> Figure | None:
    """The figure of one measure, None when it was not taken."""
    values = [run[measure] for run in runs.get((subject, apps), ()) if measure in run]
    return Figure.of(values) if values else None


def goal_of(row: Row, runs: Runs, floor: str, apps: int) -> float | None:
    """The goal at this size in the unit of the row."""
    if row.floor is None:
        return row.goal(apps) if row.goal else None
    base = figure(runs, floor, apps, row.measure)
    return None if base is None else row.floor * base.median


def growth(runs: Runs, subject: str, measure: str) -> tuple[int, int, float] | None:
    """P9: what an app costs at the largest size against the smallest one."""
    sizes = sorted({apps for name, apps in runs if name == subject})
    if len(sizes) < 2:  # noqa: PLR2004
        return None
    few, many = figure(runs, subject, sizes[0], measure), figure(runs, subject, sizes[-1], measure)
    return (sizes[0], sizes[-1], many.median / few.median) if few and many and few.median else None
