"""The assignor of the simulated group, spoken over Kafka's protocol: real members share what simulated ones would.

In: a join request and the metadata of the cluster. Out: subscriptions and assignments with user data. Called by the consumer on
its I/O thread. Invariant: the URL under which the group knows a member travels with its assignment, so that a member which
gets an old one back can tell (T4).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment, ConsumerProtocolSubscription

from hack.nodesim.assignor import Assignment, Candidate, assign
from hack.nodesim.group import JoinRequest

VERSION = 0


class SharedAssignor(AbstractPartitionAssignor):  # type: ignore[misc]  # the library has no types
    """`assign` of the simulated group; one instance a consumer."""

    name = "kaspr"

    def __init__(self, group: str, request: JoinRequest) -> None:
        self.group = group
        self.request = request
        self.held: Assignment | None = None
        self.pushes = 0  # a join with another number makes the broker begin a rebalance

    def metadata(self, topics: set[str]) -> Any:
        """Return what a member says of itself when it joins."""
        words = {
            "url": self.request.url,
            "changelogs": sorted(self.request.changelogs),
            "globals": sorted(self.request.global_changelogs),
            "actives": dict(self.held.actives) if self.held else None,
            "pushes": self.pushes,
        }
        return ConsumerProtocolSubscription(VERSION, sorted(topics), packed(words))

    def assign(self, cluster: Any, members: Sequence[Any]) -> dict[str, Any]:
        """Share the partitions; runs at the member that the broker made the group's leader."""
        known = {topic: len(cluster.partitions_for_topic(topic) or ()) for topic in cluster.topics()}
        counts = {topic: count for topic, count in known.items() if count}
        shares = assign(self.group, [candidate(member) for member in members], counts)
        return {member.member_id: encoded(shares[key_of(member)]) for member in members}

    def on_assignment(self, assignment: Any, generation: int) -> None:
        """Nothing: the member is told by the consumer's thread."""


def candidate(member: Any) -> Candidate:
    """Return a member as the simulated group's assignor wants it."""
    words = json.loads(member.metadata.user_data)
    previous = None
    if words["actives"] is not None:
        previous = Assignment(words["url"], {topic: tuple(held) for topic, held in words["actives"].items()})
    return Candidate(
        key=key_of(member),
        url=words["url"],
        subscription=frozenset(member.metadata.topics),
        changelogs=frozenset(words["changelogs"]),
        global_changelogs=frozenset(words["globals"]),
        previous=previous,
    )


def key_of(member: Any) -> str:
    """Return the name that lasts: the instance id, where there is one."""
    return str(member.group_instance_id or member.member_id)


def encoded(share: Assignment) -> Any:
    """Return an assignment for the protocol: actives and standbys for the consumer, the rest as user data."""
    held = {
        topic: sorted({*share.actives.get(topic, ()), *share.standbys.get(topic, ())})
        for topic in share.topics
    }
    words = {
        "url": share.url,
        "actives": share.actives,
        "standbys": share.standbys,
        "tables": share.table_metadata,
    }
    return ConsumerProtocolAssignment(VERSION, sorted(held.items()), packed(words))


def decoded(data: bytes) -> Assignment:
    """Return the assignment that the group handed over."""
    words = json.loads(ConsumerProtocolAssignment.decode(data).user_data)

    def partitions(value: dict[str, list[int]]) -> dict[str, tuple[int, ...]]:
        return {topic: tuple(numbers) for topic, numbers in value.items()}

    return Assignment(
        url=words["url"],
        actives=partitions(words["actives"]),
        standbys=partitions(words["standbys"]),
        table_metadata={url: partitions(tables) for url, tables in words["tables"].items()},
    )


def packed(words: dict[str, Any]) -> bytes:
    """Return JSON that is the same for the same content."""
    return json.dumps(words, sort_keys=True).encode()
