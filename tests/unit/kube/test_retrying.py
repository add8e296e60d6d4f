"""Which failures are worth another attempt, and how long the pause before it is."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import pytest

from kaspr_controller.kube import errors, retrying
from kaspr_controller.kube.retrying import Effort, Retrier
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable

RNG = random.Random


def lost() -> errors.ApiError:
    return errors.ConnectionLost("x")


class Attempts:
    """Fails with the given errors, then succeeds; counts."""

    def __init__(self, *failures: errors.ApiError) -> None:
        self.failures = list(failures)
        self.made = 0

    def __call__(self) -> str:
        self.made += 1
        if self.failures:
            raise self.failures.pop(0)
        return "done"


def run(
    attempts: Attempts,
    effort: Effort,
    *,
    clock: FakeClock | None = None,
    left: Callable[[], float] = lambda: 60.0,
    stop: threading.Event | None = None,
    told: list[errors.ApiError] | None = None,
) -> str:
    clock = clock or FakeClock()
    retrier = Retrier(clock, RNG(1), stop or threading.Event())
    heard: list[errors.ApiError] = [] if told is None else told
    return retrier.call(attempts, effort, left, heard.append)


@pytest.mark.parametrize(
    ("effort", "most"),
    [
        (retrying.GET, 3),
        (retrying.LIST, 3),
        (retrying.APPLY, 3),
        (retrying.DELETE, 2),
        (retrying.WRITE, 1),
        (retrying.ONCE, 1),
    ],
)
def test_how_often_a_lost_request_is_sent(effort: Effort, most: int) -> None:
    """Rule A2: reads and applies three times, deletes twice, Events and creates never again."""
    attempts = Attempts(*(lost() for _ in range(9)))
    with pytest.raises(errors.ConnectionLost):
        run(attempts, effort)
    assert attempts.made == most


@pytest.mark.parametrize(
    ("failure", "again"),
    [
        (errors.ConnectFailed("x"), True),
        (errors.ConnectionLost("x"), True),
        (errors.Timeout("x"), True),
        (errors.ProtocolError("x"), True),
        (errors.TooManyRequests("x"), True),
        (errors.ServerError("x"), True),
        (errors.Unavailable("x"), False),
        (errors.ResourceVersionTooLarge("x"), False),
        (errors.Malformed("x"), False),
        (errors.Invalid("x"), False),
        (errors.Forbidden("x"), False),
        (errors.NotFound("x"), False),
        (errors.Conflict("x"), False),
        (errors.Expired("x"), False),
        (errors.Unauthorized("x"), False),
        (errors.NotLeading("x"), False),
    ],
)
def test_which_failures_of_an_apply_are_worth_it(failure: errors.ApiError, *, again: bool) -> None:
    """What passes by itself, and nothing that needs a decision first."""
    attempts = Attempts(failure)
    if again:
        assert run(attempts, retrying.APPLY) == "done"
    else:
        with pytest.raises(type(failure)):
            run(attempts, retrying.APPLY)
    assert attempts.made == 1 + again


@pytest.mark.parametrize(
    ("failure", "again"),
    [
        (errors.ConnectFailed("x"), True),
        (errors.TooManyRequests("x"), True),
        (errors.ConnectionLost("x"), False),
        (errors.Timeout("x"), False),
        (errors.ServerError("x"), False),
    ],
)
def test_a_create_is_repeated_only_when_it_surely_did_not_happen(
    failure: errors.ApiError, *, again: bool
) -> None:
    """Else the second one would meet the first one's object."""
    attempts = Attempts(failure)
    if again:
        assert run(attempts, retrying.WRITE) == "done"
    else:
        with pytest.raises(type(failure)):
            run(attempts, retrying.WRITE)


def test_waits_double_with_jitter() -> None:
    """Each in [d, 2d): those who failed together do not come back together."""
    first, second = [], []
    for seed in range(50):
        clock = FakeClock()
        retrier = Retrier(clock, RNG(seed), threading.Event())
        retrier.call(Attempts(lost(), lost()), retrying.GET, lambda: 60.0, lambda _: None)
        first.append(clock.slept[0])
        second.append(clock.slept[1])
    assert all(0.2 <= wait < 0.4 for wait in first)
    assert all(0.4 <= wait < 0.8 for wait in second)
    assert len(set(first)) == 50


def test_retry_after_is_a_floor() -> None:
    """Rule W7: longer than our backoff, it counts; shorter, ours does."""
    clock = FakeClock()
    run(Attempts(errors.TooManyRequests("x", retry_after=7.0)), retrying.GET, clock=clock)
    assert clock.slept == [7.0]
    clock = FakeClock()
    run(Attempts(errors.TooManyRequests("x", retry_after=0.01)), retrying.GET, clock=clock)
    assert clock.slept[0] >= 0.2


def test_a_wait_that_does_not_fit_is_not_begun() -> None:
    """The caller learns of the refusal at once and requeues with its own backoff."""
    clock = FakeClock()
    with pytest.raises(errors.TooManyRequests):
        run(
            Attempts(errors.TooManyRequests("x", retry_after=32.0)),
            retrying.GET,
            clock=clock,
            left=lambda: 30.0,
        )
    assert clock.slept == []


def test_a_stop_ends_the_attempts() -> None:
    """Nothing is repeated while the process ends."""
    stop = threading.Event()
    stop.set()
    attempts = Attempts(lost())
    with pytest.raises(errors.ConnectionLost):
        run(attempts, retrying.GET, stop=stop)
    assert attempts.made == 1


def test_the_last_failure_is_raised_and_each_repetition_is_told() -> None:
    """Metrics count what was repeated, with its cause."""
    told: list[errors.ApiError] = []
    failures = [errors.Timeout("1"), errors.ServerError("2"), errors.ConnectionLost("3")]
    with pytest.raises(errors.ConnectionLost, match="3"):
        run(Attempts(*failures), retrying.GET, told=told)
    assert [str(error) for error in told] == ["1", "2"]


def test_other_exceptions_pass_untouched() -> None:
    """A bug is no failure of the network."""

    class Broken(Attempts):
        def __call__(self) -> str:
            self.made += 1
            raise ZeroDivisionError

    broken = Broken()
    with pytest.raises(ZeroDivisionError):
        run(broken, retrying.GET)
    assert broken.made == 1
