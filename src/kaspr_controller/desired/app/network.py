"""Identity and network of an app: its ServiceAccount and its two Services (contract 2.4, 2.5).

In: a KasprApp. Out: objects. The headless Service gives every member a name by which the group knows it, also while it is
not ready; the other one is for clients. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kaspr_controller.api.v1alpha1.app import KasprApp, MetadataTemplate, ResourceTemplate
from kaspr_controller.desired.app.identity import Identity

PORT_NAME = "http"


def service_account(app: KasprApp, identity: Identity) -> dict[str, Any]:
    """The ServiceAccount of the pods; what the user gives wins, also over generated labels."""
    metadata = identity.metadata(identity.workload)
    given = _given(app.spec.template.service_account)
    metadata["labels"] = metadata["labels"] | given.labels
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": annotated(metadata, given.annotations)}


def service(app: KasprApp, identity: Identity, *, port: int) -> dict[str, Any]:
    """The Service for clients."""
    return _service(app, identity, identity.service, {"type": "ClusterIP"}, port)


def headless_service(app: KasprApp, identity: Identity, *, port: int) -> dict[str, Any]:
    """The Service behind the members' own names."""
    return _service(
        app, identity, identity.workload, {"clusterIP": "None", "publishNotReadyAddresses": True}, port
    )


def annotated(metadata: dict[str, Any], annotations: Mapping[str, str]) -> dict[str, Any]:
    """Metadata with annotations, and without an empty map of them."""
    return metadata | {"annotations": dict(annotations)} if annotations else metadata


def _service(
    app: KasprApp, identity: Identity, name: str, more: Mapping[str, Any], port: int
) -> dict[str, Any]:
    metadata = identity.metadata(name)
    given = _given(app.spec.template.service)
    metadata["labels"] = given.labels | metadata["labels"]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": annotated(metadata, given.annotations),
        "spec": {
            **more,
            "selector": identity.selector(),
            # By name: while the port changes, every pod is reached where it listens, old ones and new ones.
            "ports": [{"name": PORT_NAME, "protocol": "TCP", "port": port, "targetPort": PORT_NAME}],
        },
    }


def _given(template: ResourceTemplate | None) -> MetadataTemplate:
    return (template and template.metadata) or MetadataTemplate()
