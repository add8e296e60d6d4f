"""What the caches keep of each object: the store's transforms (rules M1, M2).

In: an object as the API server sent it. Out: the part that some reconciler reads, or None for an object that is none of
our business. Managed fields and the last-applied annotation are dropped by the store itself. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kaspr_controller.api import labels
from kaspr_controller.api.metadata import GROUP
from kaspr_controller.converge.ownership import written_here
from kaspr_controller.desired.subscriptions import ANNOTATION
from kaspr_controller.kube.kinds import Raw

_POD_META = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "labels",
    "creationTimestamp",
    "deletionTimestamp",
    "ownerReferences",
)
_POD_STATUS = ("phase", "podIP", "reason", "message")
_CONDITIONS = frozenset({"PodScheduled", "Ready"})
_CONTAINERS = ("containerStatuses", "initContainerStatuses")
_CONTAINER = ("name", "ready", "restartCount", "state", "lastState")


def owned(obj: Raw) -> Raw | None:
    """The object if one of our custom resources owns it, or if this program has written it and nobody owns it any more.

    StatefulSets and autoscalers of the predecessor carry no label to select by (contract T27), so they are all watched,
    and those of others are dropped here.
    """
    references = obj["metadata"].get("ownerReferences", ())
    if not references:
        # An app that is created again after `kubectl delete --cascade=orphan` must see the claims its workload has.
        return obj if written_here(obj) else None
    return obj if any(ref["apiVersion"].partition("/")[0] == GROUP for ref in references) else None


def pod(obj: Raw) -> Raw:
    """The part of a pod that says which member it is, what it mounts and how it fares."""
    meta, status = obj["metadata"], obj.get("status", {})
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **{key: meta[key] for key in _POD_META if key in meta},
            "annotations": {ANNOTATION: text}
            if (text := meta.get("annotations", {}).get(ANNOTATION))
            else {},
        },
        "spec": {
            "containers": [
                {"name": container["name"], "ports": container.get("ports", [])}
                for container in obj["spec"].get("containers", ())
                if container["name"] == "kaspr"
            ],
            "volumes": [
                {"name": volume["name"], "configMap": {"name": volume["configMap"].get("name", "")}}
                for volume in obj["spec"].get("volumes", ())
                if "configMap" in volume
            ],
        },
        "status": {
            **{key: status[key] for key in _POD_STATUS if key in status},
            **{key: [_container(item) for item in status[key]] for key in _CONTAINERS if key in status},
            "conditions": [item for item in status.get("conditions", ()) if item["type"] in _CONDITIONS],
        },
    }


def claim(obj: Raw) -> Raw:
    """A claim of ours as it is; of the tables of a member what tells how large it is and becomes."""
    meta = obj["metadata"]
    if labels.K8S_MANAGED_BY in meta.get("labels", {}):
        return obj
    spec, status = obj["spec"], obj.get("status", {})
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {key: meta[key] for key in _POD_META if key in meta},
        "spec": {key: spec[key] for key in ("resources", "storageClassName") if key in spec},
        "status": {key: status[key] for key in ("phase", "capacity", "conditions") if key in status},
    }


def _container(status: Mapping[str, Any]) -> dict[str, Any]:
    """How a container fares; not its images and mounts, of which a member has one for each definition."""
    return {key: status[key] for key in _CONTAINER if key in status}


TRANSFORMS: Mapping[str, Callable[[Raw], Raw | None]] = {
    "Pod": pod,
    "PersistentVolumeClaim": claim,
    "StatefulSet": owned,
    "HorizontalPodAutoscaler": owned,
}

SELECTORS: Mapping[str, str] = {
    "Pod": "kaspr.io/kind=KasprApp",
    "ConfigMap": "app.kubernetes.io/managed-by=kaspr-operator",
    "Service": "app.kubernetes.io/managed-by=kaspr-operator",
    "ServiceAccount": "app.kubernetes.io/managed-by=kaspr-operator",
    "PersistentVolumeClaim": "kaspr.io/kind=KasprApp",
}
"""Label selectors of the watches: the caches hold what is ours, not what the cluster has (rule M1)."""

Indexers = Mapping[str, Callable[[Mapping[str, Any]], tuple[str, ...]]]


def by_label(label: str) -> Callable[[Raw], tuple[str, ...]]:
    """An index on `namespace/value` of a label."""

    def index(obj: Raw) -> tuple[str, ...]:
        meta = obj["metadata"]
        value = (meta.get("labels") or {}).get(label)
        return (f"{meta.get('namespace', '')}/{value}",) if value else ()

    return index
