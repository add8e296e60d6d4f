"""The life cycle within one process: order, patience, and what a failure leads to (rules X1, X3, X4)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from kaspr_controller.engine import lifecycle, threads
from kaspr_controller.engine.lifecycle import Group, Lifecycle
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable


class Part:
    """A runnable that writes down what it is told; `ends` after that many seconds of the fake clock."""

    def __init__(self, name: str, world: World, *, ends: float = 0.0) -> None:
        self.name = name
        self.world = world
        self.ends = ends
        self.fail_start: Exception | None = None
        self.fail_stop: Exception | None = None

    def start(self) -> None:
        self.world.events.append(f"start {self.name}")
        if self.fail_start:
            raise self.fail_start

    def stop(self) -> None:
        self.world.events.append(f"stop {self.name}")
        if self.fail_stop:
            raise self.fail_stop

    def join(self, timeout: float) -> bool:
        took = min(self.ends, timeout)
        self.world.clock.advance(took)
        self.world.events.append(f"join {self.name} {took:g}")
        return self.ends <= timeout


class World:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.events: list[str] = []
        self.left: list[int] = []
        self.budgets: list[float] = []

    def part(self, name: str, **more: float) -> Part:
        return Part(name, self, **more)

    def life(self, *groups: Group, chores: tuple[Callable[[], None], ...] = ()) -> Lifecycle:
        return Lifecycle(
            groups, clock=self.clock, on_stop=self.budgets.append, chores=chores, leave=self.left.append
        )


@pytest.fixture
def world() -> World:
    return World()


def test_start_in_order_stop_in_reverse(world: World) -> None:
    """X1: caches before election before workers; each group has ended before the next one is told to stop."""
    life = world.life(
        Group("http", (world.part("http"),)),
        Group("caches", (world.part("pods"), world.part("apps"))),
        Group("workers", (world.part("workers"),), then=lambda: life.request_stop("done", code=0)),
    )
    assert life.run() == 0
    assert world.events == [
        "start http",
        "start pods",
        "start apps",
        "start workers",
        "stop workers",
        "join workers 0",
        "stop pods",
        "stop apps",
        "join pods 0",
        "join apps 0",
        "stop http",
        "join http 0",
    ]
    assert world.left == []


def test_the_next_group_waits_for_the_one_before(world: World) -> None:
    """X1, C3: workers start when the caches are synced, and what is to be done then is done then."""
    looks = iter([False, False, False, True])
    life = world.life(
        Group(
            "caches",
            (world.part("caches"),),
            ready=lambda: next(looks),
            patience=120,
            then=lambda: world.events.append("freeze"),
        ),
        Group("workers", (world.part("workers"),), then=lambda: life.request_stop("done")),
    )
    life.run()
    assert world.events[:3] == ["start caches", "freeze", "start workers"]
    assert next(looks, None) is None


def test_caches_that_do_not_sync_end_the_process(world: World) -> None:
    """C3: after 120 s the start has failed: code 1, and what was started is stopped."""

    def never() -> bool:
        world.clock.advance(30)
        return False

    life = world.life(
        Group("http", (world.part("http"),)),
        Group("caches", (world.part("caches"),), ready=never, patience=120),
        Group("workers", (world.part("workers"),)),
    )
    assert life.run() == 1
    assert "start workers" not in world.events
    assert world.events[-4:] == ["stop caches", "join caches 0", "stop http", "join http 0"]


def test_a_standby_waits_for_ever_and_can_be_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """L5, X3: without patience a group may take hours; a stop in between is obeyed at once, chores are done meanwhile."""
    chores: list[float] = []

    def standby() -> bool:
        world.clock.advance(4)
        if world.clock.monotonic() > 1000 + 3600:
            life.request_stop("SIGTERM")
        return False

    life = world.life(
        Group("election", (world.part("elector"),), ready=standby),
        Group("workers", (world.part("workers"),)),
        chores=(lambda: chores.append(world.clock.monotonic()),),
    )
    monkeypatch.setattr(lifecycle, "LOOK_SECONDS", 0.0)
    assert life.run() == 0
    assert world.events == ["start elector", "stop elector", "join elector 0"]
    assert 300 < len(chores) <= 720


def test_a_stop_during_the_start(world: World) -> None:
    """X3: what has not been started is neither started nor stopped."""
    life = world.life(Group("http", (world.part("http"),)), Group("caches", (world.part("caches"),)))
    life.request_stop("SIGTERM")
    assert life.run() == 0
    assert world.events == ["start http", "stop http", "join http 0"]


def test_a_part_that_cannot_start_ends_the_process(world: World) -> None:
    """Section 14: the first error of any runnable stops everything, itself included."""
    http, caches = world.part("http"), world.part("caches")
    caches.fail_start = OSError("port in use")
    life = world.life(Group("http", (http,)), Group("caches", (caches,)))
    assert life.run() == 1
    assert world.events == [
        "start http",
        "start caches",
        "stop caches",
        "join caches 0",
        "stop http",
        "join http 0",
    ]


def test_a_part_that_cannot_stop_does_not_hold_the_others(world: World) -> None:
    """X3: its error is logged, the rest is stopped."""
    broken, other = world.part("broken"), world.part("other")
    broken.fail_stop = RuntimeError("a bug")
    life = world.life(Group("all", (broken, other)))
    life.request_stop("done")
    assert life.run() == 0
    assert world.events[2:] == ["stop broken", "stop other", "join broken 0", "join other 0"]


def test_every_group_has_its_grace(world: World) -> None:
    """X3: workers get 15 s; who is late is left behind, and the process ends hard rather than hang."""
    life = world.life(
        Group("caches", (world.part("caches"),)),
        Group("election", (world.part("elector", ends=2.5),), grace=3),
        Group(
            "workers", (world.part("workers", ends=60),), grace=15, then=lambda: life.request_stop("SIGTERM")
        ),
    )
    assert life.run() == 1
    assert world.events[3:] == [
        "stop workers",
        "join workers 15",
        "stop elector",
        "join elector 2.5",
        "stop caches",
        "join caches 0",
    ]
    assert world.left == [1]
    assert world.budgets == [15]


def test_the_whole_stop_is_limited(world: World) -> None:
    """X3: 25 s from the first signal, however many groups are late."""
    slow = [Group(f"g{number}", (world.part(f"p{number}", ends=60),), grace=15) for number in range(4)]
    last = Group("last", (), then=lambda: life.request_stop("SIGTERM"))
    life = world.life(*slow, last)
    start = world.clock.monotonic()
    assert life.run() == 1
    assert world.clock.monotonic() - start == 25
    assert [event for event in world.events if event.startswith("join")] == [
        "join p3 15",
        "join p2 10",
        "join p1 0",
        "join p0 0",
    ]


def test_members_share_their_grace(world: World) -> None:
    """X3: two members that need 1.5 s each do not end within 2 s together."""
    parts = (world.part("a", ends=1.5), world.part("b", ends=1.5))
    life = world.life(Group("caches", parts, grace=2))
    life.request_stop("SIGTERM")
    assert life.run() == 1
    assert world.events[-2:] == ["join a 1.5", "join b 0.5"]


def test_a_chore_that_fails_is_only_logged(world: World) -> None:
    """The main thread goes on; other chores are done."""
    done = threading.Event()

    def broken() -> None:
        raise RuntimeError("a bug")

    def stop() -> None:
        done.set()
        life.request_stop("done")

    life = world.life(Group("http", (world.part("http"),)), chores=(broken, stop))
    life._do_chores()
    assert done.is_set()
    assert life.run() == 0


def test_the_code_of_a_request_is_the_exit_code(world: World) -> None:
    """Who requests the stop says whether it is a failure."""
    life = world.life(Group("http", (world.part("http"),)))
    threading.Thread(target=lambda: life.request_stop("a part gave up", code=3)).start()
    assert life.run() == 3


def test_abort_leaves_at_once(world: World) -> None:
    """Bar 11: a lost lease ends the process with code 1, without drain and without release."""
    life = world.life(Group("http", (world.part("http"),)))
    life.abort("the lease was lost")
    assert world.left == [1]
    assert world.events == []


def test_a_thread_that_dies_takes_the_process_with_it(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    """X4: a log line, the stacks of all threads, exit code 1."""

    def die() -> None:
        raise LookupError("a bug in a thread")

    def start_one() -> None:
        thread = threads.make("informer-pods", die)
        thread.start()
        thread.join(5)
        life.request_stop("test")

    life = world.life(Group("http", (world.part("http"),), then=start_one))
    hook = threading.excepthook
    life.run()
    assert world.left == [1]
    assert threading.excepthook is hook
    output = capfd.readouterr()
    assert "a thread died" in output.out
    assert "informer-pods" in output.out
    assert "LookupError: a bug in a thread" in output.out
    assert "Current thread" in output.err


def test_a_standby_does_not_look_twenty_times_a_second(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start is noticed within 0.05 s, but whoever waits for days for the lease wakes up twice a second."""
    answers = iter([False] * 8 + [True])
    life = world.life(
        Group("leadership", (), ready=lambda: next(answers), then=lambda: life.request_stop("done"))
    )
    pauses: list[float] = []

    def note(timeout: float) -> lifecycle._Request | None:
        pauses.append(timeout)
        return None if len(pauses) < 9 else lifecycle._Request("done", 0)

    monkeypatch.setattr(life, "_next_request", note)
    assert life.run() == 0
    assert pauses[:8] == [0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5, 0.5]
