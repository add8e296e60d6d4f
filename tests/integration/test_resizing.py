"""Volumes that grow, on a real API server with real StatefulSet, garbage and volume controllers.

The simulated node provides volumes and resizes them, as a storage driver and a kubelet do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from kaspr_controller.kube.kinds import PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET, STORAGE_CLASS
from tests.integration.fixtures import shop
from tests.integration.fixtures.scraping import quiet
from tests.integration.fixtures.watching import apply, await_ready, condition, revisions
from tests.integration.waiting import eventually, eventually_holds, stays

if TYPE_CHECKING:
    from hack.nodesim.simulator import NodeSimulator
    from tests.integration.fixtures.controller import Controller
    from tests.integration.fixtures.oracle import Kube


class Disks:
    """The app `shop`, its volumes and its members."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self.kube = kube
        self.namespace = namespace

    def ask(self, size: str, *, replicas: int = 2, **storage: Any) -> None:
        storage = {"type": "persistent-claim", "size": size, **storage}
        apply(self.kube, shop.app(self.namespace, replicas=replicas, storage=storage))

    def start(self, **storage: Any) -> None:
        apply(self.kube, shop.agent(self.namespace, "enrich"))
        self.ask("1Gi", **storage)
        await_ready(self.kube, self.namespace)

    def claims(self) -> dict[str, dict[str, Any]]:
        found = self.kube.list_objects(PERSISTENT_VOLUME_CLAIM, self.namespace)
        return {item["metadata"]["name"]: item for item in found}

    def sizes(self) -> set[str]:
        return {claim["spec"]["resources"]["requests"]["storage"] for claim in self.claims().values()}

    def uids(self) -> dict[str, str]:
        pods = self.kube.list_objects(POD, self.namespace)
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}

    def workload(self) -> dict[str, Any]:
        return self.kube.get(STATEFUL_SET, self.namespace, "shop-app")

    def template_size(self) -> str:
        found = self.kube.find(STATEFUL_SET, self.namespace, "shop-app")
        claim = (
            found["spec"]["volumeClaimTemplates"][0] if found else {"spec": {"resources": {"requests": {}}}}
        )
        return str(claim["spec"]["resources"]["requests"].get("storage", ""))

    def resizing(self) -> dict[str, Any]:
        return condition(self.kube, shop.APP, self.namespace, "shop", "StorageResizing")

    def has_grown(self, size: str, *, replicas: int = 2) -> None:
        """The end of a growth: every part has the size, nobody was restarted, nothing is left to say."""
        assert self.sizes() == {size}
        assert self.template_size() == size
        status = self.workload()["status"]
        assert status.get("readyReplicas") == status.get("updatedReplicas") == replicas
        assert all(claim["status"]["capacity"]["storage"] == size for claim in self.claims().values())
        app = self.kube.get(shop.APP, self.namespace, "shop")
        types = {item["type"]: item["status"] for item in app["status"]["conditions"]}
        assert "StorageResizing" not in types
        assert types["Ready"] == "True"


@pytest.fixture
def disks(kube: Kube, namespace: str) -> Disks:
    return Disks(kube, namespace)


def test_volumes_grow_and_no_member_restarts(controller: Controller, disks: Disks) -> None:
    """D17, S: claims first, then a StatefulSet around the same pods with the same revision; `rollout restart` survives."""
    disks.start()
    mark = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    patch = {"spec": {"template": {"metadata": {"annotations": mark}}}}
    before = disks.uids()
    disks.kube.patch(STATEFUL_SET, disks.namespace, "shop-app", patch)
    eventually(lambda: not set(before.values()) & set(disks.uids().values()), timeout=60)
    await_ready(disks.kube, disks.namespace)
    quiet(controller)
    old, uids, seen = disks.workload(), disks.uids(), revisions(disks.kube, disks.namespace)
    disks.ask("2Gi")
    eventually_holds(lambda: disks.has_grown("2Gi"), timeout=60)
    new = disks.workload()
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert new["status"]["updateRevision"] == old["status"]["updateRevision"]
    assert disks.uids() == uids
    assert revisions(disks.kube, disks.namespace) == seen
    quiet(controller)
    writes = controller.writes()
    stays(lambda: controller.writes() == writes)


def test_claims_that_go_with_their_app_survive_the_growth(
    controller: Controller, disks: Disks, kube: Kube, namespace: str
) -> None:
    """A claim that belongs to the StatefulSet is let go of first, and belongs to the new one afterwards."""
    disks.start(deleteClaim=True)

    def owners() -> set[str]:
        return {
            owner["uid"]
            for claim in disks.claims().values()
            for owner in claim["metadata"].get("ownerReferences", ())
        }

    eventually(lambda: owners() == {disks.workload()["metadata"]["uid"]})
    claims = {name: claim["metadata"]["uid"] for name, claim in disks.claims().items()}
    uids = disks.uids()
    disks.ask("2Gi", deleteClaim=True)
    eventually_holds(lambda: disks.has_grown("2Gi"), timeout=60)
    eventually(lambda: owners() == {disks.workload()["metadata"]["uid"]}, timeout=30)
    assert {name: claim["metadata"]["uid"] for name, claim in disks.claims().items()} == claims
    assert all("deletionTimestamp" not in claim["metadata"] for claim in disks.claims().values())
    assert disks.uids() == uids
    kube.delete(shop.APP, namespace, "shop")
    eventually(lambda: not disks.claims(), timeout=30)


def test_a_class_without_expansion_is_told_and_nothing_touched(
    controller: Controller, disks: Disks, kube: Kube, namespace: str
) -> None:
    """D17: a condition names class and claims; once the class allows it, the volumes grow."""
    name = f"fixed-{namespace}"
    made = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "sim.kaspr.io/provisioner",
        "volumeBindingMode": "Immediate",
    }
    kube.create(made, STORAGE_CLASS)
    try:
        disks.start(**{"class": name})
        before = disks.workload()["metadata"]["uid"]
        versions = {key: claim["metadata"]["resourceVersion"] for key, claim in disks.claims().items()}
        disks.ask("2Gi", **cast("dict[str, Any]", {"class": name}))

        def told() -> None:
            found = disks.resizing()
            assert found["reason"] == "ExpansionNotAllowed"
            assert name in found["message"]

        eventually_holds(told)
        quiet(controller)
        assert disks.workload()["metadata"]["uid"] == before
        assert {
            key: claim["metadata"]["resourceVersion"] for key, claim in disks.claims().items()
        } == versions
        kube.patch(STORAGE_CLASS, "", name, {"allowVolumeExpansion": True})
        controller.kill()  # a minute is too long for a test: a new process asks at once
        controller.start()
        eventually_holds(lambda: disks.has_grown("2Gi"), timeout=60)
    finally:
        kube.delete(STORAGE_CLASS, "", name)


def test_a_quota_is_told_and_not_fought(
    controller: Controller, disks: Disks, kube: Kube, namespace: str
) -> None:
    """D18: the server's words are in the condition; when the quota is gone, the growth goes on where it was."""
    disks.start()
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "disks", "namespace": namespace},
        "spec": {"hard": {"requests.storage": "3Gi"}},
    }
    kube.request("POST", f"/api/v1/namespaces/{namespace}/resourcequotas", body=quota)
    path = f"/api/v1/namespaces/{namespace}/resourcequotas/disks"
    eventually(lambda: kube.request("GET", path).get("status", {}).get("used"))
    disks.ask("2Gi")

    def told() -> None:
        found = disks.resizing()
        assert (found["reason"], "exceeded quota" in found["message"]) == ("ClaimRefused", True)

    eventually_holds(told)
    assert disks.template_size() == "1Gi"
    kube.request("DELETE", path)
    controller.kill()
    controller.start()
    eventually_holds(lambda: disks.has_grown("2Gi"), timeout=60)


def test_a_controller_killed_at_each_step_goes_on(
    controller: Controller, disks: Disks, simulator: NodeSimulator
) -> None:
    """B7: dead after each write of a growth, also between the two StatefulSets; the pods never notice."""
    disks.start()
    quiet(controller)
    uids, revision = disks.uids(), disks.workload()["status"]["updateRevision"]
    steps: list[str] = []

    def place() -> str:
        grown = sum(
            claim["spec"]["resources"]["requests"]["storage"] == "2Gi" for claim in disks.claims().values()
        )
        return f"{grown} {disks.template_size() or 'gone'}"

    start = place()
    disks.ask("2Gi")
    while place() != "2 2Gi" and len(steps) < 12:
        eventually(lambda: place() != [start, *steps][-1], timeout=60)
        steps.append(place())
        controller.kill()
        controller.start()
    eventually_holds(lambda: disks.has_grown("2Gi"), timeout=60)
    assert len(steps) >= 1
    assert disks.uids() == uids
    assert disks.workload()["status"]["updateRevision"] == revision


def test_a_workload_that_is_gone_is_made_around_its_pods(
    controller: Controller, disks: Disks, kube: Kube, namespace: str
) -> None:
    """The step between the two StatefulSets, with nobody there: also `kubectl delete --cascade=orphan` restarts nobody."""
    disks.start()
    mark = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z"}
    before = disks.uids()
    kube.patch(
        STATEFUL_SET, namespace, "shop-app", {"spec": {"template": {"metadata": {"annotations": mark}}}}
    )
    eventually(lambda: not set(before.values()) & set(disks.uids().values()), timeout=60)
    await_ready(kube, namespace)
    quiet(controller)
    uids, revision = disks.uids(), disks.workload()["status"]["updateRevision"]
    controller.kill()
    kube.delete(STATEFUL_SET, namespace, "shop-app", propagation="Orphan")
    eventually(lambda: kube.find(STATEFUL_SET, namespace, "shop-app") is None)
    disks.ask("3Gi")
    controller.start()
    eventually_holds(lambda: disks.has_grown("3Gi"), timeout=60)
    assert disks.uids() == uids
    assert disks.workload()["status"]["updateRevision"] == revision


def test_what_a_scale_down_left_grows_when_it_is_used_again(controller: Controller, disks: Disks) -> None:
    """Retained claims cost what they cost; a member that comes back gets the size that is asked for."""
    disks.start()
    disks.ask("1Gi", replicas=1)
    eventually(lambda: len(disks.uids()) == 1, timeout=30)
    disks.ask("2Gi", replicas=1)
    eventually(lambda: disks.template_size() == "2Gi", timeout=60)
    assert disks.sizes() == {"1Gi", "2Gi"}
    disks.ask("2Gi", replicas=2)
    eventually_holds(lambda: disks.has_grown("2Gi"), timeout=60)
