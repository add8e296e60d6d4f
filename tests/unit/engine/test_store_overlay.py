"""Our own writes show at once, and never longer than the watch needs to catch up (rule F2)."""

from __future__ import annotations

import pytest

from kaspr_controller.engine.changes import meta_of
from kaspr_controller.engine.store import Store
from tests.unit.engine.test_store import filled, relist, told
from tests.unit.engine.things import THING, key, thing, version


class TestOverlay:
    def test_our_write_shows_at_once(self) -> None:
        """F2: the answer to a write is read before the watch brings it, in all ways of reading."""
        store = filled(thing("a", 5, labels={"colour": "red"}, owners=["o"]))
        store.overlay(thing("a", 11, labels={"colour": "blue"}))
        store.overlay(thing("b", 12, labels={"colour": "blue"}, owners=["o"]))
        assert version(store.get(key("a"))) == "11"
        assert [version(obj) for obj in store.list("colour", "blue")] == ["11", "12"]
        assert store.list("colour", "red") == []
        assert [version(obj) for obj in store.by_owner("o")] == ["12"]
        assert store.keys() == [key("a"), key("b")]
        assert [version(obj) for obj in store.all()] == ["11", "12"]
        assert len(store) == 2
        assert store.last_rv == "10"

    def test_older_events_do_not_bring_the_old_state_back(self) -> None:
        """F2: an event from before our write changes what the watch knows, not what is read."""
        store = filled(thing("a", 5))
        store.overlay(thing("a", 20))
        assert told(store.apply("MODIFIED", thing("a", 15))) == [("5", "15")]
        assert version(store.get(key("a"))) == "20"

    def test_an_older_list_does_not_bring_the_old_state_back(self) -> None:
        """F2: neither an old version nor the absence in an older list hides our write."""
        store = filled(thing("a", 5))
        store.overlay(thing("a", 20))
        store.overlay(thing("b", 21))
        relist(store, thing("a", 15), rv="15")
        assert (version(store.get(key("a"))), version(store.get(key("b")))) == ("20", "21")
        relist(store, thing("a", 20), rv="30")
        assert (version(store.get(key("a"))), store.get(key("b"))) == ("20", None)

    @pytest.mark.parametrize(("rv", "spec"), [(20, "ours"), (25, "theirs")])
    def test_the_watch_takes_over_again(self, rv: int, spec: str) -> None:
        """F2: the object's own event of our version or a later one replaces the overlay."""
        store = filled(thing("a", 5))
        store.overlay(thing("a", 20, spec="ours"))
        changes = store.apply("MODIFIED", thing("a", rv, spec=spec))
        assert told(changes) == [("5", str(rv))]
        assert (store.get(key("a")) or {})["spec"] == spec
        assert changes[0].echo is (rv == 20)
        store.apply("DELETED", thing("a", 30))
        assert store.get(key("a")) is None, "nothing of the overlay is left behind it"

    def test_a_namesake_with_our_version_is_not_taken_for_our_write(self) -> None:
        """Versions are compared within one incarnation only."""
        store = filled(thing("a", 5))
        store.overlay(thing("a", 20, spec="ours"))
        store.apply("ADDED", thing("a", 20, uid="another", spec="theirs"))
        assert (store.get(key("a")) or {})["spec"] == "theirs"

    def test_an_event_of_another_object_takes_over_too(self) -> None:
        """The watch is ordered: once it is past our version without our object, it does not see that object."""
        store = filled(thing("a", 5))
        store.overlay(thing("hidden-by-selector", 20))
        store.apply("MODIFIED", thing("a", 21))
        assert store.keys() == [key("a")]

    def test_a_bookmark_takes_over(self) -> None:
        """A bookmark says the same as an event, for overlays in any order of versions."""
        store = filled()
        for name, rv in (("a", 30), ("b", 20), ("c", 40)):
            store.overlay(thing(name, rv))
        store.bookmark("35")
        assert store.keys() == [key("c")]

    def test_its_own_event_ends_an_overlay_behind_newer_ones(self) -> None:
        """Overlays may come out of order; an object's own event always ends its overlay."""
        store = filled()
        store.overlay(thing("z", 90))
        store.overlay(thing("a", 20))
        store.apply("ADDED", thing("a", 25))
        assert version(store.get(key("a"))) == "25"

    def test_a_list_ends_overlays_behind_newer_ones(self) -> None:
        """A list looks at all overlays, in whatever order they came."""
        store = filled()
        store.overlay(thing("z", 90))
        store.overlay(thing("a", 20))
        relist(store, thing("a", 25), rv="30")
        assert (version(store.get(key("a"))), version(store.get(key("z")))) == ("25", "90")

    def test_a_deletion_after_our_write_is_believed(self) -> None:
        """Somebody deleted what we wrote: the overlay goes with the event; an older deletion leaves it."""
        store = filled(thing("a", 5, uid="old"))
        store.overlay(thing("a", 20, uid="new"))
        assert told(store.apply("DELETED", thing("a", 15, uid="old"))) == [("15", None)]
        assert version(store.get(key("a"))) == "20"
        store.apply("ADDED", thing("a", 20, uid="new"))
        store.apply("DELETED", thing("a", 22, uid="new"))
        assert store.get(key("a")) is None

    def test_an_answer_that_the_watch_overtook_is_ignored(self) -> None:
        """The watch may be faster than the answer; a late overlay must not show a state that is over."""
        store = filled(thing("a", 5))
        store.apply("MODIFIED", thing("a", 20))
        store.apply("DELETED", thing("a", 21))
        store.overlay(thing("a", 20))
        assert store.get(key("a")) is None

    def test_the_newer_of_two_answers_stays(self) -> None:
        """Answers of two workers may be noted in the wrong order."""
        store = filled()
        store.overlay(thing("a", 22))
        store.overlay(thing("a", 20))
        assert version(store.get(key("a"))) == "22"

    def test_before_the_first_list(self) -> None:
        """A write before the first list shows too, and the list takes over."""
        store = Store(THING)
        store.overlay(thing("a", 20))
        assert version(store.get(key("a"))) == "20"
        relist(store, thing("a", 20), rv="20")
        assert len(store) == 1
        assert store._over.entries == {}

    def test_versions_that_are_no_numbers_never_block(self) -> None:
        """KEP-5504: when versions cannot be compared, the watch is right at once."""
        store = filled(thing("a", "x1"), rv="x1")
        store.overlay(thing("a", "x2"))
        assert version(store.get(key("a"))) == "x1"

    def test_a_history_that_went_back_ends_it(self) -> None:
        """After a restore of etcd all versions are smaller; neither overlays nor hiding may stay in front for ever."""
        store = filled(thing("a", 5000), thing("b", 5001), rv="5001")
        store.overlay(thing("a", 6000))
        store.forget(key("b"), "uid-b")
        relist(store, thing("a", 100), thing("b", 90), rv="100")
        assert (version(store.get(key("a"))), version(store.get(key("b")))) == ("100", "90")


class TestForget:
    def test_a_deleted_object_is_hidden_at_once(self) -> None:
        """F2: after our delete nothing of the object is read, though the watch still has it."""
        store = filled(thing("a", 5, labels={"colour": "red"}, owners=["o"]), thing("b", 6))
        store.forget(key("a"), "uid-a")
        assert (store.get(key("a")), store.meta(key("a"))) == (None, None)
        assert (store.list("colour", "red"), store.by_owner("o")) == ([], [])
        assert (store.keys(), len(store), len(store.all())) == ([key("b")], 1, 1)

    def test_late_events_do_not_bring_it_back(self) -> None:
        """A state without deletionTimestamp is from before the delete, whatever its version."""
        store = filled(thing("a", 5))
        store.forget(key("a"), "uid-a")
        store.apply("MODIFIED", thing("a", 15))
        assert store.get(key("a")) is None

    def test_the_watch_confirms(self) -> None:
        """The deletion itself is told to handlers as ever, and a later object of the name is visible."""
        store = filled(thing("a", 5))
        store.forget(key("a"), "uid-a")
        assert told(store.apply("DELETED", thing("a", 15))) == [("15", None)]
        store.apply("ADDED", thing("a", 16))
        assert version(store.get(key("a"))) == "16"

    def test_an_object_that_is_still_ending_shows_again(self) -> None:
        """A finalizer or a grace period keeps it alive: with a deletionTimestamp it is shown."""
        store = filled(thing("a", 5))
        store.forget(key("a"), "uid-a")
        store.apply("MODIFIED", thing("a", 15, deleting=True))
        assert version(store.get(key("a"))) == "15"
        assert (store.meta(key("a")) or meta_of(thing())).deleting

    def test_a_new_incarnation_shows(self) -> None:
        """Only the UID that was deleted is hidden: from the watch, from a list, from our own create."""
        for make_visible in (
            lambda store: store.apply("MODIFIED", thing("a", 15, uid="new")),
            lambda store: relist(store, thing("a", 15, uid="new"), rv="16"),
            lambda store: store.overlay(thing("a", 15, uid="new")),
        ):
            store = filled(thing("a", 5))
            store.forget(key("a"), "uid-a")
            make_visible(store)
            assert version(store.get(key("a"))) == "15"

    def test_another_uid_is_left_alone(self) -> None:
        """Forgetting an incarnation that is not here hides nothing, now or later."""
        store = filled(thing("a", 5))
        store.forget(key("a"), "other")
        store.forget(key("b"), "uid-b")
        store.apply("ADDED", thing("b", 11))
        assert store.keys() == [key("a"), key("b")]

    def test_our_own_write_is_hidden_too(self) -> None:
        """Written and deleted before the watch has seen either."""
        store = filled()
        store.overlay(thing("a", 11))
        store.forget(key("a"), "uid-a")
        assert store.get(key("a")) is None
        store.apply("ADDED", thing("a", 11))
        assert store.get(key("a")) is None

    def test_a_list_confirms_by_absence(self) -> None:
        """Absent from a list means gone; the name is free again."""
        store = filled(thing("a", 5))
        store.forget(key("a"), "uid-a")
        assert told(relist(store, rv="20")) == [("5", None)]
        store.apply("ADDED", thing("a", 21, uid="new"))
        assert version(store.get(key("a"))) == "21"

    def test_deleting_the_next_incarnation_too(self) -> None:
        """Deleted, created by us and deleted again before the watch has seen any of it: nothing shows in between."""
        store = filled(thing("a", 5, uid="u1"))
        store.forget(key("a"), "u1")
        store.overlay(thing("a", 11, uid="u2"))
        store.forget(key("a"), "u2")
        for event, obj in (
            ("MODIFIED", thing("a", 9, uid="u1")),
            ("DELETED", thing("a", 10, uid="u1")),
            ("ADDED", thing("a", 11, uid="u2")),
            ("DELETED", thing("a", 12, uid="u2")),
        ):
            assert store.get(key("a")) is None, event
            store.apply(event, obj)  # type: ignore[arg-type]
        assert store.get(key("a")) is None
        assert store._hidden == {}

    def test_an_object_that_is_ending_already_stays_visible(self) -> None:
        """The watch was faster than the answer, or we deleted twice: a terminating object must be seen."""
        store = filled(thing("a", 5, deleting=True))
        store.forget(key("a"), "uid-a")
        assert version(store.get(key("a"))) == "5"

    def test_hiding_ends_when_nobody_confirms(self) -> None:
        """A delete that never happened must not hide an object for ever: the second bookmark shows it again."""
        store = filled(thing("a", 5))
        store.forget(key("a"), "uid-a")
        store.bookmark("20")
        assert store.get(key("a")) is None
        store.bookmark("30")
        assert version(store.get(key("a"))) == "5"
        assert store._hidden == {}
