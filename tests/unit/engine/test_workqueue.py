"""The work queue: rules Q1 to Q6, on a clock that stands still."""

from __future__ import annotations

import threading

import pytest

from kaspr_controller.engine.priorities import INITIAL, OWNED, USER
from kaspr_controller.engine.workqueue import WorkQueue
from kaspr_controller.telemetry import metrics
from tests.fakes.clock import FakeClock
from tests.unit.engine.test_backoff import Edge
from tests.unit.engine.things import key, seeded

A, B, C, D = (key(name) for name in "abcd")


class Bench:
    """A queue whose retries have no jitter, checked after every step of a test."""

    def __init__(self, *, jump: bool = True) -> None:
        self.clock = FakeClock(jump=jump)
        self.queue = WorkQueue("test", self.clock, Edge(0.5))

    def take(self, *expected: object) -> None:
        for one in expected:
            assert self.queue.get(0) == one
            self.queue.check()

    def run(self, *expected: object) -> None:
        for one in expected:
            self.take(one)
            if one:
                self.queue.done(one)  # type: ignore[arg-type]
            self.queue.check()


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestDirtyAndProcessing:
    def test_first_come_first_served(self, bench: Bench) -> None:
        """Q1: keys of one priority come in the order of their adds, then nothing."""
        for one in (C, A, B):
            bench.queue.add(one)
        bench.run(C, A, B, None)

    def test_adds_are_merged(self, bench: Bench) -> None:
        """Q1: a key that waits is not added twice."""
        for _ in range(5):
            bench.queue.add(A)
        bench.run(A, None)

    def test_a_key_is_in_one_hand_at_a_time(self, bench: Bench) -> None:
        """Q1: adds while a key is in hand wait for `done`, then make exactly one more run."""
        bench.queue.add(A)
        bench.take(A)
        for _ in range(3):
            bench.queue.add(A)
        bench.take(None)
        bench.queue.done(A)
        bench.run(A, None)

    def test_namespaces_and_kinds_are_different_keys(self, bench: Bench) -> None:
        """Q1: two apps of one name in two namespaces, or two kinds of one name, do not collide."""
        keys = [key("a"), key("a", "other"), key("a", kind="Part")]
        for one in keys:
            bench.queue.add(one)
        bench.run(*keys)

    def test_done_without_get_is_a_programming_error(self, bench: Bench) -> None:
        """Q1: only what was taken can be given back."""
        with pytest.raises(KeyError):
            bench.queue.done(A)

    def test_ten_thousand_keys(self, bench: Bench) -> None:
        """Q1: unbounded by design, nothing is ever dropped."""
        keys = [key(f"n{number}") for number in range(10_000)]
        for one in keys:
            bench.queue.add(one)
        assert len(bench.queue) == 10_000
        assert [bench.queue.get(0) for _ in keys] == keys


class TestPriorities:
    def test_higher_goes_first(self, bench: Bench) -> None:
        """Q6: a user's change overtakes the backlog of a start."""
        bench.queue.add(A, INITIAL)
        bench.queue.add(B, OWNED)
        bench.queue.add(C, USER)
        bench.run(C, B, A)

    def test_a_raise_moves_to_the_end_of_the_higher_class(self, bench: Bench) -> None:
        """Q6: a re-add takes the higher priority and queues behind those who have it."""
        bench.queue.add(A, INITIAL)
        bench.queue.add(B, INITIAL)
        bench.queue.add(C, USER)
        bench.queue.add(A, USER)
        bench.run(C, A, B)

    def test_a_lower_add_changes_nothing(self, bench: Bench) -> None:
        """Q6: max of the priorities."""
        bench.queue.add(A, USER)
        bench.queue.add(A, INITIAL)
        bench.queue.add(B, OWNED)
        bench.run(A, B)

    def test_a_raise_during_the_run_counts_for_the_next(self, bench: Bench) -> None:
        """Q6: what is added while in hand keeps the highest of its priorities."""
        bench.queue.add(A)
        bench.take(A)
        bench.queue.add(A, INITIAL)
        bench.queue.add(A, USER)
        bench.queue.add(B, OWNED)
        bench.queue.done(A)
        bench.run(A, B)

    def test_old_keys_go_first_whatever_their_priority(self, bench: Bench) -> None:
        """Q6: after 60 s of waiting, priority no longer counts; the oldest of the old goes first."""
        bench.queue.add(A, INITIAL)
        bench.clock.advance(5)
        bench.queue.add(B, OWNED)
        bench.clock.advance(54.9)
        bench.queue.add(C, USER)
        bench.run(C)
        bench.queue.add(C, USER)
        bench.clock.advance(0.1)
        bench.take(A)
        bench.queue.add(D, USER)
        bench.clock.advance(5)
        bench.take(B, C, D)

    def test_no_key_starves(self, bench: Bench) -> None:
        """Q6: under a constant stream of user changes, a key of the first list is served within 61 s."""
        bench.queue.add(A, INITIAL)
        for second in range(62):
            bench.queue.add(key(f"user{second}"))
            bench.queue.add(key(f"user{second}x"))
            taken = bench.queue.get(0)
            assert taken is not None
            bench.queue.done(taken)
            if taken == A:
                break
            bench.clock.advance(1)
        assert second <= 61
        assert taken == A


class TestShutdown:
    def test_plain(self, bench: Bench) -> None:
        """Q1: adds are refused, plans dropped, what is ready is handed out, then None for ever."""
        bench.queue.add(A)
        bench.queue.add_after(B, 5)
        assert not bench.queue.shutdown()
        assert bench.queue.closed
        bench.queue.add(C)
        bench.queue.add_after(C, 1)
        bench.queue.add_rate_limited(C)
        bench.clock.advance(10)
        bench.run(A)
        assert bench.queue.get() is None
        assert bench.queue.get() is None
        assert bench.queue.shutdown()

    def test_what_was_dirty_in_hand_runs_once_more(self, bench: Bench) -> None:
        """Q1: as client-go, an add that was accepted before the shutdown is not lost."""
        bench.queue.add(A)
        bench.take(A)
        bench.queue.add(A)
        bench.queue.shutdown()
        bench.queue.done(A)
        bench.run(A)
        assert bench.queue.get() is None

    def test_drain_gives_up_after_its_time(self, bench: Bench) -> None:
        """X3: a run that does not end does not hold the exit."""
        bench.queue.add(A)
        bench.take(A)
        assert not bench.queue.shutdown(drain=True, timeout=15)

    def test_drain_waits_for_the_last_run(self) -> None:
        """With `drain`, shutdown returns when the last key in hand is done."""
        bench, result = Bench(jump=False), list[bool]()
        bench.queue.add(A)
        bench.take(A)
        thread = threading.Thread(target=lambda: result.append(bench.queue.shutdown(drain=True)))
        thread.start()
        bench.clock.await_sleepers()
        assert not result
        bench.queue.done(A)
        thread.join(5)
        assert result == [True]

    def test_a_waiting_worker_is_freed(self) -> None:
        """X3: nobody stays in `get` after the shutdown."""
        bench, got = Bench(jump=False), list[object]()
        threads = [threading.Thread(target=lambda: got.append(bench.queue.get())) for _ in range(3)]
        for thread in threads:
            thread.start()
        bench.clock.await_sleepers(3)
        bench.queue.shutdown()
        for thread in threads:
            thread.join(5)
        assert got == [None, None, None]


class TestWaiting:
    def test_get_gives_up(self, bench: Bench) -> None:
        """`get(timeout)` waits that long, in the time of the clock."""
        began = bench.clock.monotonic()
        assert bench.queue.get(3) is None
        assert bench.clock.monotonic() - began == pytest.approx(3)

    def test_get_wakes_for_a_planned_look(self, bench: Bench) -> None:
        """The wait ends when the next plan is due, before the timeout."""
        bench.queue.add_after(A, 2)
        assert bench.queue.get(10) == A

    def test_an_add_wakes_a_worker(self) -> None:
        """A waiting worker gets a key that is added, without time passing."""
        bench, got = Bench(jump=False), list[object]()
        thread = threading.Thread(target=lambda: got.append(bench.queue.get()))
        thread.start()
        bench.clock.await_sleepers()
        bench.queue.add(A)
        thread.join(5)
        assert got == [A]

    def test_done_wakes_a_worker_for_the_next_run(self) -> None:
        """A key that was added while in hand goes to whoever waits, when it is done."""
        bench, got = Bench(jump=False), list[object]()
        bench.queue.add(A)
        bench.take(A)
        thread = threading.Thread(target=lambda: got.append(bench.queue.get()))
        thread.start()
        bench.clock.await_sleepers()
        bench.queue.add(A)
        bench.clock.await_sleepers()
        bench.queue.done(A)
        thread.join(2)
        assert got == [A]

    def test_an_earlier_plan_wakes_a_worker(self) -> None:
        """A worker that waits for a plan in 60 s takes one that is made for 1 s when that is due."""
        bench, got = Bench(jump=False), list[object]()
        bench.queue.add_after(A, 60)
        thread = threading.Thread(target=lambda: got.append(bench.queue.get()))
        thread.start()
        bench.clock.await_sleepers(until=bench.clock.monotonic() + 60)
        bench.queue.add_after(B, 1)
        bench.clock.await_sleepers(until=bench.clock.monotonic() + 1)
        bench.clock.advance(1)
        thread.join(5)
        assert got == [B]

    def test_plans_due_together_wake_all_workers(self) -> None:
        """Three plans at one moment, three waiting workers: each gets one."""
        bench, got = Bench(jump=False), list[object]()
        for one in (A, B, C):
            bench.queue.add_after(one, 5)
        threads = [threading.Thread(target=lambda: got.append(bench.queue.get())) for _ in range(3)]
        for thread in threads:
            thread.start()
        bench.clock.await_sleepers(3)
        bench.clock.advance(5)
        for thread in threads:
            thread.join(5)
        assert set(got) == {A, B, C}


def sample(name: str, **labels: str) -> float:
    value = metrics.REGISTRY.get_sample_value(name, {"name": "meter", "controller": "meter", **labels})
    assert value is not None, name
    return value


def test_metrics() -> None:
    """Section 18: depth by priority, adds, retries, wait, work, unfinished and longest, under client-go's names."""
    clock = FakeClock()
    queue = WorkQueue("meter", clock, seeded(1))
    before = {
        name: sample(name)
        for name in (
            "workqueue_adds_total",
            "workqueue_retries_total",
            "workqueue_queue_duration_seconds_sum",
            "workqueue_work_duration_seconds_sum",
        )
    }
    queue.add(A)
    queue.add(A)
    queue.add(B, OWNED)
    queue.add(C, 7)
    queue.add_after(D, 50)
    assert [sample("workqueue_depth", priority=text) for text in ("0", "-50", "-100", "7")] == [1, 1, 0, 1]
    clock.advance(2)
    queue.done(queue.get(0) or D)
    taken = [queue.get(0), queue.get(0)]
    clock.advance(3)
    assert sample("workqueue_unfinished_work_seconds") == pytest.approx(6)
    assert sample("workqueue_longest_running_processor_seconds") == pytest.approx(3)
    queue.done(A)
    after = {name: sample(name) - value for name, value in before.items()}
    assert taken == [A, B]
    assert after == pytest.approx(
        {
            "workqueue_adds_total": 3,
            "workqueue_retries_total": 1,
            "workqueue_queue_duration_seconds_sum": 6,
            "workqueue_work_duration_seconds_sum": 3,
        }
    )


def test_view(bench: Bench) -> None:
    """O2: the debug page shows what waits, what is planned and what is in hand, with seconds."""
    for one, priority in ((A, USER), (B, INITIAL)):
        bench.queue.add(one, priority)
    bench.queue.add_after(C, 5, OWNED)
    bench.clock.advance(2)
    bench.take(A)
    bench.clock.advance(1)
    view = bench.queue.view()
    assert [*view.ready, *view.planned, *view.processing] == [
        (B, INITIAL, 3.0),
        (C, OWNED, 2.0),
        (A, USER, 1.0),
    ]
    assert bench.queue.depths() == {USER: 0, INITIAL: 1}


def test_check_notices_what_is_wrong(bench: Bench) -> None:
    """The invariant check can fail: each broken promise is named."""
    bench.queue.add(A)
    bench.queue._delays.put(A, 1.0, 0)
    with pytest.raises(AssertionError, match="no look is planned for a dirty key"):
        bench.queue.check()
    bench.queue._delays.pop(A)
    del bench.queue._since[A]
    with pytest.raises(AssertionError, match="known since when"):
        bench.queue.check()
