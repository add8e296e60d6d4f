"""Deleting what is no longer wanted, and nothing else (rule D2)."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.kube.errors import Forbidden, NotLeading
from kaspr_controller.kube.kinds import CONFIG_MAP, ObjectKey, key_of
from kaspr_controller.telemetry import metrics
from tests.unit.converge.objects import children, claim, config_map, edited, reference
from tests.unit.converge.world import KINDS, World

_A, _B = config_map("a", {"x": "1"}), config_map("b", {"x": "1"})
_KEY = key_of(_A)


@pytest.fixture
def world() -> World:
    made = World()
    made.converge(_A, _B)
    made.sync()
    made.server.requests.clear()
    return made


def test_what_is_not_wanted_is_deleted_and_invisible_at_once(world: World) -> None:
    """D2: a delete with the UID; the cache hides the object before the watch confirms."""
    before = metrics.DELETES.labels("ConfigMap", "unwanted")._value.get()
    changes = world.prune(key_of(_B))
    assert [(entry.key, entry.outcome) for entry in changes] == [(_KEY, "deleted")]
    assert set(world.server.objects) == {key_of(_B)}
    assert world.stores["ConfigMap"].get(_KEY) is None
    assert metrics.DELETES.labels("ConfigMap", "unwanted")._value.get() == before + 1
    assert len(world.prune(key_of(_B))) == 0


def test_nothing_is_asked_while_everything_is_wanted() -> None:
    """Rule 5: pruning a settled app costs no request."""
    world = World()
    world.converge(*children())
    world.server.requests.clear()
    wanted = frozenset(key_of(each.obj) for each in children())
    assert len(world.prune(*wanted)) == 0
    assert world.server.requests == []


def test_what_is_in_use_stays_and_says_why(world: World) -> None:
    """D28: content stays until no pod refers to it; the reason reaches the entry."""
    changes = world.prune(key_of(_B), why="pod demo-app-0 mounts it")
    entry = changes.entries[0]
    assert (entry.outcome, entry.reason, entry.category) == ("waiting", "InUse", "wait")
    assert "pod demo-app-0 mounts it" in entry.message
    assert _KEY in world.server.objects


def test_the_live_object_is_asked_about_too(world: World) -> None:
    """F3: what began to be in use after the cache was read stays."""
    world.server.edit(_KEY, "metadata", "labels", "keep", to="yes")

    def may_delete(obj: Any) -> str | None:
        return "it is marked" if obj["metadata"]["labels"].get("keep") else None

    changes = world.converger.prune(
        world.owner, wanted=frozenset({key_of(_B)}), kinds=KINDS, may_delete=may_delete
    )
    assert changes.entries[0].reason == "InUse"
    assert _KEY in world.server.objects


def test_objects_that_merely_name_us_are_not_deleted(world: World) -> None:
    """A user may bind a ConfigMap of their own to the life of an app; that makes it not ours."""
    bound = config_map("users", {}, ref={**reference("app-uid"), "controller": False})
    world.server.put(bound)
    world.sync()
    world.prune(key_of(_A), key_of(_B))
    assert key_of(bound) in world.server.objects


def test_objects_of_others_are_not_deleted(world: World) -> None:
    """D19: a user's claim with the name of ours was deleted by the predecessor."""
    theirs = edited(claim(), "metadata", "labels", to={})
    world.server.put(theirs)
    world.server.put(config_map("other", {}, ref=reference("other-uid")))
    world.sync()
    world.prune(key_of(_A), key_of(_B))
    assert key_of(theirs) in world.server.objects
    assert ObjectKey("ConfigMap", "shop", "other") in world.server.objects


def test_claims_that_were_not_applied_here_stay(world: World) -> None:
    """A claim made from a claim template is never deleted, whoever its owner is; one of ours is."""
    template = edited(claim(ref=reference("app-uid")), "metadata", "name", to="demo-app-pv-demo-app-0")
    world.server.put(template)
    ours = claim(ref=reference("app-uid"))
    world.converge(ours)
    world.sync()
    changes = world.prune(key_of(_A), key_of(_B))
    assert [(entry.key, entry.outcome) for entry in changes] == [(key_of(ours), "deleted")]
    assert key_of(template) in world.server.objects


def test_an_object_that_changed_hands_is_left_alone(world: World) -> None:
    """The cache may be old: incarnation and owner are checked on the live object."""
    world.server.vanish(_KEY)
    world.server.put(config_map("a", {"theirs": "1"}, ref=reference("app-uid")))
    assert [entry.outcome for entry in world.prune(key_of(_B))] == ["unchanged"]
    world.sync()
    world.server.edit(_KEY, "metadata", "ownerReferences", to=[reference("other-uid", name="other")])
    assert [entry.outcome for entry in world.prune(key_of(_B))] == ["unchanged"]
    assert _KEY in world.server.objects


def test_a_change_between_look_and_delete_stops_the_delete(world: World) -> None:
    """F3: the version that was looked at goes with the delete as a precondition."""

    def meddle(verb: str, key: ObjectKey) -> None:
        if verb == "delete":
            world.server.before = lambda *_: None
            world.server.edit(key, "metadata", "labels", "keep", to="yes")

    world.server.before = meddle
    entry = world.prune(key_of(_B)).entries[0]
    assert (entry.outcome, entry.category) == ("failed", "transient")
    assert _KEY in world.server.objects


def test_what_is_gone_already_is_forgotten(world: World) -> None:
    """The watch was slower than somebody's delete."""
    world.server.vanish(_KEY)
    assert [entry.outcome for entry in world.prune(key_of(_B))] == ["deleted"]
    assert world.stores["ConfigMap"].get(_KEY) is None


def test_one_that_cannot_be_deleted_does_not_stop_the_others(world: World) -> None:
    """Failure isolation, as for writes; only the loss of the lease ends the pass."""
    world.server.faults["delete", _KEY] = [Forbidden("no", status=403)]
    assert [entry.outcome for entry in world.prune()] == ["refused", "deleted"]
    world.server.faults["delete", _KEY] = [NotLeading("not sent")]
    with pytest.raises(NotLeading):
        world.prune()


def test_an_object_that_is_being_deleted_is_not_deleted_twice(world: World) -> None:
    """A finalizer holds it: it is reported until it is gone."""
    world.server.mark_deleted(_KEY)
    world.sync()
    entry = world.prune(key_of(_B)).entries[0]
    assert (entry.outcome, entry.reason) == ("waiting", "Deleting")
    assert world.server.requests == []


def test_only_the_asked_kinds_are_looked_through(world: World) -> None:
    """The caller says which kinds its owner has."""
    changes = world.converger.prune(
        world.owner, wanted=frozenset(), kinds=[CONFIG_MAP], may_delete=lambda _: None
    )
    assert {entry.key.kind for entry in changes} == {"ConfigMap"}
