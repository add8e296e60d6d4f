"""Workers on real threads: every key that is taken is given back, and nothing a reconcile does ends a worker."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from kaspr_controller.engine.journal import Journal
from kaspr_controller.engine.packing import Packer
from kaspr_controller.engine.pausing import Door
from kaspr_controller.engine.priorities import INITIAL, OWNED, USER
from kaspr_controller.engine.results import DONE, Result, Terminal, Transient, Wait
from kaspr_controller.engine.workers import BUDGET, Workers
from kaspr_controller.engine.workqueue import WorkQueue
from kaspr_controller.kube import errors
from kaspr_controller.telemetry import metrics
from tests.fakes.clock import FakeClock
from tests.unit.engine.test_backoff import Edge
from tests.unit.engine.things import key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kaspr_controller.kube.kinds import ObjectKey

A, B, C = (key(name) for name in "abc")


class Bench:
    """Workers whose reconcile follows a script: per key a list of results, exceptions or functions."""

    def __init__(self, count: int = 1, **options: Any) -> None:
        self.clock = FakeClock(jump=False)
        self.queue = WorkQueue("bench", self.clock, Edge(0.5))
        self.script: dict[ObjectKey, list[Result | BaseException | Callable[[], None]]] = {}
        self.ran: list[ObjectKey] = []
        self.journal = Journal(self.clock)
        numbers = iter(range(1000))
        self.workers = Workers(
            "bench",
            self.queue,
            self.reconcile,
            count,
            clock=self.clock,
            journal=self.journal,
            new_id=lambda: f"run-{next(numbers)}",
            **options,
        )
        self.started = False

    def reconcile(self, one: ObjectKey) -> Result:
        self.ran.append(one)
        steps = self.script.get(one)
        step = steps.pop(0) if steps else DONE
        if isinstance(step, BaseException):
            raise step
        if isinstance(step, Result):
            return step
        step()
        return DONE

    def work(self, *keys: ObjectKey, priority: int = USER, count: int = 1) -> None:
        """Add keys, and wait until the workers are idle again."""
        for one in keys:
            self.queue.add(one, priority)
        if not self.started:
            self.started = True
            self.workers.start()
        self.idle(count)

    def idle(self, count: int = 1) -> None:
        """Until nothing is ready, due or in hand, and every worker waits for a key."""
        limit = time.monotonic() + 5
        while True:
            view = self.queue.view()
            if not (view.ready or view.processing or any(seconds <= 0 for _, _, seconds in view.planned)):
                break
            assert time.monotonic() < limit, view
            os.sched_yield()
        self.clock.await_sleepers(count)

    def planned(self) -> list[tuple[ObjectKey, int, float]]:
        return [(one, priority, round(seconds, 3)) for one, priority, seconds in self.queue.view().planned]


@pytest.fixture
def make() -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def build(count: int = 1, **options: Any) -> Bench:
        benches.append(Bench(count, **options))
        return benches[-1]

    yield build
    for bench in benches:
        bench.workers.stop()
        assert bench.workers.join(5)


@pytest.fixture
def bench(make: Callable[..., Bench]) -> Bench:
    return make()


def counted(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, {"controller": "bench", **labels}) or 0.0


def totals() -> dict[str, float]:
    found = {
        label: counted("controller_runtime_reconcile_total", result=label)
        for label in ("success", "requeue_after", "requeue", "error")
    }
    for word in ("errors", "terminal_reconcile_errors", "panics", "timeouts"):
        prefix = "controller_runtime_" if word.startswith("terminal") else "controller_runtime_reconcile_"
        found[word] = counted(f"{prefix}{word}_total")
    return found


class TestOutcomes:
    def test_success(self, bench: Bench) -> None:
        """R1: run once, forgotten, nothing planned."""
        bench.queue.add_rate_limited(A)
        bench.work(A)
        assert (bench.ran, bench.planned(), bench.queue.failures(A)) == ([A], [], 0)

    @pytest.mark.parametrize(
        ("seconds", "priority"), [(0.1, USER), (1.0, USER), (1.1, OWNED), (36_000.0, OWNED)]
    )
    def test_requeue_after(self, bench: Bench, seconds: float, priority: int) -> None:
        """R1, Q4: forgotten, then planned; a look further ahead is routine, a short wait keeps the run's priority."""
        bench.queue.add_rate_limited(A)
        bench.script[A] = [Result(seconds)]
        bench.work(A)
        assert bench.planned() == [(A, priority, seconds)]
        assert bench.queue.failures(A) == 0

    def test_errors_back_off_with_the_priority_of_the_run(self, bench: Bench) -> None:
        """R1, Q2: a rate-limited add of the same priority."""
        bench.script[A] = [Transient("Busy")]
        bench.script[B] = [RuntimeError("a bug")]
        bench.work(A, B, priority=INITIAL)
        assert bench.planned() == [(A, INITIAL, 0.2), (B, INITIAL, 0.2)]
        assert bench.queue.failures(A) == 1

    def test_terminal_errors_rest(self, bench: Bench) -> None:
        """R1: no requeue; the next change of the object runs it again."""
        bench.script[A] = [Terminal("InvalidSpec", "spec.x")]
        bench.work(A)
        assert bench.planned() == []
        bench.work(A)
        assert bench.ran == [A, A]

    def test_conflicts_do_not_count(self, bench: Bench) -> None:
        """Q4: another look soon, and the failures of before are kept."""
        bench.queue.add_rate_limited(A)
        bench.script[A] = [errors.Conflict("changed")]
        bench.work(A)
        assert bench.planned() == [(A, USER, 0.5)]
        assert bench.queue.failures(A) == 1

    def test_a_change_during_the_run_runs_again(self, bench: Bench) -> None:
        """Q1: an event that comes while a key is in hand is not lost, even when the run fails."""

        def change() -> None:
            bench.queue.add(A)
            raise Transient("Busy")

        bench.script[A] = [change]
        bench.work(A)
        assert bench.ran == [A, A]

    def test_metrics(self, bench: Bench) -> None:
        """Section 18: totals by result, errors, terminal errors, panics and timeouts."""
        before = totals()
        bench.script = {
            A: [DONE, Result(5.0), Wait("Slow"), errors.Conflict("x")],
            B: [Transient("Busy"), Terminal("Bad"), KeyError("bug"), errors.Timeout("used up")],
        }
        for _ in range(4):
            bench.work(A, B)
        changes = {name: value - before[name] for name, value in totals().items()}
        assert changes == {
            "success": 1,
            "requeue_after": 3,
            "requeue": 0,
            "error": 4,
            "errors": 4,
            "terminal_reconcile_errors": 1,
            "panics": 1,
            "timeouts": 1,
        }
        assert counted("controller_runtime_max_concurrent_reconciles") == 1
        assert counted("controller_runtime_active_workers") == 0

    def test_the_journal_tells_how_it_ended(self, bench: Bench) -> None:
        """O2: one line per run."""
        bench.script[A] = [
            lambda: bench.clock.advance(0.25),
            Result(5.0, "Rollout"),
            Transient("Busy", "later"),
        ]
        for _ in range(3):
            bench.work(A)
        assert [line.text for line in bench.journal.read(A)] == [
            "ran 250 ms: success",
            "ran 0 ms: requeue_after Rollout, again in 5.0 s",
            "ran 0 ms: error Busy: later",
        ]


class TestRuns:
    def test_log_lines_carry_the_run(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        """O3: controller, kind, namespace, name and a fresh id for each run, and nothing of it afterwards."""
        contexts: list[dict[str, Any]] = []
        bench.script[A] = [lambda: contexts.append(structlog.contextvars.get_contextvars())] * 2
        bench.work(A)
        bench.work(A)
        assert contexts[0] == {
            "controller": "bench",
            "controllerKind": "Thing",
            "Thing": {"name": "a", "namespace": "ns"},
            "namespace": "ns",
            "name": "a",
            "reconcileID": "run-0",
        }
        assert contexts[1]["reconcileID"] == "run-1"
        assert structlog.contextvars.get_contextvars() == {}

    def test_an_error_is_logged_once_with_its_stack(
        self, bench: Bench, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """R2: where it happened is in the log; a terminal error is told without, it is the user's."""
        bench.script = {A: [ValueError("a bug")], B: [Terminal("InvalidSpec", "spec.x")]}
        bench.work(A, B)
        text = capfd.readouterr().out
        assert text.count("reconcile failed") == 2
        assert text.count("ValueError: a bug") >= 1
        assert text.count("Traceback") == 1

    def test_a_run_has_a_budget(self, make: Callable[..., Bench]) -> None:
        """R3: all requests of a run share 60 s; the budget ends with the run."""
        events: list[object] = []

        @contextlib.contextmanager
        def budget(seconds: float) -> Iterator[None]:
            events.append(seconds)
            try:
                yield
            finally:
                events.append("over")

        bench = make(budget=budget)
        bench.script[A] = [lambda: events.append("run"), RuntimeError("a bug")]
        bench.work(A)
        bench.work(A)
        assert events == [BUDGET, "run", "over", BUDGET, "over"]

    def test_running_shows_who_is_at_work(self, make: Callable[..., Bench]) -> None:
        """R3: the key, its thread and its age, the oldest first; nothing once it is done."""
        bench, busy, release = make(2), threading.Barrier(3), threading.Event()

        def hang() -> None:
            busy.wait(5)
            release.wait(5)

        bench.script = {A: [hang], B: [hang]}
        bench.queue.add(A)
        bench.queue.add(B)
        bench.workers.start()
        busy.wait(5)
        bench.clock.advance(130)
        runs = bench.workers.running()
        assert {run.key for run in runs} == {A, B}
        assert all(run.seconds == 130 for run in runs)
        assert {run.thread for run in runs} == {thread.ident for thread in bench.workers._threads}
        assert counted("controller_runtime_active_workers") == 2
        release.set()
        bench.started = True
        bench.idle(2)
        assert bench.workers.running() == []


class TestHolding:
    def test_an_outage_pauses_and_fails_nobody(self, make: Callable[..., Bench]) -> None:
        """A3: a run that the outage ended is not a failure, and no other key is tried until the server is back."""
        up, clock = [True], FakeClock(jump=False)
        door = Door(clock, lambda: up[0], lambda: 0)
        bench = make(door=door)

        def lose() -> None:
            up[0] = False
            raise errors.ConnectFailed("refused")

        bench.script[A] = [lose]
        bench.queue.add(A)
        bench.queue.add(B)
        bench.workers.start()
        clock.await_sleepers()
        assert bench.ran == [A]
        assert bench.queue.failures(A) == 0
        assert bench.planned() == [(A, USER, 1.0)]
        up[0] = True
        clock.advance(0.5)
        bench.idle()
        assert bench.ran == [A, B]


def test_a_run_reads_each_state_once(make: Callable[..., Bench]) -> None:
    """Within a run an object that is read twice is unpacked once; the next run does not depend on the last one."""
    bench, read = make(1), list[object]()
    packed = Packer().pack({"a": 1})

    def reconcile(one: ObjectKey) -> Result:
        del one
        read.extend([packed.read(), packed.read()])
        return DONE

    bench.workers._reconcile = reconcile
    bench.work(A, B)
    assert read[0] is read[1]
    assert read[2] is read[3]
    assert read[1] is not read[2]


def test_four_workers_share_the_keys(make: Callable[..., Bench]) -> None:
    """Q1 with real workers: a hundred keys, four threads, each key run once and never by two at a time."""
    bench, most = make(4), list[int]()
    at_once: set[ObjectKey] = set()
    lock = threading.Lock()

    def reconcile(one: ObjectKey) -> Result:
        with lock:
            assert one not in at_once
            at_once.add(one)
            most.append(len(at_once))
        bench.ran.append(one)
        with lock:
            at_once.discard(one)
        return DONE

    bench.workers._reconcile = reconcile
    keys = [key(f"k{number}") for number in range(100)]
    bench.work(*keys, count=4)
    assert sorted(bench.ran) == sorted(keys)
    assert max(most) <= 4
