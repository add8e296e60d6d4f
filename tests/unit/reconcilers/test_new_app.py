"""A new app: its first pod finds everything, one burst is one revision, and once it is up nobody writes any more."""

from __future__ import annotations

import itertools

import pytest

from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP
from tests.unit.reconcilers.world import APPLIED, HEALTHY, WORKLOAD, World


def test_the_first_pod_waits_until_no_component_has_been_added_for_a_moment() -> None:
    """C2: a member that starts without its definitions never processes anything, so the workload comes last."""
    world = World()
    world.user(resources.app(), resources.agent("early"))
    world.settle(1.0)
    assert WORKLOAD not in world.cluster.objects
    assert world.cluster.names("HorizontalPodAutoscaler") == [], "it would have nothing to scale"
    why = world.why(condition="Reconciling")
    assert why is not None
    assert why.reason == "WaitingForComponents"
    world.user(resources.agent("late"))
    world.settle(1.5)
    assert WORKLOAD not in world.cluster.objects, "the quiet starts anew with each component"
    world.settle()
    assert world.mounts() == {"early-agent", "late-agent"}
    assert len(world.cluster.templates[WORKLOAD]) == 1


def test_components_that_never_stop_coming_delay_the_first_pod_at_most_for_the_limit() -> None:
    """C2: the wait is bounded, since somebody may create components for ever."""
    world = World()
    world.user(resources.app())
    began = world.clock.monotonic()
    for number in itertools.count():
        assert number < 40, "the workload never came"
        world.user(resources.table(f"t{number}"))
        world.settle(0.7)
        if WORKLOAD in world.cluster.objects:
            break
    took = world.clock.monotonic() - began
    assert 15.0 <= took <= 19.0, "the limit of 15 s, and at most one burst of 3 s"


def test_an_app_without_components_starts_as_well() -> None:
    """C2: the wait is for components that may come, not for the first one."""
    world = World()
    world.user(resources.app())
    world.settle()
    assert world.why() == HEALTHY


def test_content_is_written_before_the_workload_that_refers_to_it() -> None:
    """Decision record 0001: content first, then the workload; the status is written when all is said and done."""
    world = World()
    world.user(resources.app(), resources.agent("a"), resources.view("v", "/v"))
    world.settle()
    writes = world.child_writes()
    assert writes[-1] == "apply StatefulSet orders-app"
    assert {"apply ConfigMap a-agent", "apply ConfigMap v-webview", "apply ConfigMap orders-app-config"} < {
        *writes[:-1]
    }
    assert len(writes) == len(set(writes)), "each child is written once"


def test_thirty_components_in_a_burst_are_one_revision() -> None:
    """Decision record 0001: 30 files applied together restart each pod once, with all 30 definitions."""
    world = World()
    world.start(resources.app())
    assert len(world.cluster.templates[WORKLOAD]) == 1
    for number in range(30):
        world.user(resources.agent(f"a{number}"))
        world.settle(0.05)
    world.settle()
    assert len(world.cluster.templates[WORKLOAD]) == 2
    assert world.mounts() == {f"a{number}-agent" for number in range(30)}
    assert world.cluster.counted()["apply", "StatefulSet"] == 1
    assert world.cluster.counted()["apply", "ConfigMap"] == 30


def test_the_second_pass_asks_the_server_for_nothing() -> None:
    """O7: a pass over a settled app costs no request at all, not even a read."""
    world = World()
    world.start(resources.app(replicas=2), resources.agent("a"), resources.table("t"), resources.task("n"))
    for _ in range(3):
        assert world.reconcile().reason == "Resync"
        world.clock.advance(3600.0)
        world.poller.ask()
    for each in ("KasprAgent", "KasprTable", "KasprTask"):
        for key in world.stores[each].keys():  # noqa: SIM118  # a store is no dictionary
            world.reconcile(key)
    assert world.cluster.requests == []
    assert world.told == []


@pytest.mark.parametrize("poll", [True, False])
def test_a_restart_of_the_controller_writes_nothing(poll: bool) -> None:  # noqa: FBT001  # a pytest parameter
    """F1, O3: a new process knows nothing and still finds everything in order, statuses included."""
    world = World(poll=poll)
    resource = [
        resources.app(replicas=3),
        resources.agent("a"),
        resources.table("t"),
        resources.view("v", "/"),
    ]
    bad = resources.agent("bad", python="def f(:\n")
    world.start(*resource, bad)
    world.restart()
    world.settle(300.0)
    assert world.cluster.requests == []
    assert world.told == [], "nothing happened, so there is nothing to tell"
    assert {key for key, _ in world.ran} >= {APP}, "it did look"


def test_ready_is_said_when_the_members_run_and_never_before() -> None:
    """C3: written objects are not enough and ready pods are not enough; somebody must read every topic."""
    world = World()
    world.user(resources.app(), resources.agent("a", "unheard-of"))
    world.settle()
    why = world.why()
    assert why is not None
    assert (why.status, why.message) == ("False", "nobody reads unheard-of")
    assert world.poller.every[APP] == 2.0, "it is asked often while something is awaited"
    world.user(resources.agent("a", "in"))
    world.settle()
    assert world.why() == HEALTHY
    assert world.poller.every[APP] == 30.0, "and rarely once it is calm"


def test_a_component_is_ready_when_every_pod_runs_it() -> None:
    """The status of a component follows the roll-out: accepted at once, ready at its end."""
    world = World()
    world.start(resources.app(replicas=3))
    agent = resources.agent("a")
    world.user(agent)
    world.settle(5.0, around=False)
    assert world.why(resources.key(agent), "Accepted") == ("True", "Applied", "")
    world.workloads.roll(WORKLOAD, at_most=2)
    world.settle(5.0, around=False)
    why = world.why(resources.key(agent))
    assert why is not None
    assert (why.status, why.reason) == ("False", "RolloutInProgress")
    world.settle()
    assert world.why(resources.key(agent)) == APPLIED
    status = world.status(resources.key(agent))
    assert (status["configMap"], status["app"]) == ("a-agent", {"name": "orders", "status": "AppFound"})
