"""When the work queue hands a key out: planned looks, retries, and the floor between two starts."""

from __future__ import annotations

import itertools

import pytest

from kaspr_controller.engine.priorities import INITIAL, OWNED, USER
from kaspr_controller.engine.workqueue import WorkQueue
from tests.fakes.clock import FakeClock
from tests.unit.engine.test_workqueue import A, B, Bench, C
from tests.unit.engine.things import key, seeded


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestLater:
    def test_add_after(self, bench: Bench) -> None:
        """A planned look becomes ready at its time, not before."""
        bench.queue.add_after(A, 5)
        bench.clock.advance(4.999)
        bench.take(None)
        bench.clock.advance(0.001)
        bench.run(A, None)

    def test_the_earlier_time_stays(self, bench: Bench) -> None:
        """One entry per key: the earlier time and the higher priority."""
        bench.queue.add_after(A, 5, INITIAL)
        bench.queue.add_after(A, 9, USER)
        bench.queue.add_after(B, 9, OWNED)
        bench.queue.add_after(B, 5, OWNED)
        bench.clock.advance(5)
        bench.run(A, B)
        bench.clock.advance(100)
        bench.take(None)

    def test_the_higher_priority_stays(self, bench: Bench) -> None:
        """One entry per key: an earlier look of lower priority does not lower what was asked for before."""
        bench.queue.add_after(A, 9, USER)
        bench.queue.add_after(A, 5, INITIAL)
        bench.queue.add_after(B, 5, OWNED)
        bench.clock.advance(5)
        bench.run(A, B)

    @pytest.mark.parametrize("seconds", [0, -3])
    def test_no_delay_means_now(self, bench: Bench, seconds: float) -> None:
        """Zero or less is an ordinary add."""
        bench.queue.add_after(A, seconds)
        bench.take(A)

    def test_an_add_supersedes_the_plan(self, bench: Bench) -> None:
        """A key that runs now decides anew when it is due next: the old plan is void, its priority is not lost."""
        bench.queue.add_after(A, 5, USER)
        bench.queue.add(B, OWNED)
        bench.queue.add(A, INITIAL)
        bench.run(A, B)
        bench.clock.advance(10)
        bench.take(None)

    def test_a_plan_for_a_dirty_key_only_raises_it(self, bench: Bench) -> None:
        """It will run anyway."""
        bench.queue.add(A, INITIAL)
        bench.queue.add(B, OWNED)
        bench.queue.add_after(A, 5, USER)
        bench.run(A, B)
        bench.clock.advance(10)
        bench.take(None)

    def test_a_plan_that_comes_due_while_in_hand_waits_for_done(self, bench: Bench) -> None:
        """Q1 holds for planned looks too."""
        bench.queue.add(A)
        bench.take(A)
        bench.queue.add_after(A, 5)
        bench.clock.advance(6)
        bench.take(None)
        bench.queue.done(A)
        bench.take(A)

    def test_ties_go_in_the_order_of_planning(self, bench: Bench) -> None:
        """Equal times: first planned, first ready."""
        for one in (B, A, C):
            bench.queue.add_after(one, 5)
        bench.clock.advance(5)
        bench.run(B, A, C)

    def test_cancelled_plans_do_not_fill_the_memory(self, bench: Bench) -> None:
        """A key that is planned for ten hours after each of many runs leaves one entry, not thousands."""
        for _ in range(5000):
            bench.queue.add(A)
            bench.take(A)
            bench.queue.add_after(A, 36_000)
            bench.queue.done(A)
        assert len(bench.queue._delays._heap) < 200


class TestRetries:
    def test_retries_back_off(self, bench: Bench) -> None:
        """Q2: 0.2 s * 2^n, with the priority of the run that failed."""
        bench.queue.add(A, USER)
        for delay in (0.2, 0.4, 0.8, 1.6):
            bench.take(A)
            assert bench.queue.add_rate_limited(A) == pytest.approx(delay)
            bench.queue.done(A)
            bench.queue.check()
            bench.take(None)
            bench.clock.advance(delay + 1e-6)
        assert bench.queue.failures(A) == 4

    def test_a_retry_keeps_its_priority(self, bench: Bench) -> None:
        """Q6: the retry of a routine run does not overtake users."""
        bench.queue.add(A, INITIAL)
        bench.take(A)
        bench.queue.add_rate_limited(A)
        bench.queue.done(A)
        bench.clock.advance(60 - 1e-6)
        bench.queue.add(B, OWNED)
        bench.take(B, A)

    def test_forget_starts_over(self, bench: Bench) -> None:
        """Q4: after a success, the next failure is the first."""
        for _ in range(5):
            bench.queue.add_rate_limited(A)
        bench.queue.forget(A)
        assert bench.queue.add_rate_limited(A) == pytest.approx(0.2)

    def test_the_server_may_ask_for_more(self, bench: Bench) -> None:
        """W7: Retry-After is a floor."""
        assert bench.queue.add_rate_limited(A, floor=7.0) == 7.0

    def test_many_failures_share_a_bucket(self, bench: Bench) -> None:
        """Q2: after 100 retries at once, ten a second; plain adds are not slowed."""
        delays = [bench.queue.add_rate_limited(key(f"n{number}")) for number in range(150)]
        assert delays[99] == pytest.approx(0.2)
        assert delays[149] == pytest.approx(5.0)
        bench.queue.add(A)
        bench.take(A)


class TestFloor:
    def test_events_cost_one_run_a_second(self, bench: Bench) -> None:
        """Q3: between two starts of a key lies a second, however many events come."""
        starts = []
        for _ in range(50):
            bench.queue.add(A, OWNED)
            if bench.queue.get(0):
                starts.append(bench.clock.monotonic())
                bench.queue.done(A)
            bench.queue.check()
            bench.clock.advance(0.1)
        assert len(starts) == 5
        assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(starts))

    def test_a_user_does_not_wait(self, bench: Bench) -> None:
        """Q3: a spec change starts at once, also when an event was held back before."""
        bench.queue.add(A, OWNED)
        bench.run(A)
        bench.queue.add(A, OWNED)
        bench.take(None)
        bench.queue.add(A, USER)
        bench.run(A, None)

    def test_an_event_during_the_run_is_held_back(self, bench: Bench) -> None:
        """Q3: the second run of a key that was added while in hand keeps the distance, counted from the start."""
        bench.queue.add(A, OWNED)
        bench.take(A)
        bench.queue.add(A, OWNED)
        bench.clock.advance(0.4)
        bench.queue.done(A)
        bench.take(None)
        bench.clock.advance(0.6)
        bench.take(A)

    def test_a_user_change_during_the_run_is_not(self, bench: Bench) -> None:
        """Q3: a spec change while in hand runs right after."""
        bench.queue.add(A, OWNED)
        bench.take(A)
        bench.queue.add(A, USER)
        bench.queue.done(A)
        bench.take(A)

    def test_short_plans_of_a_user_run_are_kept(self, bench: Bench) -> None:
        """A run on behalf of a user that wants to look again in 0.1 s does, in 0.1 s."""
        bench.queue.add(A, USER)
        bench.take(A)
        bench.queue.add_after(A, 0.1)
        bench.queue.done(A)
        bench.clock.advance(0.1)
        bench.take(A)

    def test_starts_are_forgotten(self, bench: Bench) -> None:
        """The memory of starts is as long as the floor."""
        for number in range(1000):
            bench.queue.add(key(f"n{number}"))
            bench.run(key(f"n{number}"))
            bench.clock.advance(0.01)
        assert len(bench.queue._starts) <= 101


def test_looks_far_ahead_spread() -> None:
    """C6: a thousand keys that were looked at together are not looked at together again."""
    clock = FakeClock()
    queue = WorkQueue("far", clock, seeded(3))
    for number in range(1000):
        queue.add_after(key(f"k{number}"), 36_000.0)
    due = [left for _, _, left in queue.view().planned]
    assert 0.9 * 36_000 <= min(due) < 0.92 * 36_000
    assert 1.08 * 36_000 < max(due) <= 1.1 * 36_000
    queue.add_after(key("near"), 59.0)
    assert ("near", 59.0) in [(each.name, left) for each, _, left in queue.view().planned]
