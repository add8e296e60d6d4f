"""Resource versions compare as KEP-5504 says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspr_controller.engine.freshness import comparable, compare, reached

numbers = st.integers(1, 2**80)


@given(numbers, numbers)
def test_versions_compare_as_numbers(one: int, other: int) -> None:
    """KEP-5504: longer is greater, equal length compares as text; beyond 64 bits too."""
    assert compare(str(one), str(other)) == (one > other) - (one < other)


@pytest.mark.parametrize("bad", ["", "0", "007", "12a", "-3", "1.5", "\uff11\uff12", " 1", "abc"])
def test_what_is_no_version_is_refused(bad: str) -> None:
    """Empty, a leading zero, signs, other scripts' digits: an error in `compare`, "yes" in `reached`."""
    assert not comparable(bad)
    with pytest.raises(ValueError, match="cannot be compared"):
        compare(bad, "5")
    with pytest.raises(ValueError, match="cannot be compared"):
        compare("5", bad)
    assert reached(bad, "5")
    assert reached("5", bad)


@pytest.mark.parametrize(
    ("seen", "wanted", "answer"), [("9", "10", False), ("10", "9", True), ("10", "10", True)]
)
def test_reached(seen: str, wanted: str, answer: bool) -> None:  # noqa: FBT001
    """Having seen a version includes all before it."""
    assert reached(seen, wanted) is answer
