"""Deletion of one incarnation of an object: the request for it.

The UID precondition is not optional: between our decision and the request the object may have been replaced by a new one
of the same name, which nobody asked us to delete. The server answers 409 then. Called by the client; values only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaspr_controller.kube import errors
from kaspr_controller.kube.addressing import object_path
from kaspr_controller.kube.decoding import JSON, encode
from kaspr_controller.kube.transport import Request

if TYPE_CHECKING:
    from kaspr_controller.kube.kinds import Kind


def delete(  # noqa: PLR0913 (the parameters of the API)
    kind: Kind,
    namespace: str,
    name: str,
    *,
    uid: str,
    resource_version: str | None,
    propagation: str,
    grace_seconds: int | None,
) -> Request:
    """The DELETE.

    Raises:
        errors.BadRequest: there is no UID.
    """
    if not uid:
        raise errors.BadRequest(
            f"deleting the {kind.kind} {name!r} needs the UID of the incarnation that is meant"
        )
    preconditions = {"uid": uid}
    if resource_version:
        preconditions["resourceVersion"] = resource_version
    options: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": preconditions,
        "propagationPolicy": propagation,
    }
    if grace_seconds is not None:
        options["gracePeriodSeconds"] = grace_seconds
    return Request("delete", "DELETE", object_path(kind, namespace, name), encode(options), accept=JSON)
