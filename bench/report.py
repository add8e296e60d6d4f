"""The outcome of a bench as JSON (everything) and as Markdown (the table).

In: runs, and what they ran on. Out: texts. Called by `__main__.py`, after every run, so that a bench that is interrupted
has a report of what it measured.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bench import results
from bench.results import Figure, Row, Runs

_FINE = 10


def as_json(runs: Runs, machine: Mapping[str, Any]) -> str:
    """All raw measures."""
    rows = [
        {"subject": subject, "apps": apps, "runs": list(found)} for (subject, apps), found in runs.items()
    ]
    return json.dumps({"machine": machine, "results": rows}, indent=1) + "\n"


def as_markdown(runs: Runs, machine: Mapping[str, Any], subjects: Sequence[str], floor: str | None) -> str:
    """A table per number of apps."""
    lines = [f"{name}: {value}  " for name, value in machine.items()]
    for apps in sorted({apps for _, apps in runs}):
        lines += ["", f"### {apps} apps", "", *_table(runs, subjects, floor, apps)]
    lines += ["", *_growth(runs, subjects)]
    return "\n".join(lines) + "\n"


def _table(runs: Runs, subjects: Sequence[str], floor: str | None, apps: int) -> Iterator[str]:
    others = [name for name in subjects if name != floor]
    ratios = [f"{name} / {floor}" for name in others] if floor else []
    counts = {name: len(runs.get((name, apps), ())) for name in subjects}
    heads = ["measure", "goal", *(f"{name} ({counts[name]} runs)" for name in subjects), *ratios]
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in results.ROWS:
        figures = {name: results.figure(runs, name, apps, row.measure) for name in subjects}
        if not any(figures.values()):
            continue
        limit = results.goal_of(row, runs, floor or "", apps)
        cells = [_cell(row, figures[name], None if name == floor else limit) for name in subjects]
        base = figures.get(floor or "")
        cells += [_ratio(figures[name], base) for name in others] if floor else []
        yield f"| {row.text} | {_goal(row, limit)} | " + " | ".join(cells) + " |"


def _goal(row: Row, limit: float | None) -> str:
    if limit is None:
        return ""
    return (
        f"<= {row.floor:g} x floor" if row.floor is not None else f"<= {_number(limit)} {row.unit}".rstrip()
    )


def _cell(row: Row, figure: Figure | None, limit: float | None) -> str:
    if figure is None:
        return "-"
    text = f"{_number(figure.median)} {row.unit}".rstrip()
    if figure.low != figure.high:
        text += f" [{_number(figure.low)} to {_number(figure.high)}]"
    return f"**{text}**" if limit is not None and figure.median > limit else text


def _ratio(figure: Figure | None, base: Figure | None) -> str:
    return f"{figure.median / base.median:.2f}" if figure and base and base.median else "-"


def _growth(runs: Runs, subjects: Sequence[str]) -> Iterator[str]:
    for name in subjects:
        for measure, text in (("burst_s", "time"), ("cpu_ms_per_app", "CPU")):
            found = results.growth(runs, name, measure)
            if found is None:
                continue
            few, many, ratio = found
            ratio *= few / many if measure == "burst_s" else 1
            yield f"P9, {name}: an app of {many} costs {ratio:.2f} times the {text} of one of {few} (goal <= 1.1).  "


def _number(value: float) -> str:
    if value == int(value):
        return f"{int(value)}"
    return f"{value:.1f}" if value >= _FINE else f"{value:.2f}"
