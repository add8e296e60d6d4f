"""The parser's half of the corpora: the same cases go to a real API server in tests/integration/test_corpus.py."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kaspr_controller.api import code
from kaspr_controller.api.fields import children
from kaspr_controller.api.parsing import InvalidSpec, parse, path_text
from kaspr_controller.api.v1alpha1.parts import Code
from tests.corpus.loading import Case, bad, good

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kaspr_controller.api.modelling import Part
    from kaspr_controller.api.structural import Location

ENOUGH_GOOD = 60
ENOUGH_BAD = 200
AT_ADMISSION = 0.95


def codes(part: Part, at: Location = ()) -> Iterator[tuple[str, Code]]:
    """Every piece of code below a part, with its path."""
    for child in children(type(part)):
        value = getattr(part, child.attribute)
        for index, item in enumerate(value if child.many else [value]):
            here = (*at, child.json, index) if child.many else (*at, child.json)
            if item is None:
                continue
            if isinstance(item, Code):
                yield path_text(here), item
            else:
                yield from codes(item, here)


def paths_of_problems(case: Case) -> list[str]:
    """Where parser and code check find problems."""
    try:
        parsed = parse(case.obj)
    except InvalidSpec as error:
        return [problem.path for problem in error.errors]
    return [
        path
        for path, item in codes(parsed)
        if code.problems(item.python, item.entrypoint, needs_callable=not path.endswith(".init"))
    ]


@pytest.mark.parametrize("case", good(), ids=lambda case: case.name)
def test_what_is_valid_is_accepted(case: Case) -> None:
    """Every good object parses, and its code is sound."""
    parse(case.obj)
    assert paths_of_problems(case) == []


@pytest.mark.parametrize("case", bad(), ids=lambda case: case.name)
def test_what_is_invalid_is_refused_at_its_field(case: Case) -> None:
    """Every bad object is refused, and the field that is wrong gets the blame."""
    assert case.path in paths_of_problems(case)


def test_the_corpora_are_large_and_most_faults_are_found_at_admission() -> None:
    """At least 60 good and 200 bad cases; at least 95 % of the bad are for the API server to refuse."""
    at_admission = [case for case in bad() if not case.late]
    assert len(good()) >= ENOUGH_GOOD
    assert len(bad()) >= ENOUGH_BAD
    assert len(at_admission) / len(bad()) >= AT_ADMISSION


def test_every_case_has_its_own_name() -> None:
    """A name tells one case."""
    names = [case.name for case in (*good(), *bad())]
    assert len(set(names)) == len(names)
