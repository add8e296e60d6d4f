"""Who reads what: shares the partitions of all topics between the members of a group.

In: the members with their subscriptions and last assignments, the partition counts. Out: one `Assignment` a member.
Called by `group` when a rebalance is complete; pure and deterministic.
Invariant: every partition of a topic somebody subscribes to is active at exactly one subscriber, topics of one size
go together, owners keep what they may keep, nobody has two partitions more than another.
"""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Partitions = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Assignment:
    """What a member was given: topic -> partitions, and under which URL the group knew it then (T4)."""

    url: str
    actives: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    standbys: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    table_metadata: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)

    @property
    def topics(self) -> frozenset[str]:
        """Return every topic of which the consumer is handed partitions, standbys included."""
        return frozenset(self.actives) | frozenset(self.standbys)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A member that takes part in a rebalance."""

    key: str
    url: str
    subscription: frozenset[str]
    changelogs: frozenset[str] = frozenset()
    global_changelogs: frozenset[str] = frozenset()
    previous: Assignment | None = None


def assign(group: str, candidates: Iterable[Candidate], counts: Mapping[str, int]) -> dict[str, Assignment]:
    """Return each candidate's share; topics without a known count are read by nobody."""
    # Not by name: nothing may rely on ordinal 0 being the leader.
    members = sorted(candidates, key=lambda one: zlib.crc32(f"{group}/{one.key}".encode()))
    actives: dict[str, dict[str, list[int]]] = {one.key: defaultdict(list) for one in members}
    standbys: dict[str, dict[str, list[int]]] = {one.key: defaultdict(list) for one in members}
    for topics, subscribers in sorted(together(members, counts).items()):
        able = [one for one in members if one.key in subscribers]
        owners = share(topics, able, counts[topics[0]])
        for topic in topics:
            for partition, owner in enumerate(owners):
                actives[owner][topic].append(partition)
                for copy in copies(topic, owner, able):
                    standbys[copy][topic].append(partition)
    metadata = {
        one.url: tables
        for one in members
        if (
            tables := {
                topic: tuple(held) for topic, held in actives[one.key].items() if topic in one.changelogs
            }
        )
    }
    return {
        one.key: Assignment(one.url, sealed(actives[one.key]), sealed(standbys[one.key]), metadata)
        for one in members
    }


def sealed(held: Mapping[str, list[int]]) -> Partitions:
    """Return the partitions in the order of topics and numbers."""
    return {topic: tuple(sorted(held[topic])) for topic in sorted(held)}


def together(
    members: Sequence[Candidate], counts: Mapping[str, int]
) -> dict[tuple[str, ...], frozenset[str]]:
    """Return the groups of topics that share their owners, as topics -> subscribers."""
    subscribers: dict[str, set[str]] = defaultdict(set)
    for one in members:
        for topic in one.subscription:
            subscribers[topic].add(one.key)
    groups: dict[tuple[int, frozenset[str]], list[str]] = defaultdict(list)
    for topic, keys in subscribers.items():
        if topic in counts:
            groups[counts[topic], frozenset(keys)].append(topic)
    return {tuple(sorted(topics)): keys for (_, keys), topics in groups.items()}


def share(topics: Sequence[str], members: Sequence[Candidate], count: int) -> list[str]:
    """Return the owner of each partition: old owners first, then whoever has least."""
    least, extra = divmod(count, len(members))
    load = {one.key: 0 for one in members}
    owners: list[str | None] = [None] * count
    for partition in range(count):
        owner = previous_owner(topics, partition, members)
        if owner is None:
            continue
        if load[owner] == least and extra:
            extra -= 1
        elif load[owner] >= least:
            continue
        load[owner] += 1
        owners[partition] = owner
    result = []
    for owner in owners:
        chosen = owner or min(load, key=lambda key: load[key])
        load[chosen] += owner is None
        result.append(chosen)
    return result


def previous_owner(topics: Sequence[str], partition: int, members: Sequence[Candidate]) -> str | None:
    """Return who had this partition of any of these topics before."""
    for one in members:
        if one.previous and any(partition in one.previous.actives.get(topic, ()) for topic in topics):
            return one.key
    return None


def copies(topic: str, owner: str, members: Sequence[Candidate]) -> list[str]:
    """Return who keeps a standby: one other member for a table, all others for a global table."""
    keys = [one.key for one in members]
    if any(topic in one.global_changelogs for one in members):
        return [key for key in keys if key != owner]
    if len(keys) > 1 and any(topic in one.changelogs for one in members):
        return [keys[(keys.index(owner) + 1) % len(keys)]]
    return []
