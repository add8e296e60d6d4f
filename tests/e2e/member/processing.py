"""Messages through agents, once each: what a member does with what it is given.

In: the checked definitions, messages of the consumer. Out: messages, rows, committed offsets, all in one transaction a batch.
Called by `session` on the consumer's thread. Invariant: a batch is committed whole or not at all; an exception in an agent's
code costs that one message of that one agent, the log tells (C12), and the others go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kafka.errors import KafkaError, ProducerFencedError
from kafka.structs import OffsetAndMetadata, TopicPartition

from hack.nodesim.assignor import Assignment
from hack.nodesim.definitions import changelog
from tests.e2e.member.agents import Agent, Event
from tests.e2e.member.changelogs import Changelogs
from tests.e2e.member.documents import Documents
from tests.e2e.member.joins import Join, emitted
from tests.e2e.member.links import Links
from tests.e2e.member.pipeline import Message
from tests.e2e.member.tables import Change, Tables
from tests.e2e.member.timers import Timer

LOG = logging.getLogger("member.processing")
Records = Mapping[TopicPartition, list[Any]]


class Processing:
    """The work of one member; it outlives the sessions with the brokers.

    Attributes:
        names, key_serializer, value_serializer: see `pipeline.Context`.
        leads: whether this member is the leader now; tasks ask.
    """

    def __init__(
        self, app_id: str, documents: Documents, folder: Path, leads: Callable[[], bool] = lambda: False
    ) -> None:
        self.app_id = app_id
        self.key_serializer = documents.key_serializer
        self.value_serializer = documents.value_serializer
        self.tables = Tables(folder, documents.entries("tables"), self.changed)
        self.names: dict[str, Any] = {"app": SimpleNamespace(id=app_id, tables=self.tables.by_name)}
        self.agents = [Agent(entry, self) for entry in documents.entries("agents")]
        self.joins = [Join.of(entry) for entry in documents.entries("joins")]
        self.timers = [Timer(entry, self) for entry in documents.entries("tasks")]
        self.leads = leads
        self.changes: list[tuple[str, Change]] = []  # of the present event, for the joins
        self.sent: dict[tuple[str, int], Any] = {}  # newest changelog message of this transaction
        self.loop = asyncio.new_event_loop()
        self.links: Links | None = None
        self.consumer: Any = None
        self.producer: Any = None
        self.changelogs: Changelogs | None = None

    # What a pipeline uses

    def table(self, name: str) -> Any:
        """Return a table; KeyError, at the first message, for one that is not defined."""
        return self.tables.by_name[name]

    def send(self, message: Message) -> dict[str, Any]:
        """Send within the present transaction."""
        self.producer.send(
            message.topic,
            key=message.key,
            value=message.value,
            partition=message.partition,
            headers=list(message.headers),
        )
        return {"topic": message.topic, "partition": message.partition}

    def changed(self, name: str, partition: int, change: Change) -> None:
        """Write a row's change to the changelog."""
        key, value = change
        topic = changelog(self.app_id, name)
        self.sent[name, partition] = self.producer.send(topic, key=key, value=value, partition=partition)
        self.changes.append((name, change))

    # What a session asks for

    def begin(self, links: Links, consumer: Any) -> None:
        """Take the clients of a new session."""
        self.links, self.consumer = links, consumer
        self.producer = links.writer()
        self.changelogs = Changelogs(self.app_id, links.reader(), self.tables)

    def end(self) -> None:
        """Let go of the clients; what is not committed is void."""
        for client in (self.producer, self.changelogs):
            if client is not None:
                with contextlib.suppress(KafkaError):
                    client.close()
        self.producer = self.changelogs = None

    def recover(self, assignment: Assignment) -> None:
        """Bring the tables up to date."""
        if self.changelogs is not None:
            self.changelogs.recover(assignment)

    def process(self, records: Records) -> None:
        """Process a batch."""
        with self.transaction(records):
            for part, batch in records.items():
                self.tables.partition = part.partition
                for agent in self.agents:
                    if part.topic in agent.topics:
                        self.feed(agent, batch)

    def idle(self, *, calm: bool) -> None:
        """Run the tasks that are due, and follow the changelogs of standbys."""
        if self.changelogs is not None:
            self.changelogs.follow()
        for timer in self.timers if calm else ():
            if timer.due(leader=self.leads()):
                with self.transaction({}):
                    self.guarded(f"task {timer.name}", timer.run)

    # The parts of a batch

    def feed(self, agent: Agent, batch: Iterable[Any]) -> None:
        """Give messages to one agent, in order, and what its changes mean to the joins."""
        for events in agent.taken([Event.of(record) for record in batch]):
            self.changes = []
            self.guarded(f"agent {agent.name}", partial(agent.run, events))
            for channel, value in self.joined():
                for other in self.agents:
                    if other.channel == channel:
                        self.guarded(f"agent {other.name}", partial(other.run_value, value))

    def joined(self) -> list[tuple[str, Any]]:
        """Return what the joins emit because of the present event."""
        try:
            return list(emitted(self.joins, self.tables.by_name, self.changes))
        except Exception:  # the code of an extractor
            LOG.exception("join crashed")
            return []

    def guarded(self, owner: str, act: Callable[[], Any]) -> None:
        """Run code of a component; its exceptions end in the log."""
        try:
            self.loop.run_until_complete(act())
        except KafkaError:
            raise
        except Exception:  # whatever a user's code raises
            LOG.exception("%s crashed", owner)

    @contextlib.contextmanager
    def transaction(self, records: Records) -> Iterator[None]:
        """Commit what is sent inside, the rows, and the offsets of the messages: all or nothing.

        What could not be committed is read again from the last committed offset, by this member or by whoever has the
        partitions now.
        """
        self.sent = {}
        self.producer.begin_transaction()
        try:
            yield
            offsets = {
                part: OffsetAndMetadata(batch[-1].offset + 1, "", -1) for part, batch in records.items()
            }
            if offsets:
                self.producer.send_offsets_to_transaction(offsets, self.consumer.group_metadata())
            self.producer.commit_transaction()
        except ProducerFencedError:
            raise
        except KafkaError as error:
            LOG.warning("batch not committed: %s", error)
            self.producer.abort_transaction()
            self.tables.discard()
            held = self.consumer.assignment()
            for part, batch in records.items():
                if part in held:
                    self.consumer.seek(part, batch[0].offset)
            return
        self.tables.commit({key: future.get(timeout=10).offset + 1 for key, future in self.sent.items()})
