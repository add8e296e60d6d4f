"""Apps whose children are not touched: paused ones, and ones whose spec cannot be used. What runs keeps running."""

from __future__ import annotations

import pytest

from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, Resource
from tests.unit.reconcilers.world import APPLIED, HEALTHY, WORKLOAD, World

AGENT = resources.agent("a")
ON = {"kaspr.io/pause-reconciliation": "true"}


def running() -> World:
    world = World()
    world.start(resources.app(replicas=2), AGENT)
    return world


def test_a_paused_app_says_so_and_nothing_else_changes() -> None:
    """D10: one condition; a healthy app stays Ready, since nothing about it changed."""
    world = running()
    before = world.status()
    world.annotate(APP, pause_reconciliation="true")
    world.settle()
    paused = world.why(condition="Paused")
    assert paused is not None
    assert (paused.status, "kaspr.io/pause-reconciliation" in paused.message) == ("True", True)
    assert world.writes() == ["status KasprApp orders"]
    assert world.why() == HEALTHY
    assert {**world.status(), "conditions": None} == {**before, "conditions": None}


def test_nothing_is_written_to_children_during_a_pause() -> None:
    """D10: whatever changes, in the app, its components or its children; deletions included."""
    world = running()
    world.annotate(APP, pause_reconciliation="true")
    world.settle()
    world.forget()
    world.user(resources.agent("a", "clicks"), resources.agent("new"))
    world.user(resources.app(annotations=ON, replicas=5, config={"loggingLevel": "DEBUG"}))
    world.cluster.vanish(APP._replace(kind="Service", name="orders-app-api"))
    world.settle(7200.0)
    assert world.child_writes() == []
    assert world.status()["observedGeneration"] == 1, "the edit is visibly not applied"
    ready = world.why()
    assert ready is not None
    assert ready.status == "Unknown"


def test_what_was_edited_during_a_pause_is_applied_at_its_end() -> None:
    """D10: the state is compared, no edit is remembered or forgotten; all of it is one revision."""
    world = running()
    world.annotate(APP, pause_reconciliation="true")
    world.settle()
    world.user(resources.agent("a", "clicks"), resources.agent("new"))
    world.user(resources.app(annotations=ON, replicas=2, config={"loggingLevel": "DEBUG"}))
    world.settle()
    world.user(resources.app(replicas=2, config={"loggingLevel": "DEBUG"}))
    world.settle()
    assert world.mounts() == {"a-agent", "new-agent"}
    assert "clicks" in world.data("a-agent")
    assert len(world.cluster.templates[WORKLOAD]) == 2
    assert world.why() == HEALTHY
    assert world.why(condition="Paused") is None
    assert world.status()["observedGeneration"] == world.cluster.objects[APP]["metadata"]["generation"]
    for each in (AGENT, resources.agent("new")):
        assert world.why(resources.key(each)) == APPLIED


def test_a_restart_during_a_pause_writes_nothing() -> None:
    """D10: the pause is in the object, not in our memory."""
    world = running()
    world.annotate(APP, pause_reconciliation="true")
    world.settle()
    world.user(resources.agent("a", "clicks"))
    world.settle()
    world.restart()
    world.settle(600.0)
    assert world.cluster.requests == []


def test_an_app_that_is_born_paused_is_not_born() -> None:
    """D10: a paused app without children stays without."""
    world = World()
    world.user(resources.app(annotations=ON), AGENT)
    world.settle()
    assert world.cluster.names("StatefulSet") == []
    assert world.child_writes() == []
    world.user(resources.app())
    world.settle()
    assert world.why() == HEALTHY


@pytest.mark.parametrize("value", ["false", "", "no"])
def test_only_a_yes_pauses(value: str) -> None:
    """The annotation is a switch; its mere presence means nothing."""
    world = World()
    world.start(resources.app(annotations={"kaspr.io/pause-reconciliation": value}))
    assert world.why() == HEALTHY


def test_a_pause_forgets_no_fault() -> None:
    """D56: a paused app that was in trouble is not made healthy by not looking at it."""
    world = World()
    world.user(resources.app(version="0.0.1"))
    world.settle()
    world.annotate(APP, pause_reconciliation="true")
    world.settle()
    ready = world.why()
    assert ready is not None
    assert ready.status == "Unknown"
    assert world.why(condition="Stalled") is not None


UNUSABLE = {
    "a value that the parser refuses": (resources.app(replicas=-1), "spec.replicas"),
    "an unsupported version": (resources.app(version="0.0.1"), "spec.version"),
    "a mount over one of ours": (
        resources.app(
            template={
                "kasprContainer": {"volumeMounts": [{"name": "x", "mountPath": "/var/lib/data/tables"}]}
            }
        ),
        "spec.template.kasprContainer.volumeMounts",
    ),
}


@pytest.fixture(params=list(UNUSABLE))
def unusable(request: pytest.FixtureRequest) -> tuple[Resource, str]:
    return UNUSABLE[request.param]


def test_an_app_that_cannot_be_used_keeps_what_it_has(unusable: tuple[Resource, str]) -> None:
    """Nothing is rendered, so nothing is written and above all nothing is pruned, not even for a gone component."""
    world = running()
    world.start(resources.agent("goner", "clicks"))
    broken, _ = unusable
    world.user(broken)
    world.remove(resources.agent("goner", "clicks"))
    world.user(resources.agent("a", "payments"))
    world.settle()
    assert world.child_writes() == []
    assert world.mounts() == {"a-agent", "goner-agent"}


def test_its_status_names_the_field(unusable: tuple[Resource, str]) -> None:
    """Stalled, with the path; the numbers stay those of what runs."""
    world = running()
    before = world.status()
    broken, field = unusable
    world.user(broken)
    world.settle()
    stalled = world.why(condition="Stalled")
    assert stalled is not None
    assert (stalled.reason, field in stalled.message) == ("InvalidSpec", True)
    assert "nothing was changed" in stalled.message
    assert world.status()["observedGeneration"] == 2
    for name in ("availableMembers", "kasprVersion", "linkedResources", "members", "selector"):
        assert world.status()[name] == before[name]


def test_repairing_the_app_applies_everything(unusable: tuple[Resource, str]) -> None:
    """What changed meanwhile is not lost."""
    world = running()
    broken, _ = unusable
    world.user(broken)
    world.settle()
    world.user(resources.agent("a", "payments"))
    world.settle()
    world.user(resources.app(replicas=2))
    world.settle()
    assert world.why() == HEALTHY
    assert world.why(condition="Stalled") is None
    assert "payments" in world.data("a-agent")
    assert world.why(resources.key(AGENT)) == APPLIED


def test_a_new_component_of_an_unusable_app_says_what_it_waits_for() -> None:
    """No component is without a word, even if its app cannot be looked at."""
    world = World()
    world.user(resources.app(version="0.0.1"), AGENT)
    world.settle()
    ready = world.why(resources.key(AGENT))
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "WaitingForContent")
    assert "KasprApp orders" in ready.message
