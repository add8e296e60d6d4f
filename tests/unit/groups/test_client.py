"""Connections kept and given up, faults tried again or not, and the time all of it may take."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from kaspr_controller.groups.address import Credentials, GroupAddress, Listener, Secret
from kaspr_controller.groups.answers import Farewell, GroupFault, GroupView, PartitionLag
from kaspr_controller.groups.client import IDLE_SECONDS, KEPT_SECONDS, MAX_KEPT, KafkaGroupClient
from kaspr_controller.groups.errors import GroupError
from tests.fakes.clock import FakeClock
from tests.unit.groups.brokers import NOBODY, listener
from tests.unit.groups.test_reading import group, member

ADDRESS = GroupAddress(listener(), "orders")
NOT_READY = GroupError("not-ready", "loading")
CUT = GroupError("unreachable", "cut")
SILENT = GroupError("timeout", "silent")


class FakeConnection:
    """A connection that answers from a list; an entry that is an error is raised."""

    def __init__(self, brokers: Brokers, login: tuple[Listener, Credentials]) -> None:
        self.brokers = brokers
        self.login = login
        self.open = True

    def describe(self, _group: str, deadline: float) -> dict[str, Any]:
        found: dict[str, Any] = self.brokers.next(self, deadline)
        return found

    def remove(self, group: str, instance_id: str, _reason: str, deadline: float) -> bool:
        self.brokers.removed.append((group, instance_id))
        return bool(self.brokers.next(self, deadline))

    def committed(self, _group: str, deadline: float) -> dict[tuple[str, int], int]:
        found: dict[tuple[str, int], int] = self.brokers.next(self, deadline)
        return found

    def ends(self, places: Iterable[tuple[str, int]], deadline: float) -> dict[tuple[str, int], int]:
        found: dict[tuple[str, int], int] = self.brokers.next(self, deadline)
        return {place: found[place] for place in places}

    def pause(self, seconds: float) -> None:
        self.brokers.clock.advance(seconds)

    def close(self) -> None:
        self.open = False


class Brokers:
    """Makes connections and remembers them. An answer may be a function that is called with the time that is left."""

    def __init__(self, *answers: Any) -> None:
        self.clock = FakeClock()
        self.answers = list(answers)
        self.refusal: GroupError | None = None
        self.connections: list[FakeConnection] = []
        self.removed: list[tuple[str, str]] = []
        self.left: list[float] = []
        self.client = KafkaGroupClient(self.connect, monotonic=self.clock.monotonic)

    def connect(self, place: Listener, credentials: Credentials, _deadline: float) -> FakeConnection:
        if self.refusal is not None:
            raise self.refusal
        self.connections.append(FakeConnection(self, (place, credentials)))
        return self.connections[-1]

    def next(self, connection: FakeConnection, deadline: float) -> Any:
        assert connection.open, "asked over a closed connection"
        self.left.append(deadline - self.clock.monotonic())
        answer = self.answers.pop(0) if self.answers else True
        if isinstance(answer, GroupError):
            if answer.kind == "timeout":
                self.clock.advance(self.left[-1])
            raise answer
        return answer

    @property
    def open(self) -> int:
        return sum(connection.open for connection in self.connections)


def test_a_goodbye_is_said_by_instance_id() -> None:
    """KIP-345: the broker removes whoever has the name."""
    brokers = Brokers(True)
    assert brokers.client.goodbye(ADDRESS, NOBODY, "orders-app-1") == Farewell("said")
    assert brokers.removed == [("orders", "orders-app-1")]


def test_already_gone_is_as_good_as_gone() -> None:
    """Whoever was faster: the seat is free."""
    farewell = Brokers(False).client.goodbye(ADDRESS, NOBODY, "orders-app-1")
    assert farewell.kind == "unknown-member"
    assert farewell.ok


def test_nobody_is_removed_without_a_name() -> None:
    """An empty instance id would be a dynamic member of an empty name; nothing is sent."""
    brokers = Brokers()
    assert not brokers.client.goodbye(ADDRESS, NOBODY, "").ok
    assert brokers.connections == []


def test_a_connection_is_kept_for_the_next_request() -> None:
    """A rollout says its goodbyes in a row."""
    brokers = Brokers()
    for number in range(5):
        assert brokers.client.goodbye(ADDRESS, NOBODY, f"orders-app-{number}").ok
    assert len(brokers.connections) == 1


def test_a_connection_belongs_to_listener_and_credentials() -> None:
    """A new password, another listener: another connection. Another group behind the same listener: the same."""
    brokers = Brokers()
    for address, credentials in (
        (ADDRESS, NOBODY),
        (ADDRESS, Credentials("u", Secret("a"))),
        (ADDRESS, Credentials("u", Secret("b"))),
        (GroupAddress(listener("two"), "orders"), NOBODY),
        (GroupAddress(listener(), "payments"), NOBODY),
    ):
        brokers.client.goodbye(address, credentials, "a")
    assert len(brokers.connections) == 4
    assert len({each.login for each in brokers.connections}) == 4


def test_no_more_connections_are_kept_than_agreed() -> None:
    """The one unused for longest is closed first."""
    brokers = Brokers()
    for number in range(MAX_KEPT + 3):
        brokers.client.goodbye(GroupAddress(listener(f"k{number}"), "g"), NOBODY, "a")
    assert brokers.open == MAX_KEPT
    assert [each.open for each in brokers.connections[:4]] == [False, False, False, True]


def test_idle_connections_are_closed_after_a_minute() -> None:
    """`tidy` closes what is due and says when the next is."""
    brokers = Brokers()
    brokers.client.goodbye(ADDRESS, NOBODY, "a")
    brokers.clock.advance(20)
    brokers.client.goodbye(GroupAddress(listener("two"), "g"), NOBODY, "a")
    assert brokers.client.tidy() == IDLE_SECONDS - 20
    brokers.clock.advance(IDLE_SECONDS - 20)
    assert brokers.client.tidy() == 20
    assert [each.open for each in brokers.connections] == [False, True]
    brokers.clock.advance(20)
    assert brokers.client.tidy() is None
    assert brokers.open == 0


def test_close_closes_everything() -> None:
    """At the end of the process."""
    brokers = Brokers()
    brokers.client.goodbye(ADDRESS, NOBODY, "a")
    brokers.client.close()
    assert brokers.open == 0


def test_a_kept_connection_that_was_cut_is_replaced() -> None:
    """Brokers restart between two goodbyes; the second one must not fail for that."""
    brokers = Brokers(True, CUT, True)
    assert brokers.client.goodbye(ADDRESS, NOBODY, "a").kind == "said"
    assert brokers.client.goodbye(ADDRESS, NOBODY, "b").kind == "said"
    assert [each.open for each in brokers.connections] == [False, True]


def test_a_kept_connection_that_went_silent_leaves_time_for_another() -> None:
    """A firewall that forgot the connection drops everything: 3 s for the old one, the rest for a new one."""
    brokers = Brokers(True, SILENT, True)
    brokers.client.goodbye(ADDRESS, NOBODY, "a")
    assert brokers.client.goodbye(ADDRESS, NOBODY, "b").kind == "said"
    assert brokers.left == [10, KEPT_SECONDS, 10 - KEPT_SECONDS]


def test_a_fresh_connection_that_fails_is_not_tried_again() -> None:
    """Whoever wants it tried again submits again; the breaker counts."""
    for fault in (CUT, SILENT):
        brokers = Brokers(fault)
        assert brokers.client.goodbye(ADDRESS, NOBODY, "a").kind == fault.kind
        assert (len(brokers.connections), brokers.open) == (1, 0)


def test_a_group_that_moves_is_looked_for_again() -> None:
    """A broker that has just taken over a group needs a moment; each time the coordinator is asked for anew."""
    brokers = Brokers(NOT_READY, NOT_READY, True)
    assert brokers.client.goodbye(ADDRESS, NOBODY, "a").kind == "said"
    assert [each.open for each in brokers.connections] == [False, False, True]


def test_a_group_that_never_arrives_ends_the_request() -> None:
    """Four attempts; the next one is the reconcile's."""
    brokers = Brokers(*[NOT_READY] * 10)
    assert brokers.client.goodbye(ADDRESS, NOBODY, "a") == Farewell("not-ready", "loading")
    assert (len(brokers.connections), brokers.open) == (4, 0)


def test_all_attempts_share_one_deadline() -> None:
    """10 s in all, not each."""
    brokers = Brokers(NOT_READY, SILENT)
    assert brokers.client.goodbye(ADDRESS, NOBODY, "a").kind == "timeout"
    assert brokers.clock.monotonic() - 1000 == pytest.approx(10)


@pytest.mark.parametrize("kind", ["unreachable", "tls-failed", "auth-failed", "timeout"])
def test_faults_of_connecting_are_answers(kind: Any) -> None:
    """Nothing is raised, whatever the brokers do."""
    brokers = Brokers()
    brokers.refusal = GroupError(kind, "why")
    assert brokers.client.goodbye(ADDRESS, NOBODY, "a") == Farewell(kind, "why")
    assert brokers.client.describe(ADDRESS, NOBODY) == GroupFault(kind, "why")


def test_a_description_that_is_not_understood_is_an_answer_too() -> None:
    """And the connection, which may be out of step, is given up."""
    brokers = Brokers({"members": 3})
    fault = brokers.client.describe(ADDRESS, NOBODY)
    assert isinstance(fault, GroupFault)
    assert fault.kind == "wrong"
    assert brokers.open == 0


SHARE = group(member("a-0", {"topic": "t", "partitions": [0, 1, 2]}))


def test_lag_is_asked_for_only_when_wished() -> None:
    """It costs two more requests."""
    brokers = Brokers(SHARE)
    view = brokers.client.describe(ADDRESS, NOBODY)
    assert isinstance(view, GroupView)
    assert (view.lag, brokers.answers) == (None, [])


def test_lag_is_of_assigned_partitions_with_a_commit() -> None:
    """Old commits of topics that nobody reads any more are left out."""
    brokers = Brokers(
        SHARE, {("t", 0): 3, ("t", 1): 4, ("old", 0): 1}, {("t", 0): 5, ("t", 1): 4, ("t", 2): 9}
    )
    view = brokers.client.describe(ADDRESS, NOBODY, lag=True)
    assert isinstance(view, GroupView)
    assert view.lag == (PartitionLag("t", 0, 2), PartitionLag("t", 1, 0))


@pytest.mark.parametrize("step", [0, 1])
def test_a_view_without_lag_is_better_than_none(step: int) -> None:
    """ACLs may let us see the group and not its topics."""
    answers: list[Any] = [SHARE, {("t", 0): 3}, {("t", 0): 5}]
    answers[1 + step] = GroupError("no-permission", "topic")
    brokers = Brokers(*answers)
    view = brokers.client.describe(ADDRESS, NOBODY, lag=True)
    assert isinstance(view, GroupView)
    assert (view.state, view.lag) == ("stable", None)


def test_a_connection_that_dies_while_asking_for_lag_is_a_fault() -> None:
    """It must not be kept, and the view would be a guess."""
    brokers = Brokers(SHARE, CUT)
    assert brokers.client.describe(ADDRESS, NOBODY, lag=True) == GroupFault("unreachable", "cut")
    assert brokers.open == 0


def test_the_library_is_imported_at_the_first_request(run_python: Callable[[str], str]) -> None:
    """Most controllers never say a goodbye in their first minutes: 7 MiB and 70 ms for nothing."""
    words = run_python(
        "import sys\n"
        "from kaspr_controller.groups import address, client, desk, running\n"
        "made = client.KafkaGroupClient()\n"
        "before = 'kafka' in sys.modules\n"
        "answer = made.goodbye(address.group_address('localhost:1', 'g'), address.Credentials(), 'a')\n"
        "print(before, 'kafka' in sys.modules, answer.kind)\n"
    )
    assert words.split() == ["False", "True", "unreachable"]
