"""How many members an app has, and who counts them: an autoscaler or this program (contract 2.8, 2.11).

In: the wanted count, the options and the live workload. Out: `ScalingPlan`. Pure. The autoscaler is no load regulator: its
target is always exceeded, so it only makes the app grow in steps, which spares the Kafka group.

Invariant: a count that we wrote is never let go of while the API server's default (1) would replace it. Server-side apply
drops a field that is not sent any more, and a group of forty would collapse to one member. An annotation remembers what
we wrote; once somebody else has changed the count, it is theirs and both go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kaspr_controller.desired.app.identity import Identity
from kaspr_controller.desired.facts import WRITTEN_REPLICAS, LiveWorkload
from kaspr_controller.desired.options import Options


@dataclass(frozen=True, slots=True)
class ScalingPlan:
    """The count to write into the StatefulSet, None to leave it to the autoscaler, and the autoscaler if there is one."""

    replicas: int | None
    autoscaler: dict[str, Any] | None
    annotations: dict[str, str] = field(default_factory=dict)


def plan_scaling(
    replicas: int, identity: Identity, *, options: Options, workload: LiveWorkload | None
) -> ScalingPlan:
    """Who counts, and what is written."""
    autoscaled = options.scaling == "autoscaler" and replicas > 0
    written = _kept(replicas, options, workload) if autoscaled else replicas
    return ScalingPlan(
        replicas=written,
        autoscaler=_autoscaler(replicas, identity, options) if autoscaled else None,
        annotations={} if written is None else {WRITTEN_REPLICAS: str(written)},
    )


def _kept(replicas: int, options: Options, workload: LiveWorkload | None) -> int | None:
    """The count to write although an autoscaler counts, None for none."""
    if workload is None:
        return None
    if workload.orphaned:
        # The pods that are there, or a StatefulSet that begins with the default of 1 deletes all others.
        count = min(replicas, workload.replicas or 1)
        return count if count > 1 else None
    if workload.replicas == 0:  # an autoscaler does not wake what stands at 0
        return min(replicas, options.initial_replicas)
    if workload.written_replicas == workload.replicas:
        # Ours until somebody else changes it. At 1 the default takes over without a difference.
        count = min(replicas, workload.replicas or 1)
        return count if count > 1 else None
    return None


def _autoscaler(replicas: int, identity: Identity, options: Options) -> dict[str, Any]:
    period = options.scale_up_period_seconds
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": identity.metadata(identity.autoscaler),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": identity.workload},
            "minReplicas": 1,
            "maxReplicas": replicas,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Mi"}},
                }
            ],
            "behavior": {
                "scaleUp": {
                    "policies": [
                        {"type": "Percent", "value": 100, "periodSeconds": period},
                        {"type": "Pods", "value": options.scale_up_pods, "periodSeconds": period},
                    ],
                    "selectPolicy": "Max",
                    "stabilizationWindowSeconds": 0,
                },
                "scaleDown": {
                    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 1}],
                    "selectPolicy": "Max",
                    "stabilizationWindowSeconds": 0,
                },
            },
        },
    }
