"""Serializers of keys and values: raw, json, pickle, binary.

In: a serializer's name and a value or bytes. Out: bytes or a value. Called wherever a message enters or leaves. Pure.
Invariant: a key of a table and the key of a message are the same bytes when their serializer is the same (C13: with json
the text `p1` is `"p1"`, quotes included).
"""

from __future__ import annotations

import base64
import json
import pickle
from typing import Any

KEY = "raw"
VALUE = "json"
"""What the runtime takes where nothing is said."""


def encode(serializer: str | None, value: Any) -> bytes | None:
    """Return the bytes of a value; None stays None (a tombstone)."""
    if value is None:
        return None
    if serializer == "json":
        return json.dumps(value, default=str).encode()
    if serializer == "pickle":
        return pickle.dumps(value)
    if serializer == "binary":
        return base64.b64encode(raw(value))
    return raw(value)


def decode(serializer: str | None, data: bytes | None) -> Any:
    """Return the value of some bytes.

    Raises:
        ValueError: the bytes are not what the serializer writes.
    """
    if data is None:
        return None
    if serializer == "json":
        return json.loads(data)
    if serializer == "pickle":
        return pickle.loads(data)  # noqa: S301  # messages come from the tests themselves
    if serializer == "binary":
        return base64.b64decode(data)
    return data


def raw(value: Any) -> bytes:
    """Return bytes as they are, and text as UTF-8."""
    return value if isinstance(value, bytes) else str(value).encode()
