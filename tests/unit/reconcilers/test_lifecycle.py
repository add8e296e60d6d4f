"""Apps that come late, go, and come again under the same name: incarnations are told apart by UID."""

from __future__ import annotations

from kaspr_controller.kube.kinds import ObjectKey
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, NAMESPACE
from tests.unit.reconcilers.world import APPLIED, HEALTHY, WORKLOAD, World

AGENT = resources.agent("a")
AGENT_KEY = resources.key(AGENT)


def test_components_before_their_app_wait_and_say_so() -> None:
    """Order of creation does not matter; nothing is created for an app that is not there."""
    world = World()
    world.user(AGENT)
    world.settle()
    ready = world.why(AGENT_KEY)
    assert ready is not None
    assert ready.reason == "AppNotFound"
    assert world.status(AGENT_KEY)["app"] == {"name": "orders", "status": "AppNotFound"}
    assert world.child_writes() == []
    world.user(resources.app())
    world.settle()
    assert world.why(AGENT_KEY) == APPLIED
    assert world.why() == HEALTHY
    assert len(world.cluster.templates[WORKLOAD]) == 1


def test_a_late_app_that_is_paused_is_not_said_to_be_missing() -> None:
    """A statement that has become false is replaced even when nobody judges the component yet."""
    world = World()
    world.user(AGENT)
    world.settle()
    world.user(resources.app(annotations={"kaspr.io/pause-reconciliation": "true"}))
    world.settle()
    ready = world.why(AGENT_KEY)
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "WaitingForContent")
    assert world.status(AGENT_KEY)["app"]["status"] == "AppFound"


def test_a_component_that_moved_to_a_paused_app_no_longer_says_that_it_runs() -> None:
    """A label moves without a new generation, so the old statement would look current for ever."""
    world = World()
    paused = resources.app("other", annotations={"kaspr.io/pause-reconciliation": "true"})
    world.start(resources.app(), AGENT, paused)
    assert world.why(AGENT_KEY) == APPLIED
    world.user(resources.agent("a", app="other"))
    world.settle()
    assert world.status(AGENT_KEY)["app"] == {"name": "other", "status": "AppFound"}
    ready = world.why(AGENT_KEY)
    assert ready is not None
    assert ready.status == "False"


def test_a_deleted_app_leaves_nothing_behind() -> None:
    """The children go by garbage collection; the components learn that their app is gone, and nobody is asked."""
    world = World()
    world.start(resources.app(), AGENT)
    assert world.poller.targets
    world.remove(resources.app())
    world.settle()
    assert world.child_writes() == []
    assert not [key for key in world.cluster.objects if not key.kind.startswith("Kaspr")]
    ready = world.why(AGENT_KEY)
    assert ready is not None
    assert ready.reason == "AppNotFound"
    assert world.poller.targets == {}
    assert world.board.withdraw(APP) == []


def test_an_app_on_its_way_out_is_left_alone() -> None:
    """A deletionTimestamp ends our work: what we would write is about to be collected."""
    world = World()
    world.start(resources.app(), AGENT)
    world.cluster.mark_deleted(APP)
    world.user(resources.agent("a", "clicks"))
    world.settle()
    assert world.child_writes() == []


def test_nothing_is_created_for_an_app_that_vanished_during_the_pass() -> None:
    """F3: an owner reference to a UID that is gone would have the new object collected within seconds."""
    world = World()
    world.start(resources.app())
    world.user(AGENT)
    world.watch()
    world.clock.advance(1.0)

    def vanish(verb: str, key: ObjectKey) -> None:
        if verb == "get" and APP in world.cluster.objects:
            world.cluster.vanish(APP)
            world.watch("KasprApp")

    world.cluster.before = vanish
    world.work()
    assert ("get", ObjectKey("ConfigMap", NAMESPACE, "a-agent")) in world.cluster.requests
    assert world.child_writes() == []


def test_an_app_that_is_recreated_starts_anew_when_the_old_children_are_gone() -> None:
    """C2: the second app of a name is a new one: nothing of the first is taken over, and it settles like a new one."""
    world = World()
    world.start(resources.app(), AGENT)
    old = world.cluster.objects[WORKLOAD]["metadata"]["uid"]
    world.remove(resources.app())
    world.user(resources.app())
    world.settle(20.0, around=False)
    assert world.child_writes() == [], "the objects of the first app are still there"
    why = world.why(condition="Reconciling")
    assert why is not None
    assert "ConfigMap/shop/a-agent belongs to an earlier KasprApp/shop/orders" in why.message
    world.settle()
    assert world.cluster.objects[WORKLOAD]["metadata"]["uid"] != old
    assert world.why() == HEALTHY
    assert world.why(AGENT_KEY) == APPLIED
    uid = world.cluster.objects[APP]["metadata"]["uid"]
    for name in world.cluster.names("ConfigMap"):
        child = world.cluster.objects[ObjectKey("ConfigMap", NAMESPACE, name)]
        assert [ref["uid"] for ref in child["metadata"]["ownerReferences"]] == [uid]


def test_the_patience_of_the_first_app_is_not_that_of_the_second() -> None:
    """C2: the limit of the wait counts from the first sight of this incarnation, not of one that had its name."""
    world = World()
    world.cluster.put(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "orders-app-config", "namespace": NAMESPACE},
        }
    )
    world.user(resources.app(), AGENT)
    world.settle(40.0)
    assert WORKLOAD not in world.cluster.objects, "its settings are in the hands of somebody else"
    world.remove(resources.app(), AGENT)
    world.cluster.vanish(ObjectKey("ConfigMap", NAMESPACE, "orders-app-config"))
    world.user(resources.app())
    world.settle(1.0)
    assert WORKLOAD not in world.cluster.objects
    why = world.why(condition="Reconciling")
    assert why is not None
    assert why.reason == "WaitingForComponents"


def test_a_component_that_is_recreated_is_judged_anew() -> None:
    """A verdict holds for one incarnation; the new one has no status, so it gets one."""
    world = World()
    world.start(resources.app(), AGENT)
    world.remove(AGENT)
    world.user(AGENT)
    world.settle()
    assert world.why(AGENT_KEY) == APPLIED
    assert world.child_writes() == [], "its definition is the same"


def test_a_verdict_on_an_earlier_generation_is_not_told_about_this_one() -> None:
    """O4: `observedGeneration` moves when the app has judged the edit, not when the component has noticed it."""
    world = World()
    world.start(resources.app(), AGENT)
    world.user(resources.agent("a", python="def f(:\n"))
    world.watch()
    world.reconcile(AGENT_KEY)
    assert world.writes() == []
    world.settle()
    assert world.status(AGENT_KEY)["observedGeneration"] == 2
    assert world.why(AGENT_KEY, "Stalled") is not None


def test_nothing_is_said_about_a_component_on_its_way_out() -> None:
    """A status on an object that is about to go is for nobody."""
    world = World()
    world.start(resources.app(), AGENT)
    world.cluster.mark_deleted(AGENT_KEY)
    world.remove(resources.app())
    world.settle()
    assert world.writes() == []
