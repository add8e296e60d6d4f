"""Partitions are shared fairly, together and stickily."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hack.nodesim.assignor import Assignment, Candidate, assign

COUNTS = {"a": 4, "b": 4, "c": 6, "one": 1}


def candidate(
    key: str, *topics: str, previous: Assignment | None = None, tables: tuple[str, ...] = ()
) -> Candidate:
    return Candidate(key, f"http://{key}", frozenset(topics), frozenset(tables), previous=previous)


def test_topics_of_one_size_go_together() -> None:
    """Joins and tables need co-partitioned topics at one member."""
    shares = assign("g", [candidate("x", "a", "b", "c"), candidate("y", "a", "b", "c")], COUNTS)
    assert all(share.actives["a"] == share.actives["b"] for share in shares.values())
    assert sorted(p for share in shares.values() for p in share.actives["c"]) == list(range(6))


def test_owners_keep_what_they_may_keep() -> None:
    """A third member takes from those who have most; nothing else moves."""
    first = assign("g", [candidate("x", "c"), candidate("y", "c")], COUNTS)
    again = [candidate(key, "c", previous=share) for key, share in first.items()]
    second = assign("g", [*again, candidate("z", "c")], COUNTS)
    assert set(second["x"].actives["c"]) < set(first["x"].actives["c"])
    assert set(second["y"].actives["c"]) < set(first["y"].actives["c"])
    assert len(second["z"].actives["c"]) == 2


def test_tables_have_a_standby_elsewhere() -> None:
    """One copy of a changelog on another member, of a global table on all others."""
    members = [candidate(key, "a", tables=("a",)) for key in "xyz"]
    shares = assign("g", members, COUNTS)
    copies = [p for share in shares.values() for p in share.standbys.get("a", ())]
    assert sorted(copies) == [0, 1, 2, 3]
    assert all(not set(share.actives["a"]) & set(share.standbys.get("a", ())) for share in shares.values())
    everywhere = [Candidate(k, k, frozenset("a"), frozenset("a"), frozenset("a")) for k in "xyz"]
    assert all(
        len(share.actives["a"]) + len(share.standbys["a"]) == 4
        for share in assign("g", everywhere, COUNTS).values()
    )
    assert assign("g", members[:1], COUNTS)["x"].standbys == {}


def test_table_metadata_tells_who_has_which_table() -> None:
    """Every member learns the URL of each owner."""
    shares = assign(
        "g", [candidate("x", "a", "c", tables=("a",)), candidate("y", "a", "c", tables=("a",))], COUNTS
    )
    metadata = shares["x"].table_metadata
    assert metadata == shares["y"].table_metadata
    assert metadata["http://x"] == {"a": shares["x"].actives["a"]}


def test_more_members_than_partitions_leave_some_with_nothing() -> None:
    """An empty assignment can be right."""
    shares = assign("g", [candidate("x", "one"), candidate("y", "one")], COUNTS)
    assert sorted(share.actives.get("one", ()) for share in shares.values()) == [(), (0,)]


@given(
    st.lists(
        st.tuples(st.sampled_from(["p", "q", "r", "s", "t"]), st.sets(st.sampled_from(sorted(COUNTS)))),
        unique_by=lambda pair: pair[0],
    ),
    st.lists(st.sampled_from(["p", "q", "r", "s", "t"]), unique=True),
)
def test_every_partition_has_exactly_one_subscriber(
    members: list[tuple[str, set[str]]], before: list[str]
) -> None:
    """Whatever was before: nothing unread, nothing read twice, nobody gets what he does not want, fair to one."""
    old = assign("g", [candidate(key, *COUNTS) for key in before], COUNTS)
    shares = assign("g", [candidate(key, *topics, previous=old.get(key)) for key, topics in members], COUNTS)
    for topic, count in COUNTS.items():
        able = [key for key, topics in members if topic in topics]
        held = {key: share.actives.get(topic, ()) for key, share in shares.items()}
        assert sorted(p for parts in held.values() for p in parts) == (list(range(count)) if able else [])
        assert all(key in able for key, parts in held.items() if parts)
        sizes = [len(held[key]) for key in able]
        assert not sizes or max(sizes) - min(sizes) <= 1
