"""Every row of the table that says what the end of a reconcile means."""

from __future__ import annotations

import pytest

from kaspr_controller.engine.results import DONE, Result, Terminal, Transient, Wait
from kaspr_controller.engine.settling import Verdict, settle
from kaspr_controller.kube import errors


def test_ok() -> None:
    """R1: success forgets the failures and plans nothing."""
    assert settle(DONE) == Verdict("success", forget=True)


def test_requeue_after() -> None:
    """R1, Q4: forget, then add after."""
    assert settle(Result(30.0, "Resync")) == Verdict("requeue_after", "Resync", forget=True, after=30.0)


def test_wait() -> None:
    """Waiting for something else is no failure."""
    verdict = settle(Wait("NoClaim", "data is pending", after=7.0))
    assert verdict == Verdict("requeue_after", "NoClaim: data is pending", forget=True, after=7.0)


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Terminal("InvalidSpec", "spec.x"), "InvalidSpec: spec.x"),
        (errors.Invalid("field is immutable", reason="Invalid"), "Invalid: field is immutable"),
        (errors.Malformed("duplicate entries"), "Malformed: duplicate entries"),
        (errors.TooLarge("3 MB"), "TooLarge: 3 MB"),
    ],
)
def test_terminal(outcome: Exception, reason: str) -> None:
    """R1: no requeue; only a change of the object runs it again."""
    assert settle(outcome) == Verdict("error", reason, forget=True, terminal=True)


@pytest.mark.parametrize(
    "error", [errors.Conflict("changed"), errors.AlreadyExists("x"), errors.UidMismatch("y")]
)
def test_conflicts(error: errors.ApiError) -> None:
    """Q4: a conflict is no failure; a moment later the cache knows."""
    verdict = settle(error)
    assert (verdict.result, verdict.after, verdict.retry, verdict.forget) == (
        "requeue_after",
        0.5,
        False,
        False,
    )


@pytest.mark.parametrize(
    ("error", "away", "after"),
    [
        (errors.Unavailable("not tried", retry_after=1.7), False, 1.7),
        (errors.Unavailable("not tried"), True, 1.0),
        (errors.ConnectFailed("refused"), True, 1.0),
        (errors.Timeout("no answer"), True, 1.0),
        (errors.NotLeading("not proven"), False, 1.0),
    ],
)
def test_an_outage_is_not_the_fault_of_the_key(error: errors.ApiError, away: bool, after: float) -> None:  # noqa: FBT001
    """A3: while the server is away, runs end without a failure count; nor does a fence that refuses count."""
    verdict = settle(error, away=away)
    assert (verdict.result, verdict.after, verdict.retry, verdict.forget) == (
        "requeue_after",
        after,
        False,
        False,
    )


@pytest.mark.parametrize(
    "error",
    [
        errors.ConnectFailed("refused"),
        errors.ServerError("500"),
        errors.TooManyRequests("429"),
        errors.Forbidden("no role"),
        errors.NotFound("namespace"),
        errors.ApplyConflict("another manager"),
        errors.Unauthorized("401"),
    ],
)
def test_other_api_errors_are_retried(error: errors.ApiError) -> None:
    """R1: a rate-limited add."""
    verdict = settle(error)
    assert (verdict.result, verdict.retry, verdict.panic, verdict.after) == ("error", True, False, None)


def test_the_server_sets_the_floor() -> None:
    """W7: Retry-After reaches the queue."""
    assert settle(errors.TooManyRequests("429", retry_after=12.0)).floor == 12.0


def test_timeouts_are_told_apart() -> None:
    """Section 5: a run that used up its time is counted as that, and retried."""
    verdict = settle(errors.Timeout("used up"))
    assert (verdict.timeout, verdict.retry) == (True, True)


def test_transient() -> None:
    """A declared failure is retried and is no panic."""
    assert settle(Transient("Busy", "later")) == Verdict("error", "Busy: later", retry=True)


def test_panic() -> None:
    """R2: an undeclared exception is retried and counted as a panic."""
    assert settle(KeyError("spec")) == Verdict("error", "KeyError: 'spec'", retry=True, panic=True)
