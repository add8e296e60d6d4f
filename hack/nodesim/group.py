"""A Kafka consumer group as the broker keeps it: seats, sessions, rebalances, ghosts.

In: what members do (join, fall silent, leave) and goodbyes. Out: assignments and heartbeat answers to `GroupClient`s.
Called by `member` and the simulator, on the scheduler's thread only; no clock of its own.
Invariant: a rebalance is complete only when every seat has joined or is gone, so one silent static member stalls all
(C4); a static member that comes back while the group is stable gets its old assignment and nothing else (C1, C2, C3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from hack.nodesim.assignor import Assignment, Candidate, assign
from hack.nodesim.definitions import leader_topic
from hack.nodesim.timings import Scheduler, Timer


class GroupClient(Protocol):
    """The member's side: what its coordinator task hears from the broker."""

    def rebalance_needed(self) -> None:
        """A heartbeat was answered with `rebalance in progress`: join again."""

    def evicted(self) -> None:
        """A heartbeat was answered with `unknown member`: join as new."""

    def fenced(self) -> None:
        """Another process took the same instance id."""

    def assigned(self, assignment: Assignment) -> None:
        """The join was answered."""


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """What a member says when it joins; durations in scaled seconds."""

    instance_id: str | None
    url: str
    subscription: frozenset[str]
    session_timeout: float
    heartbeat: float
    changelogs: frozenset[str] = frozenset()
    global_changelogs: frozenset[str] = frozenset()


@dataclass(slots=True)
class Topics:
    """The topics of a broker: created at first use unless `absent`, with `default` partitions unless told."""

    default: int = 4
    counts: dict[str, int] = field(default_factory=dict)
    absent: set[str] = field(default_factory=set)

    def ensure(self, topic: str, partitions: int | None = None) -> None:
        """Create the topic if it is not there; an existing one keeps its count."""
        if topic not in self.absent:
            self.counts.setdefault(topic, partitions or self.default)


@dataclass(slots=True)
class Seat:
    """The broker's record of a member; it outlives the process."""

    key: str
    request: JoinRequest
    client: GroupClient
    joined: bool = False
    assignment: Assignment | None = None
    session: Timer | None = None  # runs while no heartbeats come

    @property
    def silent(self) -> bool:
        """Whether no heartbeats come: a ghost, a zombie, a frozen or cut-off process."""
        return self.session is not None

    def heard(self) -> None:
        """End the countdown of the session."""
        if self.session is not None:
            self.session.cancel()
            self.session = None


class Group:
    """One consumer group on one broker."""

    def __init__(self, name: str, topics: Topics, scheduler: Scheduler) -> None:
        self.name = name
        self.topics = topics
        self.scheduler = scheduler
        self.seats: dict[str, Seat] = {}
        self.rebalancing = False
        self.generation = 0
        self.dynamic = 0

    # What members do

    def join(self, client: GroupClient, request: JoinRequest) -> None:
        """Answer a join, at once or when the rebalance it causes is complete."""
        for topic in request.subscription:
            self.topics.ensure(topic)
        seat = self.seat_of(client) or self.seats.get(request.instance_id or "")
        if seat is None:
            seat = self.take_seat(client, request)
        elif seat.client is not client and not seat.silent:
            seat.client.fenced()
        returning = seat.client is not client
        seat.client, seat.request = client, request
        seat.heard()
        held = seat.assignment
        if held is not None and not self.rebalancing and (returning or not self.leads(seat)):
            client.assigned(held)
            return
        seat.joined = True
        self.rebalance()

    def take_seat(self, client: GroupClient, request: JoinRequest) -> Seat:
        """Add a record; without instance id under a name nobody can come back to."""
        self.dynamic += 1
        key = request.instance_id or f"dynamic-{self.dynamic}"
        self.seats[key] = Seat(key, request, client)
        return self.seats[key]

    def fell_silent(self, client: GroupClient) -> None:
        """No more heartbeats: the session starts to run out. A static member never says goodbye (C4)."""
        seat = self.seat_of(client)
        if seat is not None and seat.session is None:
            timeout = seat.request.session_timeout
            seat.session = self.scheduler.call_later(timeout, partial(self.remove, seat))

    def woke_up(self, client: GroupClient) -> None:
        """Heartbeats come again: the next one tells the member what it missed (C11)."""
        seat = self.seat_of(client)
        if seat is None:
            client.evicted()
            return
        seat.heard()
        if self.rebalancing and not seat.joined:
            client.rebalance_needed()

    def leave(self, client: GroupClient) -> None:
        """Go in order, as only members without instance id do (C5)."""
        seat = self.seat_of(client)
        if seat is not None:
            self.remove(seat)

    def remove_member(self, instance_id: str) -> bool:
        """Say goodbye for a member (KIP-345 LeaveGroup); False when the broker knows no such member.

        A process that still lives learns it at its next heartbeat and joins as new.
        """
        seat = self.seats.get(instance_id)
        if seat is None:
            return False
        if not seat.silent:
            self.scheduler.call_later(seat.request.heartbeat, partial(self.tell_evicted, seat.client))
        self.remove(seat)
        return True

    # What the broker does

    def rebalance(self) -> None:
        """Begin a rebalance unless one runs, and finish it if everybody is there."""
        if not self.rebalancing:
            self.rebalancing = True
            self.generation += 1
            for seat in self.seats.values():
                tell = partial(self.tell_rebalance, seat, self.generation)
                if not seat.joined:
                    self.scheduler.call_later(seat.request.heartbeat, tell)
        if all(seat.joined for seat in self.seats.values()):
            self.complete()

    def complete(self) -> None:
        """Share the partitions and answer every join."""
        self.rebalancing = False
        counts = {
            topic: count for topic, count in self.topics.counts.items() if topic not in self.topics.absent
        }
        shares = assign(self.name, self.candidates(), counts)
        for seat in list(self.seats.values()):
            seat.joined = False
            seat.assignment = shares[seat.key]
        for seat in list(self.seats.values()):
            if not seat.silent and seat.assignment is not None:
                seat.client.assigned(seat.assignment)

    def candidates(self) -> Iterable[Candidate]:
        """Yield the members as the assignor wants them."""
        for seat in self.seats.values():
            request = seat.request
            yield Candidate(
                key=seat.key,
                url=request.url,
                subscription=request.subscription,
                changelogs=request.changelogs,
                global_changelogs=request.global_changelogs,
                previous=seat.assignment,
            )

    def remove(self, seat: Seat) -> None:
        """Take a seat away: its session ended, it left, or somebody said goodbye for it."""
        seat.heard()
        if self.seats.get(seat.key) is seat:
            del self.seats[seat.key]
            self.rebalance()

    def tell_rebalance(self, seat: Seat, generation: int) -> None:
        """Answer a heartbeat in a rebalance."""
        current = self.rebalancing and self.generation == generation and self.seats.get(seat.key) is seat
        if current and not seat.joined and not seat.silent:
            seat.client.rebalance_needed()

    def tell_evicted(self, client: GroupClient) -> None:
        """Answer a heartbeat of a member whose seat was taken away."""
        if self.seat_of(client) is None:
            client.evicted()

    # What others ask

    def seat_of(self, client: GroupClient) -> Seat | None:
        """Return the seat a process holds."""
        return next((seat for seat in self.seats.values() if seat.client is client), None)

    def leads(self, seat: Seat) -> bool:
        """Whether the seat owns partition 0 of the leader topic."""
        held = seat.assignment.actives if seat.assignment else {}
        return 0 in held.get(leader_topic(self.name), ())

    def ghosts(self) -> list[str]:
        """Return the members from which no heartbeats come."""
        return sorted(key for key, seat in self.seats.items() if seat.silent)

    def unread(self) -> dict[str, tuple[int, ...]]:
        """Return the partitions that no live member owns, of the topics somebody subscribes to."""
        subscribed = {topic for seat in self.seats.values() for topic in seat.request.subscription}
        result: dict[str, tuple[int, ...]] = {}
        for topic in sorted(subscribed & set(self.topics.counts)):
            owned = {
                partition
                for seat in self.seats.values()
                if seat.assignment and not seat.silent and not self.rebalancing
                for partition in seat.assignment.actives.get(topic, ())
            }
            if missing := tuple(sorted(set(range(self.topics.counts[topic])) - owned)):
                result[topic] = missing
        return result
