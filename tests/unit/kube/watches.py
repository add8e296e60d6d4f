"""Watch events and streams for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaspr_controller.kube.kinds import POD

if TYPE_CHECKING:
    from kaspr_controller.kube.client import Client
    from kaspr_controller.kube.watching import WatchStream


def pod(version: int, name: str = "a", **meta: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "n", "resourceVersion": str(version), **meta}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta}


def event(type_: str, version: int, **meta: Any) -> dict[str, Any]:
    return {"type": type_, "object": pod(version, **meta)}


def bookmark(version: int) -> dict[str, Any]:
    meta = {"resourceVersion": str(version), "creationTimestamp": None}
    return {"type": "BOOKMARK", "object": {"kind": "Pod", "apiVersion": "v1", "metadata": meta}}


def watch(client: Client, version: str = "1", **options: Any) -> WatchStream:
    return client.watch(POD, resource_version=version, timeout_seconds=300, **options)


def seen(stream: WatchStream) -> list[tuple[str, str]]:
    return [(event.type, event.resource_version) for event in stream]
