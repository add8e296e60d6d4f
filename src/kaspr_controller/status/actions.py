"""What a decision about members may ask for, and the form in which every decision comes.

Made by `rebalancing`, `recovering`, `farewell` and `rolling`; carried out by the reconciler. Values only. The order that
makes each of them survive a restart at any point: first the part is stored in the status, then the actions are carried
out. An action that was stored but never happened is noticed by its missing effect and asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from kaspr_controller.status.conditions import Verdict

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class SetPartition:
    """Let the StatefulSet keep the old revision below this ordinal."""

    partition: int


@dataclass(frozen=True, slots=True)
class SignalRebalance:
    """Ask this member, which says that it leads, to rejoin: every member does then."""

    pod_uid: str
    pod_name: str
    attempt: int


@dataclass(frozen=True, slots=True)
class SayGoodbye:
    """Take the seat of a static member away; `gone_uid` is the pod that held it and was observed gone."""

    instance_id: str
    gone_uid: str
    why: str


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Delete this incarnation of the pod, after a fresh read, with its UID as precondition (D50)."""

    uid: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class AcknowledgeRebalance:
    """Remove the annotation that asked for a rebalance: the request stands in the status now."""


Action: TypeAlias = SetPartition | SignalRebalance | SayGoodbye | DeletePod | AcknowledgeRebalance


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something that is wanted does not happen now.

    Attributes:
        reason: one CamelCase word for a condition.
        message: a sentence for a person.
        after: seconds until time alone may change that; None when a fact has to change.
    """

    reason: str
    message: str
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Decision(Generic[Part]):
    """The outcome of one decision.

    Attributes:
        part: the new status part; to be stored before the actions are carried out.
        actions: in the order in which they are to be carried out.
        requeue_after: seconds until time alone may change the decision; None when only facts can.
        verdicts: conditions; one that does not hold is absent.
        refused: why a wanted action does not happen now.
        explanation: one sentence for `explain`.
    """

    part: Part
    actions: tuple[Action, ...] = ()
    requeue_after: float | None = None
    verdicts: tuple[Verdict, ...] = ()
    refused: tuple[Refusal, ...] = ()
    explanation: str = ""


def soonest(*waits: float | None) -> float | None:
    """The shortest of the waits that are known, at least a second: a decision is not a loop."""
    known = [wait for wait in waits if wait is not None]
    return max(1.0, min(known)) if known else None
