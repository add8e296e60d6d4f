"""What a group was found to be, and how a goodbye ended.

In: nothing. Out: frozen values that compare equal when the same was seen, so that a change can be told from a repetition.
`client` makes them, `desk` keeps them, reconcilers hand them to the decisions. Reasons are phrases of ours: no text of a
broker and nothing of the credentials is ever in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

FaultKind: TypeAlias = Literal[
    "unreachable",  # no connection: name, route, port, or the listener speaks something else
    "tls-failed",  # the certificate is not trusted or not for this host
    "auth-failed",  # the login was refused
    "no-permission",  # logged in, but an ACL is missing
    "timeout",  # no answer in time; a goodbye may have arrived nevertheless
    "not-ready",  # the brokers are busy finding or loading the group
    "unsupported",  # brokers older than Kafka 2.3, or a group of another protocol
    "wrong",  # an answer that is not understood
    "busy",  # our own queue is full
    "not-leading",  # another controller acts now
]
FarewellKind: TypeAlias = Literal["said", "unknown-member"] | FaultKind
"""`said`: the seat was taken away. `unknown-member`: there was none, which is as good."""

GroupState: TypeAlias = Literal[
    "stable", "preparing-rebalance", "completing-rebalance", "empty", "dead", "unknown"
]
"""As Kafka names them; `dead` also stands for a group that was never there, `unknown` for a state that is new to us."""

Partitions: TypeAlias = tuple[tuple[str, tuple[int, ...]], ...]
"""Topics with their partitions, both sorted."""


@dataclass(frozen=True, slots=True)
class GroupMember:
    """A seat in the group, somebody in it or not.

    Attributes:
        instance_id: the static member's name; "" for a dynamic one.
        client_id: as the client calls itself.
        host: the address it joined from.
        assignment: what the group's leader gave it.
    """

    instance_id: str
    client_id: str
    host: str
    assignment: Partitions = ()


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """Messages of one partition that the group has not committed yet; the end is the last stable offset."""

    topic: str
    partition: int
    lag: int


@dataclass(frozen=True, slots=True)
class GroupView:
    """What the broker says about a group.

    Attributes:
        state: of its protocol; assignments are meaningful when `stable`.
        members: by instance id, then client id.
        may_say_goodbye: whether these credentials have READ on the group; None when the broker does not tell.
        lag: per assigned partition with a committed offset that these credentials may see (brokers leave out topics
            without DESCRIBE); None when not asked for or not to be had.
    """

    state: GroupState
    members: tuple[GroupMember, ...] = ()
    may_say_goodbye: bool | None = None
    lag: tuple[PartitionLag, ...] | None = None

    @property
    def ok(self) -> bool:
        """A view is an answer."""
        return True

    @property
    def instances(self) -> frozenset[str]:
        """The static members that have a seat."""
        return frozenset(member.instance_id for member in self.members if member.instance_id)


@dataclass(frozen=True, slots=True)
class GroupFault:
    """Why there is no view."""

    kind: FaultKind
    reason: str

    @property
    def ok(self) -> bool:
        """A fault is none."""
        return False


@dataclass(frozen=True, slots=True)
class Farewell:
    """How a goodbye ended."""

    kind: FarewellKind
    reason: str = ""

    @property
    def ok(self) -> bool:
        """The member has no seat now, or had none when asked."""
        return self.kind in {"said", "unknown-member"}


Answer: TypeAlias = GroupView | GroupFault | Farewell
