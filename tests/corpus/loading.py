"""The corpora: custom resources that must be accepted, and changes to good ones that must be refused.

In: good/*.yaml (whole objects) and bad/*.yaml (tables of a base, what to change, and the path that gets the blame). Out: cases,
which the unit test feeds to the parser and the integration test to a real API server. Invariant: every case has one verdict,
the same from both, except those marked `late`, which only the controller can find.
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
LENGTHY = {"LONG": "x" * 5000, "HUGE": "#" * (256 * 1024 + 1)}
"""Words that stand for texts too long to be written down."""
BASES: dict[str, dict[str, Any]] = yaml.safe_load((HERE / "bases.yaml").read_text("utf-8"))
"""Valid objects by name, which tables of changes start from."""
_STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\]]+)\]")


@dataclass(frozen=True)
class Case:
    """One object. `path` is the expected place of the problem, "" for good ones; `late` why admission cannot find it."""

    name: str
    obj: dict[str, Any]
    path: str = ""
    late: str = ""


@cache
def good() -> tuple[Case, ...]:
    """All objects of good/."""
    return tuple(
        Case(f"{file.stem}/{obj['kind']}/{obj['metadata']['name']}", obj)
        for file in sorted((HERE / "good").glob("*.yaml"))
        for obj in yaml.safe_load_all(file.read_text("utf-8"))
    )


@cache
def bad() -> tuple[Case, ...]:
    """All changed objects of bad/."""
    cases = []
    for file in sorted((HERE / "bad").glob("*.yaml")):
        for row in yaml.safe_load(file.read_text("utf-8")):
            put = {
                path: LENGTHY.get(value, value) if isinstance(value, str) else value
                for path, value in row.get("set", {}).items()
            }
            obj = changed(BASES[row["base"]], put, row.get("unset", ()))
            cases.append(Case(f"{file.stem}/{row['case']}", obj, row["path"], row.get("late", "")))
    return tuple(cases)


def changed(
    base: dict[str, Any], put: dict[str, Any], drop: tuple[str, ...] | list[str] = ()
) -> dict[str, Any]:
    """A copy of an object with some paths set and others removed."""
    obj = copy.deepcopy(base)
    for path in drop:
        parent, last = _parent(obj, path)
        del parent[last]
    for path, value in put.items():
        parent, last = _parent(obj, path)
        if isinstance(parent, list) and last == len(parent):
            parent.append(value)
        else:
            parent[last] = value
    return obj


def _parent(obj: Any, path: str) -> tuple[Any, Any]:
    steps = [_step(*match.groups()) for match in _STEP.finditer(path)]
    for step in steps[:-1]:
        obj = obj[step] if isinstance(step, int) else obj.setdefault(step, {})
    return obj, steps[-1]


def _step(name: str | None, bracket: str | None) -> str | int:
    if name is not None:
        return name
    return int(bracket) if bracket and bracket.isdigit() else str(bracket)


@dataclass(frozen=True)
class Change:
    """An update of an accepted object; `path` is where it is refused, "" when it is accepted."""

    name: str
    old: dict[str, Any]
    new: dict[str, Any]
    path: str


@cache
def changes() -> tuple[Change, ...]:
    """All rows of changes.yaml: a base, what it is before, what it becomes."""
    found = []
    for row in yaml.safe_load((HERE / "changes.yaml").read_text("utf-8")):
        old = changed(BASES[row["base"]], row.get("before", {}), row.get("without", ()))
        new = changed(old, row.get("set", {}), row.get("unset", ()))
        found.append(Change(row["case"], old, new, row.get("path", "")))
    return tuple(found)
