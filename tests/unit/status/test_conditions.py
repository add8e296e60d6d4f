"""Conditions keep their times and their invariants."""

from __future__ import annotations

from kaspr_controller.status.conditions import Verdict, bounded, conditions, enumerate_few, faults, find

OLD = [
    {
        "type": "Ready",
        "status": "True",
        "reason": "Healthy",
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00+00:00",
    }
]
NOW = "2026-01-02T00:00:00+00:00"


def test_the_transition_time_stays_while_the_status_stays() -> None:
    """T2: reason, message and generation may change without moving lastTransitionTime."""
    [ready] = conditions([Verdict("Ready", "True", "Other", "new words")], old=OLD, generation=2, now=NOW)
    assert ready["lastTransitionTime"] == "2026-01-01T00:00:00+00:00"
    assert (ready["reason"], ready["message"], ready["observedGeneration"]) == ("Other", "new words", 2)


def test_the_transition_time_moves_when_the_status_flips() -> None:
    """T2: a flip takes the time of the pass that saw it."""
    [ready] = conditions([Verdict("Ready", "False", "NotReady")], old=OLD, generation=1, now=NOW)
    assert ready["lastTransitionTime"] == NOW


def test_conditions_are_sorted_so_that_equal_statuses_are_equal_bytes() -> None:
    """T1: the order of decisions does not show."""
    first, second = Verdict("B", "True", "x"), Verdict("A", "True", "x")
    assert conditions([first, second], old=[], generation=1, now=NOW) == conditions(
        [second, first], old=[], generation=1, now=NOW
    )


def test_messages_are_bounded() -> None:
    """A message does not grow with what caused it."""
    assert len(bounded("x" * 5000)) == 2048
    assert enumerate_few([str(i) for i in range(10)], most=2) == "0, 1 and 8 more"
    assert enumerate_few(["a", "b"], most=2) == "a, b"


def test_find_gives_the_condition_or_nothing() -> None:
    """A status without the condition is not an error."""
    assert find({"conditions": OLD}, "Ready") == OLD[0]
    assert find({}, "Ready") is None


def test_broken_invariants_are_named() -> None:
    """T5: each rule of kstatus that a status breaks is reported."""
    both = {"observedGeneration": 3, "conditions": [_c("Reconciling", "True"), _c("Stalled", "True")]}
    assert faults(both, generation=2) == [
        "Ready is missing",
        "Reconciling and Stalled at once",
        "observedGeneration is ahead of generation",
    ]
    lagging = {"observedGeneration": 1, "conditions": [_c("Ready", "True"), _c("Reconciling", "True")]}
    assert faults(lagging, generation=2) == [
        "Ready while Reconciling or Stalled",
        "Ready for a generation that is not the current one",
    ]
    spelled = {
        "observedGeneration": 1,
        "conditions": [_c("Ready", "True"), _c("Stalled", "False"), _c("Ready", "True")],
    }
    assert faults(spelled, generation=1) == [
        "an abnormal condition is spelled out as False instead of being absent",
        "a condition type occurs twice",
    ]


def _c(type_: str, status: str) -> dict[str, str]:
    return {"type": type_, "status": status}
