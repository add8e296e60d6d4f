"""Server-side apply: the request for one (chapter 9 of the controller design; rule S4).

Comes in: an object that holds exactly what we want to own. Goes out: a PATCH whose field manager is ours. `uid` in the
metadata makes it "update only", `resourceVersion` makes it optimistic; both are the caller's choice and pass through.
Called by the client; values only.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kaspr_controller.kube.addressing import object_path
from kaspr_controller.kube.decoding import LEAN_JSON, encode
from kaspr_controller.kube.transport import Request

if TYPE_CHECKING:
    from kaspr_controller.kube.kinds import Kind, Raw

FIELD_MANAGER = "kaspr-controller"

# JSON is YAML; the server knows no apply type for JSON.
_APPLY = "application/apply-patch+yaml"
# Except for these, in UTF-8: the server's YAML reader refuses DEL, controls of Latin-1, U+FFFE and U+FFFF, and silently
# turns U+0085, U+2028 and U+2029 into blanks, so that what is stored would differ from what was sent for ever. They occur
# only inside strings, where an escape means the same.
_NOT_YAML = re.compile(rb"\x7f|\xc2[\x80-\x9f]|\xe2\x80[\xa8\xa9]|\xef\xbb\xbf|\xef\xbf[\xbe\xbf]")


def apply(  # noqa: PLR0913 (the parameters of the API)
    obj: Raw,
    kind: Kind,
    *,
    subresource: str | None,
    field_manager: str,
    field_validation: str,
    force: bool,
    dry_run: bool,
) -> Request:
    """The PATCH for `obj`; `managedFields` are left out because the server refuses them."""
    meta = obj["metadata"]
    query = {"fieldManager": field_manager, "fieldValidation": field_validation}
    if force:
        query["force"] = "true"
    if dry_run:
        query["dryRun"] = "All"
    if "managedFields" in meta:
        kept = {name: value for name, value in meta.items() if name != "managedFields"}
        obj = {**obj, "metadata": kept}
    path = object_path(kind, meta.get("namespace", ""), meta["name"], subresource, query=query)
    return Request("apply", "PATCH", path, _yaml(encode(obj)), content_type=_APPLY, accept=LEAN_JSON)


def _yaml(body: bytes) -> bytes:
    """The JSON text as a YAML reader understands it."""
    return _NOT_YAML.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), body)
