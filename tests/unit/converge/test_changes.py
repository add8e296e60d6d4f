"""Change sets as reconcilers read them."""

from __future__ import annotations

from kaspr_controller.converge.changes import ChangeSet, Entry, paths_text, waiting
from kaspr_controller.kube.kinds import ObjectKey


def key(name: str) -> ObjectKey:
    return ObjectKey("ConfigMap", "shop", name)


def test_the_first_time_that_a_problem_names_counts() -> None:
    """A reconcile comes back when the first of its problems is worth another try; what is well names no time."""
    changes = ChangeSet(
        (
            Entry(key("a"), "unchanged", after=1.0),
            waiting(key("b"), "Deleting", "", after=10.0),
            waiting(key("c"), "ApplyLoop", "", after=5.0),
            waiting(key("d"), "Needs", ""),
        )
    )
    assert changes.after == 5.0
    assert [entry.key.name for entry in changes.problems] == ["b", "c", "d"]
    assert not changes.complete
    assert ChangeSet((waiting(key("d"), "Needs", ""),)).after is None


def test_writes_are_told_from_the_rest() -> None:
    """Events and logs tell only what changed something."""
    changes = ChangeSet(
        (Entry(key("a"), "created"), Entry(key("b"), "unchanged"), Entry(key("c"), "changed"))
    ) + ChangeSet((Entry(key("d"), "deleted"), Entry(key("e"), "foreign", category="wait")))
    assert [entry.key.name for entry in changes.writes] == ["a", "c", "d"]
    assert [entry.key.name for entry in changes if entry.stored] == ["a", "b", "c"]
    assert len(changes) == 5
    assert changes.get(key("x")) is None
    assert ChangeSet().complete


def test_a_message_names_five_paths_at_most() -> None:
    """A condition is read by people."""
    assert paths_text(("a", "b", "c", "d", "e")) == "a, b, c, d, e"
    assert paths_text(("a", "b", "c", "d", "e", "f", "g")) == "a, b, c, d, e and 2 more"
