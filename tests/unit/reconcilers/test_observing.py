"""Facts from the caches: what is there, nothing else, and in the words that the render understands."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.api.parsing import parse
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.desired.bundle import render_app
from kaspr_controller.engine.store import Store
from kaspr_controller.reconcilers import observing
from kaspr_controller.reconcilers.caches import make_stores
from kaspr_controller.reconcilers.loading import load_component
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, NAMESPACE
from tests.unit.reconcilers.world import World

Stores = dict[str, Store]

YAML = """
agents:
- name: a
  description: old
  input: {topic: {name: before}}
  processors: {pipeline: [k], init: null, operations: [{name: k, tables: [], map: {python: 'def k(v): return v'}}]}
"""


def config_map(name: str, owner: str, **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{name}",
            "resourceVersion": "1",
            "ownerReferences": [{"apiVersion": "v1", "kind": "X", "name": "x", "uid": owner}],
        },
        "data": data,
    }


def stores_with(*objects: dict[str, Any]) -> Stores:
    stores = make_stores()
    for obj in objects:
        stores[obj["kind"]].apply("ADDED", obj)
    return stores


def test_nothing_is_there_at_the_beginning() -> None:
    """The absence of a workload is spelled out; the render then takes its defaults."""
    facts = observing.facts(make_stores(), APP, ["app-uid"])
    assert facts.workload is None
    assert dict(facts.live_definitions) == {}
    assert dict(facts.parsed) == {}


def test_definitions_are_found_by_their_owners() -> None:
    """Those of the app and, from the predecessor, those of its components; settings and strangers are none."""
    stores = stores_with(
        config_map("a-agent", "app-uid", **{"a-agent.yaml": "{}"}),
        config_map("b-agent", "component-uid", **{"b-agent.yaml": "{}"}),
        config_map("c-agent", "stranger", **{"c-agent.yaml": "{}"}),
        config_map("orders-app-config", "app-uid", K_WEB_PORT="6065"),
    )
    facts = observing.facts(stores, APP, ["app-uid", "component-uid"])
    assert set(facts.live_definitions) == {"a-agent.yaml", "b-agent.yaml"}


def test_a_bad_component_of_the_predecessor_keeps_what_that_wrote() -> None:
    """D27 at take-over: the predecessor wrote YAML, and its last good definition is one as well."""
    stores = stores_with(config_map("a-agent", "component-uid", **{"a-agent.yaml": YAML}))
    facts = observing.facts(stores, APP, ["app-uid", "component-uid"])
    app = parse(resources.app())
    assert isinstance(app, KasprApp)
    bad = load_component(resources.agent("a", python="def f(:\n"))
    bundle = render_app(app, [bad], facts)
    assert bundle.problems
    assert bundle.files == {"a-agent.yaml": YAML}, "byte for byte, so that nobody restarts"


def test_the_size_of_the_packages_claim_is_a_fact() -> None:
    """D17: a volume cannot shrink, so the render has to know what somebody made of it."""
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": "orders-app-python-packages",
            "namespace": NAMESPACE,
            "uid": "u",
            "resourceVersion": "1",
        },
        "spec": {"resources": {"requests": {"storage": "3Gi"}}},
    }
    assert observing.facts(stores_with(claim), APP, []).packages_size == "3Gi"
    assert observing.facts(stores_with(), APP, []).packages_size == ""


@pytest.mark.parametrize("text", ["{unfinished", "- a: [", "just words", "", "42"])
def test_a_definition_that_nobody_can_read_is_none(text: str) -> None:
    """What somebody wrote into a live ConfigMap cannot break the pass."""
    stores = stores_with(config_map("a-agent", "app-uid", **{"a-agent.yaml": text}))
    facts = observing.facts(stores, APP, ["app-uid"])
    app = parse(resources.app())
    assert isinstance(app, KasprApp)
    bundle = render_app(app, [load_component(resources.agent("a", python="def f(:\n"))], facts)
    assert bundle.files == {}


def test_only_pods_that_stay_are_members() -> None:
    """A departing pod is not asked any more, but what it mounts is still in use; order is by number, not by name."""
    world = World()
    world.start(resources.app(replicas=11), resources.agent("a"))
    names = [pod["metadata"]["name"] for pod in observing.pods(world.stores, APP)]
    assert names == [f"orders-app-{number}" for number in range(11)]
    leaving = APP._replace(kind="Pod", name="orders-app-3")
    world.cluster.mark_deleted(leaving)
    for number in (0, 1, 2, 4, 5, 6, 7, 8, 9, 10):
        world.cluster.vanish(APP._replace(kind="Pod", name=f"orders-app-{number}"))
    world.watch()
    assert observing.pods(world.stores, APP) == []
    assert observing.mounted(world.stores, APP) == {"a-agent"}


@pytest.mark.parametrize(("value", "static"), [(None, True), ("false", True), ("true", False), ("1", False)])
def test_static_membership_is_the_default(value: str | None, static: bool) -> None:  # noqa: FBT001
    """Contract 2.9: an annotation on the app switches it off."""
    annotations = {"kaspr.io/disable-static-group-membership": value} if value else {}
    assert observing.static_membership(resources.app(annotations=annotations)) == static
