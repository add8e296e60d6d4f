"""Apps of the existing operator: nobody restarts because of the take-over, and everything afterwards is as for any app."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kaspr_controller.api import labels
from kaspr_controller.kube.kinds import ObjectKey, key_of
from tests.fakes import predecessor
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, NAMESPACE, Resource
from tests.unit.reconcilers.world import APPLIED, HEALTHY, WORKLOAD, World

ORDERS = resources.app(replicas=2)
AGENT = resources.agent("a", tables=("t",))
TABLE = resources.table("t")
PARTS = (AGENT, TABLE, resources.view("v", "/v"), resources.task("n"))
JOIN = (resources.table("right"), resources.join("j", "t", "right"))


def left_behind(*parts: Resource, app: Resource = ORDERS, **options: Any) -> World:
    """The existing operator has run an app and is gone; nobody is there yet."""
    world = World()
    world.user(app, *parts)
    stored = [world.cluster.objects[resources.key(each)] for each in (app, *parts)]
    for each in stored:
        world.cluster.put(predecessor.marked(each), manager="kopf")
    for obj in predecessor.children(stored[0], stored[1:], **options):
        world.cluster.put(obj, manager=predecessor.MANAGER)
    world.workloads.roll(WORKLOAD)
    world.restart()
    return world


def test_nobody_restarts() -> None:
    """T44: the pods and the template that they were made from are the same, and the app says why."""
    world = left_behind(*PARTS)
    pods = set(world.workloads.pods(WORKLOAD))
    uids = {world.cluster.objects[pod]["metadata"]["uid"] for pod in pods}
    world.settle()
    assert len(world.cluster.templates[WORKLOAD]) == 1
    assert {world.cluster.objects[pod]["metadata"]["uid"] for pod in world.workloads.pods(WORKLOAD)} == uids
    assert world.why() == HEALTHY
    for each in PARTS:
        assert world.why(resources.key(each)) == APPLIED
    warnings = world.why(condition="Warnings")
    assert warnings is not None
    assert "template of the former operator is kept" in warnings.message


def test_everything_is_ours_and_then_quiet() -> None:
    """S6: every child carries our hash, and neither time nor a restart of the controller writes anything more."""
    world = left_behind(*PARTS)
    world.settle()
    uid = world.cluster.objects[APP]["metadata"]["uid"]
    for key, obj in world.cluster.objects.items():
        if key.kind in {"ConfigMap", "Service", "ServiceAccount", "StatefulSet", "HorizontalPodAutoscaler"}:
            assert "kaspr.io/desired-hash" in obj["metadata"]["annotations"], key
            assert uid in {reference["uid"] for reference in obj["metadata"]["ownerReferences"]}, key
    world.forget()
    world.settle(3600.0)
    world.restart()
    world.settle(3600.0)
    assert world.writes() == []


@pytest.mark.parametrize(
    "change",
    [
        resources.agent("a", "clicks", tables=("t",)),
        resources.app(replicas=2, config={"loggingLevel": "DEBUG"}),
        resources.agent("new", "payments"),
    ],
    ids=["a component", "the app", "a new component"],
)
def test_the_next_change_brings_our_template(change: Resource) -> None:
    """T44: with the first thing that has to reach the pods the whole template is written, once."""
    world = left_behind(*PARTS)
    world.settle()
    world.user(change)
    world.settle()
    assert len(world.cluster.templates[WORKLOAD]) == 2
    assert labels.KEPT_TEMPLATE not in world.cluster.objects[WORKLOAD]["metadata"]["annotations"]
    assert world.why(condition="Warnings") is None
    assert world.why() == HEALTHY
    world.forget()
    world.settle(600.0)
    assert world.writes() == []


def test_the_number_of_members_is_no_such_change() -> None:
    """T44: scaling restarts nobody, also not right after a take-over."""
    world = left_behind(*PARTS)
    world.settle()
    world.user(resources.app(replicas=4))
    world.settle()
    assert len(world.cluster.templates[WORKLOAD]) == 1
    assert world.cluster.objects[WORKLOAD]["spec"]["replicas"] == 4


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        (resources.agent("a", "clicks", tables=("t",)), None),
        (resources.app(replicas=2, config={"loggingLevel": "DEBUG"}), None),
        (resources.agent("new", "payments"), None),
        (None, PARTS[2]),
    ],
    ids=["a component was edited", "the app was edited", "a component came", "a component went"],
)
def test_what_was_edited_while_nobody_was_there_reaches_the_pods(
    change: Resource | None, gone: Resource | None
) -> None:
    """D10: the template is kept because it says what the resources say; when they say something else it is not."""
    world = left_behind(*PARTS)
    if change is not None:
        live = world.cluster.objects.get(resources.key(change))
        kept = {"annotations": live["metadata"]["annotations"]} if live else {}
        world.user({**change, "metadata": {**change["metadata"], **kept}})
    if gone is not None:
        world.remove(gone)
    world.restart()
    world.settle()
    assert len(world.cluster.templates[WORKLOAD]) == 2
    assert world.why() == HEALTHY


def test_defaults_of_our_schema_are_no_edit() -> None:
    """T44: the server fills the new defaults into resources that it gives out, and nobody has edited anything."""
    world = left_behind(*PARTS)
    live = world.cluster.objects[APP]
    filled = {**live["spec"], "authentication": {"type": "plain"}}
    world.cluster.put({**live, "spec": filled}, manager="server")
    world.restart()
    world.settle()
    assert len(world.cluster.templates[WORKLOAD]) == 1


def test_a_join_waits_for_the_next_change() -> None:
    """T14: the existing operator ran none, so the kept template has no place for its document, and its status says so."""
    world = left_behind(*PARTS, *JOIN)
    world.settle()
    assert len(world.cluster.templates[WORKLOAD]) == 1
    ready = world.why(resources.key(JOIN[1]))
    assert ready is not None
    assert (ready.status, "until the next change" in ready.message) == ("False", True)
    world.user(resources.agent("a", "clicks", tables=("t",)))
    world.settle()
    assert world.why(resources.key(JOIN[1])) == APPLIED
    assert "j-join" in world.mounts()
    content = set(world.cluster.names("ConfigMap"))
    assert content.isdisjoint({"t-table", "right-table"}), (
        "what the components owned goes when nobody mounts it"
    )


def test_content_that_the_kept_template_mounts_stays_without_a_pod() -> None:
    """D28: an app at 0 comes back with the template that it has."""
    world = left_behind(*PARTS, *JOIN, app=resources.app(replicas=0))
    world.settle()
    assert world.workloads.pods(WORKLOAD) == []
    assert {"t-table", "right-table"} < set(world.cluster.names("ConfigMap"))


def test_the_marks_are_removed_when_the_app_is_ours() -> None:
    """T43: without its finalizer removed nobody could delete the resource; other finalizers stay."""
    world = left_behind(*PARTS)
    live = world.cluster.objects[APP]
    meta = {**live["metadata"], "finalizers": [predecessor.FINALIZER, "example.com/mine"]}
    world.cluster.put({**live, "metadata": meta}, manager="kopf")
    world.restart()
    world.settle()
    assert world.cluster.objects[APP]["metadata"]["finalizers"] == ["example.com/mine"]
    for each in PARTS:
        meta = world.cluster.objects[resources.key(each)]["metadata"]
        assert not meta.get("finalizers")
        assert predecessor.HANDLED not in meta.get("annotations", {})


def test_a_predecessor_that_is_still_there_is_not_fought() -> None:
    """Two programs that put marks on and off would write for ever: each resource is released once."""
    world = left_behind(*PARTS)
    world.settle()
    for _ in range(5):
        world.cluster.put(predecessor.marked(world.cluster.objects[APP]), manager="kopf")
        world.settle(30.0)
    assert world.cluster.counted()["patch", "KasprApp"] == 1


@pytest.mark.parametrize("obj", [ORDERS, AGENT], ids=["an app", "a component"])
def test_a_resource_that_is_being_deleted_is_released(obj: Resource) -> None:
    """T43: also one that was never taken over, because its app is gone or paused."""
    world = World()
    world.user(obj)
    key = resources.key(obj)
    world.cluster.put(predecessor.marked(world.cluster.objects[key]), manager="kopf")
    world.cluster.mark_deleted(key)
    world.settle()
    assert not world.cluster.objects[key]["metadata"].get("finalizers")


def test_an_edited_note_is_no_evidence() -> None:
    """What cannot be read says nothing: the template is kept."""
    world = left_behind(*PARTS)
    world.annotate(APP)
    live = world.cluster.objects[APP]
    annotations = {**live["metadata"]["annotations"], predecessor.HANDLED: json.dumps(["?"])}
    world.cluster.put({**live, "metadata": {**live["metadata"], "annotations": annotations}}, manager="x")
    world.restart()
    world.settle()
    assert len(world.cluster.templates[WORKLOAD]) == 1


def test_an_app_without_a_version_keeps_the_one_that_it_runs() -> None:
    """H2: a controller with another default restarts nobody; whoever names a version gets it."""
    world = left_behind(*PARTS, image="kasprio/kaspr:0.11.12")
    world.settle()
    world.user(resources.agent("a", "clicks", tables=("t",)))
    world.settle()
    (container,) = world.cluster.objects[WORKLOAD]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "kasprio/kaspr:0.11.12"
    assert world.status()["kasprVersion"] == "0.11.12"
    world.user(resources.app(replicas=2, version="0.11.19"))
    world.settle()
    (container,) = world.cluster.objects[WORKLOAD]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "kasprio/kaspr:0.11.19"


def test_children_that_were_orphaned_are_found_again() -> None:
    """`kubectl delete --cascade=orphan` and a new app of the same name: the pods are the same."""
    world = World()
    world.start(ORDERS, *PARTS)
    pods = {world.cluster.objects[pod]["metadata"]["uid"] for pod in world.workloads.pods(WORKLOAD)}
    uid = world.cluster.objects[APP]["metadata"]["uid"]
    world.cluster.vanish(APP)
    for obj in list(world.cluster.objects.values()):
        references = obj["metadata"].get("ownerReferences", ())
        if any(reference["uid"] == uid for reference in references):
            world.cluster.edit(key_of(obj), "metadata", "ownerReferences", to=[], manager="gc")
    world.settle()
    world.user(ORDERS)
    world.settle()
    new = world.cluster.objects[APP]["metadata"]["uid"]
    assert {world.cluster.objects[pod]["metadata"]["uid"] for pod in world.workloads.pods(WORKLOAD)} == pods
    for name in ("orders-app-config", "a-agent"):
        owners = world.cluster.objects[ObjectKey("ConfigMap", NAMESPACE, name)]["metadata"]["ownerReferences"]
        assert [owner["uid"] for owner in owners] == [new]
    assert world.why() == HEALTHY
