"""Changelogs: rows that are missing on the volume are read from Kafka, before the first message is processed.

In: an assignment. Out: shards that are open and up to date. Called by `processing` on the consumer's thread.
Invariant: recovery begins at the offset the volume remembers, and at the start where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka.structs import TopicPartition

from hack.nodesim.assignor import Assignment
from hack.nodesim.definitions import changelog
from tests.e2e.member.tables import Tables

POLL_MILLISECONDS = 200


class Changelogs:
    """The reader of changelogs of one session; `reader` is a consumer without group."""

    def __init__(self, app_id: str, reader: Any, tables: Tables) -> None:
        self.reader = reader
        self.tables = tables
        self.names = {changelog(app_id, name): name for name in tables.by_name}
        self.following = False

    def recover(self, assignment: Assignment) -> None:
        """Open the shards of an assignment and read what the active ones lack."""
        actives = self.parts(assignment.actives)
        standbys = self.parts(assignment.standbys)
        self.tables.open((self.names[part.topic], part.partition) for part in actives + standbys)
        self.take(actives)
        if actives:
            ends = self.reader.end_offsets(actives)
            while any(self.reader.position(part) < ends[part] for part in actives):
                self.replay(POLL_MILLISECONDS)
        self.take(standbys)
        self.following = bool(standbys)

    def follow(self) -> None:
        """Take what other members have written to the tables of which this one keeps a copy."""
        if self.following:
            self.replay(0)

    def close(self) -> None:
        """Close the reader."""
        self.reader.close(autocommit=False)

    def parts(self, held: Mapping[str, tuple[int, ...]]) -> list[TopicPartition]:
        """Return the changelog partitions of the tables that are defined."""
        return [
            TopicPartition(topic, number)
            for topic, numbers in held.items()
            for number in numbers
            if topic in self.names
        ]

    def take(self, parts: list[TopicPartition]) -> None:
        """Read these from where the volume stands."""
        self.reader.assign(parts)
        for part in parts:
            self.reader.seek(part, self.tables.shards[self.names[part.topic], part.partition].offset)

    def replay(self, milliseconds: int) -> None:
        """Take what has come."""
        for part, batch in self.reader.poll(timeout_ms=milliseconds).items():
            changes = [(record.key, record.value) for record in batch]
            self.tables.replay(self.names[part.topic], part.partition, changes, batch[-1].offset + 1)
