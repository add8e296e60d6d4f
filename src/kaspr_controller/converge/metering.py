"""Count writes of children by the names of the existing operator (contract 7.3).

In: the owner and what was written. Out: numbers. Called by `applying` and `pruning` on worker threads; keeps nothing.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kaspr_controller.telemetry import legacy_metrics

if TYPE_CHECKING:
    from kaspr_controller.converge.changes import Owner
    from kaspr_controller.converge.comparing import Write
    from kaspr_controller.kube.kinds import ObjectKey

_TYPES = {
    "ConfigMap": "config_map",
    "HorizontalPodAutoscaler": "hpa",
    "PersistentVolumeClaim": "pvc",
    "Service": "service",
    "ServiceAccount": "service_account",
    "StatefulSet": "stateful_set",
}
_FIELD = re.compile(r"[a-zA-Z]+(\.[a-zA-Z]+)?")


def written(owner: Owner, write: Write, seconds: float, error: str = "") -> None:
    """A create or a change, with the reason when it failed."""
    legacy_metrics.synced(
        owner.key.namespace,
        owner.key.name,
        resource=_type(owner, write.key),
        operation="create" if write.live is None else "patch",
        seconds=seconds,
        error=error,
    )


def drifted(owner: Owner, write: Write) -> None:
    """Somebody else has changed fields of ours; told by their first two steps, so that there are few."""
    fields = {found[0] for path in write.paths if (found := _FIELD.match(path))}
    legacy_metrics.drifted(
        owner.key.namespace, owner.key.name, resource=_type(owner, write.key), fields=sorted(fields)
    )


def deleted(owner: Owner, key: ObjectKey) -> None:
    """An object that is not wanted any more is gone."""
    legacy_metrics.synced(owner.key.namespace, owner.key.name, resource=_type(owner, key), operation="delete")


def _type(owner: Owner, key: ObjectKey) -> str:
    if key.kind == "Service" and key.name == f"{owner.key.name}-app":
        return "headless_service"
    return _TYPES.get(key.kind, key.kind.lower())
