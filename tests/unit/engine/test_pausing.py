"""The door: closed while the server is away, slow afterwards (rules A3, A4)."""

from __future__ import annotations

import threading

import pytest

from kaspr_controller.engine.pausing import Door
from kaspr_controller.kube import errors
from tests.fakes.clock import FakeClock


class Server:
    """An API server that comes back at a given moment, once somebody asks it."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.up = True
        self.back_at = float("inf")
        self.probes: list[float] = []
        self.backlog = 0

    def probe(self) -> None:
        self.probes.append(self.clock.monotonic() - 1000)
        if self.clock.monotonic() < self.back_at:
            raise errors.ConnectFailed("refused")
        self.up = True


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> Server:
    return Server(clock)


@pytest.fixture
def door(clock: FakeClock, server: Server) -> Door:
    return Door(clock, lambda: server.up, lambda: server.backlog, server.probe)


def test_ordinary_times_cost_nothing(clock: FakeClock, server: Server, door: Door) -> None:
    """While the server answers, nobody waits and nothing is asked, however long the backlog."""
    server.backlog = 500
    assert all(door.admit(threading.Event()) for _ in range(100))
    assert (clock.slept, server.probes, door.away) == ([], [], False)


def test_workers_wait_for_the_server(clock: FakeClock, server: Server, door: Door) -> None:
    """A3: a worker waits until a probe succeeds; a probe every two seconds, not one per worker and look."""
    server.up, server.back_at = False, clock.monotonic() + 9
    assert door.away
    assert door.admit(threading.Event())
    assert server.probes == [2.0, 4.0, 6.0, 8.0, 10.0]


def test_without_a_probe_somebody_else_notices(clock: FakeClock, server: Server) -> None:
    """A watch that comes back opens the door as well."""
    looks = iter([False, False, False, True, True, True])
    door = Door(clock, lambda: next(looks), lambda: 0)
    assert door.admit(threading.Event())
    assert clock.slept == [0.5, 0.5, 0.5]


def test_a_bug_in_the_probe_is_not_hidden(clock: FakeClock, server: Server) -> None:
    """Only errors of the API are expected of a probe."""

    def probe() -> None:
        raise ValueError("a bug")

    server.up = False
    clock_door = Door(clock, lambda: server.up, lambda: 0, probe)
    with pytest.raises(ValueError, match="a bug"):
        clock_door.admit(threading.Event())


def test_keys_are_released_slowly(clock: FakeClock, server: Server, door: Door) -> None:
    """A4: after an outage 20 keys a second pass until the backlog is gone, then all at once again."""
    server.up, server.back_at, server.backlog = False, clock.monotonic() + 2, 100
    assert door.admit(threading.Event())
    start = clock.monotonic()
    for _ in range(100):
        assert door.admit(threading.Event())
    assert clock.monotonic() - start == pytest.approx(5.0)
    server.backlog = 0
    assert door.admit(threading.Event())
    server.backlog = 100
    assert all(door.admit(threading.Event()) for _ in range(50))
    assert clock.monotonic() - start == pytest.approx(5.0)


def test_the_pace_is_shared() -> None:
    """A4: 20 a second for all workers together, not for each."""
    clock = FakeClock(jump=False)
    up = [False]
    door = Door(clock, lambda: up[0], lambda: 100)
    admitted: list[float] = []
    stop = threading.Event()

    def work() -> None:
        if door.admit(stop):
            admitted.append(clock.monotonic())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    clock.await_sleepers(4)
    up[0] = True
    clock.advance(0.5)
    clock.await_sleepers(until=1000.65)
    for _ in range(3):
        clock.advance(0.05 + 1e-9)
    for thread in threads:
        thread.join(5)
    assert len(admitted) == 4
    assert admitted[0] == 1000.5


def test_stop_ends_the_wait() -> None:
    """X3: a worker that waits for the server, or for its turn, ends at once."""
    clock, stop, answers = FakeClock(jump=False), threading.Event(), list[bool]()
    door = Door(clock, lambda: False, lambda: 0)
    thread = threading.Thread(target=lambda: answers.append(door.admit(stop)))
    thread.start()
    clock.await_sleepers()
    stop.set()
    thread.join(5)
    assert answers == [False]
    assert not door.admit(stop)
