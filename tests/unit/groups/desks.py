"""A desk with a client that answers as told, for the tests of both."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kaspr_controller.groups.address import Credentials, GroupAddress
from kaspr_controller.groups.answers import Farewell, GroupMember, GroupView
from kaspr_controller.groups.desk import GroupDesk
from kaspr_controller.groups.requests import Describe, Goodbye, Request
from kaspr_controller.kube.kinds import ObjectKey
from tests.fakes.clock import FakeClock
from tests.unit.groups.brokers import APP, NOBODY, listener

OTHER = ObjectKey("KasprApp", "shop", "payments")
SAID = Farewell("said")
AWAY = Farewell("unreachable", "nobody listens")
VIEW = GroupView("stable", (GroupMember("a-0", "c", "h"),))


def goodbye(name: str = "a-1", mark: str = "uid-1", *, app: ObjectKey = APP, broker: str = "one") -> Goodbye:
    return Goodbye(app, GroupAddress(listener(broker), app.name), NOBODY, name, mark)


def describe(*, app: ObjectKey = APP, broker: str = "one", lag: bool = False) -> Describe:
    return Describe(app, GroupAddress(listener(broker), app.name), NOBODY, lag=lag)


class FakeClient:
    """Answers as told; remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: Any = None
        self.asked: list[Any] = []
        self.before: Callable[[str], None] = lambda _: None
        self.closed = False

    def describe(self, address: GroupAddress, _credentials: Credentials, *, lag: bool = False) -> Any:
        self.before(address.listener.bootstrap[0])
        self.asked.append(("describe", address.group, lag))
        return self.answer or VIEW

    def goodbye(self, address: GroupAddress, credentials: Credentials, instance_id: str) -> Any:
        self.before(address.listener.bootstrap[0])
        self.asked.append(("goodbye", instance_id, credentials))
        return self.answer or SAID

    def tidy(self) -> float | None:
        return None

    def close(self) -> None:
        self.closed = True


class Desk:
    """A desk whose requests are carried out when a test says so."""

    def __init__(self, **settings: Any) -> None:
        self.client = FakeClient()
        self.clock = FakeClock()
        self.news: list[ObjectKey] = []
        self.desk = GroupDesk(self.client, on_change=self.news.append, clock=self.clock, **settings)

    def work(self) -> list[Request]:
        """Carry everything out that may run."""
        done = []
        while (request := self.desk.take()) is not None:
            self.desk.carry_out(request)
            done.append(request)
        return done

    def ask(self, request: Request, **settings: float) -> Any:
        ticket = self.desk.submit(request, **settings)
        self.work()
        answered = self.desk.answer(ticket)
        assert answered is not None
        return answered.answer
