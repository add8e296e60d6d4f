"""The real group behind a simulated member: it stands where the `Group` of the simulator stands.

In: what the member's state machine does (join, fall silent, wake up, leave). Out: what the broker says, as calls of the same
state machine. All methods run on the event loop; sessions tell from their threads by way of the loop.
Invariant: the member's phases and answers are those of `hack.nodesim.member`, only their causes are real.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hack.nodesim.assignor import Assignment
from hack.nodesim.group import JoinRequest
from hack.nodesim.member import Member, Phase
from tests.e2e.member.links import Links
from tests.e2e.member.session import Hearing, Session, Work

if TYPE_CHECKING:
    from collections.abc import Callable

FAILED = 1


class RealMember(Member):
    """A member whose recovery takes as long as it takes, and which processes while it is calm."""

    membership: Membership

    def recover(self) -> None:
        """Read the changelogs; calm when that is done."""
        held = self.assignment.actives if self.assignment else {}
        if self.request().changelogs & set(held):
            self.enter(Phase.RECOVERING)
        self.membership.recover()

    def calm(self) -> None:
        """Process messages."""
        super().calm()
        self.membership.resume()


@dataclass(slots=True)
class Wishes:
    """The topics to be created before joining."""

    counts: dict[str, int] = field(default_factory=dict)

    def ensure(self, topic: str, partitions: int | None = None) -> None:
        """Note a topic."""
        if partitions is not None:
            self.counts[topic] = partitions


class Membership:
    """The consumer group as one member sees it."""

    def __init__(self, links: Links, work: Work, loop: asyncio.AbstractEventLoop) -> None:
        self.links = links
        self.work = work
        self.loop = loop
        self.topics = Wishes()
        self.session: Session | None = None
        self.number = 0  # of the assignment the member works on
        self.told = False  # the member joins because the group said so: the consumer is about it already

    # What the member does, as with the simulator's group

    def join(self, member: Member, request: JoinRequest) -> None:
        """Join, or join again."""
        if self.told:
            return
        if self.session is not None:
            self.session.push(force=member.leader)
            return
        assert isinstance(member, RealMember)  # the only one there is
        inputs = frozenset(topic for agent in member.program.app.agents for topic in agent.topics)
        self.session = Session(
            self.links, request, self.work, self.hearing(member), topics=self.topics.counts, inputs=inputs
        )
        self.session.start()

    def fell_silent(self, member: Member) -> None:  # the simulator's signature
        """Send no more heartbeats, and say nothing."""
        self.finish(leave=False)

    def woke_up(self, member: Member) -> None:
        """Join anew: whoever was away that long has lost its place anyway."""
        self.join(member, member.request())

    def leave(self, member: Member) -> None:
        """Go in order, as only members without instance id do."""
        self.finish(leave=True)

    def finish(self, *, leave: bool) -> None:
        """End the session."""
        if self.session is not None:
            self.session.stop(leave=leave)
            self.session = None

    # What a member with partitions wants

    def recover(self) -> None:
        """Have the tables brought up to date."""
        if self.session is not None:
            self.session.recover(self.number)

    def resume(self) -> None:
        """Have messages processed."""
        if self.session is not None:
            self.session.resume(self.number)

    # What the group says

    def hearing(self, member: RealMember) -> Hearing:
        """Return what a session calls, from its threads."""

        def later(act: Callable[[], None]) -> None:
            self.loop.call_soon_threadsafe(act)

        def assigned(number: int, assignment: Assignment) -> None:
            later(lambda: self.assigned(member, number, assignment))

        def recovered(number: int) -> None:
            later(lambda: self.recovered(member, number))

        def failed(words: str) -> None:
            later(lambda: member.end(FAILED, words))

        return Hearing(
            assigned=assigned,
            revoked=lambda: later(lambda: self.revoked(member)),
            recovered=recovered,
            fenced=lambda: later(member.fenced),
            failed=failed,
        )

    def assigned(self, member: Member, number: int, assignment: Assignment) -> None:
        """Hand an assignment to the member."""
        self.number = number
        member.assigned(assignment)

    def revoked(self, member: Member) -> None:
        """Let the member join again, as a heartbeat told it to."""
        if member.phase is not Phase.JOINING:
            self.told = True
            try:
                member.rebalance_needed()
            finally:
                self.told = False

    def recovered(self, member: RealMember, number: int) -> None:
        """Let the member process, if that assignment still counts."""
        if number == self.number and member.phase in {Phase.RECOVERING, Phase.RESTORING}:
            member.calm()
