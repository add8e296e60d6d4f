"""From what a broker answered to a `GroupView`.

In: the description of a group as kafka-python decodes it, offsets. Out: frozen values. Called by `client`. Pure.
Invariant: answers that a broker should not give end in a `GroupError` of kind `wrong`, never in another exception; what
one member's own assignor wrote (its user data) is left behind, it can be large and is nobody else's business.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, cast, get_args

from kaspr_controller.groups.answers import GroupMember, GroupState, GroupView, PartitionLag, Partitions
from kaspr_controller.groups.errors import GroupError

_STATES = {
    "Stable": "stable",
    "PreparingRebalance": "preparing-rebalance",
    "CompletingRebalance": "completing-rebalance",
    "Empty": "empty",
    "Dead": "dead",
}
assert set(_STATES.values()) | {"unknown"} == set(get_args(GroupState))  # noqa: S101  # a table that must stay complete


def read_view(found: Mapping[str, Any]) -> GroupView:
    """The view without its lag.

    Raises:
        GroupError: the description has another shape.
    """
    try:
        members = sorted((_member(each) for each in found["members"]), key=_order)
        operations = found.get("authorized_operations")
        return GroupView(
            state=cast("GroupState", _STATES.get(found["group_state"], "unknown")),
            members=tuple(members),
            # An empty list is what brokers give that were not asked or do not know.
            may_say_goodbye="READ" in operations if operations else None,
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise GroupError("wrong", "the description of the group is not understood") from error


def assigned(view: GroupView) -> list[tuple[str, int]]:
    """Every partition that a member has."""
    return [
        (topic, partition)
        for member in view.members
        for topic, partitions in member.assignment
        for partition in partitions
    ]


def read_lag(
    committed: Mapping[tuple[str, int], int], ends: Mapping[tuple[str, int], int]
) -> tuple[PartitionLag, ...]:
    """What is left to read, per partition for which both are known; never negative."""
    return tuple(
        PartitionLag(topic, partition, max(0, ends[topic, partition] - offset))
        for (topic, partition), offset in sorted(committed.items())
        if (topic, partition) in ends
    )


def _member(found: Mapping[str, Any]) -> GroupMember:
    held = found["member_assignment"]
    return GroupMember(
        instance_id=found["group_instance_id"] or "",
        client_id=found["client_id"],
        host=found["client_host"].removeprefix("/"),
        # In a rebalance nobody has an assignment: then it is empty bytes, not a structure.
        assignment=_partitions(held["assigned_partitions"]) if isinstance(held, Mapping) else (),
    )


def _partitions(found: Iterable[Mapping[str, Any]]) -> Partitions:
    topics: dict[str, set[int]] = defaultdict(set)
    for each in found:
        topics[str(each["topic"])].update(int(number) for number in each["partitions"])
    return tuple((topic, tuple(sorted(topics[topic]))) for topic in sorted(topics))


def _order(member: GroupMember) -> tuple[str, str, str]:
    return member.instance_id, member.client_id, member.host
