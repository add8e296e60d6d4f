"""Validation errors in words: which field, what is wrong, what would be right.

In: a pydantic error and the model it came from. Out: locations and sentences. Called by the parser, only when an object is
invalid, so nothing here needs to be fast. Invariant: a message never repeats the value (it may be a secret in the wrong field).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kaspr_controller.api.fields import Shape, shape
from kaspr_controller.api.modelling import Hint, Part

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

    from kaspr_controller.api.structural import Location, Problem

_SENTENCES = {
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a map",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "missing": "is required",
    "literal_error": "must be one of {expected}",
    "string_too_short": "needs {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "needs at least {min_length} items",
    "too_long": "must have at most {max_length} items",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
}


def problems(model: type[Part], error: ValidationError) -> Iterator[Problem]:
    """Location and sentence of each error."""
    for detail in error.errors(include_url=False):
        at: Location = tuple(step for step in detail["loc"] if step != "[key]")
        if detail["type"] == "kubernetes":
            for below, text in detail["ctx"]["problems"]:
                yield (*at, *below), text
        else:
            yield at, _sentence(model, at, detail)


def _sentence(model: type[Part], at: Location, detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown(model, at)
    if kind == "string_pattern_mismatch":
        found = _shape_at(model, at)
        hint = found.mark(Hint) if found else None
        return f"must be {hint.text}" if hint else f"must match {context['pattern']}"
    if kind == "string_too_short" and context["min_length"] == 1:
        return "must not be empty"
    return _SENTENCES.get(kind, detail["msg"]).format_map(context)


def _unknown(model: type[Part], at: Location) -> str:
    parent = _model_at(model, at[:-1])
    names = [info.alias or name for name, info in parent.model_fields.items()] if parent else []
    close = difflib.get_close_matches(str(at[-1]), names, n=1)
    return f"unknown field; did you mean {close[0]}?" if close else "unknown field"


def _model_at(model: type[BaseModel], at: Location) -> type[BaseModel] | None:
    if not at:
        return model
    found = _shape_at(model, at)
    return found.core if found and isinstance(found.core, type) and issubclass(found.core, Part) else None


def _shape_at(model: type[BaseModel], at: Location) -> Shape | None:
    """The shape of the field a location points to; None below raw JSON."""
    found: Shape | None = Shape(model)
    for step in at:
        if found is None:
            return None
        if found.core in {"list", "map"}:
            found = found.item
        elif isinstance(found.core, type) and issubclass(found.core, Part):
            fields = {info.alias or name: info for name, info in found.core.model_fields.items()}
            found = shape(fields[str(step)]) if step in fields else None
        else:
            return None
    return found
