"""An app of the existing operator on a real control plane: its members go on as if nothing had happened."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.kube.kinds import (
    CONFIG_MAP,
    HORIZONTAL_POD_AUTOSCALER,
    NAMESPACE,
    POD,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
    built_in,
)
from tests.fakes import predecessor
from tests.integration.fixtures import shop
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.scraping import quiet
from tests.integration.fixtures.watching import apply, await_ready, condition, revisions
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hack.controlplane.cluster import ControlPlane
    from hack.nodesim.simulator import NodeSimulator
    from tests.integration.fixtures.oracle import Kube

CHILDREN: tuple[Kind, ...] = (
    SERVICE_ACCOUNT,
    CONFIG_MAP,
    SERVICE,
    HORIZONTAL_POD_AUTOSCALER,
    STATEFUL_SET,
)


@dataclass(slots=True)
class Estate:
    """What the existing operator has left behind, its members running."""

    namespace: str
    controller: Controller
    pods: dict[str, str]

    def living(self, kube: Kube) -> dict[str, str]:
        """Pod -> UID."""
        return _pods(kube, self.namespace)


def _pods(kube: Kube, namespace: str) -> dict[str, str]:
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in kube.list_objects(POD, namespace)}


@pytest.fixture
def estate(
    control_plane: ControlPlane, crds: object, simulator: NodeSimulator, kube: Kube, tmp_path: Path
) -> Iterator[Estate]:
    """Custom resources with the operator's marks, its children, two running members, and nobody at work."""
    name = f"estate-{secrets.token_hex(3)}"
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    eventually(lambda: kube.find(SERVICE_ACCOUNT, name, "default"))
    storage = {"type": "persistent-claim", "size": "1Gi"}
    resources = (
        shop.app(name, replicas=2, storage=storage),
        shop.agent(name, "enrich"),
        shop.table(name, "prices"),
        shop.web_view(name, "lookup", "/prices"),
        shop.task(name, "tick"),
    )
    stored = [_created(kube, resource) for resource in resources]
    for obj in predecessor.children(stored[0], stored[1:]):
        path = built_in(obj).collection(name)
        kube.request("POST", path, obj, query={"fieldManager": predecessor.MANAGER})

    def running() -> None:
        status = kube.get(STATEFUL_SET, name, "shop-app").get("status", {})
        assert status.get("readyReplicas") == 2

    eventually_holds(running, timeout=120)
    controller = Controller(
        control_plane.kubeconfig, tmp_path, namespace=name, settings={"SCALING_MODE": "autoscaler"}
    )
    yield Estate(name, controller, _pods(kube, name))
    if controller.process is not None:
        controller.stop()
    kube.delete(NAMESPACE, "", name)


def _created(kube: Kube, resource: dict[str, Any]) -> dict[str, Any]:
    kind = shop.BY_KIND[resource["kind"]]
    made = kube.create(resource, kind)
    meta = predecessor.marked(made)["metadata"]
    patch = {"metadata": {"finalizers": meta["finalizers"], "annotations": meta["annotations"]}}
    kube.patch(kind, meta["namespace"], meta["name"], patch)
    return made


def _managers(obj: dict[str, Any]) -> set[str]:
    return {entry["manager"] for entry in obj["metadata"]["managedFields"] if not entry.get("subresource")}


def _children(kube: Kube, namespace: str) -> list[dict[str, Any]]:
    found = [{**obj, "kind": kind.kind} for kind in CHILDREN for obj in kube.list_objects(kind, namespace)]
    return [obj for obj in found if obj["metadata"].get("ownerReferences")]


def _judge_owned(kube: Kube, namespace: str) -> None:
    """Every child has one owner, the app, and one manager; the template alone is still the former operator's."""
    uid = kube.get(shop.APP, namespace, "shop")["metadata"]["uid"]
    children = _children(kube, namespace)
    assert len(children) == 10
    for obj in children:
        meta = obj["metadata"]
        assert [owner["uid"] for owner in meta["ownerReferences"]] == [uid], meta["name"]
        assert "kaspr.io/desired-hash" in meta["annotations"]
        left = {predecessor.MANAGER} if obj["kind"] == "StatefulSet" else set()
        assert _managers(obj) & {predecessor.MANAGER, "kaspr-controller"} == {"kaspr-controller", *left}
    for kind, name in ((shop.APP, "shop"), (shop.AGENT, "enrich")):
        meta = kube.get(kind, namespace, name)["metadata"]
        assert not meta.get("finalizers")
        assert predecessor.HANDLED not in meta.get("annotations", {})


def test_a_take_over_restarts_nobody_and_the_objects_are_ours(estate: Estate, kube: Kube) -> None:
    """T26, T43, T44, S6: from the first contact over the next real change to the deletion."""
    namespace = estate.namespace
    estate.controller.start()
    await_ready(kube, namespace, timeout=90)
    for kind, name in ((shop.AGENT, "enrich"), (shop.TABLE, "prices"), (shop.TASK, "tick")):
        await_ready(kube, namespace, name, kind, timeout=90)
    quiet(estate.controller)
    assert estate.living(kube) == estate.pods
    assert revisions(kube, namespace) == 1
    assert (
        "template of the former operator"
        in condition(kube, shop.APP, namespace, "shop", "Warnings")["message"]
    )
    _judge_owned(kube, namespace)

    apply(kube, shop.agent(namespace, "enrich", code="return [v]"))
    eventually(lambda: revisions(kube, namespace) == 2, timeout=60)
    await_ready(kube, namespace, timeout=120)
    assert not set(estate.living(kube).values()) & set(estate.pods.values())
    workload = kube.get(STATEFUL_SET, namespace, "shop-app")
    assert [
        entry["fieldsV1"]
        for entry in workload["metadata"]["managedFields"]
        if entry["manager"] == predecessor.MANAGER
    ] == [{"f:spec": {"f:replicas": {}}}]
    assert workload["spec"]["replicas"] == 2
    environment = workload["spec"]["template"]["spec"]["containers"][0]["env"]
    assert len({entry["name"] for entry in environment}) == len(environment)

    kube.delete(shop.TASK, namespace, "tick")
    eventually(lambda: kube.find(shop.TASK, namespace, "tick") is None, timeout=60)
    eventually(lambda: kube.find(CONFIG_MAP, namespace, "tick-task") is None, timeout=60)


def test_an_orphaned_app_of_the_same_name_finds_its_children(estate: Estate, kube: Kube) -> None:
    """`kubectl delete --cascade=orphan`: the new app takes everything back, and the members have noticed nothing."""
    namespace = estate.namespace
    estate.controller.start()
    await_ready(kube, namespace, timeout=90)
    spec = kube.get(shop.APP, namespace, "shop")["spec"]
    kube.delete(shop.APP, namespace, "shop", propagation="Orphan")
    eventually(lambda: kube.find(shop.APP, namespace, "shop") is None, timeout=60)
    apply(kube, {**shop.app(namespace), "spec": spec})
    await_ready(kube, namespace, timeout=120)
    uid = kube.get(shop.APP, namespace, "shop")["metadata"]["uid"]

    def taken_back() -> None:
        for obj in _children(kube, namespace):
            assert [owner["uid"] for owner in obj["metadata"]["ownerReferences"]] == [uid]

    eventually_holds(taken_back, timeout=60)
    assert estate.living(kube) == estate.pods
    assert revisions(kube, namespace) == 1
