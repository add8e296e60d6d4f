"""Delays after failures: doubling, capped, jittered, bounded by a bucket."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspr_controller.engine.backoff import Doubling, Failures, TokenBucket
from tests.fakes.clock import FakeClock
from tests.unit.engine.things import seeded


class Edge(random.Random):
    """Randomness at one end of its range."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self.value = value

    def random(self) -> float:
        return self.value


def watch_backoff(rng: random.Random, clock: FakeClock) -> Doubling:
    return Doubling(rng, clock, base=0.8, cap=30.0, reset=120.0)


def test_doubling_starts_low_and_is_capped() -> None:
    """Rule 3: 0.8 s x2, cap 30 s."""
    clock = FakeClock()
    backoff = watch_backoff(Edge(0.0), clock)
    assert [round(backoff.next(), 3) for _ in range(8)] == [0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


@given(st.integers(0, 2**32), st.integers(1, 80))
def test_doubling_sleeps_between_once_and_twice_the_delay(seed: int, failures: int) -> None:
    """Rule 3: each sleep in [d, 2d), so that clients that failed together do not return together."""
    backoff = watch_backoff(seeded(seed), FakeClock())
    for failure in range(failures):
        delay = min(0.8 * 2**failure, 30.0)
        assert delay <= backoff.next() < 2 * delay


def test_doubling_resets_after_quiet() -> None:
    """Rule 3: 120 s without a failure, counted from the end of the last sleep, make the next one the first."""
    clock = FakeClock()
    backoff = watch_backoff(Edge(0.0), clock)
    for _ in range(5):
        clock.advance(backoff.next())
    clock.advance(119.9)
    assert backoff.next() == pytest.approx(25.6)
    clock.advance(25.6 + 120)
    assert backoff.next() == pytest.approx(0.8)


def test_doubling_obeys_the_server() -> None:
    """W7: Retry-After is a floor, not a ceiling."""
    backoff = watch_backoff(Edge(0.0), FakeClock())
    assert backoff.next(floor=5.0) == 5.0
    assert backoff.next(floor=0.1) == pytest.approx(1.6)


def test_doubling_survives_endless_outages() -> None:
    """A day without an API server must not overflow a float."""
    backoff = watch_backoff(Edge(0.99), FakeClock())
    assert all(backoff.next() < 60 for _ in range(5000))


@pytest.mark.parametrize(("value", "factor"), [(0.0, 0.9), (0.5, 1.0), (0.9999999999, 1.1)])
def test_failures_double_per_key(value: float, factor: float) -> None:
    """Q2: 0.2 s * 2^n, cap 300 s, +-10 %."""
    failures = Failures(Edge(value))
    delays = [failures.next("a") / factor for _ in range(14)]
    assert delays == pytest.approx(
        [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 300, 300, 300]
    )
    assert failures.next("b") / factor == pytest.approx(0.2)


def test_failures_are_forgotten() -> None:
    """Q4: a success clears the count and leaves nothing in memory."""
    failures = Failures(Edge(0.5))
    for _ in range(2000):
        failures.next("a")
    assert failures.count("a") == 2000
    failures.forget("a")
    failures.forget("never failed")
    assert (failures.count("a"), len(failures)) == (0, 0)
    assert failures.next("a") == pytest.approx(0.2)


def test_bucket_lets_a_burst_through_then_the_rate() -> None:
    """Q2: 10 a second, burst 100."""
    clock = FakeClock()
    bucket = TokenBucket(clock, rate=10, burst=100)
    waits = [bucket.take() for _ in range(103)]
    assert waits == pytest.approx([0.0] * 100 + [0.1, 0.2, 0.3])


def test_bucket_fills_up_but_not_over() -> None:
    """Saved tokens are limited to the burst, however long nobody came."""
    clock = FakeClock()
    bucket = TokenBucket(clock, rate=10, burst=2)
    clock.advance(3600)
    assert [bucket.take() for _ in range(3)] == pytest.approx([0.0, 0.0, 0.1])
    clock.advance(0.3)
    assert bucket.take() == pytest.approx(0.0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.integers(1, 20))
def test_bucket_never_grants_more_than_its_rate(gaps: list[float], burst: int) -> None:
    """Whatever the arrivals: in no window more than burst + rate * length."""
    clock = FakeClock()
    bucket, grants = TokenBucket(clock, rate=5, burst=burst), list[float]()
    for gap in gaps:
        clock.advance(gap)
        grants.append(clock.monotonic() + bucket.take())
    for index, grant in enumerate(grants):
        assert index + 1 <= burst + 5 * (grant - 1000.0) + 1e-6
