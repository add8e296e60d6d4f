"""Components that go: out of the template first, out of the cluster when nobody mounts them."""

from __future__ import annotations

from kaspr_controller.kube.kinds import ObjectKey
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import NAMESPACE
from tests.unit.reconcilers.world import APPLIED, HEALTHY, WORKLOAD, World

GONER = resources.agent("goner", "clicks")
CONTENT = ObjectKey("ConfigMap", NAMESPACE, "goner-agent")


def running() -> World:
    world = World()
    world.start(resources.app(replicas=2), resources.agent("a"), GONER)
    return world


def test_the_template_lets_go_before_the_content_is_removed() -> None:
    """D28: a pod of the old revision that restarts meanwhile must find what it mounts."""
    world = running()
    world.remove(GONER)
    world.settle(10.0, around=False)
    assert world.child_writes() == ["apply StatefulSet orders-app"]
    assert world.mounts() == {"a-agent"}
    world.workloads.roll(WORKLOAD, at_most=1)
    world.settle(10.0, around=False)
    assert CONTENT in world.cluster.objects, "one pod of the old revision is left"
    assert world.cluster.counted()["delete", "ConfigMap"] == 0
    world.settle()
    assert CONTENT not in world.cluster.objects
    assert world.child_writes() == ["apply StatefulSet orders-app", "delete ConfigMap goner-agent"]


def test_the_content_stays_for_a_pod_that_is_taking_its_time_to_leave() -> None:
    """D28: the roll-out may count as over while a departing pod still mounts the file."""
    world = running()
    old = world.cluster.objects[world.workloads.pods(WORKLOAD)[0]]
    world.remove(GONER)
    world.settle(5.0, around=False)
    world.workloads.roll(WORKLOAD)
    meta = {**old["metadata"], "name": "orders-app-9", "ownerReferences": []}
    world.cluster.put({**old, "metadata": meta})
    straggler = ObjectKey("Pod", NAMESPACE, "orders-app-9")
    world.cluster.mark_deleted(straggler)
    world.settle(10.0, around=False)
    assert world.cluster.objects[WORKLOAD]["status"]["replicas"] == 2
    assert CONTENT in world.cluster.objects
    world.cluster.vanish(straggler)
    world.settle(10.0, around=False)
    assert CONTENT not in world.cluster.objects, "the end of the pod wakes the app"


def test_a_packages_volume_stays_until_no_pod_of_the_old_revision_is_left() -> None:
    """D15: no pod can be scheduled onto a claim that is being deleted, so a member that restarts would be lost."""
    world = World()
    cache = {"packages": ["requests==2.32.3"], "cache": {"enabled": True}}
    world.start(resources.app(replicas=2, pythonPackages=cache))
    assert world.cluster.names("PersistentVolumeClaim") == ["orders-app-python-packages"]
    world.user(resources.app(replicas=2))
    world.settle(10.0, around=False)
    world.workloads.roll(WORKLOAD, at_most=1)
    world.settle(10.0, around=False)
    assert world.cluster.counted()["delete", "PersistentVolumeClaim"] == 0
    world.settle()
    assert world.cluster.names("PersistentVolumeClaim") == []


def test_content_that_is_kept_for_now_is_nothing_to_worry_about() -> None:
    """Readiness: a roll-out is what is awaited; that an old file outlives it is housekeeping."""
    world = running()
    world.remove(GONER)
    world.settle(5.0, around=False)
    why = world.why(condition="Reconciling")
    assert why is not None
    assert why.reason == "RolloutInProgress"
    assert not any("goner-agent" in text for text in world.messages())


def test_content_is_deleted_by_its_uid() -> None:
    """F3: what was recreated under the same name between our look and our delete is another object."""
    world = running()
    world.remove(GONER)
    world.settle(10.0, around=False)
    world.workloads.roll(WORKLOAD)

    def replace(verb: str, key: ObjectKey) -> None:
        if (verb, key) == ("delete", CONTENT):
            old = world.cluster.objects[CONTENT]
            world.cluster.vanish(CONTENT)
            world.cluster.put({**old, "data": {"x": "mine"}})

    world.cluster.before = replace
    world.watch()
    world.work()
    assert world.cluster.objects[CONTENT]["data"] == {"x": "mine"}


def test_a_component_that_comes_back_before_the_roll_out_ends_keeps_its_content() -> None:
    """Level-triggered: nothing was decided by the deletion that cannot be decided anew."""
    world = running()
    world.remove(GONER)
    world.settle(5.0, around=False)
    world.user(GONER)
    world.settle()
    assert world.cluster.counted()["delete", "ConfigMap"] == 0
    assert world.mounts() == {"a-agent", "goner-agent"}
    assert world.why(resources.key(GONER)) == APPLIED


def test_a_component_that_is_being_deleted_is_no_longer_part_of_the_app() -> None:
    """A finalizer of the predecessor can keep a deleted component for ever; the app does not wait for that."""
    world = running()
    world.cluster.mark_deleted(resources.key(GONER))
    world.settle()
    assert world.mounts() == {"a-agent"}
    assert CONTENT not in world.cluster.objects
    assert world.cluster.counted()["status", "KasprAgent"] == 2, "the status of `a` alone, out and in again"


def test_a_broken_component_that_is_being_deleted_is_no_longer_held_back() -> None:
    """The app does not complain about what is on its way out."""
    world = running()
    broken = resources.agent("broken")
    broken["spec"]["input"]["channel"] = {"name": "both"}
    world.user(broken)
    world.settle()
    held = world.why(condition="ComponentsAccepted")
    assert held is not None
    assert held.status == "False"
    world.cluster.mark_deleted(resources.key(broken))
    world.settle()
    held = world.why(condition="ComponentsAccepted")
    assert held is not None
    assert held.status == "True"


def test_a_component_that_others_need_takes_nobody_with_it() -> None:
    """A table that goes while an agent uses it: the agent's last good definition needs it too, so the agent is held."""
    world = World()
    user = resources.agent("user", tables=("t",))
    world.start(resources.app(), resources.agent("a"), user, resources.table("t"))
    world.remove(resources.table("t"))
    world.settle()
    assert world.mounts() == {"a-agent"}
    stalled = world.why(resources.key(user), "Stalled")
    assert stalled is not None
    assert stalled.reason == "TableNotFound"
    assert world.why() == HEALTHY
