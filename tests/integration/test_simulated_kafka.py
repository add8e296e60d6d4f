"""Simulated members seen, and seen off, through Kafka's own protocol: what the controller does to real brokers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hack.nodesim.simulator import NodeSimulator
from kaspr_controller.groups.address import Credentials, group_address
from kaspr_controller.groups.answers import GroupView
from kaspr_controller.groups.client import KafkaGroupClient
from tests.integration.test_node_simulator import APP, calm, container, running

if TYPE_CHECKING:
    from tests.integration.fixtures.oracle import Kube

NOBODY = Credentials()


def test_a_client_of_kafka_sees_simulated_members_and_says_goodbye(
    kube: Kube, simulator: NodeSimulator, namespace: str
) -> None:
    """A frozen member's partitions move at once; while permissions are missing nothing moves."""
    servers = simulator.kafka(namespace)
    assert simulator.kafka(namespace) == servers
    env = [
        {**each, "value": servers} if each["name"] == "K_KAFKA_BOOTSTRAP_SERVERS" else each
        for each in container(namespace)["env"]
    ]
    running(kube, simulator, namespace, container={"env": env})
    client, address = KafkaGroupClient(), group_address(servers, APP)
    view = client.describe(address, NOBODY)
    assert isinstance(view, GroupView)
    assert view.instances == {f"{APP}-0", f"{APP}-1"}

    simulator.freeze(f"{APP}-1", namespace)
    simulator.deny_kafka(namespace)
    assert client.goodbye(address, NOBODY, f"{APP}-1").kind == "no-permission"
    simulator.deny_kafka(namespace, denied=False)
    assert client.goodbye(address, NOBODY, f"{APP}-1").kind == "said"
    everything = list(range(simulator.partitions))
    simulator.wait_for(lambda: simulator.member(f"{APP}-0", namespace).actives.get("in") == everything)
    simulator.thaw(f"{APP}-1", namespace)
    simulator.wait_for(lambda: calm(simulator, namespace, 2))
    client.close()
