"""Threads are named, stoppable, and never end in silence."""

from __future__ import annotations

import sys
import threading
import time

import pytest

from kaspr_controller.engine import threads
from kaspr_controller.engine.threads import Loop


def test_a_thread_that_exits_is_not_dropped_in_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """X4: Python ignores SystemExit in threads; here the hook hears of it."""
    heard: list[str] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: heard.append(str(args.exc_value)))
    thread = threads.make("worker-1", lambda: sys.exit(3))
    thread.start()
    thread.join(5)
    assert heard == ["SystemExit(3) ended the thread worker-1"]


def test_a_loop_runs_until_stopped() -> None:
    """X1: start, stop, join; one thread per count, with numbers in their names."""
    names: set[str] = set()
    started = threading.Barrier(3)

    def body(stop: threading.Event) -> None:
        names.add(threading.current_thread().name)
        started.wait(5)
        stop.wait(5)

    loop = Loop("poller", body, time.monotonic, count=2)
    alive = [loop.alive]
    loop.start()
    started.wait(5)
    alive.append(loop.alive)
    assert not loop.join(0)
    loop.stop()
    assert loop.join(5)
    alive.append(loop.alive)
    assert alive == [False, True, False]
    assert names == {"poller-0", "poller-1"}


def test_join_all_shares_its_time() -> None:
    """X3: three threads that hang cost the timeout once, not three times; one never started costs nothing."""
    release = threading.Event()

    def hang() -> None:
        release.wait(5)

    hung = [threads.make(f"h{number}", hang) for number in range(3)]
    for thread in hung:
        thread.start()
    began = time.monotonic()
    assert not threads.join_all([*hung, threads.make("idle", lambda: None)], 0.05, time.monotonic)
    assert time.monotonic() - began < 1
    release.set()
    assert threads.join_all(hung, 5, time.monotonic)
