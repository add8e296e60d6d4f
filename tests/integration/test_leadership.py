"""Two processes, one that writes: hand-over, crash, and a prompt end."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from kaspr_controller.kube.kinds import CONFIG_MAP, LEASE
from tests.integration.fixtures import shop
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.watching import apply, await_ready
from tests.integration.waiting import eventually, stays

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hack.controlplane.cluster import ControlPlane
    from hack.nodesim.simulator import NodeSimulator
    from kaspr_controller.kube.kinds import Kind
    from tests.integration.fixtures.oracle import Kube

TIMING = {
    "LEADER_ELECTION": "true",
    "LEADER_ELECTION_LEASE_SECONDS": "3",
    "LEADER_ELECTION_RENEW_SECONDS": "2",
    "LEADER_ELECTION_RETRY_SECONDS": "0.5",
}


@pytest.fixture
def pair(
    control_plane: ControlPlane,
    crds: Sequence[Kind],
    simulator: NodeSimulator,
    namespace: str,
    tmp_path: Path,
) -> Iterator[tuple[Controller, Controller]]:
    """A leader and a standby that share a lease in the test's namespace."""
    settings = {**TIMING, "LEADER_ELECTION_NAMESPACE": namespace}
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    with Controller(control_plane.kubeconfig, folders[0], namespace=namespace, settings=settings) as first:
        eventually(first.leads)
        with Controller(
            control_plane.kubeconfig, folders[1], namespace=namespace, settings=settings
        ) as second:
            yield first, second


def test_a_standby_watches_and_takes_over_when_the_lease_is_given_back(
    pair: tuple[Controller, Controller], kube: Kube, namespace: str
) -> None:
    """L5: the standby writes nothing; after a stop in good order the other acts within a retry, without rewriting."""
    first, second = pair
    apply(kube, shop.app(namespace), shop.agent(namespace, "enrich"))
    await_ready(kube, namespace)
    await_ready(kube, namespace, "enrich", shop.AGENT)
    assert not second.leads()
    assert second.writes() == 0
    first.stop()
    began = time.monotonic()
    eventually(second.leads, timeout=5)
    assert time.monotonic() - began < 5
    apply(kube, shop.agent(namespace, "late", topic="orders"))
    eventually(lambda: kube.find(CONFIG_MAP, namespace, "late-agent"))
    await_ready(kube, namespace)


def test_a_crashed_leader_is_replaced_when_its_lease_has_run_out(
    pair: tuple[Controller, Controller], kube: Kube, namespace: str
) -> None:
    """L1: not before the lease has run out, and soon afterwards."""
    first, second = pair
    first.kill()
    stays(lambda: not second.leads(), seconds=1.0)
    eventually(second.leads, timeout=10)
    assert kube.get(LEASE, namespace, "kaspr-controller")["spec"]["leaseTransitions"] >= 1


def test_a_frozen_leader_ends_instead_of_writing(
    pair: tuple[Controller, Controller], kube: Kube, namespace: str
) -> None:
    """L4: a process that stood still longer than its lease must not write when it goes on; it ends with code 1."""
    first, second = pair
    apply(kube, shop.app(namespace), shop.agent(namespace, "enrich"))
    await_ready(kube, namespace)
    assert first.process is not None
    first.process.send_signal(signal.SIGSTOP)
    eventually(second.leads, timeout=10)
    # Work for both: the leader of now does it, the former one finds the news in its sockets when it wakes.
    apply(kube, shop.agent(namespace, "enrich", code="return 2"))
    eventually(lambda: "return 2" in str(kube.get(CONFIG_MAP, namespace, "enrich-agent")["data"]))
    await_ready(kube, namespace)
    content = kube.get(CONFIG_MAP, namespace, "enrich-agent")
    kube.patch(CONFIG_MAP, namespace, "enrich-agent", {"data": {"enrich-agent.yaml": "drift"}})
    eventually(lambda: kube.get(CONFIG_MAP, namespace, "enrich-agent")["data"] == content["data"])
    version = kube.get(CONFIG_MAP, namespace, "enrich-agent")["metadata"]["resourceVersion"]
    first.process.send_signal(signal.SIGCONT)
    assert first.process.wait(10) == 1
    assert kube.get(CONFIG_MAP, namespace, "enrich-agent")["metadata"]["resourceVersion"] == version


def test_an_idle_process_ends_at_once(controller: Controller, namespace: str) -> None:
    """X3: SIGTERM to exit takes half a second when there is nothing to finish."""
    began = time.monotonic()
    assert controller.stop() == 0
    # Twice the bar: the machine that runs this test runs others too.
    assert time.monotonic() - began < 1.0
