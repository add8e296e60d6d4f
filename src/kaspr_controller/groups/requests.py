"""What can be asked of a desk, and under which name the answer is kept.

In: values from reconciles. Out: `Ticket`s. Invariant: the same wish has the same ticket, so a reconcile that is run again
finds its answer and asks nothing twice; a ticket holds no secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from kaspr_controller.groups.address import Credentials, GroupAddress
from kaspr_controller.groups.answers import Answer
from kaspr_controller.kube.kinds import ObjectKey

RequestKind: TypeAlias = Literal["describe", "goodbye"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """The name of a request.

    Attributes:
        app: who is called when the answer is there.
        kind: what is asked.
        group: the Kafka group it is about.
        instance_id: who is said goodbye for; "" for a description.
        mark: why; another mark is another goodbye. The UID of the pod that is gone makes a good one: a successor of the
            same name has another.
    """

    app: ObjectKey
    kind: RequestKind
    group: str
    instance_id: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Describe:
    """What does the group look like, `lag` included if wished."""

    app: ObjectKey
    address: GroupAddress
    credentials: Credentials = field(repr=False)
    lag: bool = False

    @property
    def ticket(self) -> Ticket:
        """An app has one description, and one with lag."""
        return Ticket(self.app, "describe", self.address.group, mark="lag" if self.lag else "")


@dataclass(frozen=True, slots=True)
class Goodbye:
    """Take the seat of this static member away."""

    app: ObjectKey
    address: GroupAddress
    credentials: Credentials = field(repr=False)
    instance_id: str
    mark: str

    @property
    def ticket(self) -> Ticket:
        """One for each member and mark."""
        return Ticket(self.app, "goodbye", self.address.group, self.instance_id, self.mark)


Request: TypeAlias = Describe | Goodbye


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer and when it came, in seconds of the desk's monotonic clock."""

    answer: Answer
    at: float
