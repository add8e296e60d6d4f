"""How far the workload is: judged from the live StatefulSet alone.

In: the StatefulSet as stored (or nothing). Out: `Rollout`, a value that the conditions, the pruning guard and the member
poll read. Pods of the newest revision are counted against all pods, never against those of the current one: two of four
updated pods once looked finished because `currentReplicas` equalled `updatedReplicas` (D52 of the predecessor).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rollout:
    """The state of the workload.

    Attributes:
        exists: a StatefulSet is there and not being deleted.
        observed: its controller has seen the newest generation; without that no number below means anything.
        desired: pods that the StatefulSet asks for.
        updated: pods of the newest revision.
        ready: pods that the kubelet calls ready, of any revision.
        total: pods that exist, of any revision.
        complete: all desired pods exist, are of the newest revision and ready, and no other pod is left.
        image: image of the member container in the template, "" when unknown.
        revision: the newest revision's name.
        single: the newest revision is the current one too: a pod that is created, wherever, is of it.
        alike: the pods that are known are all of the newest revision.
    """

    exists: bool = False
    observed: bool = False
    desired: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    total: int = 0
    complete: bool = False
    image: str = ""
    revision: str = ""
    single: bool = False
    alike: bool = False

    @property
    def current(self) -> bool:
        """Every pod that exists is of the newest revision, and one of them is ready or none is asked for."""
        return self.observed and self.uniform and (self.ready > 0 or self.desired == 0)

    @property
    def uniform(self) -> bool:
        """Every pod that exists is of the newest revision.

        The counts alone would doubt it whenever a pod is replaced: one that is on its way out is in the total only. The
        revisions alone would believe it after an edit that was taken back halfway, while a pod of it is left.
        """
        return self.updated == self.total or (self.single and self.alike)

    @property
    def settled(self) -> bool:
        """No pod of an older revision is left or will be created: content of older revisions may go."""
        return self.observed and self.updated == self.total and self.total == self.desired


def judge(stateful_set: Mapping[str, Any] | None, revisions: Collection[str] = ()) -> Rollout:
    """The rollout state of a live StatefulSet; of nothing when there is none or it is on its way out.

    Args:
        stateful_set: as stored.
        revisions: those of its pods, as far as they are known.
    """
    if stateful_set is None or "deletionTimestamp" in stateful_set["metadata"]:
        return Rollout()
    spec, status = stateful_set["spec"], stateful_set.get("status", {})
    desired = spec.get("replicas", 1)
    observed = status.get("observedGeneration", 0) >= stateful_set["metadata"].get("generation", 0)
    total = status.get("replicas", 0)
    # The count alone: after an edit that was taken back halfway both revisions are equal while pods of another one are left.
    updated = status.get("updatedReplicas", 0)
    ready = status.get("readyReplicas", 0)
    return Rollout(
        exists=True,
        observed=observed,
        desired=desired,
        updated=updated,
        ready=ready,
        available=status.get("availableReplicas", 0),
        total=total,
        complete=observed and updated == total == ready == desired,
        image=_image(spec),
        revision=status.get("updateRevision", ""),
        alike=set(revisions) == {status.get("updateRevision", "")},
        single=observed and status.get("currentRevision", "") == status.get("updateRevision", "") != "",
    )


def _image(spec: Mapping[str, Any]) -> str:
    containers = spec.get("template", {}).get("spec", {}).get("containers", ())
    return str(next((item.get("image", "") for item in containers if item.get("name") == "kaspr"), ""))


def tag_of(image: str) -> str:
    """The version part of an image reference: the tag, else the digest, else "".

    A registry port is no tag (`reg:5000/kaspr` has none), a digest does not hide the tag before it (D30).
    """
    name, _, digest = image.partition("@")
    last = name.rsplit("/", 1)[-1]
    _, _, tag = last.partition(":")
    return tag or digest
