"""The token bucket and the breaker, on a clock that the test moves."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kaspr_controller.kube import errors, limiting
from kaspr_controller.kube.limiting import Breaker, RateLimiter
from tests.fakes.clock import FakeClock

NEVER = threading.Event()


def test_a_burst_goes_through_then_the_rate_holds() -> None:
    """Rule A1: 100 at once, then one each 20 ms."""
    clock = FakeClock()
    limiter = RateLimiter(clock)
    for _ in range(100):
        limiter.take(10, NEVER)
    assert clock.slept == []
    for _ in range(5):
        limiter.take(10, NEVER)
    assert clock.slept == pytest.approx([0.02] * 5)


def test_tokens_come_back_with_time_up_to_the_burst() -> None:
    """A quiet hour earns one burst, not a hundred."""
    clock = FakeClock()
    limiter = RateLimiter(clock, qps=10, burst=3)
    clock.advance(3600)
    for _ in range(4):
        limiter.take(10, NEVER)
    assert clock.slept == pytest.approx([0.1])


def test_zero_switches_the_limiter_off() -> None:
    """For clusters that leave it to priority and fairness."""
    clock = FakeClock()
    limiter = RateLimiter(clock, qps=0, burst=1)
    for _ in range(1000):
        limiter.take(0.001, NEVER)
    assert clock.slept == []


def test_a_429_halves_the_rate_for_30_seconds() -> None:
    """Rule A1."""
    clock = FakeClock()
    limiter = RateLimiter(clock, qps=10, burst=1)
    limiter.take(10, NEVER)
    limiter.slow_down()
    limiter.take(10, NEVER)
    assert clock.slept == pytest.approx([0.2])
    clock.advance(limiting.THROTTLE_SECONDS)
    limiter.take(10, NEVER)
    limiter.take(10, NEVER)
    assert clock.slept == pytest.approx([0.2, 0.1])


def test_time_in_the_slow_phase_earns_half() -> None:
    """30 slow seconds and 10 normal ones."""
    clock = FakeClock()
    limiter = RateLimiter(clock, qps=1, burst=100)
    for _ in range(100):
        limiter.take(1, NEVER)
    limiter.slow_down()
    clock.advance(40)
    for _ in range(25):
        limiter.take(1, NEVER)
    assert clock.slept == []
    limiter.take(10, NEVER)
    assert len(clock.slept) == 1


def test_who_cannot_wait_gets_an_error_and_takes_no_token() -> None:
    """A request whose time is over before its turn is not worth the queue."""
    clock = FakeClock()
    limiter = RateLimiter(clock, qps=1, burst=1)
    limiter.take(1, NEVER)
    for _ in range(5):
        with pytest.raises(errors.Timeout, match="request limit"):
            limiter.take(0.5, NEVER)
    limiter.take(1, NEVER)
    assert clock.slept == pytest.approx([1.0])


def test_threads_cannot_exceed_the_rate_together() -> None:
    """8 threads, 400 requests at 100 per second: the clock has to move by at least 3 s."""
    clock = FakeClock(start=0.0)
    limiter = RateLimiter(clock, qps=100, burst=100)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: limiter.take(60, NEVER), range(400)))
    assert clock.monotonic() >= 3.0 - 0.01


def test_ten_failures_in_a_row_open_the_breaker() -> None:
    """Rule A3: nine and a success do not."""
    breaker = Breaker(FakeClock())
    for _ in range(9):
        breaker.failed()
    breaker.answered()
    for _ in range(9):
        breaker.failed()
    breaker.admit()
    before = breaker.available
    breaker.failed()
    assert [before, breaker.available] == [True, False]
    with pytest.raises(errors.Unavailable):
        breaker.admit()


def test_an_open_breaker_lets_one_probe_pass_every_two_seconds() -> None:
    """So an outage ends by itself, without a thread for it, and without a stampede."""
    clock = FakeClock()
    breaker = Breaker(clock)
    for _ in range(10):
        breaker.failed()
    with pytest.raises(errors.Unavailable) as caught:
        breaker.admit()
    assert caught.value.retry_after == pytest.approx(2.0)
    clock.advance(2.0)
    breaker.admit()
    with pytest.raises(errors.Unavailable):
        breaker.admit()
    breaker.failed()
    clock.advance(2.0)
    breaker.admit()
    breaker.answered()
    assert breaker.available
    breaker.admit()
    breaker.admit()
