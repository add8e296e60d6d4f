"""A pass over the intents of an owner: what is written, what is not, and what is said about it."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.converge.canonical import HASH_ANNOTATION, hash_of
from kaspr_controller.kube.errors import (
    ServerError,
)
from kaspr_controller.kube.kinds import key_of
from kaspr_controller.telemetry import metrics
from tests.unit.converge.objects import Wanted, children, config_map, edited, reference, stateful_set
from tests.unit.converge.world import World

_A = config_map("a", {"x": "1"})
_KEY = key_of(_A)
_LIMITS = ("spec", "template", "spec", "containers", 0, "resources", "limits")


def count(metric: Any, *labels: str) -> float:
    value: float = metric.labels(*labels)._value.get()
    return value


def test_everything_is_created_in_order_and_signed() -> None:
    """S1: eleven children, one request each after a look for strangers; every object carries its hash."""
    world = World()
    wanted = children()
    assert world.outcomes(*wanted) == ["created"] * 11
    assert world.server.asked("apply") == [key_of(each.obj) for each in wanted]
    for each in wanted:
        assert world.live(each)["metadata"]["annotations"][HASH_ANNOTATION] == hash_of(each.obj)
    template = world.live(stateful_set())["spec"]["template"]
    assert HASH_ANNOTATION not in template["metadata"]["annotations"]


def test_a_second_pass_asks_nothing_even_before_the_watch_has_caught_up() -> None:
    """F2, rule 5: our own answers are in the caches at once, so an unchanged app costs no request."""
    world = World()
    world.converge(*children())
    world.server.requests.clear()
    assert world.outcomes(*children()) == ["unchanged"] * 11
    assert world.server.requests == []


def test_a_restart_over_a_settled_app_asks_nothing() -> None:
    """R4, H1: nothing that is needed for "unchanged" lives in memory."""
    world = World()
    world.converge(*children())
    world.restart()
    assert world.outcomes(*children()) == ["unchanged"] * 11
    assert world.server.requests == []


def test_one_changed_intent_is_one_request() -> None:
    """P2: the others are not touched."""
    world = World()
    wanted = children()
    world.converge(*wanted)
    world.server.requests.clear()
    key = key_of(wanted[3].obj)
    wanted[3] = Wanted(edited(wanted[3].obj, "data", to={"new": "text"}))
    changes = world.converge(*wanted)
    assert [entry.key for entry in changes.writes] == [key]
    assert world.server.requests == [("apply", key)]
    assert world.live(wanted[3])["data"] == {"new": "text"}


def test_a_field_taken_out_of_the_intent_goes_away() -> None:
    """D11: removing a CPU limit removes it from the workload; a comparison of fields alone would not see it."""
    world = World()
    world.converge(stateful_set())
    entry = world.converge(edited(stateful_set(), *_LIMITS, to={"memory": "1024Mi"})).entries[0]
    assert (entry.outcome, entry.paths) == ("changed", (f"metadata.annotations[{HASH_ANNOTATION}]",))
    live = world.live(stateful_set())["spec"]["template"]["spec"]["containers"][0]
    assert live["resources"]["limits"] == {"memory": "1024Mi"}


def test_drift_by_hand_is_repaired_and_named() -> None:
    """D11: whatever field was edited, the workload equals the render again, and the entry says which it was."""
    world = World()
    world.converge(stateful_set())
    world.server.edit(key_of(stateful_set()), *_LIMITS, "cpu", to="4")
    world.sync()
    entry = world.converge(stateful_set()).entries[0]
    path = "spec.template.spec.containers[kaspr].resources.limits.cpu"
    assert (entry.outcome, entry.paths, entry.message) == ("changed", (path,), f"changed {path}")
    live = world.live(stateful_set())["spec"]["template"]["spec"]["containers"][0]
    assert live["resources"]["limits"]["cpu"] == "1000m"


def test_what_others_added_stays() -> None:
    """Labels, keys and containers of others are neither removed nor a reason to write."""
    world = World()
    world.converge(_A)
    world.server.edit(_KEY, "data", "theirs", to="2")
    world.server.edit(_KEY, "metadata", "labels", "team", to="x")
    world.sync()
    assert world.outcomes(_A) == ["unchanged"]
    assert world.outcomes(edited(_A, "data", "x", to="3")) == ["changed"]
    assert world.live(_A)["data"] == {"x": "3", "theirs": "2"}


def test_a_spelling_that_nobody_knew_is_learned_from_the_answer() -> None:
    """S3: what the server makes of our words is taken from its answer to them; no second request is needed."""
    world = World()

    def shout(obj: dict[str, Any]) -> dict[str, Any]:
        obj["data"] = {name: text.upper() for name, text in obj["data"].items()}
        return obj

    world.server.spelling = shout
    intent = config_map("a", {"x": "quiet"})
    assert world.outcomes(intent) == ["created"]
    before = count(metrics.SKIPS, "ConfigMap", "learned")
    assert [world.outcomes(intent) for _ in range(3)] == [["unchanged"]] * 3
    assert world.server.asked("apply") == [key_of(intent)]
    assert count(metrics.SKIPS, "ConfigMap", "learned") == before + 3


def test_a_learned_spelling_hides_no_drift() -> None:
    """S3: only the very values of the answer are learned; another value in the same place is repaired."""
    world = World()
    world.server.spelling = lambda obj: {**obj, "data": {n: t.upper() for n, t in obj["data"].items()}}
    intent = config_map("a", {"x": "quiet"})
    world.converge(intent)
    world.server.edit(_KEY, "data", "x", to="LOUD")
    world.sync()
    assert world.outcomes(intent) == ["changed"]
    assert world.live(intent)["data"] == {"x": "QUIET"}


def test_after_a_restart_an_unknown_spelling_costs_one_request_that_changes_nothing() -> None:
    """S3: the memory is lost with the process; the apply is a no-op, counted as such and learned again."""
    world = World()
    world.server.spelling = lambda obj: {**obj, "data": {n: t.upper() for n, t in obj["data"].items()}}
    intent = config_map("a", {"x": "quiet"})
    world.converge(intent)
    version = world.live(intent)["metadata"]["resourceVersion"]
    world.restart()
    before = count(metrics.APPLIES, "ConfigMap", "noop")
    assert [world.outcomes(intent) for _ in range(3)] == [["unchanged"]] * 3
    assert world.server.requests == [("apply", _KEY)]
    assert world.live(intent)["metadata"]["resourceVersion"] == version
    assert count(metrics.APPLIES, "ConfigMap", "noop") == before + 1


def test_nobody_is_fought_for_a_field() -> None:
    """S4: changed back twice within ten seconds means another writer; a minute without writes, then two more."""
    world = World()
    world.converge(_A)

    def fight() -> Any:
        world.server.edit(_KEY, "data", "x", to="theirs", manager="rival")
        world.sync()
        world.clock.advance(1.0)
        return world.converge(_A).entries[0]

    assert [fight().outcome for _ in range(3)] == ["changed", "changed", "skipped"]
    entry = fight()
    assert (entry.reason, entry.category, entry.paths) == ("ApplyLoop", "wait", ("data.x",))
    assert "data.x" in entry.message
    assert entry.after == pytest.approx(58.0)
    assert world.live(_A)["data"]["x"] == "theirs"
    world.clock.advance(58.0)
    assert [fight().outcome for _ in range(3)] == ["changed", "changed", "skipped"]


def test_a_contended_object_that_is_deleted_is_created_again() -> None:
    """S4: the rest is about fields; an object that is missing hurts more than one with a wrong field."""
    world = World()
    world.converge(_A)
    for _ in range(2):
        world.server.edit(_KEY, "data", "x", to="theirs")
        world.sync()
        world.converge(_A)
    world.server.vanish(_KEY)
    world.sync()
    assert world.outcomes(_A) == ["created"]


def test_a_new_intent_is_written_in_spite_of_a_rival() -> None:
    """S4: the rest is one intent's; what a user changes is written at once."""
    world = World()
    world.converge(_A)
    for _ in range(2):
        world.server.edit(_KEY, "data", "x", to="theirs")
        world.sync()
        world.converge(_A)
    assert world.outcomes(edited(_A, "data", "x", to="new")) == ["changed"]


def test_an_object_of_somebody_else_is_never_written() -> None:
    """D19: a ConfigMap of a user that has the name we need stays as it is, and the entry says so."""
    world = World()
    theirs = world.server.put({**_A, "metadata": {"name": "a", "namespace": "shop"}, "data": {"mine": "1"}})
    for _ in range(2):
        entry = world.converge(_A).entries[0]
        assert (entry.outcome, entry.reason, entry.category) == ("foreign", "NameConflict", "wait")
        assert "ConfigMap/shop/a" in entry.message
        world.sync()
    assert world.live(_A) == theirs
    assert world.server.asked("apply") == []


def test_an_object_of_ours_that_the_cache_does_not_show_is_compared_not_rewritten() -> None:
    """Caches hold only what has our labels: a look at the server comes before the first write."""
    world = World()
    world.converge(_A)
    world.restart()
    world.stores["ConfigMap"] = type(world.stores["ConfigMap"])(world.stores["ConfigMap"].kind)
    assert world.outcomes(_A) == ["unchanged"]
    assert world.server.requests == [("get", _KEY)]
    assert world.outcomes(_A) == ["unchanged"]
    assert world.server.requests == [("get", _KEY)]


def test_a_reference_is_not_written_before_its_content() -> None:
    """D02, D05: a workload waits for the ConfigMap it mounts; what it does not need is written."""
    world = World()
    wanted = children()
    bad = key_of(wanted[2].obj)
    world.server.faults["apply", bad] = [ServerError("try again", status=500)]
    changes = world.converge(*wanted)
    outcomes = {entry.key.kind: entry for entry in changes}
    assert outcomes["StatefulSet"].outcome == "waiting"
    assert outcomes["StatefulSet"].reason == "Needs"
    assert "orders-agent" in outcomes["StatefulSet"].message
    assert outcomes["HorizontalPodAutoscaler"].outcome == "waiting"
    assert outcomes["Service"].outcome == "created"
    assert world.outcomes(*wanted) == ["unchanged"] * 2 + ["created"] + ["unchanged"] * 6 + ["created"] * 2


def test_a_need_may_be_stored_already() -> None:
    """Content that is no part of this pass is looked up; content that is about to go does not count."""
    world = World()
    needy = Wanted(config_map("b", {}), frozenset({("ConfigMap", "a")}))
    assert world.outcomes(needy) == ["waiting"]
    world.converge(_A)
    assert world.outcomes(needy) == ["created"]
    world.server.mark_deleted(_KEY)
    world.sync()
    assert world.outcomes(Wanted(config_map("c", {}), needy.needs)) == ["waiting"]


def test_content_that_somebody_contends_is_not_referred_to() -> None:
    """D02: a template is stamped only over content that is stored as wanted."""
    world = World()
    world.converge(_A)
    needy = Wanted(edited(stateful_set(), "spec", "serviceName", to="x"), frozenset({("ConfigMap", "a")}))
    for _ in range(2):
        world.server.edit(_KEY, "data", "x", to="theirs")
        world.sync()
        world.converge(_A)
    world.server.edit(_KEY, "data", "x", to="theirs")
    world.sync()
    assert world.outcomes(_A, needy) == ["skipped", "waiting"]


def test_an_object_that_is_being_deleted_is_left_alone() -> None:
    """Writing to it would be lost; it is created again when it is gone."""
    world = World()
    world.converge(_A)
    world.server.mark_deleted(_KEY)
    world.sync()
    entry = world.converge(edited(_A, "data", "x", to="2")).entries[0]
    assert (entry.outcome, entry.reason, entry.category) == ("waiting", "Deleting", "wait")
    world.server.vanish(_KEY)
    world.sync()
    assert world.outcomes(_A) == ["created"]


def test_an_object_of_an_earlier_incarnation_is_waited_for() -> None:
    """It is being garbage-collected: writing our UID into it would race with that."""
    world = World()
    world.server.put(config_map("a", {"x": "1"}, ref=reference("old-uid")))
    world.sync()
    entry = world.converge(_A).entries[0]
    assert (entry.outcome, entry.reason) == ("waiting", "OwnerGone")
    assert world.server.asked("apply") == []


def test_an_object_of_another_app_is_waited_for() -> None:
    """A component that moves: its new app waits until the old one lets go, and says whose it is."""
    world = World()
    world.server.put(config_map("a", {"x": "1"}, ref=reference("other-uid", name="other")))
    world.sync()
    entry = world.converge(_A).entries[0]
    assert (entry.outcome, entry.reason) == ("waiting", "OwnedByOther")
    assert "KasprApp other" in entry.message


def test_nothing_is_created_for_an_owner_that_is_gone() -> None:
    """A stale UID is accepted by the server and collected within seconds: the cache of owners is asked first."""
    world = World()
    for uid, meta in (("new-uid", {}), ("app-uid", {"deletionTimestamp": "2026-01-01T00:00:00Z"})):
        world.app(uid, **meta)
        entry = world.converge(_A).entries[0]
        assert (entry.outcome, entry.reason) == ("waiting", "OwnerGone")
    assert world.server.objects == {}
    world.app("app-uid")
    assert world.outcomes(_A) == ["created"]


def test_without_a_cache_of_owners_the_caller_vouches_for_the_owner() -> None:
    """The command line holds an owner that it has just read."""
    world = World()
    del world.stores["KasprApp"]
    assert world.outcomes(_A) == ["created"]


def test_component_objects_of_the_former_operator_count_as_ours() -> None:
    """Their ConfigMaps belong to the component resource; the owner lists its UID."""
    world = World()
    world.server.put(config_map("a", {"x": "old"}, ref=reference("agent-uid", kind="KasprAgent", name="a")))
    world.sync()
    assert world.converge(_A).entries[0].reason == "OwnedByOther"
    world.owner = type(world.owner)(world.owner.key, world.owner.uid, frozenset({"agent-uid"}))
    assert world.outcomes(_A) == ["changed"]
    assert world.live(_A)["data"] == {"x": "1"}


def test_messages_hold_no_values() -> None:
    """No secret can reach a log, an event or a condition: differences are told by path."""
    world = World()
    intent = config_map("a", {"password": "hunter2"})
    world.converge(intent)
    world.server.edit(_KEY, "data", "password", to="swordfish")
    world.sync()
    text = repr(world.converge(intent))
    assert "data.password" in text
    assert "hunter2" not in text
    assert "swordfish" not in text
