"""Drive a rollout: the partition that every write of a StatefulSet carries.

In: the StatefulSet as it is and its members, judged. Out: the object to write, and the decision for the status. A write
that changes the pod template holds the rollout in the same request: between two requests the StatefulSet controller would
have begun to replace pods on its own. One driver serves one pass.
"""

from __future__ import annotations

from dataclasses import replace

from kaspr_controller.converge.comparing import Write
from kaspr_controller.desired.app.workload import with_partition
from kaspr_controller.desired.bundle import Intent
from kaspr_controller.kube.kinds import Raw
from kaspr_controller.status import rolling
from kaspr_controller.status.actions import Decision

_HARMLESS = ("spec.replicas", "spec.updateStrategy")
"""Fields of which a change makes no new revision. Whatever else differs may be a field that was taken out of the template."""


class Driver:
    """Decides how far this pass lets a rollout go.

    Args:
        policy: of the app.
        part: what the previous status says.
        facts: of this pass; `changing` is found out here.
        now: seconds since 1970.

    Attributes:
        decision: about what is written in this pass.
    """

    def __init__(
        self, policy: rolling.Policy, part: rolling.Rolling, facts: rolling.Facts, *, now: float
    ) -> None:
        self._policy = policy
        self._part = part
        self._facts = facts
        self._now = now
        self.decision: Decision[rolling.Rolling] = rolling.decide(policy, part, facts, now=now)

    @property
    def hindrance(self) -> str:
        """What has kept a pod from running for a moment, in words; "" when nothing has."""
        found = rolling.hindrance(self._policy, self.decision.part, self._facts, now=self._now)
        return found.message if found is not None else ""

    def paced(self, intent: Intent) -> Intent:
        """The intent with the partition of this pass; every object but the StatefulSet as it is."""
        if not self._policy.driven or intent.obj["kind"] != "StatefulSet":
            return intent
        return replace(intent, obj=with_partition(intent.obj, self.decision.part.partition))

    def revise(self, write: Write) -> Raw | None:
        """What to write instead, when a StatefulSet is about to get another pod template; see `Converger.converge`."""
        if not self._policy.driven or write.key.kind != "StatefulSet":
            return None
        if write.live is None or all(path.startswith(_HARMLESS) for path in write.paths):
            return None
        facts = replace(self._facts, changing=True)
        self.decision = rolling.decide(self._policy, self._part, facts, now=self._now)
        return with_partition(write.intent, self.decision.part.partition)


def as_live(intent: Intent, stateful_set: Raw | None, *, driven: bool) -> Intent:
    """The intent as if nothing were decided about the rollout: for a look at what else would change."""
    if not driven or stateful_set is None or intent.obj["kind"] != "StatefulSet":
        return intent
    return replace(intent, obj=with_partition(intent.obj, partition_of(stateful_set)))


def partition_of(stateful_set: Raw | None) -> int:
    """The live partition; 0 where the field is not there."""
    if stateful_set is None:
        return 0
    strategy = stateful_set["spec"].get("updateStrategy") or {}
    return int((strategy.get("rollingUpdate") or {}).get("partition") or 0)
