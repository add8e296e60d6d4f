"""Messages in and out of the cluster's broker: numbered, so that every lost or doubled one shows.

In: the broker's address outside the cluster. Out: what was sent and what came out. Called by the scenarios; a flow runs in threads
of its own, next to the test. Keys are JSON, so that a table of an agent has its rows in the partition of the message.
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient

from tests.integration.waiting import eventually_holds

if TYPE_CHECKING:
    from types import TracebackType

POLL_MILLISECONDS = 200
DRAINED = 60.0
PAUSE_SECONDS = 0.02
"""Between two messages of a flow: 50 a second, as in the measurements of the real runtime."""


class Kafka:
    """The broker of a run."""

    def __init__(self, address: str) -> None:
        self.address = address

    def __enter__(self) -> Self:
        self.producer = KafkaProducer(bootstrap_servers=self.address, linger_ms=0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.producer.close(timeout=10)

    def topic(self, name: str, partitions: int = 4) -> str:
        """Create a topic; returns its name."""
        admin = KafkaAdminClient(bootstrap_servers=self.address)
        admin.create_topics(
            {name: {"num_partitions": partitions, "replication_factor": 1}}, wait_for_metadata=True
        )
        admin.close()
        return name

    def send(self, topic: str, value: Any, key: Any = None) -> None:
        """Write one message."""
        self.producer.send(topic, json.dumps(value).encode(), key=json.dumps(key).encode())

    def flush(self) -> None:
        """Wait until everything is written."""
        self.producer.flush(timeout=30)

    def flow(self, source: str, target: str) -> Flow:
        """A flow into one topic and out of another; use it in a `with` statement."""
        return Flow(self, source, target)

    def received(self, topic: str, count: int, *, seconds: float = DRAINED) -> list[Any]:
        """At least so many messages of a topic."""
        reader = Reader(self.address, topic)
        with reader:
            eventually_holds(lambda: reader.has(count), timeout=seconds, what=topic)
            return list(reader.values)


@dataclass
class Reader:
    """Reads all committed messages of a topic, from its beginning, in a thread."""

    address: str
    topic: str
    values: list[Any] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self.thread.join(10)

    def has(self, count: int) -> None:
        """Assert that so many messages have come."""
        assert len(self.values) >= count, f"{len(self.values)} of {count}"

    def _read(self) -> None:
        consumer = KafkaConsumer(
            self.topic,
            bootstrap_servers=self.address,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        )
        while not self.over.is_set():
            for batch in consumer.poll(POLL_MILLISECONDS).values():
                for record in batch:
                    self.values.append(json.loads(record.value))
                    self.times.append(time.monotonic())
        consumer.close()


class Flow:
    """Numbered messages at a steady pace for as long as the `with` block lasts, and what comes out of it."""

    def __init__(self, kafka: Kafka, source: str, target: str) -> None:
        self.kafka = kafka
        self.source = source
        self.reader = Reader(kafka.address, target)
        self.sent = 0
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> Self:
        self.reader.__enter__()
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.reader.__exit__(kind, error, trace)

    def stop(self) -> None:
        """Send no more."""
        self.over.set()
        self.thread.join(10)
        self.kafka.flush()

    def flows(self, more: int = 20, *, seconds: float = DRAINED) -> None:
        """Wait until so many further messages have come out."""
        count = len(self.reader.values) + more
        eventually_holds(lambda: self.reader.has(count), timeout=seconds, what="messages come out")

    def complete(self, number: Callable[[Any], int] = lambda value: int(value["number"])) -> None:
        """Stop, and assert that every message came out exactly once."""
        self.stop()
        eventually_holds(lambda: self.reader.has(self.sent), timeout=DRAINED, what="every message")
        counts = Counter(number(value) for value in self.reader.values)
        doubled = [one for one, count in counts.items() if count > 1]
        lost = sorted(set(range(self.sent)) - set(counts))
        assert (lost, doubled) == ([], []), f"of {self.sent}: lost {lost[:10]}, doubled {doubled[:10]}"

    def silence(self) -> float:
        """The longest time without a message so far, in seconds."""
        times = list(self.reader.times)
        return max((after - before for before, after in itertools.pairwise(times)), default=0.0)

    def _send(self) -> None:
        while not self.over.wait(PAUSE_SECONDS):
            self.kafka.send(self.source, {"number": self.sent}, key=self.sent % 16)
            self.sent += 1
