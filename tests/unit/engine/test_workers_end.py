"""How workers end: the run in hand is finished, no other begins, and nothing ends in silence."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from tests.unit.engine.test_workers import A, B, Bench, C, make

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["make"]


@pytest.fixture
def bench(make: Callable[..., Bench]) -> Bench:
    return make()


class TestEnd:
    def test_stop_lets_the_run_end_and_starts_no_other(self, bench: Bench) -> None:
        """X3: the key in hand is finished, what is queued is left."""
        at_work, release = threading.Event(), threading.Event()

        def hang() -> None:
            at_work.set()
            release.wait(5)

        bench.script[A] = [hang]
        for one in (A, B, C):
            bench.queue.add(one)
        bench.workers.start()
        assert at_work.wait(5)
        bench.workers.stop()
        assert not bench.workers.join(0)
        release.set()
        assert bench.workers.join(5)
        assert bench.ran == [A]
        assert bench.queue.ages() == []

    def test_idle_workers_end_at_once(self, make: Callable[..., Bench]) -> None:
        """X3: nothing sits in an uninterruptible wait."""
        bench = make(3)
        bench.work(count=3)
        assert bench.workers.alive
        bench.workers.stop()
        assert bench.workers.join(5)

    def test_stop_before_start(self, bench: Bench) -> None:
        """A standby that never led stops as well."""
        bench.workers.stop()
        assert bench.workers.join(0)

    def test_a_base_exception_ends_the_thread_loudly(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """R2: what is no `Exception` reaches the hook that ends the process; the key is given back even then."""
        heard, ended = list[object](), threading.Event()

        def hook(args: threading.ExceptHookArgs) -> None:
            heard.append(args.exc_value)
            ended.set()

        monkeypatch.setattr(threading, "excepthook", hook)
        bench.script[A] = [SystemExit(3)]
        bench.queue.add(A)
        bench.workers.start()
        assert ended.wait(5)
        bench.workers._threads[0].join(5)
        assert "SystemExit(3)" in str(heard[0])
        assert bench.queue.ages() == []
        assert not bench.workers.alive

    def test_names(self, make: Callable[..., Bench]) -> None:
        """X1: `<role>-<kind>-<n>`, and not daemon: a run that writes must come to its end."""
        threads = make(2).workers._threads
        assert [(thread.name, thread.daemon) for thread in threads] == [
            ("worker-bench-0", False),
            ("worker-bench-1", False),
        ]
