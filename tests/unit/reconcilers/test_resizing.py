"""A growth of volumes, cut off at every request: the pods never notice, and nothing is done twice."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.desired.options import Options
from kaspr_controller.kube.errors import Forbidden, ServerError
from kaspr_controller.kube.kinds import ObjectKey
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, NAMESPACE
from tests.unit.reconcilers.workloads import Workloads
from tests.unit.reconcilers.world import HEALTHY, WORKLOAD, World

CLASS = {
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "fast"},
    "allowVolumeExpansion": True,
}
MEMBERS = 3


def claim(number: int, size: str = "1Gi") -> ObjectKey:
    return ObjectKey("PersistentVolumeClaim", NAMESPACE, f"orders-app-pv-orders-app-{number}")


def start(scaling: Any = "autoscaler") -> World:
    world = World(options=Options(scaling=scaling))
    world.cluster.put(CLASS)
    for number in range(MEMBERS):
        selector = {"kaspr.io/cluster": "orders", "kaspr.io/kind": "KasprApp", "kaspr.io/name": "orders-app"}
        world.cluster.put(
            {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {"name": claim(number).name, "namespace": NAMESPACE, "labels": selector},
                "spec": {"resources": {"requests": {"storage": "1Gi"}}, "storageClassName": "fast"},
                "status": {"phase": "Bound", "capacity": {"storage": "1Gi"}},
            }
        )
    world.start(resources.app(replicas=MEMBERS), resources.agent("a"))
    return world


def ask(world: World, size: str) -> None:
    world.user(resources.app(replicas=MEMBERS, storage={"type": "persistent-claim", "size": size}))


def pods(world: World) -> dict[str, str]:
    return {
        key.name: obj["metadata"]["uid"] for key, obj in world.cluster.objects.items() if key.kind == "Pod"
    }


def sizes(world: World) -> list[str]:
    """Of the claims and of the template."""
    template = world.cluster.objects[WORKLOAD]["spec"]["volumeClaimTemplates"][0]
    claims = [world.cluster.objects[claim(number)] for number in range(MEMBERS)]
    return [each["spec"]["resources"]["requests"]["storage"] for each in (*claims, template)]


def why(world: World) -> str:
    found = world.why(condition="StorageResizing")
    return found.reason if found else ""


@pytest.fixture(autouse=True)
def adopting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A StatefulSet takes pods that belong to nobody, as the real controller does."""
    roll = Workloads.roll

    def adopt(self: Workloads, key: ObjectKey, **more: Any) -> None:
        workload = self._cluster.objects[key]["metadata"]
        reference = {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "name": workload["name"],
            "uid": workload["uid"],
            "controller": True,
        }
        for obj in list(self._cluster.objects.values()):
            if obj["kind"] == "Pod" and not obj["metadata"].get("ownerReferences"):
                meta = {**obj["metadata"], "ownerReferences": [reference]}
                self._cluster.put({**obj, "metadata": meta}, manager="statefulset-controller")
        roll(self, key, **more)

    monkeypatch.setattr(Workloads, "roll", adopt)


@pytest.mark.parametrize("scaling", ["autoscaler", "direct"])
def test_a_growth_restarts_nobody(scaling: str) -> None:
    """Whoever counts the members: claims, then a new workload around the same pods, with as many members."""
    world = start(scaling)
    uid, before = world.cluster.objects[WORKLOAD]["metadata"]["uid"], pods(world)
    ask(world, "5Gi")
    world.settle(120)
    assert sizes(world) == ["5Gi"] * (MEMBERS + 1)
    assert world.cluster.objects[WORKLOAD]["metadata"]["uid"] != uid
    assert pods(world) == before
    assert why(world) == "WaitingForVolumes"
    for number in range(MEMBERS):
        world.cluster.write_status(claim(number), {"phase": "Bound", "capacity": {"storage": "5Gi"}})
    world.settle(60)
    assert why(world) == ""
    assert world.why() == HEALTHY
    assert [told.reason for told in world.told].count("StatefulSetReplaced") == 1


def test_a_process_that_dies_at_any_request_is_continued() -> None:
    """Each write is carried out and its answer lost with the process; the next one finds where it was."""
    for number in range(12):
        world = start()
        before = pods(world)
        ask(world, "5Gi")
        world.watch()
        done = 0
        for _ in range(200):
            written = len(world.writes())
            world.work()
            world.watch()
            done += len(world.writes()) - written
            if done > number:
                break
            world.settle(1)
        world.restart()
        world.settle(180)
        assert sizes(world) == ["5Gi"] * (MEMBERS + 1), number
        assert pods(world) == before, number


def test_a_pod_that_is_lost_in_between_comes_back() -> None:
    """The autoscaler's number outlives the workload: a member that vanished with it is not scaled away."""
    world = start()
    scaler = ObjectKey("HorizontalPodAutoscaler", NAMESPACE, "orders-app-hpa")
    world.cluster.write_status(scaler, {"desiredReplicas": MEMBERS})
    uid = world.cluster.objects[WORKLOAD]["metadata"]["uid"]
    world.cluster._orphan(uid)
    world.cluster.vanish(WORKLOAD)
    world.cluster.vanish(ObjectKey("Pod", NAMESPACE, f"orders-app-{MEMBERS - 1}"))
    left = pods(world)
    world.settle(5, around=False)
    assert world.cluster.objects[WORKLOAD]["spec"]["replicas"] == MEMBERS
    world.settle(60)
    assert left.items() <= pods(world).items()


@pytest.mark.parametrize("allowed", [False, None])
def test_a_class_that_does_not_allow_it(allowed: bool | None) -> None:  # noqa: FBT001  # a case
    """Said without, or not at all: nothing is written but the status."""
    world = start()
    changed = {**CLASS, "allowVolumeExpansion": allowed}
    world.cluster.put({name: value for name, value in changed.items() if value is not None})
    world.forget()
    ask(world, "5Gi")
    world.settle(30)
    assert why(world) == "ExpansionNotAllowed"
    assert world.child_writes() == []
    world.cluster.put(CLASS)
    world.settle(150)
    assert sizes(world) == ["5Gi"] * (MEMBERS + 1)


def test_a_class_that_may_not_be_read() -> None:
    """Without that right the server is asked at once."""
    world = start()
    refusal = Forbidden("no", status=403, reason="Forbidden")
    world.cluster.faults.setdefault(("get", ObjectKey("StorageClass", "", "fast")), []).append(refusal)
    ask(world, "5Gi")
    world.settle(120)
    assert sizes(world) == ["5Gi"] * (MEMBERS + 1)


def test_a_deletion_that_fails_is_tried_again_and_told() -> None:
    """An Event has the server's words."""
    world = start()
    world.cluster.fail("delete", "StatefulSet", "orders-app", ServerError("out of order", status=500))
    ask(world, "5Gi")
    world.settle(120)
    assert "StatefulSetReplacementFailed" in [told.reason for told in world.told]
    assert sizes(world) == ["5Gi"] * (MEMBERS + 1)


def test_a_smaller_size_changes_nothing() -> None:
    """The API server refuses it at apply; one that came through all the same is told by a warning."""
    world = start()
    world.forget()
    ask(world, "500Mi")
    world.settle(60)
    assert sizes(world) == ["1Gi"] * (MEMBERS + 1)
    assert why(world) == ""
    found = world.why(APP, "Warnings")
    assert found is not None
    assert "cannot shrink" in found.message
