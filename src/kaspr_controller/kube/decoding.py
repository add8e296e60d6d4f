"""JSON to and from the wire, and what is dropped on the way in.

`decode` gives plain dicts, `encode` compact bytes; both run in pydantic's Rust core, three times as fast as the standard
library. `strip` removes `managedFields`, up to 60 % of an object, which only the take-over of foreign field managers
reads. Any thread; values only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json

from kaspr_controller.kube import errors

# Ignored by servers that do not know the parameter (1.37 and later do), so it is always sent (rule W6).
JSON = "application/json"
LEAN_JSON = "application/json;drop=metadata.managedFields"


def decode(body: bytes, *, request: str = "") -> dict[str, Any]:
    """The JSON object in `body`.

    Raises:
        errors.ProtocolError: not JSON, or not an object.
    """
    try:
        # Keys repeat over all objects and stay cached; values rarely do.
        value = from_json(body, cache_strings="keys")
    except ValueError as error:
        raise errors.ProtocolError(f"the answer is not JSON: {error}", request=request) from error
    if not isinstance(value, dict):
        raise errors.ProtocolError("the answer is no JSON object", request=request)
    return value


def encode(value: Any) -> bytes:
    """Compact JSON; mappings of any type are written as objects.

    Raises:
        errors.BadRequest: the value holds something that JSON cannot carry.
    """
    try:
        return to_json(value, fallback=_plain)
    except (PydanticSerializationError, TypeError) as error:
        raise errors.BadRequest(f"the object cannot be written as JSON: {error}") from error


def strip(obj: dict[str, Any]) -> dict[str, Any]:
    """The object itself, without `metadata.managedFields`."""
    meta = obj.get("metadata")
    if meta:
        meta.pop("managedFields", None)
    return obj


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")
