"""A small validator for structural schemas, the way the API server applies them to Kubernetes' own types.

In: a schema (inlined, no references) and JSON. Out: problems with the path below the value. Called by the parser for
subtrees that stay raw. Any thread, no state. Invariant: only the keywords that kubernetes_types and its tests use are
understood; an unknown keyword would be silently ignored, so the tests check that none is recorded.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from kaspr_controller.api.metadata import Raw

Location: TypeAlias = tuple[str | int, ...]
Problem: TypeAlias = tuple[Location, str]

KEYWORDS = frozenset(
    {
        "type",
        "format",
        "enum",
        "pattern",
        "minLength",
        "maxLength",
        "minimum",
        "maximum",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "maxItems",
        "not",
        "x-kubernetes-int-or-string",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-map-type",
    }
)


def problems(schema: Raw, value: Any) -> list[Problem]:
    """Everything wrong with a value, in the order of its fields; empty when it is valid."""
    return list(_check(schema, value, ()))


def _check(schema: Raw, value: Any, at: Location) -> Iterator[Problem]:
    kind = _kind(value)
    expected = schema.get("type")
    if expected is None:
        yield from _open(schema, value, kind, at)
    elif expected != kind and not (expected == "number" and kind == "integer"):
        yield at, f"must be of type {expected}"
    else:
        yield from _BY_TYPE[expected](schema, value, at)


def _open(schema: Raw, value: Any, kind: str, at: Location) -> Iterator[Problem]:
    """A value without one type: int-or-string, or a quantity."""
    if "x-kubernetes-int-or-string" in schema and kind not in {"integer", "string"}:
        yield at, "must be a whole number or text"
    elif kind in {"object", "array", "boolean", "null"}:
        yield at, "must be text or a number"
    else:
        yield from (_text if kind == "string" else _number)(schema, value, at)


def _object(schema: Raw, value: Raw, at: Location) -> Iterator[Problem]:
    properties = schema.get("properties", {})
    rest = schema.get("additionalProperties")
    for name in schema.get("required", ()):
        if name not in value:
            yield (*at, name), "is required"
    for name, item in value.items():
        inner = properties.get(name, rest)
        if inner is not None:
            yield from _check(inner, item, (*at, name))
        else:
            yield (*at, name), "unknown field"


def _array(schema: Raw, value: list[Any], at: Location) -> Iterator[Problem]:
    most = schema.get("maxItems")
    if most is not None and len(value) > most:
        yield at, f"must have at most {most} items"
    for index, item in enumerate(value):
        yield from _check(schema["items"], item, (*at, index))
    keys = schema.get("x-kubernetes-list-map-keys")
    if keys:
        yield from duplicates(value, keys, at)


def duplicates(value: list[Any], keys: tuple[str, ...], at: Location) -> Iterator[Problem]:
    """Items of a list-map that repeat the keys of an earlier one."""
    seen: set[str] = set()
    for index, item in enumerate(value):
        # Keys may be anything in an object that is wrong elsewhere too; their text can always be compared.
        identity = repr([item.get(key) for key in keys] if isinstance(item, dict) else index)
        if identity in seen:
            yield (*at, index), f"repeats {', '.join(keys)} of an earlier item"
        seen.add(identity)


def _text(schema: Raw, value: str, at: Location) -> Iterator[Problem]:
    if len(value) < schema.get("minLength", 0):
        yield at, "must not be empty"
    if len(value) > schema.get("maxLength", len(value)):
        yield at, f"must have at most {schema['maxLength']} characters"
    if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        yield at, f"must match {schema['pattern']}"
    if "enum" in schema and value not in schema["enum"]:
        yield at, f"must be one of {', '.join(schema['enum'])}"


def _number(schema: Raw, value: float, at: Location) -> Iterator[Problem]:
    if value < schema.get("minimum", value):
        yield at, f"must be at least {schema['minimum']}"
    if value > schema.get("maximum", value):
        yield at, f"must be at most {schema['maximum']}"


def _nothing(schema: Raw, value: Any, at: Location) -> Iterator[Problem]:  # noqa: ARG001 - one shape for all types
    yield from ()


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    for cls, name in _KINDS:
        if isinstance(value, cls):
            return name
    return "object"


@cache
def _pattern(text: str) -> re.Pattern[str]:
    # `$` of Python also matches before a trailing newline, the server's does not.
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", text))


_KINDS = ((str, "string"), (int, "integer"), (float, "number"), (list, "array"))
_BY_TYPE: dict[str, Callable[[Raw, Any, Location], Iterator[Problem]]] = {
    "object": _object,
    "array": _array,
    "string": _text,
    "integer": _number,
    "number": _number,
    "boolean": _nothing,
}
