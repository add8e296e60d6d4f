"""The kubelet's main loop: hands each pod of the node to a worker of its own.

In: one watch over pods. Out: a `PodWorker` for each pod bound to this node; with `bind` also the bindings a scheduler
would write. Event loop thread only. Invariant: one worker a pod uid; a new pod of an old name is another pod.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hack.nodesim.environment import Raw
from hack.nodesim.pod_worker import PodWorker
from hack.nodesim.rest import ApiError

if TYPE_CHECKING:
    from hack.nodesim.node import Node

FINISHED = {"Succeeded", "Failed"}


class Kubelet:
    """Runs all pods of the node."""

    def __init__(self, node: Node, *, bind: bool) -> None:
        self.node = node
        self.bind = bind
        self.workers: dict[str, PodWorker] = {}
        self.binding: set[asyncio.Task[None]] = set()
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """Follow the pods, for ever."""
        mine = {} if self.bind else {"fieldSelector": f"spec.nodeName={self.node.name}"}
        await self.node.api.follow("/api/v1/pods", self.handle, self.synced, **mine)

    def handle(self, kind: str, pod: Raw) -> None:
        """Act on one event."""
        uid = pod["metadata"]["uid"]
        worker = self.workers.get(uid)
        if kind == "DELETED":
            if worker is not None:
                del self.workers[uid]
                worker.gone()
        elif worker is not None:
            worker.changed(pod)
        elif pod["spec"].get("nodeName") == self.node.name:
            self.begin(pod)
        elif self.bind and not pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp"):
            task = asyncio.create_task(self.bind_here(pod))
            self.binding.add(task)
            task.add_done_callback(self.binding.discard)
        self.node.notify()

    def begin(self, pod: Raw) -> None:
        """Start a worker, for a pod that is being deleted too: nobody else frees its name."""
        if (pod.get("status") or {}).get("phase") in FINISHED:
            return
        worker = self.workers[pod["metadata"]["uid"]] = PodWorker(pod, self.node)
        if pod["metadata"].get("deletionTimestamp"):
            worker.changed(pod)

    async def bind_here(self, pod: Raw) -> None:
        """Place a pod on this node, unless the scheduler was faster or the pod must not be placed yet."""
        if pod["spec"].get("schedulingGates"):
            return
        metadata = pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/binding"
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": metadata["name"], "uid": metadata["uid"]},
            "target": {"apiVersion": "v1", "kind": "Node", "name": self.node.name},
        }
        try:
            await self.node.api.create(path, body)
        except ApiError as error:
            if error.status not in {404, 409}:
                self.node.failed(metadata["name"], error)

    async def stop(self) -> None:
        """End every process and free the names of pods that were being deleted."""
        workers, self.workers = list(self.workers.values()), {}
        for worker in workers:
            worker.gone()
        tasks = [task for worker in workers for task in (worker.task, worker.writing) if task is not None]
        await asyncio.gather(*tasks, *self.binding, return_exceptions=True)
        for worker in workers:
            if worker.pod["metadata"].get("deletionTimestamp"):
                await self.node.api.delete(
                    worker.path, gracePeriodSeconds=0, preconditions={"uid": worker.uid}
                )
