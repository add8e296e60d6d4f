"""The storage of the simulated node: a default class, and a volume for every claim on it.

In: one watch over claims. Out: PersistentVolumes with `claimRef` (the real controller binds them), resized
volumes and claims, removed volumes. Event loop thread only. Invariant: a claim of another provisioner's class or of a
class that does not exist stays Pending, as on a real cluster.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hack.nodesim.environment import Raw
from hack.nodesim.rest import ApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from hack.nodesim.node import Node

NAME = "sim.kaspr.io/provisioner"
CLASS = "standard"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
VOLUMES = "/api/v1/persistentvolumes"


class Provisioner:
    """Provides volumes."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.ours: dict[str, bool] = {}
        self.made: dict[str, str] = {}  # claim uid -> size last provided
        self.tasks: set[asyncio.Task[None]] = set()
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Create the default class and follow the claims, for ever."""
        default = {"storageclass.kubernetes.io/is-default-class": "true"}
        storage_class = {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": CLASS, "annotations": default},
            "provisioner": NAME,
            "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
            "allowVolumeExpansion": True,
        }
        await self.node.api.create(CLASSES, storage_class, exists_ok=True)
        await self.node.api.follow("/api/v1/persistentvolumeclaims", self.handle, self.synced)

    def handle(self, kind: str, claim: Raw) -> None:
        """Act on one event."""
        metadata, spec = claim["metadata"], claim["spec"]
        size = spec["resources"]["requests"]["storage"]
        bound = self.node.claim(metadata["namespace"], metadata["name"])
        phase = (claim.get("status") or {}).get("phase")
        if kind == "DELETED":
            bound.clear()
            if self.made.pop(metadata["uid"], None):
                self.spawn(metadata["name"], self.node.api.delete(f"{VOLUMES}/{volume_name(claim)}"))
        elif phase == "Bound":
            bound.set()
            if self.made.setdefault(metadata["uid"], size) != size:
                self.made[metadata["uid"]] = size
                self.spawn(metadata["name"], self.resize(claim, size))
        elif not spec.get("volumeName") and metadata["uid"] not in self.made:
            self.spawn(metadata["name"], self.provide(claim, size))

    def spawn(self, name: str, work: Awaitable[None]) -> None:
        """Do something beside the watch."""

        async def guarded() -> None:
            try:
                await work
            except ApiError as error:
                self.node.failed(f"claim {name}", error)

        task = asyncio.create_task(guarded())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def provide(self, claim: Raw, size: str) -> None:
        """Create the volume of a claim, bound to it from the start."""
        name = claim["spec"].get("storageClassName") or ""
        if name not in self.ours:
            found = await self.node.api.find(f"{CLASSES}/{name}") if name else None
            if found is None:  # it may still be created
                return
            self.ours[name] = found["provisioner"] == NAME
        if not self.ours[name] or claim["metadata"]["uid"] in self.made:
            return
        self.made[claim["metadata"]["uid"]] = size
        reference = {key: claim["metadata"][key] for key in ("namespace", "name", "uid")}
        volume = {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {
                "name": volume_name(claim),
                "annotations": {"pv.kubernetes.io/provisioned-by": NAME},
            },
            "spec": {
                "capacity": {"storage": size},
                "accessModes": claim["spec"]["accessModes"],
                "volumeMode": claim["spec"].get("volumeMode") or "Filesystem",
                "storageClassName": name,
                "persistentVolumeReclaimPolicy": "Delete",
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **reference},
                "hostPath": {"path": f"/simulated/{claim['metadata']['uid']}"},
            },
        }
        await self.node.api.create(VOLUMES, volume, exists_ok=True)

    async def resize(self, claim: Raw, size: str) -> None:
        """Grow volume and claim, as an external resizer does."""
        capacity = {"capacity": {"storage": size}}
        metadata = claim["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/persistentvolumeclaims/{metadata['name']}/status"
        await self.node.api.patch(f"{VOLUMES}/{claim['spec']['volumeName']}", {"spec": capacity})
        await self.node.api.patch(path, {"status": capacity})

    async def stop(self) -> None:
        """Drop what is under way."""
        tasks = list(self.tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def volume_name(claim: Raw) -> str:
    """Return the name of a claim's volume."""
    return f"pvc-{claim['metadata']['uid']}"
