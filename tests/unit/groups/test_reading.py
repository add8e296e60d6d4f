"""From a broker's words to a view."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.groups.answers import GroupMember, GroupView, PartitionLag
from kaspr_controller.groups.errors import GroupError
from kaspr_controller.groups.reading import assigned, read_lag, read_view


def member(instance: str | None, *topics: dict[str, Any], client: str = "c") -> dict[str, Any]:
    return {
        "member_id": "m",
        "group_instance_id": instance,
        "client_id": client,
        "client_host": "/10.0.0.7",
        "member_metadata": {"topics": ["t"], "user_data": "x" * 1000},
        "member_assignment": {"assigned_partitions": list(topics), "user_data": "x" * 1000},
    }


def group(*members: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"group_state": "Stable", "members": list(members)} | more


def test_members_and_partitions_are_sorted_so_that_equal_groups_are_equal() -> None:
    """Brokers list members in any order."""
    first = member("a-0", {"topic": "t", "partitions": [2, 0]}, {"topic": "s", "partitions": [1]})
    second = member("a-1", {"topic": "t", "partitions": [1]})
    view = read_view(group(first, second))
    assert view == read_view(group(second, first))
    assert view.members[0] == GroupMember("a-0", "c", "10.0.0.7", (("s", (1,)), ("t", (0, 2))))
    assert assigned(view) == [("s", 1), ("t", 0), ("t", 2), ("t", 1)]


def test_dynamic_members_have_no_instance_id() -> None:
    """They are in the group, but nobody can say goodbye for them."""
    view = read_view(group(member(None), member("a-0")))
    assert [each.instance_id for each in view.members] == ["", "a-0"]
    assert view.instances == {"a-0"}


def test_members_of_a_rebalance_have_no_assignment() -> None:
    """It is empty bytes then, not an empty structure."""
    joining = member("a-0") | {"member_assignment": ""}
    assert read_view(group(joining, group_state="PreparingRebalance")) == GroupView(
        "preparing-rebalance", (GroupMember("a-0", "c", "10.0.0.7"),)
    )


@pytest.mark.parametrize(
    ("operations", "may"), [(["READ", "DESCRIBE"], True), (["DESCRIBE"], False), ([], None), (None, None)]
)
def test_whether_goodbyes_are_allowed(operations: list[str] | None, may: bool | None) -> None:  # noqa: FBT001
    """READ on the group; brokers that do not tell are taken by their word."""
    assert read_view(group(authorized_operations=operations)).may_say_goodbye is may


def test_new_states_are_unknown() -> None:
    """Newer group protocols have more states than the classic one."""
    assert read_view(group(group_state="Reconciling")).state == "unknown"


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"group_state": "Stable"},
        {"group_state": "Stable", "members": None},
        group(member("a-0") | {"client_host": None}),
        group(member("a-0", {"topic": "t"})),
        group(member("a-0", {"topic": "t", "partitions": ["x"]})),
        group({}),
    ],
)
def test_other_shapes_are_a_fault_and_no_crash(found: dict[str, Any]) -> None:
    """A strange broker ends no thread."""
    with pytest.raises(GroupError) as caught:
        read_view(found)
    assert caught.value.kind == "wrong"


def test_lag_is_what_is_left_to_read() -> None:
    """Per partition with both ends known; retention may overtake a commit, which is no negative lag."""
    committed = {("t", 1): 5, ("t", 0): 9, ("s", 0): 1}
    assert read_lag(committed, {("t", 0): 7, ("t", 1): 8}) == (
        PartitionLag("t", 0, 0),
        PartitionLag("t", 1, 3),
    )
