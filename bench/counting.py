"""What a subject asked the API server, counted by the server itself.

Every subject has a service account of its own, and flow schemas sort the requests of that account by what they do. The
server counts the requests of each flow schema anyway, so counting costs nothing while something is measured, knows the
sender for certain, and works for every subject. In: the administrator's `Access`. Out: `Counts`.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any

from hack.controlplane.access import Access
from kaspr_controller.reconcilers import kinds

ACCOUNT = "subject"
ACCOUNTS = "bench-accounts"
"""Name and namespace of the service account of whoever is measured."""
_SECONDS = 30.0
_SAMPLE = re.compile(
    r'^apiserver_flowcontrol_dispatched_requests_total\{flow_schema="bench-(\w+)",[^}]*\} (\S+)$',
    re.MULTILINE,
)
_WRITING = ["create", "update", "patch", "delete", "deletecollection"]
_STATUSES = [f"{kind.plural}/status" for kind in (kinds.APP, *kinds.COMPONENTS)]
_FLOWS: dict[str, tuple[list[str], list[str]]] = {
    # in the order in which the server asks them
    "lease": (["*"], ["leases"]),
    "events": (_WRITING, ["events"]),
    "statuses": (_WRITING, _STATUSES),
    "objects": (_WRITING, ["*"]),
    "gets": (["get"], ["*"]),
    "lists": (["list", "watch"], ["*"]),
}


@dataclass(frozen=True, slots=True)
class Counts:
    """Requests of the subject: writes of objects, of our statuses and of Events; reads; what belongs to the lease."""

    objects: int = 0
    statuses: int = 0
    events: int = 0
    gets: int = 0
    lists: int = 0
    lease: int = 0

    @property
    def writes(self) -> int:
        """All writes but those of the lease."""
        return self.objects + self.statuses + self.events

    @property
    def all(self) -> int:
        """All requests; what asks for no resource (/version, /healthz) is not counted."""
        return self.writes + self.gets + self.lists + self.lease

    def __sub__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) - getattr(other, name) for name in self.__slots__))


def install(admin: Access, probe: Access) -> None:
    """Make the flow schemas; returns when the server sorts by them.

    Args:
        admin: the administrator.
        probe: a request as the subject.
    """
    path = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
    for precedence, (name, (verbs, resources)) in enumerate(_FLOWS.items(), 200):
        admin.request("POST", path, _schema(name, precedence, verbs, resources))
    deadline = time.monotonic() + _SECONDS
    while read(admin).gets == 0:
        if time.monotonic() > deadline:
            raise TimeoutError("the API server does not take the flow schemas")
        probe.request("GET", "/api/v1/namespaces/default")
        time.sleep(0.1)


def read(admin: Access) -> Counts:
    """The counts since the start of the server."""
    found: dict[str, int] = {}
    for name, value in _SAMPLE.findall(admin.request("GET", "/metrics")):
        found[name] = found.get(name, 0) + int(float(value))
    return Counts(**found)


def _schema(name: str, precedence: int, verbs: list[str], resources: list[str]) -> dict[str, Any]:
    subject = {"kind": "ServiceAccount", "serviceAccount": {"namespace": ACCOUNTS, "name": ACCOUNT}}
    rule = {
        "verbs": verbs,
        "apiGroups": ["*"],
        "resources": resources,
        "namespaces": ["*"],
        "clusterScope": True,
    }
    return {
        "apiVersion": "flowcontrol.apiserver.k8s.io/v1",
        "kind": "FlowSchema",
        "metadata": {"name": f"bench-{name}"},
        "spec": {
            "matchingPrecedence": precedence,
            "priorityLevelConfiguration": {"name": "workload-low"},
            "rules": [{"subjects": [subject], "resourceRules": [rule]}],
        },
    }
