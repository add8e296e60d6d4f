"""What the annotations of a model say: optional or not, list or map or part, bounds and markers.

In: a `Part` class. Out: `Shape` per field. Called by the CRD generator, the reference generator and the parser (once per model,
cached there). Invariant: one reading of annotations for all three.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from kaspr_controller.api import structural
from kaspr_controller.api.modelling import Keyed, Part

if TYPE_CHECKING:
    from pydantic import BaseModel

    from kaspr_controller.api.structural import Problem


@dataclass(frozen=True, slots=True)
class Shape:
    """One annotation, taken apart.

    `core` is a plain type, a `Part` class, a tuple of literals, or one of the words "list" and "map" with the shape of what is
    inside in `item`. `marks` are all markers and bounds, outermost first.
    """

    core: Any
    item: Shape | None = None
    marks: tuple[Any, ...] = ()
    optional: bool = False

    def mark(self, kind: type) -> Any:
        """The first marker of a class, or None."""
        return next((mark for mark in self.marks if isinstance(mark, kind)), None)

    def bounds(self) -> dict[str, Any]:
        """Lengths, limits and pattern, by the names pydantic gives them; outer ones win."""
        found: dict[str, Any] = {}
        for mark in self.marks:
            for name in ("min_length", "max_length", "ge", "le", "pattern"):
                value = getattr(mark, name, None)
                if value is not None:
                    found.setdefault(name, value)
        return found


class Child(NamedTuple):
    """A field that holds another part, or a list of them."""

    attribute: str
    json: str
    model: type[Part]
    many: bool


@dataclass(frozen=True, slots=True)
class KeyedList:
    """A list field whose items are told apart by keys; `keys` are JSON names, `attributes` the same on a part."""

    attribute: str
    json: str
    keys: tuple[str, ...]
    attributes: tuple[str, ...]

    def duplicates(self, items: tuple[Any, ...]) -> list[Problem]:
        """Items that repeat the keys of an earlier one."""
        if isinstance(items[0], Part):
            items = tuple(
                {key: getattr(item, name) for key, name in zip(self.keys, self.attributes, strict=True)}
                for item in items
            )
        return list(structural.duplicates(list(items), self.keys, ()))


def keyed_lists(model: type[BaseModel]) -> Iterator[KeyedList]:
    """The list fields of a model whose items have keys."""
    for attribute, info in model.model_fields.items():
        found = shape(info)
        keyed = found.mark(Keyed)
        if keyed is None or found.item is None:
            continue
        core = found.item.core
        names = core.model_fields if isinstance(core, type) and issubclass(core, Part) else {}
        by_json = {item.alias or name: name for name, item in names.items()}
        attributes = tuple(by_json.get(key, key) for key in keyed.keys)
        yield KeyedList(attribute, info.alias or attribute, keyed.keys, attributes)


def shape(info: FieldInfo) -> Shape:
    """The shape of a model's field."""
    return _read(info.annotation, tuple(info.metadata))


def children(model: type[BaseModel]) -> Iterator[Child]:
    """The fields of a model below which there are more models of ours."""
    for attribute, info in model.model_fields.items():
        found = shape(info)
        many = found.core == "list"
        core = found.item.core if many and found.item else found.core
        if isinstance(core, type) and issubclass(core, Part):
            yield Child(attribute, info.alias or attribute, core, many)


def _read(annotation: Any, marks: tuple[Any, ...]) -> Shape:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _read(inner, (*marks, *_flat(more)))
    if origin in {Union, types.UnionType}:
        inner = next(arg for arg in get_args(annotation) if arg is not type(None))
        found = _read(inner, marks)
        return Shape(found.core, found.item, found.marks, optional=True)
    if origin is Literal:
        return Shape(get_args(annotation), None, marks)
    if origin is tuple:
        return Shape("list", _read(get_args(annotation)[0], ()), marks)
    if origin is dict:
        return Shape("map", _read(get_args(annotation)[1], ()), marks)
    return Shape(annotation, None, marks)


def _flat(marks: list[Any]) -> Iterator[Any]:
    """Markers with the bounds of `Field(...)` unpacked."""
    for mark in marks:
        if isinstance(mark, FieldInfo):
            yield from mark.metadata
        else:
            yield mark
