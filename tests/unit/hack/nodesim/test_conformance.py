"""The simulated group does what a real broker does: the cases that tests/kafka runs against one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.group_cases import CASES, World
from tests.conformance.simulated import SimulatedWorld


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_the_simulated_group_behaves_like_a_broker(case: Callable[[World], None]) -> None:
    """See the case; the same one is held against Kafka itself."""
    case(SimulatedWorld())
