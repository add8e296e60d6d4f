"""What `diff` says is what a pass would do, and saying it does nothing."""

from __future__ import annotations

import copy

import pytest

from kaspr_controller.converge.applying import Converger
from kaspr_controller.desired.options import Options
from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.reconcilers.planning import Plan, plan_app
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, NAMESPACE
from tests.unit.reconcilers.world import World

AGENT = resources.agent("a")


def running() -> World:
    world = World()
    world.start(resources.app(replicas=2), AGENT, resources.agent("goner", "clicks"))
    return world


def plan(world: World, key: ObjectKey = APP) -> Plan | None:
    """The plan, made twice beside a proof that making it changed nothing."""
    world.watch()
    before = copy.deepcopy(world.cluster.objects)
    converger = Converger(client=world.cluster, stores=world.stores, clock=world.clock)
    first, second = (
        plan_app(world.stores, converger, key, options=Options(), driven=False) for _ in range(2)
    )
    assert world.cluster.objects == before
    assert first == second
    return first


def changes(found: Plan | None) -> dict[str, str]:
    """Name -> action, without what would not change."""
    assert found is not None
    return {
        f"{each.key.kind} {each.key.name}": each.action for each in found.changes if each.action != "none"
    }


def test_there_is_no_plan_for_what_is_not_there() -> None:
    """An app that is gone or going has none."""
    world = running()
    assert plan(world, APP._replace(name="nowhere")) is None
    world.cluster.mark_deleted(APP)
    assert plan(world) is None


def test_a_settled_app_has_nothing_to_change() -> None:
    """O7: the plan of a settled app is empty and needs no request."""
    world = running()
    found = plan(world)
    assert found is not None
    assert changes(found) == {}
    assert (found.refused, found.held, found.unwanted) == ((), (), ())
    assert world.cluster.requests == []


def test_a_new_app_is_created_whole() -> None:
    """The wait before the first pod is no part of the plan: it says what will be, not when."""
    world = World()
    world.user(resources.app(), AGENT)
    assert changes(plan(world)) == {
        "ServiceAccount orders-app": "create",
        "ConfigMap orders-app-config": "create",
        "ConfigMap a-agent": "create",
        "Service orders-app": "create",
        "Service orders-app-api": "create",
        "HorizontalPodAutoscaler orders-app-hpa": "create",
        "StatefulSet orders-app": "create",
    }


def test_the_plan_comes_true() -> None:
    """What the plan announces is exactly what the next pass writes and finally removes."""
    world = running()
    world.user(resources.agent("a", "payments"), resources.view("v", "/v"))
    world.remove(resources.agent("goner"))
    found = plan(world)
    assert found is not None
    world.forget()
    world.settle()
    announced = {f"apply {name}" for name in changes(found)}
    announced |= {f"delete {key.kind} {key.name}" for key in found.unwanted}
    assert set(world.child_writes()) == announced
    assert announced == {
        "apply ConfigMap a-agent",
        "apply ConfigMap v-webview",
        "apply StatefulSet orders-app",
        "delete ConfigMap goner-agent",
    }


def test_paths_are_named_and_values_are_not() -> None:
    """O9: the output of `diff` ends up in logs of pipelines."""
    world = running()
    world.user(resources.agent("a", "s3cret-topic"))
    found = plan(world)
    assert found is not None
    paths = {path for each in found.changes for path in each.paths}
    assert "data[a-agent.yaml]" in paths
    assert "spec.template.spec.containers[kaspr].env[AGENTS_HASH].value" in paths
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    ("app", "why"),
    [
        (resources.app(annotations={"kaspr.io/pause-reconciliation": "true"}), "pause-reconciliation"),
        (resources.app(replicas=-1), "spec.replicas"),
        (resources.app(version="0.0.1"), "spec.version"),
    ],
    ids=["paused", "invalid", "unsupported version"],
)
def test_an_app_that_a_pass_would_not_touch_is_refused(app: resources.Resource, why: str) -> None:
    """The plan says why nothing would happen."""
    world = running()
    world.user(app)
    world.remove(resources.agent("goner"))
    found = plan(world)
    assert found is not None
    assert len(found.refused) == 1
    assert why in found.refused[0]
    assert (found.changes, found.unwanted) == ((), ())


def test_a_held_back_component_is_named() -> None:
    """The plan of the others goes on."""
    world = running()
    world.user(resources.agent("a", python="def f(:\n"), resources.table("t"))
    found = plan(world)
    assert found is not None
    assert len(found.held) == 1
    assert found.held[0].startswith("KasprAgent a: spec.processors.operations[0].map")
    assert changes(found) == {"ConfigMap t-table": "create", "StatefulSet orders-app": "change"}


def test_an_object_of_somebody_else_blocks() -> None:
    """D19: with the same words as in the status."""
    world = running()
    world.cluster.put(
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "new-app", "namespace": NAMESPACE},
        }
    )
    world.user(resources.app("new"))
    found = plan(world, APP._replace(name="new"))
    assert changes(found)["ServiceAccount new-app"] == "blocked"
    assert found is not None
    (blocked,) = (each for each in found.changes if each.action == "blocked")
    assert blocked.reason == "NameConflict"


def test_a_component_that_another_app_still_has_is_named() -> None:
    """D29: the plan of the new app is what a pass would do, so it goes on without the component and says why."""
    world = World()
    world.start(resources.app(), AGENT, resources.app("other"))
    world.user(resources.agent("a", app="other"), resources.table("t", app="other"))
    found = plan(world, APP._replace(name="other"))
    assert changes(found) == {"ConfigMap t-table": "create", "StatefulSet other-app": "change"}
    assert found is not None
    assert len(found.held) == 1
    assert found.held[0].startswith("KasprAgent a: ConfigMap a-agent belongs to KasprApp orders")


def test_what_would_not_be_removed_is_not_announced() -> None:
    """D19: an object that merely refers to the app, and a claim that we did not write, are nobody's to delete."""
    world = running()
    uid = world.cluster.objects[APP]["metadata"]["uid"]
    reference = {"apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp", "name": "orders", "uid": uid}
    labels = {"app.kubernetes.io/managed-by": "kaspr-operator"}
    for kind, controls in (("ConfigMap", False), ("PersistentVolumeClaim", True)):
        meta = {"name": "mine", "namespace": NAMESPACE, "labels": labels}
        owners = [{**reference, "controller": True} if controls else reference]
        world.cluster.put({"apiVersion": "v1", "kind": kind, "metadata": {**meta, "ownerReferences": owners}})
    found = plan(world)
    assert found is not None
    assert found.unwanted == ()
    world.settle()
    assert world.child_writes() == []


def test_a_stranger_in_the_place_of_a_component_is_planned_around() -> None:
    """D27: the component is named as held back, and the rest is planned as a pass would do it."""
    world = running()
    meta = {"name": "b-agent", "namespace": NAMESPACE}
    world.cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    world.user(resources.agent("b"), resources.agent("c", "payments"))
    found = plan(world)
    assert found is not None
    assert changes(found) == {"ConfigMap c-agent": "create", "StatefulSet orders-app": "change"}
    (held,) = found.held
    assert "ConfigMap/shop/b-agent exists and does not belong to" in held
