"""Caches that lag, answers that get lost, our own echoes: none of them makes a second write or a wrong one."""

from __future__ import annotations

import pytest

from kaspr_controller.kube.kinds import ObjectKey
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, NAMESPACE
from tests.unit.reconcilers.world import APPLIED, HEALTHY, WORKLOAD, World

AGENT = resources.agent("a")
CONTENT = ObjectKey("ConfigMap", NAMESPACE, "a-agent")


def running() -> World:
    world = World()
    world.start(resources.app(replicas=2), AGENT)
    return world


def edited() -> World:
    """The caches know of an edit; nothing has been written yet."""
    world = running()
    world.user(resources.agent("a", "clicks"))
    world.watch()
    world.clock.advance(1.0)
    world.forget()
    return world


def test_a_second_pass_sees_what_the_first_one_wrote() -> None:
    """F2: before any watch event has come back, another pass asks for nothing."""
    world = edited()
    world.reconcile()
    assert len(world.child_writes()) == 2
    world.forget()
    world.reconcile()
    assert world.cluster.requests == []


def test_the_echo_of_our_writes_wakes_nobody() -> None:
    """E2: what comes back from the watch is what we wrote; neither children nor statuses lead to another pass."""
    world = edited()
    while world.work():
        pass
    world.forget()
    assert world.watch()
    assert world.work() == 0


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_write_whose_answer_was_lost_is_not_made_twice(lost: int) -> None:
    """R7: the object was written, we do not know it; the next look finds out, whatever the watch has told by then."""
    world = World()
    world.cluster.lost = lost
    world.user(resources.app(replicas=2), AGENT)
    world.settle()
    assert world.why() == HEALTHY
    assert world.why(resources.key(AGENT)) == APPLIED
    assert len(world.cluster.templates[WORKLOAD]) == 1
    uids = {obj["metadata"]["uid"] for obj in world.cluster.objects.values()}
    assert len(uids) == len(world.cluster.objects)


def test_a_component_that_is_gone_for_everybody_but_us() -> None:
    """R2: what was rendered from an old cache is put right as soon as the cache is; no pod is left without content."""
    world = running()
    world.user(resources.agent("late", "clicks"))
    world.watch()
    world.remove(resources.agent("late", "clicks"))
    world.clock.advance(1.0)
    world.reconcile()
    assert world.mounts() == {"a-agent", "late-agent"}
    world.settle()
    assert world.mounts() == {"a-agent"}
    assert world.cluster.names("ConfigMap") == ["a-agent", "orders-app-config"]


def test_a_roll_out_that_only_the_server_knows_to_be_over_is_not_over() -> None:
    """D28 with a cache behind: content goes when the cache shows that nobody needs it, not before."""
    world = running()
    world.remove(AGENT)
    world.settle(5.0, around=False)
    world.workloads.roll(WORKLOAD)
    world.clock.advance(1.0)
    world.reconcile()
    assert CONTENT in world.cluster.objects
    world.watch("StatefulSet")
    world.reconcile()
    assert CONTENT in world.cluster.objects, "the cache of the pods still shows one that mounts it"
    world.watch("Pod")
    world.reconcile()
    assert CONTENT not in world.cluster.objects


def test_a_child_that_was_replaced_behind_our_back_is_not_mistaken_for_ours() -> None:
    """R2: the write carries the UID of what the cache shows; the stranger under its name stays as it is."""
    world = running()
    stranger = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "orders-app-api", "namespace": NAMESPACE},
        "spec": {"mine": True},
    }
    service = APP._replace(kind="Service", name="orders-app-api")
    world.user(resources.app(replicas=2, config={"webPort": 7000}))
    world.watch()
    world.cluster.vanish(service)
    world.cluster.put(stranger)
    world.work()
    assert world.cluster.objects[service]["spec"] == {"mine": True}
    world.settle()
    assert world.cluster.objects[service]["spec"] == {"mine": True}
    reconciling = world.why(condition="Reconciling")
    assert reconciling is not None
    assert reconciling.reason == "NameConflict"


@pytest.mark.parametrize("part", range(3))
def test_a_process_that_dies_at_any_request_is_continued(part: int) -> None:
    """R1: the next process writes what is missing and nothing else; the change stays one revision."""
    undisturbed = ready_for_a_change()
    undisturbed.settle()
    requests = len(undisturbed.cluster.requests)
    assert requests > 9
    for fatal in range(part, requests, 3):
        world = ready_for_a_change()
        die_at(world, fatal)
        world.restart()
        world.settle()
        assert world.why() == HEALTHY
        assert world.mounts() == {"b-agent", "v-webview"}
        assert world.cluster.names("ConfigMap") == ["b-agent", "orders-app-config", "v-webview"]
        assert len(world.cluster.templates[WORKLOAD]) == 2


def die_at(world: World, fatal: int) -> None:
    """Let it work until it sends its request number `fatal`."""
    survived = 0

    def die(*_: object) -> None:
        nonlocal survived
        if survived == fatal:
            raise Death
        survived += 1

    world.cluster.before = die
    with pytest.raises(Death):
        world.settle()
    world.cluster.before = lambda *_: None


class Death(BaseException):
    """Nobody catches it, like the end of a process."""


def ready_for_a_change() -> World:
    """One component has just been deleted, one edited, one created."""
    world = World()
    world.start(resources.app(replicas=2), AGENT, resources.agent("b"))
    world.remove(AGENT)
    world.user(resources.agent("b", "clicks"), resources.view("v", "/v"))
    return world
