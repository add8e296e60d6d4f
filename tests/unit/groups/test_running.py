"""The desk on threads: nobody waits for a slow broker, nobody is forgotten, and a stop is a stop."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from kaspr_controller.engine.clock import SystemClock
from kaspr_controller.groups.desk import GroupDesk
from kaspr_controller.groups.requests import Ticket
from kaspr_controller.groups.running import RunningDesk
from kaspr_controller.kube.kinds import ObjectKey
from tests.fakes.clock import FakeClock
from tests.unit.groups.desks import AWAY, OTHER, SAID, Desk, FakeClient, goodbye


class Threads:
    """A running desk on real threads, with a client whose questions can be held up."""

    def __init__(self) -> None:
        self.fake = Desk()
        self.changed = threading.Condition()
        self.passes = threading.Semaphore(0)
        self.entered = threading.Event()
        self.desk = GroupDesk(self.fake.client, on_change=self._note, clock=SystemClock())
        self.running = RunningDesk(self.desk, self.fake.client, self._spawn)

    def _note(self, _app: ObjectKey) -> None:
        with self.changed:
            self.changed.notify_all()

    @staticmethod
    def _spawn(name: str, body: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=body, name=name)
        thread.start()
        return thread

    def hold(self, broker: str) -> None:
        if broker.startswith("slow"):
            self.entered.set()
            assert self.passes.acquire(timeout=5)

    def answered(self, ticket: Ticket) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: self.desk.answer(ticket) is not None, 5)


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads()
    made.fake.client.before = made.hold
    made.running.start()
    yield made
    made.passes.release(100)
    made.running.stop()
    assert made.running.join(5)
    assert made.fake.client.closed


def test_a_slow_broker_holds_up_nobody_else(threads: Threads) -> None:
    """Workers go on, the other slot goes on, and the slow answer comes when it comes."""
    slow = threads.desk.submit(goodbye(broker="slow"))
    assert threads.entered.wait(5)
    other = threads.desk.submit(goodbye(app=OTHER, broker="two"))
    assert threads.answered(other)
    assert threads.desk.answer(slow) is None
    threads.passes.release(10)
    assert threads.answered(slow)


def test_a_request_that_waited_for_its_listener_goes_on(threads: Threads) -> None:
    """Nobody submits anything more: the end of the one before is what wakes it."""
    first = threads.desk.submit(goodbye("a-1", broker="slow"))
    assert threads.entered.wait(5)
    second = threads.desk.submit(goodbye("a-2", broker="slow"))
    threads.passes.release(10)
    assert threads.answered(first)
    assert threads.answered(second)


class Waker(FakeClock):
    """Lets something happen while a slot waits, and notes whether the slot was woken by it."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: list[Callable[[], None]] = []
        self.woken: list[bool] = []

    def park(self, condition: threading.Condition, timeout: float | None) -> None:
        thread = threading.Thread(target=self.meanwhile.pop(0))
        thread.start()
        self.woken.append(condition.wait(2))
        thread.join(5)


def test_a_slot_that_has_nothing_it_may_do_is_woken_when_it_may() -> None:
    """Two listeners have failed, so one waits for the other; the slot goes on when that one has answered."""
    clock, client = Waker(), FakeClient()
    desk = GroupDesk(client, on_change=lambda _: None, clock=clock)
    client.answer = AWAY
    for broker in ("one", "two"):
        desk.submit(goodbye(broker=broker, mark=broker))
        running = desk.take()
        assert running is not None
        desk.carry_out(running)
    client.answer = SAID
    desk.submit(goodbye(broker="one"))
    running = desk.take()
    assert running is not None
    other = desk.submit(goodbye(app=OTHER, broker="two"))
    clock.meanwhile = [lambda: desk.carry_out(running), desk.stop]
    desk.run_slot()
    assert clock.woken == [True, True]
    assert desk.answer(other) is not None


def test_a_stopped_desk_begins_nothing_more(threads: Threads) -> None:
    """What waits is dropped; the next leader reads the wish from the status."""
    threads.desk.submit(goodbye(broker="slow"))
    assert threads.entered.wait(5)
    waiting = threads.desk.submit(goodbye("a-2", broker="slow"))
    threads.running.stop()
    threads.passes.release(10)
    assert threads.running.join(5)
    assert threads.desk.answer(waiting) is None
    assert threads.running.alive() is False
