"""A real Kafka client sees the simulated groups, and what it says to them happens."""

from __future__ import annotations

import pytest

from hack.nodesim.brokers import SimulatedBroker
from hack.nodesim.group import Group, JoinRequest, Topics
from hack.nodesim.wire import WireGroup
from kaspr_controller.groups.address import Credentials, group_address
from kaspr_controller.groups.answers import GroupView
from kaspr_controller.groups.client import KafkaGroupClient
from tests.conformance.simulated import Process
from tests.unit.groups.brokers import serving
from tests.unit.hack.nodesim.scheduler import FakeScheduler


class Cluster:
    """One simulated group behind a broker."""

    def __init__(self) -> None:
        self.scheduler = FakeScheduler()
        self.group = Group("orders", Topics(counts={"in": 4}), self.scheduler)
        self.changes = 0
        self.broker = SimulatedBroker({"orders": self.group}.get, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def join(self, name: str | None) -> Process:
        request = JoinRequest(name, f"http://{name}", frozenset({"in"}), 120.0, 3.0)
        process = Process(self.group, request)
        process.join()
        self.scheduler.advance(10)
        return process


def test_a_client_sees_members_and_removes_them() -> None:
    """The controller in front of the simulator is the controller in front of Kafka."""
    cluster = Cluster()
    first, _ = cluster.join("a-0"), cluster.join("a-1")
    cluster.group.fell_silent(first)
    with serving(cluster.broker) as port:
        address, client = group_address(f"127.0.0.1:{port.port}", "orders"), KafkaGroupClient()
        view = client.describe(address, Credentials())
        assert isinstance(view, GroupView)
        assert (view.state, sorted(view.instances)) == ("stable", ["a-0", "a-1"])
        assert sorted(number for member in view.members for number in dict(member.assignment)["in"]) == [
            0,
            1,
            2,
            3,
        ]
        assert [client.goodbye(address, Credentials(), name).kind for name in ("a-0", "a-7")] == [
            "said",
            "unknown-member",
        ]
        client.close()
    assert list(cluster.group.seats) == ["a-1"]
    assert cluster.changes == 2


def test_states_are_those_of_a_broker() -> None:
    """Empty, Stable, and waiting for members that do not join."""
    cluster = Cluster()
    assert cluster.broker.look("nobody") is None
    assert cluster.broker.look("orders") == WireGroup("Empty")
    ghost = cluster.join("a-0")
    cluster.group.fell_silent(ghost)
    found = cluster.broker.look("orders")
    assert found is not None
    assert found.state == "Stable"
    cluster.join(None)
    found = cluster.broker.look("orders")
    assert found is not None
    assert found.state == "PreparingRebalance"
    assert [member.instance_id for member in found.members] == ["a-0", ""]


def test_permissions_can_be_taken_away() -> None:
    """As an ACL that is missing: the group stays as it is."""
    cluster = Cluster()
    cluster.join("a-0")
    cluster.broker.denied = True
    for touch in (lambda: cluster.broker.look("orders"), lambda: cluster.broker.remove("orders", "a-0")):
        with pytest.raises(PermissionError):
            touch()
    assert list(cluster.group.seats) == ["a-0"]
