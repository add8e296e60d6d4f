"""A broker that is away: bounded waits, an honest answer, and everything as before once it is back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from hack.kafka.broker import Broker
from kaspr_controller.engine.clock import SystemClock
from kaspr_controller.groups.address import Credentials, group_address
from kaspr_controller.groups.client import KafkaGroupClient
from kaspr_controller.groups.desk import GroupDesk
from kaspr_controller.groups.requests import Describe, Goodbye, Ticket
from kaspr_controller.groups.running import RunningDesk
from kaspr_controller.kube.kinds import ObjectKey

APP = ObjectKey("KasprApp", "shop", "orders")


@pytest.fixture
def frozen(broker: Broker) -> Iterator[Broker]:
    """The broker, standing still for one test."""
    broker.freeze()
    yield broker
    broker.thaw()


def test_nobody_listens(client: KafkaGroupClient) -> None:
    """Refused is refused at once."""
    begin = time.monotonic()
    assert client.goodbye(group_address("localhost:1", "g"), Credentials(), "a").kind == "unreachable"
    assert time.monotonic() - begin < 1


def test_a_silent_broker_costs_seconds(frozen: Broker, client: KafkaGroupClient) -> None:
    """3 s to connect; connections are accepted by the kernel, so this is also what a dropped packet looks like."""
    begin = time.monotonic()
    answer = client.goodbye(group_address(frozen.address(), "g"), Credentials(), "a")
    assert answer.kind == "timeout"
    assert time.monotonic() - begin < 5


def test_a_kept_connection_that_died_is_replaced(
    broker: Broker, client: KafkaGroupClient, group: str
) -> None:
    """The broker is restarted between two goodbyes; the second one does not fail for it."""
    address = group_address(broker.address(), group)
    assert client.goodbye(address, Credentials(), "a").kind == "unknown-member"
    broker.restart()
    assert client.goodbye(address, Credentials(), "a").kind == "unknown-member"


def test_workers_never_wait(frozen: Broker) -> None:
    """Requests are taken and answers are read in no time while the broker says nothing."""
    with working(KafkaGroupClient()) as (desk, changed):
        address = group_address(frozen.address(), "g")
        begin = time.monotonic()
        ticket = desk.submit(Goodbye(APP, address, Credentials(), "a-1", "uid-1"))
        assert desk.answer(ticket) is None
        assert time.monotonic() - begin < 0.1
        assert changed.wait(8)
        answered = desk.answer(ticket)
    assert answered is not None
    assert answered.answer.kind == "timeout"  # type: ignore[union-attr]


def test_requests_come_and_go_from_many_threads(broker: Broker) -> None:
    """Every request of many workers at once is answered, over one connection to each listener."""
    groups = [f"crowd-{number}" for number in range(20)]
    client = KafkaGroupClient()
    with working(client) as (desk, changed):
        tickets: list[Ticket] = []
        lock = threading.Lock()

        def work(group: str) -> None:
            address = group_address(broker.address(), group)
            asked = [
                desk.submit(Describe(APP, address, Credentials())),
                desk.submit(Goodbye(APP, address, Credentials(), "a-1", "uid-1")),
            ]
            with lock:
                tickets.extend(asked)

        workers = [threading.Thread(target=work, args=(group,)) for group in groups]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        until(changed, lambda: all(desk.answer(ticket) for ticket in tickets))
        answers = [desk.answer(ticket) for ticket in tickets]
        assert all(each is not None and each.answer.ok for each in answers[::2])
        assert client.tidy() is not None


class working:  # noqa: N801  # reads as a context manager
    """A desk with its threads; the event is set at each change."""

    def __init__(self, client: KafkaGroupClient) -> None:
        self.changed = threading.Event()
        self.desk = GroupDesk(client, on_change=lambda _: self.changed.set(), clock=SystemClock())
        self.running = RunningDesk(self.desk, client, spawn)

    def __enter__(self) -> tuple[GroupDesk, threading.Event]:
        self.running.start()
        return self.desk, self.changed

    def __exit__(self, *_: object) -> None:
        self.running.stop()
        assert self.running.join(15)


def spawn(name: str, body: Callable[[], None]) -> threading.Thread:
    """As the engine does."""
    thread = threading.Thread(target=body, name=name)
    thread.start()
    return thread


def until(changed: threading.Event, condition: Callable[[], bool]) -> None:
    """Wait for changes until a condition holds."""
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit, "not in time"
        changed.wait(0.2)
        changed.clear()
