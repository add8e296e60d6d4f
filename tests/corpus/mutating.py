"""Every field of the good objects, with a value of each JSON type and without it.

In: the good corpus. Out: cases without a verdict: whatever it is, API server and parser must agree. Invariant: a place in a
schema is changed once, in the first object that has it, so the number grows with the schema and not with the corpus.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeAlias

from tests.corpus.loading import Case, good

Place: TypeAlias = tuple[str | int, ...]

VALUES: tuple[Any, ...] = (None, "x", "", "30s", 1, 0, -1, 10**12, 1.5, True, [], ["x"], {}, {"zz": 1})
ABSENT = object()
LATE = ("passed-through", "snake-case-settings", "limits-above-requests")
"""Good objects about which admission says less than the parser: unknown settings, quantities that cannot be compared."""


@cache
def mutations() -> tuple[Case, ...]:
    """One case per place and value."""
    seen: set[tuple[str, Place]] = set()
    cases = []
    for case in good():
        late = "admission sees less" if case.obj["metadata"]["name"] in LATE else ""
        for place in places(case.obj["spec"], ("spec",)):
            known = (case.obj["kind"], tuple("[]" if isinstance(step, int) else step for step in place))
            if known not in seen:
                seen.add(known)
                cases += [mutated(case, place, value, late) for value in (*VALUES, ABSENT)]
    return tuple(cases)


def places(value: Any, at: Place) -> Iterator[Place]:
    """The place of a value and of everything in it."""
    yield at
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from places(inner, (*at, step))


def mutated(case: Case, place: Place, value: Any, late: str) -> Case:
    """The case with another value at a place, or with nothing there."""
    obj = copy.deepcopy(case.obj)
    parent: Any = obj
    for step in place[:-1]:
        parent = parent[step]
    if value is ABSENT:
        del parent[place[-1]]
        return Case(f"{case.name} without {place}", obj, late=late)
    parent[place[-1]] = value
    return Case(f"{case.name} with {place} = {json.dumps(value)}", obj, late=late)
