"""StatefulSet controller, autoscaler and kubelet, as far as a reconciler sees them: revisions, counters, pods.

Nothing happens until a test asks for it, and a roll-out can be left half done. The counters move as the real controller
moves them: `currentRevision` follows only at the end, and pods of the newest revision are counted all the time.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from kaspr_controller.kube.kinds import ObjectKey, Raw

if TYPE_CHECKING:
    from tests.unit.reconcilers.cluster import Cluster

REVISION = "controller-revision-hash"


class Workloads:
    """All StatefulSets of a cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._born = 0

    def roll_all(self) -> bool:
        """Bring every StatefulSet to where it and its autoscaler want it to be; True when something moved."""
        before = self._cluster.version
        for key in [key for key in self._cluster.objects if key.kind == "StatefulSet"]:
            self.scale(key)
            self.roll(key)
        return self._cluster.version != before

    def scale(self, key: ObjectKey) -> None:
        """What the autoscaler does: its target is always exceeded, and what stands at 0 is left alone."""
        scaler = self._cluster.objects.get(
            ObjectKey("HorizontalPodAutoscaler", key.namespace, f"{key.name}-hpa")
        )
        if scaler is not None and self._cluster.objects[key]["spec"]["replicas"] > 0:
            most = scaler["spec"]["maxReplicas"]
            self._cluster.edit(key, "spec", "replicas", to=most, manager="autoscaler")

    def roll(self, key: ObjectKey, *, at_most: int | None = None, ready: bool = True) -> None:
        """Replace pods of old revisions, the highest ordinals first.

        Args:
            key: the StatefulSet.
            at_most: pods that are replaced or created; all when left out. With 0 the new generation is merely noticed.
            ready: whether new pods become ready.
        """
        workload = self._cluster.objects[key]
        revision = _revision(workload)
        wanted: int = workload["spec"]["replicas"]
        budget = wanted if at_most is None else at_most
        for pod in self.pods(key):
            if _ordinal(pod) >= wanted:
                self._cluster.vanish(pod)
        for ordinal in reversed(range(wanted)):
            pod = ObjectKey("Pod", key.namespace, f"{key.name}-{ordinal}")
            live = self._cluster.objects.get(pod)
            if live is not None and live["metadata"]["labels"][REVISION] == revision:
                continue
            if budget > 0:
                budget -= 1
                if live is not None:
                    self._cluster.vanish(pod)
                self._start(workload, pod, revision, ready=ready)
        self.count(key)

    def count(self, key: ObjectKey) -> None:
        """Write the status that follows from the pods."""
        workload = self._cluster.objects[key]
        revision = _revision(workload)
        pods = [self._cluster.objects[pod] for pod in self.pods(key)]
        updated = sum(pod["metadata"]["labels"][REVISION] == revision for pod in pods)
        ready = sum(_is_ready(pod) for pod in pods)
        over = updated == len(pods) == workload["spec"]["replicas"] and ready == len(pods)
        current = revision if over else workload.get("status", {}).get("currentRevision", revision)
        status: dict[str, Any] = {
            "observedGeneration": workload["metadata"]["generation"],
            "replicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "currentRevision": current,
            "updateRevision": revision,
            "updatedReplicas": updated,
        }
        self._cluster.write_status(key, status)

    def pods(self, key: ObjectKey) -> list[ObjectKey]:
        """Keys of the pods of a StatefulSet."""
        uid = self._cluster.objects[key]["metadata"]["uid"]
        return [
            pod
            for pod, obj in self._cluster.objects.items()
            if pod.kind == "Pod"
            and any(reference["uid"] == uid for reference in obj["metadata"].get("ownerReferences", ()))
        ]

    def _start(self, workload: Raw, key: ObjectKey, revision: str, *, ready: bool) -> None:
        self._born += 1
        meta, template = workload["metadata"], workload["spec"]["template"]
        owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": meta["name"], "uid": meta["uid"]}
        self._cluster.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": key.name,
                    "namespace": key.namespace,
                    "labels": {**template["metadata"]["labels"], REVISION: revision},
                    "ownerReferences": [{**owner, "controller": True}],
                },
                "spec": template["spec"],
                "status": _pod_status(f"10.0.0.{self._born}", ready=ready),
            },
            manager="kubelet",
        )

    def set_ready(self, key: ObjectKey, *, ready: bool) -> None:
        """A pod becomes ready, or stops being it."""
        self._cluster.write_status(
            key, _pod_status(self._cluster.objects[key]["status"]["podIP"], ready=ready)
        )


def _pod_status(address: str, *, ready: bool) -> dict[str, Any]:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    container = {"name": "kaspr", "state": {"running": {}}}
    return {"phase": "Running", "podIP": address, "conditions": [condition], "containerStatuses": [container]}


def _is_ready(pod: Raw) -> bool:
    return any(item["status"] == "True" for item in pod["status"]["conditions"])


def _ordinal(pod: ObjectKey) -> int:
    return int(pod.name.rpartition("-")[2])


def _revision(workload: Raw) -> str:
    text = json.dumps(workload["spec"]["template"], sort_keys=True)
    return f"{workload['metadata']['name']}-{blake2b(text.encode(), digest_size=4).hexdigest()}"
