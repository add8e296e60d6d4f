"""Secrets that an app names are replaced: one rolling restart, if the app asks for it, and no word of their contents."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.desired.app.marks import REFERENCES, REFERENCES_SEEN
from kaspr_controller.kube.errors import Forbidden
from kaspr_controller.kube.kinds import ObjectKey
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import NAMESPACE
from tests.unit.reconcilers.world import HEALTHY, WORKLOAD, World

CONTENT = "c29tZXRoaW5nIHRvIGhpZGU="
ON = {"kaspr.io/restart-on-secret-change": "true"}
VARIABLE = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "k"}}}
FILES = {"name": "files", "configMap": {"name": "files"}}
TEMPLATE = {"kasprContainer": {"env": [VARIABLE]}, "pod": {"volumes": [FILES]}}


def put(world: World, kind: str, name: str, value: str) -> None:
    meta = {"name": name, "namespace": NAMESPACE}
    world.cluster.put({"apiVersion": "v1", "kind": kind, "metadata": meta, "data": {"k": value}})


@pytest.fixture
def world() -> World:
    world = World()
    put(world, "Secret", "token", CONTENT)
    put(world, "ConfigMap", "files", "one")
    world.start(resources.app(replicas=2, annotations=ON, template=TEMPLATE), resources.agent("a"))
    world.settle(120)
    return world


def rollouts(world: World) -> int:
    return len(world.cluster.templates[WORKLOAD]) - 1


def marks(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    live = world.cluster.objects[WORKLOAD]
    return live["metadata"].get("annotations", {}), live["spec"]["template"]["metadata"].get(
        "annotations", {}
    )


def test_one_restart_for_what_is_replaced_together(world: World) -> None:
    """Both are new within seconds: one new template, and quiet afterwards."""
    assert rollouts(world) == 0
    put(world, "Secret", "token", "bmV3")
    world.settle(2)
    put(world, "ConfigMap", "files", "two")
    world.settle(180)
    assert rollouts(world) == 1
    workload, template = marks(world)
    assert workload[REFERENCES_SEEN] == template[REFERENCES]
    assert world.why() == HEALTHY
    world.forget()
    world.settle(600)
    assert world.child_writes() == []


def test_nobody_restarts_who_did_not_ask() -> None:
    """Off by default: no look at any Secret either."""
    world = World()
    put(world, "Secret", "token", CONTENT)
    put(world, "ConfigMap", "files", "one")
    world.start(resources.app(template=TEMPLATE))
    put(world, "Secret", "token", "bmV3")
    world.settle(300)
    assert rollouts(world) == 0
    assert not [key for verb, key in world.cluster.requests if key.name in {"token", "files"}]


def test_switching_it_on_and_off_restarts_nobody(world: World) -> None:
    """It says what happens at the next change, not now."""
    app = ObjectKey("KasprApp", NAMESPACE, "orders")
    world.annotate(app, restart_on_secret_change=None)
    world.settle(120)
    put(world, "Secret", "token", "bmV3")
    world.annotate(app, restart_on_secret_change="true")
    world.settle(120)
    assert rollouts(world) == 0


def test_a_secret_that_is_gone_restarts_nobody_and_is_named(world: World) -> None:
    """Pods would not start without it; when it is back as another one, they are restarted."""
    world.cluster.vanish(ObjectKey("Secret", NAMESPACE, "token"))
    world.settle(180)
    assert rollouts(world) == 0
    why = world.why(condition="Warnings")
    assert why is not None
    assert "there is no Secret token" in why.message
    put(world, "Secret", "token", "bmV3")
    world.settle(300)
    assert rollouts(world) == 1
    assert world.why(condition="Warnings") is None


def test_a_secret_that_may_not_be_read_is_named(world: World) -> None:
    """The refusal stops nothing else."""
    refusals = [Forbidden("no", status=403, reason="Forbidden")] * 3
    world.cluster.fail("get", "Secret", "token", *refusals)
    world.settle(100)
    why = world.why(condition="Warnings")
    assert why is not None
    assert "Secret token cannot be read (Forbidden)" in why.message
    assert rollouts(world) == 0


def test_looks_are_bounded_and_tell_nothing(world: World) -> None:
    """Two requests a minute for two names; no content in statuses, Events and objects of ours."""
    world.forget()
    world.settle(600)
    looks = [key for verb, key in world.cluster.requests if key.name in {"token", "files"}]
    assert 2 * 8 <= len(looks) <= 2 * 13
    own = [obj for key, obj in world.cluster.objects.items() if key.kind != "Secret"]
    assert CONTENT not in str((own, world.told, world.said))
    assert not any(store.get(ObjectKey("Secret", NAMESPACE, "token")) for store in world.stores.values())


def test_a_restarted_controller_notices_what_changed_meanwhile(world: World) -> None:
    """What was seen stands on the StatefulSet."""
    put(world, "Secret", "token", "bmV3")
    world.restart()
    world.settle(120)
    assert rollouts(world) == 1
