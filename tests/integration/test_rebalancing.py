"""A topic that was added is read by somebody: the leader is asked once, after the rollout, and the app gets Ready."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.integration.fixtures import shop
from tests.integration.fixtures.watching import apply, await_ready
from tests.integration.waiting import eventually_holds

if TYPE_CHECKING:
    from hack.nodesim.simulator import NodeSimulator
    from tests.integration.fixtures.controller import Controller
    from tests.integration.fixtures.oracle import Kube

ANNOTATION = "kaspr.io/rebalance"


def test_an_added_topic_leads_to_one_rebalance(
    controller: Controller, kube: Kube, namespace: str, simulator: NodeSimulator
) -> None:
    """C3, D40, D41: members come back with their old assignment; one signal after the rollout, and it is read."""
    apply(kube, shop.app(namespace, replicas=2), shop.agent(namespace, "first", topic="orders"))
    await_ready(kube, namespace)
    before = kube.get(shop.APP, namespace, "shop")["status"]["rebalance"]
    assert "attempts" not in before, "a new app starts with all its definitions"
    apply(kube, shop.agent(namespace, "second", topic="returns"))

    def read() -> None:
        assert simulator.readers("shop-app", "returns", namespace)
        status = kube.get(shop.APP, namespace, "shop")["status"]
        assert (status["rebalance"]["state"], status["rebalance"].get("attempts")) == ("Done", 1)
        assert status["rebalanceRequired"] is False

    eventually_holds(read, timeout=60)
    await_ready(kube, namespace)


def test_a_rebalance_can_be_asked_for_by_hand(controller: Controller, kube: Kube, namespace: str) -> None:
    """D46: the request is taken into the status, the annotation goes, and the signal is sent once."""
    apply(kube, shop.app(namespace), shop.agent(namespace, "first", topic="orders"))
    await_ready(kube, namespace)
    kube.patch(shop.APP, namespace, "shop", {"metadata": {"annotations": {ANNOTATION: "true"}}})

    def done() -> None:
        obj = kube.get(shop.APP, namespace, "shop")
        assert ANNOTATION not in obj["metadata"].get("annotations", {})
        part = obj["status"]["rebalance"]
        assert (part["state"], part["attempts"]) == ("Done", 1)

    eventually_holds(done, timeout=40)
    await_ready(kube, namespace)


def test_false_asks_for_nothing(controller: Controller, kube: Kube, namespace: str) -> None:
    """D46b: the value `false` is no request."""
    apply(kube, shop.app(namespace), shop.agent(namespace, "first", topic="orders"))
    await_ready(kube, namespace)
    before = kube.get(shop.APP, namespace, "shop")["status"]["rebalance"]
    runs = controller.reconciled()
    kube.patch(shop.APP, namespace, "shop", {"metadata": {"annotations": {ANNOTATION: "false", "seen": "x"}}})
    eventually_holds(lambda: _ran_since(controller, runs))
    obj = kube.get(shop.APP, namespace, "shop")
    assert obj["metadata"]["annotations"][ANNOTATION] == "false"
    assert obj["status"]["rebalance"] == before
    assert "attempts" not in before


def _ran_since(controller: Controller, runs: int) -> None:
    assert controller.reconciled() > runs
