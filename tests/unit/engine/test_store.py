"""The store keeps the promises of its module page."""

from __future__ import annotations

import contextlib
import gc
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.engine.changes import Change, meta_of
from kaspr_controller.engine.store import Store, strip
from kaspr_controller.telemetry import metrics
from tests.unit.engine.things import PART, THING, key, thing, version

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kaspr_controller.kube.kinds import Raw


def by_colour(obj: Raw) -> Iterable[str]:
    colour = obj["metadata"].get("labels", {}).get("colour")
    return (colour, colour) if colour else ()


def filled(*objects: Raw, rv: str = "10", **options: Any) -> Store:
    store = Store(THING, indexers={"colour": by_colour}, **options)
    relist(store, *objects, rv=rv)
    return store


def relist(store: Store, *objects: Raw, rv: str) -> list[Change]:
    staged = store.stage()
    for obj in objects:
        staged.add(obj)
    return staged.commit(rv)


def told(changes: list[Change]) -> list[tuple[str | None, str | None]]:
    return [(version(change.old), version(change.new)) for change in changes]


class TestReading:
    def test_an_empty_store_knows_that_it_knows_nothing(self) -> None:
        """C1: `synced` is false and `last_rv` empty until the first list is in, even an empty one."""
        store = Store(THING)
        assert (store.synced, store.last_rv, len(store), store.keys()) == (False, "", 0, [])
        relist(store, rv="7")
        assert (store.synced, store.last_rv, len(store)) == (True, "7", 0)

    def test_get_meta_keys_all(self) -> None:
        """An object comes back as it went in; keys and lists are sorted."""
        one, two = thing("b", 3, generation=4, spec={"x": [1, None, "é"]}), thing("a", 2, owners=["o"])
        store = filled(one, two)
        assert store.get(key("b")) == one
        assert store.get(key("c")) is None
        assert store.meta(key("b")) == meta_of(one)
        assert store.meta(key("c")) is None
        assert store.keys() == [key("a"), key("b")]
        assert store.all() == [two, one]

    def test_items_of_a_list_get_their_kind(self) -> None:
        """The API leaves kind and apiVersion out of list items of built-in kinds."""
        bare = {name: value for name, value in thing("a").items() if name not in {"kind", "apiVersion"}}
        assert filled(bare).get(key("a")) == thing("a")

    def test_a_reader_cannot_change_the_store(self) -> None:
        """C5: editing what was read has no effect on other readers."""
        store = filled(thing("a", spec={"n": 1}))
        got: Any = store.get(key("a"))
        got["spec"]["n"] = 99
        assert (store.get(key("a")) or {})["spec"] == {"n": 1}

    def test_lists_by_index_and_owner(self) -> None:
        """C1: `list(index, value)` and `by_owner(uid)`; a value given twice counts once."""
        red, blue = (
            thing("a", labels={"colour": "red"}, owners=["o1", "o2"]),
            thing("b", labels={"colour": "blue"}),
        )
        store = filled(red, blue)
        assert store.list("colour", "red") == [red]
        assert store.list("colour", "green") == []
        assert store.by_owner("o1") == store.by_owner("o2") == [red]
        assert [found.name for found in store.keys_by_owner("o1")] == [red["metadata"]["name"]]
        with pytest.raises(KeyError):
            store.list("shape", "round")

    def test_indexes_follow_the_object(self) -> None:
        """Values are updated with the object, in the same critical section, and vanish with it."""
        store = filled(thing("a", labels={"colour": "red"}, owners=["o1"]))
        store.apply("MODIFIED", thing("a", 11, labels={"colour": "blue"}, owners=["o2"]))
        assert (store.list("colour", "red"), store.by_owner("o1")) == ([], [])
        assert len(store.list("colour", "blue")) == len(store.by_owner("o2")) == 1
        store.apply("DELETED", thing("a", 12))
        assert (store.list("colour", "blue"), store.by_owner("o2"), store.faults()) == ([], [], [])


class TestTransform:
    def test_what_nobody_reads_is_stripped(self) -> None:
        """M2: managed fields and the last-applied annotation are not kept; other annotations are."""
        annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{...}", "mine": "1"}
        store = filled(thing("a", managedFields=[{"manager": "x"}], annotations=annotations))
        meta = (store.get(key("a")) or {})["metadata"]
        assert meta["annotations"] == {"mine": "1"}
        assert "managedFields" not in meta

    def test_strip_leaves_its_argument_alone(self) -> None:
        """Objects are read-only for everybody; one without ballast is passed through."""
        heavy, light = thing("a", managedFields=[]), thing("a")
        strip(heavy)
        assert "managedFields" in heavy["metadata"]
        assert strip(light) is light

    def test_a_transform_shrinks_and_drops(self) -> None:
        """M1, M2: None leaves an object out, for lists, events and overlays alike."""

        def keep(obj: Raw) -> Raw | None:
            return {name: obj[name] for name in ("kind", "metadata")} if obj["spec"]["ours"] else None

        store = filled(thing("a", spec={"ours": True}), thing("b", spec={"ours": False}), transform=keep)
        assert store.keys() == [key("a")]
        assert "spec" not in (store.get(key("a")) or {})
        assert store.apply("ADDED", thing("c", 11, spec={"ours": False})) == []
        store.overlay(thing("d", 12, spec={"ours": False}))
        assert store.keys() == [key("a")]
        assert store.last_rv == "11"

    def test_an_object_that_stops_being_ours_is_a_deletion(self) -> None:
        """M1: when an event makes the transform drop an object, its last known state is told."""
        store = filled(
            thing("a", 5, spec={"ours": True}), transform=lambda obj: obj if obj["spec"]["ours"] else None
        )
        assert told(store.apply("MODIFIED", thing("a", 11, spec={"ours": False}))) == [("5", None)]
        assert len(store) == 0


class TestEvents:
    def test_added_modified_deleted(self) -> None:
        """C2: handlers get old and new; a deletion carries the state with which the server sent it."""
        store = filled()
        assert told(store.apply("ADDED", thing("a", 11))) == [(None, "11")]
        assert told(store.apply("MODIFIED", thing("a", 12))) == [("11", "12")]
        assert told(store.apply("DELETED", thing("a", 13))) == [("13", None)]
        assert store.last_rv == "13"

    def test_a_uid_change_is_a_deletion_and_an_addition(self) -> None:
        """C2: delete and recreate under one name may come as one update."""
        store = filled(thing("a", 5, uid="u1"))
        changes = store.apply("MODIFIED", thing("a", 11, uid="u2"))
        assert told(changes) == [("5", None), (None, "11")]

    def test_a_deletion_of_the_unknown_is_nothing(self) -> None:
        """There is nothing to tell about what was never here."""
        assert filled().apply("DELETED", thing("a", 11)) == []

    def test_the_same_version_again_is_nothing(self) -> None:
        """A repeated event changes nothing and is not told."""
        store = filled(thing("a", 5))
        assert store.apply("MODIFIED", thing("a", 5)) == []

    def test_bookmarks_advance_the_version(self) -> None:
        """W1: a bookmark moves `last_rv` and touches no object."""
        store = filled(thing("a", 5))
        store.bookmark("50")
        assert (store.last_rv, store.keys()) == ("50", [key("a")])


class TestLists:
    def test_the_first_list_is_initial(self) -> None:
        """C4: the first list's objects are told as initial; those of a later list are not."""
        store = Store(THING)
        assert [change.initial for change in relist(store, thing("a"), rv="10")] == [True]
        assert [change.initial for change in relist(store, thing("a"), thing("b"), rv="20")] == [False]

    def test_a_list_tells_the_difference(self) -> None:
        """C2: new, changed, vanished (with the last known state) and re-created objects; the unchanged are not told."""
        store = filled(thing("same", 1), thing("gone", 2), thing("changed", 3), thing("again", 4, uid="u1"))
        changes = relist(
            store,
            thing("same", 1),
            thing("changed", 13),
            thing("again", 14, uid="u2"),
            thing("new", 15),
            rv="20",
        )
        assert told(changes) == [("2", None), ("3", "13"), ("4", None), (None, "14"), (None, "15")]
        assert not any(change.initial for change in changes)

    def test_nothing_shows_before_the_commit(self) -> None:
        """W4: a list that breaks off half way leaves the store as it was."""
        store = filled(thing("a"))
        store.stage().add(thing("b", 11))
        assert (store.keys(), store.last_rv) == ([key("a")], "10")

    def test_known_objects_are_not_packed_again(self) -> None:
        """W4: a list of what is known keeps the bytes that are here, so no second copy comes about."""
        store = filled(thing("a", 5))
        before = store._base.entries[key("a")]
        relist(store, thing("a", 5), rv="20")
        assert store._base.entries[key("a")] is before


class TestChanges:
    def test_nothing_is_decoded_until_asked(self) -> None:
        """A handler that looks at the key or the identity card pays for no decoding."""
        change = filled(thing("a", 5)).apply("MODIFIED", thing("a", 11))[0]
        assert (change.before, change.after) == (meta_of(thing("a", 5)), meta_of(thing("a", 11)))
        assert change._old is not None
        assert not isinstance(change._old, dict)
        assert change.old == thing("a", 5)
        assert change.old is change.old

    def test_changes_of_plain_objects(self) -> None:
        """A change can be made of plain objects too: that is what tests of triggers do."""
        change = Change(key("a"), None, thing("a", 3, generation=2))
        assert (change.before, change.after) == (None, meta_of(thing("a", 3, generation=2)))
        assert not change.resync
        assert Change(key("a"), thing("a", 3), thing("a", 3)).resync

    @pytest.mark.parametrize(
        ("old", "new", "word"),
        [(None, thing(), "added"), (thing(), thing(), "changed"), (thing(), None, "deleted")],
    )
    def test_a_change_reads_well(self, old: Raw | None, new: Raw | None, word: str) -> None:
        """Its text is for logs and the debug page: which object, what happened, no content."""
        assert repr(Change(key("a"), old, new)) == f"<Thing/ns/a {word}>"
        assert repr(Change(key("a"), old, new, initial=True)).endswith("initially>")


def test_writers_and_readers_on_threads() -> None:
    """C1: while an informer and two workers write, every read is one moment of the store."""
    store = Store(PART, indexers={"colour": by_colour})
    relist(store, rv="1")
    failures, stop = list[object](), threading.Event()

    def read() -> None:
        while not stop.is_set():
            failures.extend(
                obj for obj in store.list("colour", "red") if obj["metadata"]["labels"]["colour"] != "red"
            )

    def overlay() -> None:
        for rv in range(2, 600, 3):
            store.overlay(thing(f"p{rv % 7}", rv, kind=PART, labels={"colour": "red"}))
            store.forget(key(f"p{rv % 5}", kind="Part"), f"uid-p{rv % 5}")

    readers, writer = [threading.Thread(target=read) for _ in range(2)], threading.Thread(target=overlay)
    for thread in (*readers, writer):
        thread.start()
    for rv in range(2, 600):
        store.apply(
            "MODIFIED", thing(f"p{rv % 7}", rv, kind=PART, labels={"colour": ("red", "blue")[rv % 2]})
        )
    writer.join(5)
    stop.set()
    for thread in readers:
        thread.join(5)
    store.bookmark("1000")
    assert (failures, store.faults(), store._over.entries) == ([], [], {})


def test_gauges_add_up_over_the_stores_of_a_kind() -> None:
    """With a list of namespaces each has its store; the gauges of the kind are the sum, and follow every change."""

    def read() -> tuple[float, float]:
        names = ("kaspr_store_objects", "kaspr_store_bytes")
        found = [metrics.REGISTRY.get_sample_value(name, {"kind": "Part"}) or 0.0 for name in names]
        return found[0], found[1]

    objects, size = read()
    one, two = Store(PART), Store(PART)
    relist(one, thing("a", kind=PART), thing("b", kind=PART), rv="5")
    relist(two, thing("c", kind=PART, namespace="other"), rv="5")
    assert read() == (objects + 3, size + one._base.bytes + two._base.bytes)
    one.apply("DELETED", thing("a", 6, kind=PART))
    relist(two, rv="7")
    assert read() == (objects + 1, size + one._base.bytes)
    assert one._base.bytes > 0


def workload(number: int) -> dict[str, Any]:
    """About 3 KB of StatefulSet, different in names, UIDs and values as those of a fleet are."""
    name = f"orders-{number:05d}"
    env = [
        {
            "name": f"K_SETTING_{k}",
            "valueFrom": {"configMapKeyRef": {"name": f"{name}-settings", "key": f"K_SETTING_{k}"}},
        }
        for k in range(20)
    ]
    return thing(
        name,
        100_000 + number,
        uid=f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}-{number:016x}",
        labels={"app.kubernetes.io/instance": name, "colour": f"c{number}"},
        owners=[f"{number // 11:032x}"],
        spec={"template": {"spec": {"containers": [{"name": "kaspr", "image": "kaspr:1.2.3", "env": env}]}}},
    )


def test_an_object_costs_little_memory() -> None:
    """The budget of 40 MB for 17 000 objects: at most 2.3 KB for one of 3 KB, keys and two indexes included."""
    store = Store(THING, indexers={"colour": by_colour})
    gc.collect()
    tracemalloc.start()
    try:
        staged = store.stage()
        for number in range(1000):
            staged.add(workload(number))
        del staged._entries[key("orders-00000")]
        changes = staged.commit("200000")
        assert len(changes) == 999
        del changes, staged
        gc.collect()
        used = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert used / 999 < 40e6 / 17_000, f"{used / 999:.0f} bytes for each object"


def test_a_listed_object_that_cannot_be_taken_is_not_taken_for_gone() -> None:
    """A deletion that never was would take a component out of its app; a watch event of that form changes nothing either."""

    def picky(obj: Raw) -> Raw:
        if "bad" in obj:
            raise ValueError("cannot be transformed")
        return obj

    store = Store(THING, transform=picky)
    for rv, obj in ((10, thing("a", 10)), (20, thing("a", 20, bad=True))):
        staged = store.stage()
        staged.add(thing("b", rv))
        with contextlib.suppress(ValueError):
            staged.add(obj)
        changes = staged.commit(str(rv))
    assert [change.key.name for change in changes] == ["b"]
    assert version(store.get(key("a"))) == "10"
