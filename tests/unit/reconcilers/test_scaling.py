"""How many members: to zero and back in both modes, and an autoscaler that is never fought."""

from __future__ import annotations

import pytest

from kaspr_controller.desired.options import Options
from kaspr_controller.kube.kinds import ObjectKey
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import NAMESPACE
from tests.unit.reconcilers.world import APPLIED, HEALTHY, WORKLOAD, World

SCALER = ObjectKey("HorizontalPodAutoscaler", NAMESPACE, "orders-app-hpa")
AGENT = resources.agent("a")


@pytest.fixture(params=["autoscaler", "direct"])
def world(request: pytest.FixtureRequest) -> World:
    world = World(options=Options(scaling=request.param))
    world.start(resources.app(replicas=3), AGENT)
    return world


def replicas(world: World) -> int:
    return int(world.cluster.objects[WORKLOAD]["spec"]["replicas"])


def test_an_app_comes_up_with_all_its_members(world: World) -> None:
    """2.11: whoever counts, the app ends with the members it asks for and is ready only then."""
    assert replicas(world) == 3
    assert world.why() == HEALTHY
    assert world.status()["availableMembers"] == "3/3"


def test_zero_is_what_was_asked_for(world: World) -> None:
    """D58: no members is no fault and not ready either; the autoscaler is gone, or it would fight the zero."""
    world.user(resources.app(replicas=0))
    world.settle()
    assert (replicas(world), world.cluster.names("Pod")) == (0, [])
    assert SCALER not in world.cluster.objects
    ready = world.why()
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "ScaledToZero")
    for abnormal in ("Reconciling", "Stalled"):
        assert world.why(condition=abnormal) is None, "nothing is being done and nothing is wrong"
    world.settle(150.0)  # the seats of the members run out
    world.forget()
    world.settle(600.0)
    assert world.cluster.requests == []


def test_on_the_way_to_zero_the_app_says_that_it_is_on_its_way(world: World) -> None:
    """D58: the pods that are still there are not hidden."""
    world.user(resources.app(replicas=0))
    world.settle(5.0, around=False)
    reconciling = world.why(condition="Reconciling")
    assert reconciling is not None
    assert (reconciling.reason, reconciling.message) == ("ScalingDown", "3 pods are still there")


def test_back_from_zero(world: World) -> None:
    """2.11: an autoscaler does not wake what stands at 0, so the first step is ours."""
    world.user(resources.app(replicas=0))
    world.settle()
    world.user(resources.app(replicas=3))
    world.settle()
    assert replicas(world) == 3
    assert world.why() == HEALTHY
    assert world.why(resources.key(AGENT)) == APPLIED


def test_content_edited_at_zero_is_there_when_the_app_wakes(world: World) -> None:
    """Components of a sleeping app are still applied."""
    world.user(resources.app(replicas=0))
    world.settle()
    world.user(resources.agent("a", "clicks"), resources.table("t"))
    world.settle()
    assert world.mounts() == {"a-agent", "t-table"}
    assert "clicks" in world.data("a-agent")
    world.remove(resources.table("t"))
    world.settle()
    assert world.cluster.names("ConfigMap") == ["a-agent", "orders-app-config"], "nobody mounts it"


def test_scaling_restarts_nobody(world: World) -> None:
    """The template does not know how many members there are."""
    for count in (5, 2, 0, 1, 4):
        world.user(resources.app(replicas=count))
        world.settle()
        assert replicas(world) == count
    assert len(world.cluster.templates[WORKLOAD]) == 1


def test_a_new_app_with_zero_members_does_not_settle() -> None:
    """C2 is about the first pod, and there is none."""
    world = World()
    world.user(resources.app(replicas=0), AGENT)
    world.settle(1.0, around=False)
    assert WORKLOAD in world.cluster.objects


def test_the_count_of_the_autoscaler_is_left_alone() -> None:
    """2.11: what it has set survives edits of the app, restarts of this program and its own next step."""
    world = World()
    world.start(resources.app(replicas=8), AGENT)
    world.cluster.edit(WORKLOAD, "spec", "replicas", to=5, manager="autoscaler")
    world.settle(5.0, around=False)
    world.user(resources.agent("a", "clicks"))
    world.settle(5.0, around=False)
    assert replicas(world) == 5
    world.restart()
    world.settle(5.0, around=False)
    assert replicas(world) == 5
    assert world.child_writes() == []


def test_switching_from_counting_to_an_autoscaler_does_not_drop_to_one() -> None:
    """2.11: server-side apply gives up a field that is no longer sent, and its default is 1."""
    world = World(options=Options(scaling="direct"))
    world.start(resources.app(replicas=4), AGENT)
    world._options = Options(scaling="autoscaler")
    world.restart()
    world.settle(5.0, around=False)
    assert replicas(world) == 4
    assert SCALER in world.cluster.objects
    world.settle()
    assert (replicas(world), world.why()) == (4, HEALTHY)


def test_somebody_elses_count_is_corrected_when_this_program_counts() -> None:
    """2.11: in direct mode `kubectl scale` on the workload does not last."""
    world = World(options=Options(scaling="direct"))
    world.start(resources.app(replicas=3), AGENT)
    world.cluster.edit(WORKLOAD, "spec", "replicas", to=1, manager="kubectl")
    world.settle()
    assert replicas(world) == 3
    assert world.child_writes() == ["apply StatefulSet orders-app"]


def test_components_of_an_app_without_members_are_not_ready() -> None:
    """D56: nobody runs their definition, and that is as asked: no fault, nothing in progress."""
    world = World()
    world.start(resources.app(replicas=2), AGENT)
    world.user(resources.app(replicas=0))
    world.settle()
    key = resources.key(AGENT)
    ready = world.why(key)
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "ScaledToZero")
    assert world.why(key, "Reconciling") is None
    assert world.why(key, "Stalled") is None
    world.user(resources.app(replicas=1))
    world.settle()
    assert world.why(key) == APPLIED
