"""A component whose content cannot be stored costs itself, not its app: strangers in its place, refusals of the server."""

from __future__ import annotations

import pytest

from kaspr_controller.kube.errors import Forbidden, Invalid
from kaspr_controller.kube.kinds import ObjectKey
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import NAMESPACE
from tests.unit.reconcilers.world import APPLIED, HEALTHY, WORKLOAD, World

AGENT = resources.agent("a")
FOREIGN = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "b-agent", "namespace": NAMESPACE},
    "data": {"key": "of somebody else"},
}
CONTENT = ObjectKey("ConfigMap", NAMESPACE, "b-agent")


def running() -> World:
    world = World()
    world.start(resources.app(replicas=2), AGENT)
    return world


def test_an_object_of_somebody_else_is_left_alone() -> None:
    """D19, D27: a colliding name is reported on the component and named by the app; nothing of it is changed."""
    world = running()
    world.cluster.put(FOREIGN)
    before = world.cluster.objects[CONTENT]
    world.user(resources.agent("b"))
    world.settle()
    assert world.cluster.objects[CONTENT] == before
    stalled = world.why(resources.key(resources.agent("b")), "Stalled")
    assert stalled is not None
    assert stalled.reason == "NameConflict"
    assert "does not belong to" in stalled.message
    assert "Delete or rename it" in stalled.message
    accepted = world.why(condition="ComponentsAccepted")
    assert accepted is not None
    assert "ConfigMap/shop/b-agent" in accepted.message
    assert world.why() == HEALTHY
    assert world.mounts() == {"a-agent"}


OTHERS = (resources.agent("a", "clicks"), resources.agent("c", "payments"))


@pytest.mark.parametrize("new", [True, False], ids=["a new app", "a running app"])
def test_a_stranger_in_the_way_of_one_component_holds_up_nobody_else(new: bool) -> None:  # noqa: FBT001  # a parameter
    """D27: whatever else is asked of the app is done, in one revision, and Ready tells the truth about it."""
    world = World() if new else running()
    world.cluster.put(FOREIGN)
    world.user(resources.app(replicas=3), resources.agent("b"), *OTHERS)
    world.settle()
    assert world.mounts() == {"a-agent", "c-agent"}
    assert world.why() == HEALTHY
    assert len(world.cluster.templates[WORKLOAD]) == (1 if new else 2)
    for each in OTHERS:
        assert world.why(resources.key(each)) == APPLIED


def test_who_needs_a_component_without_a_place_is_held_back_with_it() -> None:
    """D27: an agent does not run without its table; nothing is written for it, again and again, that is then removed."""
    world = running()
    meta = {"name": "t-table", "namespace": NAMESPACE}
    world.cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    user = resources.agent("user", tables=("t",))
    world.user(resources.table("t"), user)
    world.settle()
    stalled = world.why(resources.key(user), "Stalled")
    assert stalled is not None
    assert stalled.reason == "TableNotFound"
    assert world.mounts() == {"a-agent"}
    assert "user-agent" not in world.cluster.names("ConfigMap")
    world.forget()
    world.settle(600.0)
    assert world.writes() == []


def test_a_join_without_a_place_leaves_its_tables_to_others() -> None:
    """D27: the document is named after the join; the tables in it move to documents of their own."""
    world = running()
    meta = {"name": "j-join", "namespace": NAMESPACE}
    world.cluster.put({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    user = resources.agent("user", tables=("left",))
    join = resources.join("j", "left", "right")
    world.user(resources.table("left"), resources.table("right"), join, user)
    world.settle()
    assert world.mounts() == {"a-agent", "left-table", "right-table", "user-agent"}
    stalled = world.why(resources.key(join), "Stalled")
    assert stalled is not None
    assert stalled.reason == "NameConflict"
    assert world.why(resources.key(user)) == APPLIED


def test_content_that_the_server_refuses_costs_its_component_only() -> None:
    """D27: an admission policy that refuses one definition: the last good one stays mounted, everybody else goes on."""
    world = running()
    words = 'admission webhook "code.example.com" denied the request: no clicks'

    def refuse(verb: str, key: ObjectKey) -> None:
        if (verb, key.name) == ("apply", "a-agent"):
            raise Invalid(words, status=422)

    world.cluster.before = refuse
    before = world.data("a-agent")
    world.user(resources.agent("a", "clicks"), resources.agent("c", "payments"))
    world.settle()
    assert world.data("a-agent") == before
    assert world.mounts() == {"a-agent", "c-agent"}
    stalled = world.why(resources.key(AGENT), "Stalled")
    assert stalled is not None
    assert stalled.reason == "Invalid"
    assert words in stalled.message
    assert "last good definition stays mounted" in stalled.message
    assert world.why() == HEALTHY
    assert world.why(resources.key(resources.agent("c"))) == APPLIED
    world.forget()
    world.settle(600.0)
    assert 1 <= world.cluster.counted()["apply", "ConfigMap"] <= 4, "a refusal is not repeated for ever"
    world.cluster.before = lambda *_: None
    world.settle(600.0)
    assert "clicks" in world.data("a-agent")
    assert world.why(resources.key(AGENT)) == APPLIED


def test_a_new_component_that_a_quota_keeps_out_does_not_hold_up_a_running_app() -> None:
    """D27: 403 may pass, but nobody knows when; a pod that runs does not wait for it, the first one of an app does."""
    world = running()

    def refuse(verb: str, key: ObjectKey) -> None:
        if (verb, key.name) == ("apply", "b-agent"):
            raise Forbidden("exceeded quota: config maps", status=403)

    world.cluster.before = refuse
    world.user(resources.agent("b"), resources.agent("c", "payments"))
    world.settle()
    assert world.mounts() == {"a-agent", "c-agent"}
    stalled = world.why(resources.key(resources.agent("b")), "Stalled")
    assert stalled is not None
    assert "exceeded quota" in stalled.message
    world.cluster.before = lambda *_: None
    world.settle(120.0)
    assert world.mounts() == {"a-agent", "b-agent", "c-agent"}


def test_the_first_pod_waits_for_a_component_that_may_yet_be_let_in() -> None:
    """C2: a member that starts without a definition never reads it, so a new app waits for what can pass by itself."""
    world = World()

    def refuse(verb: str, key: ObjectKey) -> None:
        if (verb, key.name) == ("apply", "a-agent"):
            raise Forbidden("exceeded quota: config maps", status=403)

    world.cluster.before = refuse
    world.user(resources.app(), AGENT)
    world.settle()
    assert WORKLOAD not in world.cluster.objects
    world.cluster.before = lambda *_: None
    world.settle(120.0)
    assert len(world.cluster.templates[WORKLOAD]) == 1
    assert world.mounts() == {"a-agent"}


def test_a_collision_ends_when_the_stranger_goes() -> None:
    """D19: no cache shows the stranger, so it is asked for again after a minute."""
    world = running()
    world.cluster.put(FOREIGN)
    world.user(resources.agent("b"))
    world.settle()
    world.cluster.vanish(CONTENT)
    world.settle(120.0)
    assert world.why() == HEALTHY
    assert world.why(resources.key(resources.agent("b"))) == APPLIED


def test_a_stranger_costs_a_read_a_minute() -> None:
    """O10: waiting for somebody is cheap."""
    world = running()
    world.cluster.put(FOREIGN)
    world.user(resources.agent("b"))
    world.settle()
    world.forget()
    world.settle(600.0)
    assert world.writes() == []
    assert world.cluster.counted()["get", "ConfigMap"] <= 11
