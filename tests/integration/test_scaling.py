"""How many members, and who decides it: `kubectl scale`, an autoscaler, zero and back, and nobody during a pause."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.kube.kinds import (
    CONFIG_MAP,
    HORIZONTAL_POD_AUTOSCALER,
    POD,
    SERVICE,
    STATEFUL_SET,
)
from tests.integration.fixtures import shop
from tests.integration.fixtures.commands import Commands
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.scraping import quiet
from tests.integration.fixtures.watching import apply, await_ready, condition, mounted, revisions
from tests.integration.waiting import eventually, eventually_holds, stays

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hack.controlplane.cluster import ControlPlane
    from hack.nodesim.simulator import NodeSimulator
    from tests.integration.fixtures.oracle import Kube

PAUSE = "kaspr.io/pause-reconciliation"


@pytest.fixture
def scaled(
    control_plane: ControlPlane, crds: object, simulator: NodeSimulator, namespace: str, tmp_path: Path
) -> Iterator[Controller]:
    """A controller that leaves the counting to autoscalers, and starts apps with two members."""
    settings = {"SCALING_MODE": "autoscaler", "INITIAL_MAX_REPLICAS": "2"}
    with Controller(control_plane.kubeconfig, tmp_path, namespace=namespace, settings=settings) as running:
        yield running


def test_kubectl_scales_an_app_to_nothing_and_back(
    controller: Controller, control_plane: ControlPlane, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    """2.11, D58: the scale subresource of the app counts; content stays, and pods start with all of it."""
    kubectl = Commands(control_plane.kubeconfig, tmp_path).kubectl
    apply(kube, shop.app(namespace, replicas=2), shop.agent(namespace, "enrich"))
    await_ready(kube, namespace)
    before, pods = _contents(kube, namespace), _pods(kube, namespace)
    selector = f"--selector={_scale(kube, namespace)['status']['selector']}"
    assert set(kubectl("get", "pods", selector, "-n", namespace, "-o", "name").out.split()) == {
        f"pod/{name}" for name in pods
    }

    assert kubectl("scale", "kasprapp/shop", "--replicas=3", "-n", namespace).code == 0
    await_ready(kube, namespace)
    assert _scale(kube, namespace)["status"]["replicas"] == 3
    assert pods.items() <= _pods(kube, namespace).items()

    assert kubectl("scale", "kasprapp/shop", "--replicas=0", "-n", namespace).code == 0

    def asleep() -> None:
        assert _pods(kube, namespace) == {}
        assert condition(kube, shop.APP, namespace, "shop", "Ready")["reason"] == "ScaledToZero"
        assert _scale(kube, namespace)["status"]["replicas"] == 0

    eventually_holds(asleep, timeout=30)
    assert _contents(kube, namespace) == before
    assert mounted(kube, namespace) == {"enrich-agent"}

    assert kubectl("scale", "kasprapp/shop", "--replicas=2", "-n", namespace).code == 0
    await_ready(kube, namespace)
    assert set(_pods(kube, namespace)) == {"shop-app-0", "shop-app-1"}
    assert revisions(kube, namespace) == 1


def test_the_count_of_an_autoscaler_is_left_alone(scaled: Controller, kube: Kube, namespace: str) -> None:
    """S5, 2.11: edits, a rollout and a restart do not touch it; the app says how far its autoscaler is."""
    apply(kube, shop.app(namespace, replicas=3), shop.agent(namespace, "enrich"))
    eventually(lambda: kube.find(HORIZONTAL_POD_AUTOSCALER, namespace, "shop-app-hpa"))
    assert _hpa(kube, namespace)["maxReplicas"] == 3
    _scales_to(kube, namespace, 2)
    eventually(lambda: _running(kube, namespace) == 2)
    pods = _pods(kube, namespace)
    # An edit that restarts nobody, and a member that the user wants on top.
    apply(kube, shop.app(namespace, replicas=4), shop.agent(namespace, "enrich", description="of orders"))
    eventually(lambda: _hpa(kube, namespace)["maxReplicas"] == 4)
    quiet(scaled)
    assert _replicas(kube, namespace) == 2
    assert condition(kube, shop.APP, namespace, "shop", "Ready")["status"] == "False"
    assert _pods(kube, namespace) == pods
    # One that restarts them all.
    apply(kube, shop.agent(namespace, "enrich", code="return 2"))
    eventually(
        lambda: "return 2" in kube.get(CONFIG_MAP, namespace, "enrich-agent")["data"]["enrich-agent.yaml"]
    )
    eventually(lambda: not _pods(kube, namespace).items() & pods.items(), timeout=40)
    assert _replicas(kube, namespace) == 2
    scaled.kill()
    scaled.start()
    eventually(lambda: scaled.reconciled() >= 1)
    stays(lambda: _replicas(kube, namespace) == 2)
    _scales_to(kube, namespace, 4)
    await_ready(kube, namespace)


def test_an_autoscaled_app_sleeps_and_wakes(scaled: Controller, kube: Kube, namespace: str) -> None:
    """2.11: an autoscaler would fight the zero and wake nobody: it goes, and comes back after the first step of ours."""
    apply(kube, shop.app(namespace, replicas=3), shop.agent(namespace, "enrich"))
    eventually(lambda: kube.find(HORIZONTAL_POD_AUTOSCALER, namespace, "shop-app-hpa"))
    _scales_to(kube, namespace, 3)
    await_ready(kube, namespace)
    apply(kube, shop.app(namespace, replicas=0))

    def asleep() -> None:
        assert kube.find(HORIZONTAL_POD_AUTOSCALER, namespace, "shop-app-hpa") is None
        assert _pods(kube, namespace) == {}
        assert condition(kube, shop.APP, namespace, "shop", "Ready")["reason"] == "ScaledToZero"

    eventually_holds(asleep, timeout=30)
    apply(kube, shop.app(namespace, replicas=3))
    eventually(lambda: _running(kube, namespace) == 2)
    assert _hpa(kube, namespace)["maxReplicas"] == 3
    quiet(scaled)
    assert _replicas(kube, namespace) == 2
    _scales_to(kube, namespace, 3)
    await_ready(kube, namespace)


def test_a_pause_keeps_hands_off_and_loses_nothing(
    controller: Controller, kube: Kube, namespace: str
) -> None:
    """D04, D10: edits, deletions and drift of a pause are seen at its end, a restart in between or not, as one revision."""
    kept, gone = shop.agent(namespace, "kept"), shop.agent(namespace, "gone", topic="gone")
    apply(kube, shop.app(namespace), kept, gone)
    await_ready(kube, namespace)
    before, pods = revisions(kube, namespace), _pods(kube, namespace)
    kube.patch(shop.APP, namespace, "shop", {"metadata": {"annotations": {PAUSE: "true"}}})
    eventually(lambda: condition(kube, shop.APP, namespace, "shop", "Paused")["status"] == "True")
    quiet(controller)

    apply(kube, shop.app(namespace, config={"topicPartitions": 3}))
    apply(kube, shop.agent(namespace, "kept", code="return 2"), shop.agent(namespace, "new", topic="new"))
    kube.delete(shop.AGENT, namespace, "gone")
    kube.delete(SERVICE, namespace, "shop-app-api")
    controller.kill()
    controller.start()
    eventually(lambda: controller.reconciled() >= 1)
    quiet(controller)
    assert kube.find(SERVICE, namespace, "shop-app-api") is None
    assert mounted(kube, namespace) == {"kept-agent", "gone-agent"}
    assert revisions(kube, namespace) == before
    assert _pods(kube, namespace) == pods
    ready = condition(kube, shop.APP, namespace, "shop", "Ready")
    assert ready["status"] != "True", "what was asked for meanwhile is not there"

    kube.patch(shop.APP, namespace, "shop", {"metadata": {"annotations": {PAUSE: None}}})
    eventually(lambda: mounted(kube, namespace) == {"kept-agent", "new-agent"})
    await_ready(kube, namespace)
    for name in ("kept", "new"):
        await_ready(kube, namespace, name, shop.AGENT)
    eventually(lambda: kube.find(CONFIG_MAP, namespace, "gone-agent") is None)
    assert kube.find(SERVICE, namespace, "shop-app-api")
    assert revisions(kube, namespace) == before + 1


def _scale(kube: Kube, namespace: str) -> dict[str, Any]:
    found: dict[str, Any] = kube.request("GET", shop.APP.path(namespace, "shop", "scale"))
    return found


def _scales_to(kube: Kube, namespace: str, count: int) -> None:
    """What an autoscaler does with a metrics API, which is not here; it is there before the workload that it scales."""
    eventually(lambda: kube.find(STATEFUL_SET, namespace, "shop-app"))
    kube.patch(STATEFUL_SET, namespace, "shop-app", {"spec": {"replicas": count}}, subresource="scale")


def _hpa(kube: Kube, namespace: str) -> dict[str, Any]:
    spec: dict[str, Any] = kube.get(HORIZONTAL_POD_AUTOSCALER, namespace, "shop-app-hpa")["spec"]
    return spec


def _replicas(kube: Kube, namespace: str) -> int:
    count: int = kube.get(STATEFUL_SET, namespace, "shop-app")["spec"]["replicas"]
    return count


def _running(kube: Kube, namespace: str) -> int:
    count: int = kube.get(STATEFUL_SET, namespace, "shop-app")["status"].get("readyReplicas", 0)
    return count


def _pods(kube: Kube, namespace: str) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in kube.list_objects(POD, namespace)}


def _contents(kube: Kube, namespace: str) -> dict[str, tuple[str, str]]:
    return {
        item["metadata"]["name"]: (item["metadata"]["uid"], item["metadata"]["resourceVersion"])
        for item in kube.list_objects(CONFIG_MAP, namespace)
    }
