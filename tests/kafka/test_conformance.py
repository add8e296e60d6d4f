"""A real broker does what the simulated group does: the cases that tests/unit/hack/nodesim runs against the double."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.group_cases import CASES, World
from tests.kafka.crew import Crew


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_broker_behaves_like_the_simulated_group(crew: Crew, case: Callable[[World], None]) -> None:
    """See the case; the same one is held against the double."""
    case(crew)
