"""The cluster as tests see it: the official client, kubectl, pytest-kind.

In: an `Access` of `hack.kind`. Out: `Cluster`. Made once per run by the fixture of that name. Invariant: everything that a test
believes about the cluster came through the official client or kubectl, never through our own client.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_kind import KindCluster

from kaspr_controller.kube.kinds import Kind
from tests.integration.fixtures.oracle import Kube

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hack.kind.cluster import Access

DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")


@dataclass(frozen=True, slots=True)
class Cluster:
    """One running cluster.

    Attributes:
        access: kind and kubectl for it.
        kind: pytest-kind's view; `kind.port_forward(...)` and the like.
        kube: the administrator, through the official client.
    """

    access: Access
    kind: KindCluster
    kube: Kube

    @classmethod
    def of(cls, access: Access) -> Cluster:
        """Wrap a cluster that runs."""
        assert access.kubeconfig is not None
        kind = KindCluster(access.name, access.kubeconfig, kind_path=access.kind, kubectl_path=access.kubectl)
        kind.create()  # exists: reads the kubeconfig
        return cls(access, kind, Kube(access.kubeconfig))

    def load(self, image: str) -> None:
        """Give an image of the Docker engine to the node; nothing happens when it has it."""
        self.access.load(image)

    def kubectl(self, *words: str, text: str | None = None, timeout: float = 120.0) -> str:
        """The standard output of kubectl; `text` is what it reads. Raises `KindError` with its words when it fails."""
        return self.access.kubectl_run(*words, text=text, timeout=timeout)

    def apply(self, namespace: str, *objects: Mapping[str, Any]) -> None:
        """`kubectl apply` of plain objects into a namespace, as a user does it."""
        items = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        self.kubectl("apply", f"--namespace={namespace}", "-f", "-", text=json.dumps(items))

    def conditions(self, kind: Kind, namespace: str, name: str) -> dict[str, dict[str, Any]]:
        """The conditions of an object, by type."""
        status = self.kube.get(kind, namespace, name).get("status", {})
        return {condition["type"]: condition for condition in status.get("conditions", [])}
