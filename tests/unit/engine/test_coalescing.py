"""A burst of changes is waited out, a lone change nearly not, and nothing is waited for without end."""

from __future__ import annotations

import threading

import pytest

from kaspr_controller.engine.coalescing import Quiescence
from kaspr_controller.kube.kinds import ObjectKey
from tests.fakes.clock import FakeClock

KEY = ObjectKey("KasprApp", "ns", "demo")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def quiescence(clock: FakeClock) -> Quiescence:
    return Quiescence(clock)


def remaining(quiescence: Quiescence, key: ObjectKey = KEY) -> float:
    return quiescence.remaining(key, first=0.1, burst=0.5, limit=3.0)


def test_nothing_changed_means_no_wait(quiescence: Quiescence) -> None:
    """A set that nobody touched is complete."""
    assert remaining(quiescence) == 0.0


def test_a_lone_change_waits_for_a_moment(quiescence: Quiescence, clock: FakeClock) -> None:
    """The second change of a burst comes within the first window or it is no burst."""
    quiescence.touch(KEY)
    assert remaining(quiescence) == pytest.approx(0.1)
    clock.advance(0.1)
    assert remaining(quiescence) == 0.0


def test_a_burst_waits_for_quiet(quiescence: Quiescence, clock: FakeClock) -> None:
    """Thirty agents applied one after another are one change set."""
    for _ in range(30):
        quiescence.touch(KEY)
        clock.advance(0.05)
    assert remaining(quiescence) == pytest.approx(0.45)
    clock.advance(0.45)
    assert remaining(quiescence) == 0.0


def test_the_wait_has_a_limit(quiescence: Quiescence, clock: FakeClock) -> None:
    """Somebody who never stops changing things does not stop the app."""
    for _ in range(10):
        quiescence.touch(KEY)
        clock.advance(0.3)
    assert remaining(quiescence) == 0.0


def test_a_burst_that_was_waited_out_is_over(quiescence: Quiescence, clock: FakeClock) -> None:
    """The next change is a lone one again."""
    quiescence.touch(KEY)
    quiescence.touch(KEY)
    clock.advance(0.5)
    assert remaining(quiescence) == 0.0
    quiescence.touch(KEY)
    assert remaining(quiescence) == pytest.approx(0.1)


def test_keys_are_strangers_and_can_be_forgotten(quiescence: Quiescence) -> None:
    """Two apps of one name in two namespaces do not wait for each other (D08)."""
    other = ObjectKey("KasprApp", "other", "demo")
    quiescence.touch(KEY)
    assert remaining(quiescence, other) == 0.0
    quiescence.forget(KEY)
    assert remaining(quiescence) == 0.0


def test_a_burst_that_nobody_asked_about_is_over(quiescence: Quiescence, clock: FakeClock) -> None:
    """A change long after another one, of an app that was paused, is a lone one; it does not count as late."""
    quiescence.touch(KEY)
    clock.advance(3600)
    quiescence.touch(KEY)
    assert remaining(quiescence) == pytest.approx(0.1)


def test_threads_may_touch_and_ask_at_once(quiescence: Quiescence) -> None:
    """Six informers touch while a worker asks; in the end nothing is left in memory."""
    keys = [ObjectKey("KasprApp", "ns", f"app-{number}") for number in range(20)]

    def touch() -> None:
        for number in range(2000):
            quiescence.touch(keys[number % 20])

    threads = [threading.Thread(target=touch) for _ in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for key in keys:
            quiescence.remaining(key, first=0.0, burst=0.0, limit=3.0)
    assert [quiescence.remaining(key, first=0.0, burst=0.0, limit=3.0) for key in keys] == [0.0] * 20
    assert quiescence._bursts == {}
