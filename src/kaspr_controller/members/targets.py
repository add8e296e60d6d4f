"""Which pod to ask: an address that is only good together with the pod's UID.

The reconcilers make `Target`s from the pods in the store; `client` asks them, `polling` remembers by UID. A pod's IP is
another pod's soon after its end, so what is answered from it is checked against the names in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address

_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Target:
    """One pod that can be asked.

    Attributes:
        pod_uid: UID of this incarnation of the pod.
        name: pod name, `<app>-app-<ordinal>`.
        ip: `status.podIP`, IPv4 or IPv6.
        port: the web port that this pod was started with.
    """

    pod_uid: str
    name: str
    ip: str
    port: int

    @property
    def app_id(self) -> str:
        """The Kafka app id, consumer group and headless Service of the app: `<app>-app`."""
        return self.name.rpartition("-")[0]

    @property
    def addressable(self) -> bool:
        """There is an IP address (a pod has none before it is scheduled) and a port."""
        try:
            ip_address(self.ip)
        except ValueError:
            return False
        return 0 < self.port <= _MAX_PORT
