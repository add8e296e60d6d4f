"""Writes that are no apply: create, replace and the two patches; requests only.

Leases and Events are created and replaced; the take-over of objects from another field manager is a JSON patch with a
test on the resource version. Everything else is applied. Called by the client; values only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaspr_controller.kube.addressing import collection_path, object_path
from kaspr_controller.kube.applying import FIELD_MANAGER
from kaspr_controller.kube.decoding import LEAN_JSON, encode
from kaspr_controller.kube.transport import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kaspr_controller.kube.kinds import Kind, Raw

_QUERY = {"fieldManager": FIELD_MANAGER}
_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"


def create(obj: Raw, kind: Kind, subresource: str | None) -> Request:
    """The POST for a new object, or for a subresource such as `eviction` or `token` of an existing one."""
    meta = obj["metadata"]
    namespace = meta.get("namespace", "")
    if subresource:
        path = object_path(kind, namespace, meta["name"], subresource, query=_QUERY)
    else:
        path = collection_path(kind, namespace if kind.namespaced else None, query=_QUERY)
    return Request("create", "POST", path, encode(obj), accept=LEAN_JSON)


def replace(obj: Raw, kind: Kind, subresource: str | None) -> Request:
    """The PUT for an object as read; its resource version guards it."""
    meta = obj["metadata"]
    path = object_path(kind, meta.get("namespace", ""), meta["name"], subresource, query=_QUERY)
    return Request("update", "PUT", path, encode(obj), accept=LEAN_JSON)


def patch_json(kind: Kind, namespace: str, name: str, ops: Sequence[Raw], subresource: str | None) -> Request:
    """A JSON patch (RFC 6902)."""
    path = object_path(kind, namespace, name, subresource, query=_QUERY)
    return Request("patch", "PATCH", path, encode(ops), content_type=_JSON_PATCH, accept=LEAN_JSON)


def patch_merge(kind: Kind, namespace: str, name: str, patch: Any, subresource: str | None) -> Request:
    """A merge patch (RFC 7386): null removes, lists are replaced."""
    path = object_path(kind, namespace, name, subresource, query=_QUERY)
    return Request("patch", "PATCH", path, encode(patch), content_type=_MERGE_PATCH, accept=LEAN_JSON)
