"""What all pods of the simulated node share: the API, the clock, the addresses, the Kafka groups, the records.

In: settings of the simulator. Out: services for `pod_worker`, the Node object itself. Event loop thread only.
Invariant: one group a (namespace, bootstrap servers, app id), one set of topics a (namespace, bootstrap servers);
the node is registered as Ready, without taints and with room for everything, so that the real scheduler uses it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hack.nodesim import behaviour, environment, volumes
from hack.nodesim.behaviour import Behaviour
from hack.nodesim.environment import Raw, Sources
from hack.nodesim.group import Group, Topics
from hack.nodesim.rest import MERGE, STRATEGIC, Api, ApiError

if TYPE_CHECKING:
    from hack.nodesim.addresses import Network
    from hack.nodesim.brokers import SimulatedBroker
    from hack.nodesim.definitions import Order
    from hack.nodesim.pod_worker import Start
    from hack.nodesim.settings import Settings
    from hack.nodesim.timings import Timings
    from hack.nodesim.wire import KafkaListener

ROOM = {"cpu": "100000", "memory": "1000Ti", "ephemeral-storage": "1000Ti", "pods": "100000"}


@dataclass(slots=True)
class Node:
    """The node and what its pods share."""

    name: str
    api: Api
    loop: asyncio.AbstractEventLoop
    network: Network
    timings: Timings
    partitions: int
    order: Order
    notify: Callable[[], None]
    starts: list[Start] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    groups: dict[tuple[str, str, str], Group] = field(default_factory=dict)
    topics: dict[tuple[str, str], Topics] = field(default_factory=dict)
    scripts: dict[tuple[str | None, str], str] = field(
        default_factory=dict
    )  # (namespace, pod) -> kept script
    bound: dict[tuple[str, str], asyncio.Event] = field(default_factory=dict)
    brokers: dict[str, tuple[SimulatedBroker, KafkaListener]] = field(default_factory=dict)  # by namespace

    def now(self) -> str:
        """Return the wall clock as Kubernetes writes it."""
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def failed(self, where: str, error: Exception) -> None:
        """Remember a fault of the simulator itself; tests read it when they wait in vain."""
        self.failures.append(f"{where}: {type(error).__name__}: {error}")
        self.notify()

    def behaviour(self, pod: Raw, script: str | None) -> Behaviour:
        """Return the behaviour of a pod: its own script, one kept for its name, or its annotation.

        Text that is no script is a failure and changes nothing.
        """
        metadata = pod["metadata"]
        annotation = (metadata.get("annotations") or {}).get(behaviour.ANNOTATION, "")
        kept = (self.scripts.get((place, metadata["name"])) for place in (metadata["namespace"], None))
        try:
            return behaviour.parse(next(text for text in (script, *kept, annotation) if text is not None))
        except behaviour.BadScript as error:
            self.failed(metadata["name"], error)
            return Behaviour()

    def broker(self, namespace: str, bootstrap: str) -> Topics:
        """Return the topics of the broker behind these bootstrap servers."""
        return self.topics.setdefault((namespace, bootstrap), Topics(self.partitions))

    def group(self, namespace: str, settings: Settings) -> Group:
        """Return the consumer group of an app."""
        key = (namespace, settings.bootstrap, settings.app_id)
        if key not in self.groups:
            self.groups[key] = Group(settings.app_id, self.broker(namespace, settings.bootstrap), self.loop)
        return self.groups[key]

    def claim(self, namespace: str, name: str) -> asyncio.Event:
        """Return the event that is set while a claim is bound."""
        return self.bound.setdefault((namespace, name), asyncio.Event())

    async def claims_bound(self, namespace: str, names: Iterable[str]) -> None:
        """Wait until the claims are bound, as the scheduler would before it places the pod."""
        for name in names:
            await self.claim(namespace, name).wait()

    async def sources(self, pod: Raw) -> Sources:
        """Fetch every ConfigMap and Secret a pod names, as they are now."""
        by_env, by_volume = environment.references(pod), volumes.references(pod)
        base = f"/api/v1/namespaces/{pod['metadata']['namespace']}"

        async def fetched(plural: str, names: Iterable[str]) -> list[tuple[str, Raw]]:
            found = [(name, await self.api.find(f"{base}/{plural}/{name}")) for name in sorted(names)]
            return [(name, obj) for name, obj in found if obj is not None]

        config_maps = await fetched("configmaps", by_env[0] | by_volume[0])
        secrets = await fetched("secrets", by_env[1] | by_volume[1])
        return Sources(
            {name: environment.config_map_texts(obj) for name, obj in config_maps},
            {name: environment.secret_texts(obj) for name, obj in secrets},
        )

    async def event(self, pod: Raw, reason: str, message: str) -> None:
        """Write a warning about a pod as a kubelet does; in a namespace that ends nobody will read it."""
        metadata = pod["metadata"]
        reference = {key: metadata[key] for key in ("namespace", "name", "uid")}
        event = {
            "metadata": {"generateName": f"{metadata['name']}.", "namespace": metadata["namespace"]},
            "involvedObject": {"apiVersion": "v1", "kind": "Pod", **reference},
            "type": "Warning",
            "reason": reason,
            "message": message,
            "source": {"component": "kubelet", "host": self.name},
            "firstTimestamp": self.now(),
            "lastTimestamp": self.now(),
            "count": 1,
        }
        try:
            await self.api.create(f"/api/v1/namespaces/{metadata['namespace']}/events", event)
        except ApiError as error:
            self.failed(metadata["name"], error) if error.reason not in {"Forbidden", "NotFound"} else None

    async def register(self) -> None:
        """Create the Node, ready and without the taint that new nodes get."""
        labels = {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            "kubernetes.io/arch": "amd64",
        }
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name, "labels": labels}}
        path = f"/api/v1/nodes/{self.name}"
        await self.api.create("/api/v1/nodes", node, exists_ok=True)
        await self.api.patch(f"{path}/status", {"status": self.status()}, STRATEGIC)
        await self.api.patch(path, {"spec": {"taints": None}}, MERGE)

    def status(self) -> dict[str, Any]:
        """Return the status of a healthy node."""
        now = self.now()
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "simulated"}
        return {
            "capacity": ROOM,
            "allocatable": ROOM,
            "conditions": [{**ready, "lastHeartbeatTime": now, "lastTransitionTime": now}],
            "addresses": [
                {"type": "InternalIP", "address": self.network.host},
                {"type": "Hostname", "address": self.name},
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "operatingSystem": "linux",
                "kubeletVersion": "v1.34.4",
                "containerRuntimeVersion": "sim://1",
                "kernelVersion": "",
                "osImage": "simulated",
                "machineID": "",
                "systemUUID": "",
                "bootID": "",
                "kubeProxyVersion": "",
            },
        }
