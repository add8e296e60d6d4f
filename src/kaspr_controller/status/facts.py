"""What the reconciler has seen and done in one pass: the only input of the status decisions.

Values, filled in by the reconcilers; no store, client or model of another room comes in here. The absence of a fact is
spelled out (`None`, an empty tuple), never guessed: a decision that lacks information waits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from kaspr_controller.status.conditions import Verdict
from kaspr_controller.status.rollout import Rollout

Category = Literal["terminal", "wait", "transient"]


@dataclass(frozen=True, slots=True)
class ChildFault:
    """One child object that is not as it should be, with the server's or our words for it."""

    child: str
    reason: str
    message: str
    category: Category


@dataclass(frozen=True, slots=True)
class Held:
    """A component that is held back: its last good definition, if it has one, stays mounted."""

    component: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Membership:
    """What the members said, judged (see `membership`).

    Attributes:
        asked: members are being observed at all; False when polling is switched off.
        calm: members that run and cover something.
        rebalancing: members that say so.
        waiting: why the app is not calm yet, one short sentence a member or topic; empty when it is.
        members: entries for `status.members`, sorted by id.
    """

    asked: bool = False
    calm: int = 0
    rebalancing: int = 0
    waiting: tuple[str, ...] = ()
    members: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class AppFacts:
    """One pass over one app.

    Attributes:
        generation: of the KasprApp that was judged.
        old: its status as it was read.
        now: RFC 3339 text for transition times.
        replicas: members that the spec asks for.
        invalid: messages when the spec cannot be used; nothing else was done then.
        paused: the user asked us to keep our hands off.
        settling: seconds until the first pod may start, 0 when it may.
        rollout: state of the workload.
        faults: children that are not as they should be.
        waiting: children that wait for another object, in words.
        held: components that are held back.
        warnings: things that work otherwise than the user may think.
        membership: what the members said.
        linked: `status.linkedResources`, or None where it is not tracked.
        selector: label selector of the pods, for the scale subresource.
        version: the Kaspr version that runs, "" when unknown.
        hindrance: what has kept a pod from running for a moment, in words; "" when nothing has.
        parts: status fields of the decisions about members.
        decided: their conditions.
    """

    generation: int
    old: Mapping[str, Any]
    now: str
    replicas: int = 1
    invalid: tuple[str, ...] = ()
    paused: bool = False
    settling: float = 0.0
    rollout: Rollout = field(default_factory=Rollout)
    faults: tuple[ChildFault, ...] = ()
    waiting: tuple[str, ...] = ()
    held: tuple[Held, ...] = ()
    warnings: tuple[str, ...] = ()
    membership: Membership = field(default_factory=Membership)
    linked: Mapping[str, Any] | None = None
    selector: str = ""
    version: str = ""
    hindrance: str = ""
    parts: Mapping[str, Any] = field(default_factory=dict)
    decided: tuple[Verdict, ...] = ()
