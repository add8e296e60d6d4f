"""The clocks: the real one waits on what others can set, the fake one moves only by hand."""

from __future__ import annotations

import threading
import time
from datetime import UTC, timedelta

import pytest

from kaspr_controller.engine.clock import Clock, SystemClock
from tests.fakes.clock import EPOCH, FakeClock


def test_system_clock_tells_utc_with_zone() -> None:
    """Times that leave the process carry their zone."""
    assert SystemClock().now().tzinfo is UTC


def test_system_monotonic_runs_at_the_speed_of_the_machine() -> None:
    """Durations are real seconds: between two looks, it moves like `time.monotonic`, and never back."""
    clock = SystemClock()
    before, reference = clock.monotonic(), time.monotonic()
    threading.Event().wait(0.02)
    after, elapsed = clock.monotonic(), time.monotonic() - reference
    assert 0.01 < after - before < elapsed + 0.05


def test_system_wait_ends_with_the_event() -> None:
    """A wait of minutes ends when another thread sets the event (X3: nothing sits in an uninterruptible wait)."""
    clock, event = SystemClock(), threading.Event()
    threading.Timer(0.01, event.set).start()
    began = time.monotonic()
    assert clock.wait(event, 600)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("timeout", [0.0, -5.0, 0.001])
def test_system_wait_gives_up_after_its_timeout(timeout: float) -> None:
    """A timeout that is over already only looks."""
    assert not SystemClock().wait(threading.Event(), timeout)


def test_system_park_ends_with_a_notification() -> None:
    """A parked thread returns when notified, long before its timeout."""
    clock, condition, began = SystemClock(), threading.Condition(), time.monotonic()

    def notify() -> None:
        with condition:
            condition.notify_all()

    with condition:
        threading.Timer(0.01, notify).start()
        clock.park(condition, 600)
    assert time.monotonic() - began < 2


def test_fake_clock_jumps_over_waits() -> None:
    """In jump mode an unset event costs its timeout in fake time and is noted; a set one costs nothing."""
    clock, event = FakeClock(), threading.Event()
    start = clock.monotonic()
    assert not clock.wait(event, 30)
    event.set()
    assert clock.wait(event, 30)
    assert clock.monotonic() - start == 30
    assert clock.slept == [30]
    assert clock.now() - EPOCH == timedelta(seconds=30)


def test_fake_wall_clock_can_be_wrong() -> None:
    """`shift` moves the wall clock alone, as NTP does."""
    clock = FakeClock()
    start = clock.monotonic()
    clock.shift(-3600)
    assert clock.monotonic() == start
    assert clock.now() == EPOCH - timedelta(hours=1)


def test_fake_clock_holds_threads_until_the_moment() -> None:
    """Without jumping, a wait ends only when `advance` passes its end."""
    clock, event, answers = FakeClock(jump=False), threading.Event(), list[bool]()
    thread = threading.Thread(target=lambda: answers.append(clock.wait(event, 10)))
    thread.start()
    clock.await_sleepers()
    clock.advance(9.5)
    clock.await_sleepers()
    assert not answers
    clock.advance(0.5)
    thread.join(5)
    assert answers == [False]


def test_fake_clock_lets_events_through() -> None:
    """Without jumping, setting the event ends the wait and takes no time."""
    clock, event, answers = FakeClock(jump=False), threading.Event(), list[bool]()
    thread = threading.Thread(target=lambda: answers.append(clock.wait(event, 10)))
    thread.start()
    clock.await_sleepers()
    event.set()
    thread.join(5)
    assert answers == [True]


def test_fake_park_wakes_on_time() -> None:
    """A parked condition is notified when its time has come."""
    clock, condition, woken = FakeClock(jump=False), threading.Condition(), threading.Event()

    def park() -> None:
        with condition:
            clock.park(condition, 3)
        woken.set()

    thread = threading.Thread(target=park)
    thread.start()
    clock.await_sleepers(until=clock.monotonic() + 3)
    clock.advance(3)
    assert woken.wait(5)
    thread.join(5)


def test_both_are_clocks() -> None:
    """The two satisfy one protocol, which mypy checks here."""
    clocks: list[Clock] = [SystemClock(), FakeClock()]
    assert all(clock.monotonic() <= clock.monotonic() for clock in clocks)
