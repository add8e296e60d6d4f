"""Edits of a running app: what follows from one is written, nothing else is, and each costs one revision at most."""

from __future__ import annotations

import pytest

from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, Resource
from tests.unit.reconcilers.world import APPLIED, HEALTHY, WORKLOAD, World

AGENT = resources.agent("a")


def running() -> World:
    world = World()
    world.start(resources.app(replicas=2), AGENT, resources.table("t"), resources.view("v", "/v"))
    return world


def test_an_edit_of_a_component_is_one_config_map_and_one_workload() -> None:
    """O10: the cost of an edit is its content, the template that refers to it, and the two statuses."""
    world = running()
    world.user(resources.agent("a", python="def f(v):\n    return v + 1\n"))
    world.settle()
    assert world.child_writes() == ["apply ConfigMap a-agent", "apply StatefulSet orders-app"]
    assert "return v + 1" in world.data("a-agent")
    assert len(world.cluster.templates[WORKLOAD]) == 2
    assert set(world.writes()) - set(world.child_writes()) == {
        "status KasprApp orders",
        "status KasprAgent a",
    } | {f"status {kind} {name}" for kind, name in (("KasprTable", "t"), ("KasprWebView", "v"))}, (
        "the others are not ready either while the pods are being replaced"
    )


@pytest.mark.parametrize(
    "edited",
    [
        resources.agent("a", labels={"team": "x"}),
        resources.agent("a", annotations={"note": "x"}),
        resources.agent("a", description="what it does"),
    ],
    ids=["label", "annotation", "description"],
)
def test_what_the_runtime_does_not_read_restarts_nothing(edited: Resource) -> None:
    """D13: labels, annotations and descriptions of a component are not in its definition; no child is written."""
    world = running()
    template = world.cluster.templates[WORKLOAD][-1]
    world.user(edited)
    world.settle()
    assert world.child_writes() == []
    assert world.cluster.objects[WORKLOAD]["spec"]["template"] == template
    live = world.cluster.objects[resources.key(edited)]
    assert world.status(resources.key(edited))["observedGeneration"] == live["metadata"]["generation"]
    assert world.why(resources.key(edited)) == APPLIED


def test_an_edit_and_its_undo_within_a_burst_write_nothing() -> None:
    """Level-triggered: what counts is the state, not how it came about."""
    world = running()
    world.user(resources.agent("a", "clicks"))
    world.watch()
    world.work()
    world.user(AGENT)
    world.settle()
    assert world.child_writes() == []
    assert len(world.cluster.templates[WORKLOAD]) == 1


def test_an_edit_of_the_app_is_not_delayed() -> None:
    """Decision record 0001: only components come in bursts; a change of the app is acted on at once."""
    world = running()
    began = world.clock.monotonic()
    world.user(resources.app(replicas=2, config={"loggingLevel": "DEBUG"}))
    world.watch()
    world.work()
    assert world.clock.monotonic() == began
    assert world.child_writes() == ["apply ConfigMap orders-app-config", "apply StatefulSet orders-app"]


def test_an_edit_of_a_lone_component_waits_for_a_tenth_of_a_second() -> None:
    """Decision record 0001: the second change of a burst comes within the first wait."""
    world = running()
    world.user(resources.agent("a", "clicks"))
    world.watch()
    world.work()
    assert world.child_writes() == []
    world.settle(0.2)
    assert len(world.child_writes()) == 2


def test_a_setting_that_is_removed_stays_until_no_pod_refers_to_it() -> None:
    """T31: a pod refers to each setting by name and cannot be started without it, the old revision's pods included."""
    world = World()
    world.start(resources.app(replicas=2, config={"topicReplicationFactor": 3}), resources.agent("a"))
    settings = APP._replace(kind="ConfigMap", name="orders-app-config")

    def held() -> bool:
        return "K_TOPIC_REPLICATION_FACTOR" in world.cluster.objects[settings]["data"]

    world.user(resources.app(replicas=2))
    world.settle(10.0, around=False)
    world.workloads.roll(WORKLOAD, at_most=1)
    world.settle(10.0, around=False)
    assert held(), "one pod of the old revision is left"
    assert len(world.cluster.templates[WORKLOAD]) == 2
    world.settle()
    assert not held()
    assert len(world.cluster.templates[WORKLOAD]) == 2, "and nobody is restarted for it"
    assert world.child_writes() == ["apply StatefulSet orders-app", "apply ConfigMap orders-app-config"]


def test_a_field_that_is_taken_out_of_the_app_goes_away() -> None:
    """D11: what is no longer asked for does not linger in the workload."""
    world = World()
    limits = {"limits": {"cpu": "2"}}
    world.start(resources.app(resources=limits))
    container = world.cluster.objects[WORKLOAD]["spec"]["template"]["spec"]["containers"][0]
    assert container["resources"] == limits
    world.user(resources.app())
    world.settle()
    container = world.cluster.objects[WORKLOAD]["spec"]["template"]["spec"]["containers"][0]
    assert "resources" not in container


def test_what_somebody_changes_by_hand_is_put_right() -> None:
    """R9: a foreign edit of an owned field is one write, and the status says nothing of it once it is repaired."""
    world = running()
    world.cluster.edit(
        WORKLOAD, "spec", "template", "spec", "containers", 0, "image", to="evil:1", manager="kubectl"
    )
    world.watch()
    world.work()
    assert world.child_writes() == ["apply StatefulSet orders-app"]
    image = world.cluster.objects[WORKLOAD]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image != "evil:1"
    world.settle()
    assert world.why() == HEALTHY


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("ConfigMap", "a-agent"),
        ("ConfigMap", "orders-app-config"),
        ("Service", "orders-app"),
        ("Service", "orders-app-api"),
        ("ServiceAccount", "orders-app"),
        ("StatefulSet", "orders-app"),
        ("HorizontalPodAutoscaler", "orders-app-hpa"),
    ],
)
def test_a_child_that_somebody_deletes_comes_back(kind: str, name: str) -> None:
    """R9: every child is recreated, and only that one is written."""
    world = running()
    key = APP._replace(kind=kind, name=name)
    world.cluster.vanish(key)
    world.settle()
    assert key in world.cluster.objects
    assert set(world.child_writes()) == {f"apply {kind} {name}"}
    assert world.why() == HEALTHY


def test_two_apps_of_one_name_in_two_namespaces_are_strangers() -> None:
    """D08: everything is keyed by namespace and name."""
    world = running()
    twin = resources.app()
    twin["metadata"]["namespace"] = "other"
    world.user(twin)
    world.settle()
    assert APP._replace(namespace="other", kind="StatefulSet", name="orders-app") in world.cluster.objects
    assert not any(key.namespace == "shop" for verb, key in world.cluster.requests if verb != "get")
