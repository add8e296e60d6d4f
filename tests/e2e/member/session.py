"""One consumer from its connection to its end: a thread that joins, polls, recovers and has messages processed.

In: a join request, the topics to create, orders from the event loop. Out: what the group says, through `Hearing`, called on the
consumer's threads. Made by `membership`. Invariant: nothing is processed between the loss of partitions and the moment the
member has become calm with the next ones; an order of an earlier assignment is void.
"""

from __future__ import annotations

import logging
import queue
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from kafka.consumer.subscription_state import ConsumerRebalanceListener
from kafka.errors import FencedInstanceIdError, KafkaError, ProducerFencedError
from kafka.structs import TopicPartition

from hack.nodesim.assignor import Assignment
from hack.nodesim.group import JoinRequest
from tests.e2e.member.assignor import SharedAssignor, decoded
from tests.e2e.member.links import Links

LOG = logging.getLogger("member.session")
POLL_MILLISECONDS = 100
RETRY_SECONDS = 1.0
# A poll that ends while a join is being answered loses the answer: once a join is due it is waited for.
JOIN_MILLISECONDS = 24 * 3600 * 1000


class Work(Protocol):
    """What is done with an assignment and with messages; on the consumer's thread."""

    def begin(self, links: Links, consumer: Any) -> None:
        """Take the clients of a new session."""

    def recover(self, assignment: Assignment) -> None:
        """Bring the tables up to date."""

    def process(self, records: Mapping[TopicPartition, list[Any]]) -> None:
        """Process messages and commit them."""

    def idle(self, *, calm: bool) -> None:
        """Do what is due besides messages."""

    def end(self) -> None:
        """Let go of the clients."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What a session tells; called on its threads."""

    assigned: Callable[[int, Assignment], None]  # number of the assignment
    revoked: Callable[[], None]
    recovered: Callable[[int], None]
    fenced: Callable[[], None]
    failed: Callable[[str], None]


class Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # the library has no types
    """Stops the processing when partitions go and pauses those that come."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def on_partitions_revoked(self, revoked: Any) -> None:
        """The group is about to share anew."""
        self.session.lost()

    on_partitions_lost = on_partitions_revoked

    def on_partitions_assigned(self, assigned: Any) -> None:
        """Read nothing before the member is calm."""
        self.session.consumer.pause(*assigned)


class Fence(logging.Handler):
    """The library only logs that another process has the instance id."""

    def __init__(self, tell: Callable[[], None]) -> None:
        super().__init__(logging.ERROR)
        self.tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Pass it on."""
        if "fenced" in record.getMessage().lower():
            self.tell()


class Session(threading.Thread):
    """A consumer's thread; `inputs` are the topics whose messages are processed."""

    def __init__(
        self,
        links: Links,
        request: JoinRequest,
        work: Work,
        hearing: Hearing,
        *,
        topics: Mapping[str, int],
        inputs: frozenset[str],
    ) -> None:
        super().__init__(name="consumer", daemon=True)
        self.links = links
        self.request = request
        self.work = work
        self.hearing = hearing
        self.topics = topics
        self.inputs = inputs
        self.assignor = SharedAssignor(links.settings.app_id, request)
        self.consumer: Any = None
        self.orders: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.stopping = threading.Event()
        self.leaving = False
        self.number = 0  # of the present assignment
        self.calm = False
        self.fence = Fence(hearing.fenced)

    # Orders of the event loop's thread

    def push(self, *, force: bool) -> None:
        """Join again; with force the broker begins a rebalance."""

        def order() -> None:
            self.assignor.pushes += force
            self.consumer._coordinator.request_rejoin()  # the library has no public way

        self.orders.put(order)

    def recover(self, number: int) -> None:
        """Bring the tables of an assignment up to date and tell when that is done."""

        def order() -> None:
            if number == self.number and self.assignor.held is not None:
                self.work.recover(self.assignor.held)
                self.hearing.recovered(number)

        self.orders.put(order)

    def resume(self, number: int) -> None:
        """Process the messages of an assignment."""

        def order() -> None:
            if number == self.number:
                held = [part for part in self.consumer.assignment() if part.topic in self.inputs]
                self.consumer.resume(*held)
                self.calm = True

        self.orders.put(order)

    def stop(self, *, leave: bool) -> None:
        """End it, without a word to the group unless `leave`."""
        self.leaving = leave
        self.stopping.set()

    # The thread

    def run(self) -> None:
        """Consume until told to stop."""
        log = logging.getLogger("kafka")
        log.addHandler(self.fence)
        try:
            self.connect()
            while not self.stopping.is_set():
                self.turn()
        except (FencedInstanceIdError, ProducerFencedError):
            self.hearing.fenced()
        except Exception:  # noqa: BLE001  # whatever it is ends the process, with its reason in the log
            self.hearing.failed(traceback.format_exc())
        finally:
            log.removeHandler(self.fence)
            self.disconnect()

    def connect(self) -> None:
        """Create topics and subscribe; tries until there is a broker."""
        while not self.stopping.is_set():
            try:
                self.links.create(self.topics, compacted=self.request.changelogs)
                self.consumer = self.links.member(self.request, self.assignor)
                self.work.begin(self.links, self.consumer)
                break
            except (FencedInstanceIdError, ProducerFencedError):
                raise
            except (KafkaError, OSError) as error:
                LOG.warning("no brokers yet: %s", error)
                self.stopping.wait(RETRY_SECONDS)
        else:
            return
        self.intercept()
        self.consumer.subscribe(sorted(self.request.subscription), listener=Listener(self))

    def intercept(self) -> None:
        """Hear what the group hands over before the library makes something of it.

        On a topic that is not subscribed to, the real runtime's coordinator ends (C1); the library would join again.
        """
        coordinator = self.consumer._coordinator
        complete, poll = coordinator._on_join_complete_async, coordinator.poll

        async def joined(generation: int, member: str, protocol: str, data: bytes) -> None:
            assignment = decoded(data)
            self.number += 1
            self.calm = False
            self.assignor.held = assignment
            self.hearing.assigned(self.number, assignment)
            if assignment.topics <= self.request.subscription:
                await complete(generation, member, protocol, data)
            else:
                coordinator._disable_heartbeat()

        def patient(timeout_ms: float | None = None) -> bool:
            due = coordinator.need_rejoin()
            return bool(poll(timeout_ms=JOIN_MILLISECONDS if due else timeout_ms))

        coordinator._on_join_complete_async = joined
        coordinator.poll = patient

    def lost(self) -> None:
        """The partitions are gone or about to go."""
        self.number += 1
        self.calm = False
        if not self.stopping.is_set():
            self.hearing.revoked()

    def turn(self) -> None:
        """Do what was ordered, look for messages, process them."""
        while not self.orders.empty():
            self.orders.get()()
        records = self.consumer.poll(timeout_ms=POLL_MILLISECONDS)
        if records and self.calm:
            self.work.process(records)
        self.work.idle(calm=self.calm)

    def disconnect(self) -> None:
        """Close the clients; a static member, or one that just vanishes, says nothing to the group."""
        self.work.end()
        if self.consumer is None:
            return
        if not self.leaving:
            self.consumer._coordinator.maybe_leave_group = lambda **_: None
        try:
            self.consumer.close(autocommit=False, timeout_ms=1000)
        except KafkaError as error:
            LOG.warning("not closed in order: %s", error)
