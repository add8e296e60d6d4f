"""Who is asked for its status, and what the answers amount to.

In: an app's pods and the poller's observations. Out: `Membership`. Members are asked often while the app is not calm and
rarely while it is; nobody is asked while a rollout has not produced the pods worth asking.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.members.targets import Target
from kaspr_controller.reconcilers import observing
from kaspr_controller.reconcilers.loading import Stores
from kaspr_controller.status.facts import AppFacts, Membership
from kaspr_controller.status.judging import SUSPECT, Group, State
from kaspr_controller.status.membership import Member, judge
from kaspr_controller.status.observations import Observation

_TROUBLE: frozenset[State] = SUSPECT | {"alien", "lying", "cut-off"}
"""What only the members together show, and is said in their words."""


class Polls(Protocol):
    """What is needed of the poller."""

    def want(self, app_key: ObjectKey, targets: Iterable[Target], *, every: float) -> None:
        """Ask these members, and no others of the app."""
        ...

    def drop(self, app_key: ObjectKey) -> None:
        """Forget the app."""
        ...

    def observations(self, app_key: ObjectKey) -> Mapping[str, Observation]:
        """The newest observation by pod UID."""
        ...


@dataclass(frozen=True, slots=True)
class Cadence:
    """Seconds between two questions to a member: while the app is not ready, and while it is."""

    busy: float = 2.0
    calm: float = 30.0


class Members:
    """Asks the members of apps through the poller; without one, Ready is judged by the pods alone."""

    def __init__(self, *, stores: Stores, poller: Polls | None, cadence: Cadence | None = None) -> None:
        self._stores = stores
        self._poller = poller
        self._cadence = cadence or Cadence()

    def judge(self, app: ObjectKey, *, topics: Collection[str], facts: AppFacts, group: Group) -> Membership:
        """What the members of an app said, judged; starts, changes or ends the asking."""
        if self._poller is None:
            return Membership()
        pods = observing.pods(self._stores, app)
        if not pods:
            self._poller.drop(app)
            return Membership(asked=True)
        seen = self._poller.observations(app)
        trouble = {
            member.pod.uid: f"is {member.state}: {member.why}"
            for member in group.members
            if member.state in _TROUBLE
        }
        members = [
            Member(
                id=observing.ordinal(pod),
                name=pod["metadata"]["name"],
                uid=pod["metadata"]["uid"],
                created=pod["metadata"].get("creationTimestamp", ""),
                ready=observing.ready(pod),
                observation=seen.get(pod["metadata"]["uid"]),
                trouble=trouble.get(pod["metadata"]["uid"], ""),
            )
            for pod in pods
        ]
        found = judge(members, topics=topics, old=facts.old, now=facts.now)
        # A rejoin takes 12 s and may leave everything as it was: whoever looks twice a minute does not see it.
        calm = facts.rollout.complete and not found.waiting and not facts.parts.get("rebalanceRequired")
        self._poller.want(
            app, observing.targets(pods), every=self._cadence.calm if calm else self._cadence.busy
        )
        return found

    def forget(self, app: ObjectKey) -> None:
        """The app is gone."""
        if self._poller is not None:
            self._poller.drop(app)
