"""How the three limits of a call work together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

from kaspr_controller.kube import errors
from kaspr_controller.kube.timing import Deadlines, micro_time
from tests.fakes.clock import FakeClock


def test_the_shortest_limit_counts() -> None:
    """The call's own, the reconcile's, an inner budget's; outside of it the outer one again."""
    clock = FakeClock(start=0.0)
    deadlines = Deadlines(clock)
    assert deadlines.start(10) == 10
    with deadlines.budget(5):
        assert deadlines.start(10) == 5
        assert deadlines.start(3) == 3
        with deadlines.budget(60):
            assert deadlines.start(10) == 5
        with deadlines.budget(1):
            assert deadlines.start(10) == 1
        assert deadlines.start(10) == 5
    assert deadlines.start(10) == 10


def test_a_used_up_budget_starts_nothing() -> None:
    """The error is a timeout, so the reconcile ends as one."""
    clock = FakeClock()
    deadlines = Deadlines(clock)
    with deadlines.budget(5):
        clock.advance(5)
        with pytest.raises(errors.Timeout):
            deadlines.start(10)


def test_a_budget_is_of_its_thread() -> None:
    """A worker in a hurry does not hurry the others."""
    deadlines = Deadlines(FakeClock(start=0.0))
    with deadlines.budget(1), ThreadPoolExecutor(1) as pool:
        assert pool.submit(deadlines.start, 10).result() == 10


def test_the_end_of_the_process_cuts_calls_that_already_run() -> None:
    """Rule X3."""
    clock = FakeClock(start=0.0)
    deadlines = Deadlines(clock)
    running = deadlines.start(10)
    deadlines.finish_within(2)
    assert deadlines.left(running) == 2
    assert deadlines.start(10) == 2
    clock.advance(3)
    assert deadlines.left(running) == -1


def test_times_are_utc_with_six_decimals() -> None:
    """events.k8s.io refuses less."""
    moment = datetime(2026, 1, 2, 5, 4, 5, 7, tzinfo=timezone(timedelta(hours=2)))
    assert micro_time(moment) == "2026-01-02T03:04:05.000007Z"
    assert micro_time(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "2026-01-02T03:04:05.000000Z"
