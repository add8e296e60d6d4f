"""Results and declared errors are values that refuse nonsense."""

from __future__ import annotations

import dataclasses

import pytest

from kaspr_controller.engine.results import DONE, Outcome, Result, Terminal, Transient, Wait


def test_a_result_is_frozen() -> None:
    """R1: what a reconcile returned cannot change on its way to metrics and logs."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        DONE.requeue_after = 3.0  # type: ignore[misc]


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_result_refuses_a_delay_that_would_spin(seconds: float) -> None:
    """`requeue_after=0` would mean a hot loop; the message says what to do."""
    with pytest.raises(ValueError, match="seconds above 0, or None"):
        Result(requeue_after=seconds)
    with pytest.raises(ValueError, match="seconds above 0"):
        Wait("Slow", after=seconds)


@pytest.mark.parametrize("kind", [Terminal, Wait, Transient])
def test_declared_errors_carry_reason_and_message(kind: type[Outcome]) -> None:
    """The reason is for conditions, the message for people, the text for logs has both."""
    error = kind("InvalidSpec", "spec.replicas is -1: give 0 or more")
    assert (error.reason, error.message) == ("InvalidSpec", "spec.replicas is -1: give 0 or more")
    assert str(error) == "InvalidSpec: spec.replicas is -1: give 0 or more"
    assert str(kind("Short")) == "Short"
