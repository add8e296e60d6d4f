"""What a pass would change, without changing it."""

from __future__ import annotations

from kaspr_controller.converge.planning import PlannedChange
from kaspr_controller.kube.errors import Invalid
from kaspr_controller.kube.kinds import key_of
from tests.unit.converge.objects import Wanted, children, config_map, edited, stateful_set
from tests.unit.converge.world import World

_ENV = ("spec", "template", "spec", "containers", 0, "env")


def plan(world: World, *intents: Wanted) -> list[PlannedChange]:
    return list(world.converger.plan(world.owner, intents))


def test_a_plan_stores_nothing() -> None:
    """Eleven creations are announced, none happens, and the caches show none."""
    world = World()
    assert [each.action for each in plan(world, *children())] == ["create"] * 11
    assert world.server.objects == {}
    assert world.stores["ConfigMap"].get(key_of(children()[1].obj)) is None


def test_a_settled_app_has_no_plan() -> None:
    """Nothing to do, nothing asked."""
    world = World()
    world.converge(*children())
    world.server.requests.clear()
    assert {each.action for each in plan(world, *children())} == {"none"}
    assert world.server.requests == []


def test_fields_that_change_come_and_go_are_named() -> None:
    """What is taken out of the intent is named too: the server is asked what would become of the object."""
    world = World()
    world.converge(stateful_set())
    env = [{"name": "K_A", "value": "1"}, {"name": "NEW", "value": "2"}]
    intent = edited(
        edited(stateful_set(), *_ENV, to=env), "spec", "template", "metadata", "annotations", to={}
    )
    planned = plan(world, Wanted(intent))[0]
    container = "spec.template.spec.containers[kaspr]"
    assert planned.action == "change"
    assert "spec.template.metadata.annotations" in " ".join(planned.paths)
    assert f"{container}.env[NEW]" in planned.paths
    assert f"{container}.env[POD_NAME]" in planned.paths
    assert f"{container}.env[K_A].value" in planned.paths
    assert not any("kaspr.io/desired-hash" in path for path in planned.paths)


def test_no_value_is_told() -> None:
    """A plan may be printed and kept: paths only."""
    world = World()
    world.converge(config_map("a", {"password": "hunter2"}))
    text = repr(plan(world, Wanted(config_map("a", {"password": "swordfish"}))))
    assert "data.password" in text
    assert "hunter2" not in text
    assert "swordfish" not in text


def test_what_cannot_be_written_is_blocked_with_its_reason() -> None:
    """A stranger's object, and what the server would refuse."""
    world = World()
    stranger = config_map("a", {})
    world.server.put({**stranger, "metadata": {"name": "a", "namespace": "shop"}})
    world.server.faults["apply", key_of(config_map("b", {}))] = [Invalid("no", status=422, reason="Invalid")]
    planned = plan(world, Wanted(stranger), Wanted(config_map("b", {})))
    assert [(each.action, each.reason) for each in planned] == [
        ("blocked", "NameConflict"),
        ("blocked", "Invalid"),
    ]


def test_another_order_is_a_change_of_the_list() -> None:
    """The order of environment variables has a meaning."""
    world = World()
    intent = stateful_set()
    world.converge(intent)
    env = list(reversed(intent["spec"]["template"]["spec"]["containers"][0]["env"]))
    planned = plan(world, Wanted(edited(intent, *_ENV, to=env)))[0]
    assert planned.paths == ("spec.template.spec.containers[kaspr].env",)


def test_a_list_that_comes_or_goes_is_one_change() -> None:
    """Nothing to compare item by item."""
    world = World()
    world.converge(edited(stateful_set(), *_ENV, to=None))
    planned = plan(world, Wanted(stateful_set()))[0]
    assert planned.paths == ("spec.template.spec.containers[kaspr].env",)
