"""docs/reference/api.md: every field of every kind, from the models.

In: the models and the lists in remarks.py. Out: one Markdown text. Invariant: a type has one section; fields say type,
default and whether they are required, and the bounds that admission checks.
"""

from __future__ import annotations

import inspect
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from hack.manifests.remarks import INTRODUCTION, LATE, STRICTER, WIDER
from kaspr_controller.api.fields import Shape, children, shape
from kaspr_controller.api.kubernetes_types import Kubernetes
from kaspr_controller.api.modelling import Hint, Part, Schema
from kaspr_controller.api.parsing import MODELS

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from kaspr_controller.api.v1alpha1.resource import Resource

_WORDS = {str: "string", int: "integer", float: "number", bool: "boolean"}
_KUBERNETES = "https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/"


def text() -> str:
    """The whole reference."""
    parts = {model: _parts([model]) for model in MODELS.values()}
    counts = Counter(itertools.chain.from_iterable(parts.values()))
    lines = [INTRODUCTION]
    for model, own in parts.items():
        lines += _kind(model)
        for part in own:
            lines += _section(part) if counts[part] == 1 else []
    lines += ["## Types of several kinds", ""]
    for part in counts:
        lines += _section(part) if counts[part] > 1 else []
    lines += ["## Status", "", "Written by the controller; all fields are optional.", ""]
    for part in _parts(model.status_model for model in MODELS.values()):
        lines += _section(part)
    lines += _table("Stricter than before", STRICTER, ("What is refused", "Why"))
    lines += _table("Wider than before", WIDER, ("What is accepted", "Why"))
    lines += _table("What admission cannot see", LATE, ("Found by the controller", "Why not at admission"))
    return "\n".join(lines).rstrip() + "\n"


def _kind(model: type[Resource]) -> list[str]:
    kind = model.custom_kind
    short = ", ".join(f"`{name}`" for name in kind.short_names)
    return [
        f"## {kind.kind}",
        "",
        f"{_prose(model)} Short names {short}; `metadata.name` has at most {kind.name_limit} characters.",
        "",
        *_rows({"spec": model.model_fields["spec"]}),
    ]


def _parts(models: Iterable[type[Part]]) -> list[type[Part]]:
    """The parts below some models, each once, in the order a reader meets them."""
    found: dict[type[Part], None] = {}
    waiting: list[type[Part]] = list(models)
    while waiting:
        model = waiting.pop(0)
        if model not in MODELS.values():
            found.setdefault(model)
        waiting[:0] = [child.model for child in children(model) if child.model not in found]
    return list(found)


def _section(model: type[Part]) -> list[str]:
    lines = [f"### {model.__name__}", "", _prose(model), ""]
    if model.model_fields:
        lines += _rows({info.alias or name: info for name, info in model.model_fields.items()})
    messages = dict.fromkeys(rule.message for rule in model.rules)
    if messages:
        lines += ["Refused when a rule is broken:", "", *(f"- {message}" for message in messages), ""]
    return lines


def _rows(fields: Mapping[str, FieldInfo]) -> list[str]:
    lines = ["| Field | Type | Default | Required | |", "|---|---|---|---|---|"]
    for name, info in fields.items():
        required = "Yes" if info.is_required() else "No"
        remarks = " ".join(_remarks(info))
        lines.append(_row(f"`{name}`", _type(shape(info)), _default(info), required, remarks))
    return [*lines, ""]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _remarks(info: FieldInfo) -> Iterator[str]:
    yield info.description or ""
    found = shape(info)
    hint = found.mark(Hint)
    if hint:
        yield f"Must be {hint.text}."
    bounds = found.bounds()
    if "ge" in bounds and bounds["ge"] != 0:
        yield f"At least {bounds['ge']}."
    if "max_length" in bounds and found.core in {"list", "map"}:
        yield f"At most {bounds['max_length']} entries."


def _type(found: Shape) -> str:
    kubernetes, given = found.mark(Kubernetes), found.mark(Schema)
    if kubernetes:
        return f"[{kubernetes.name}]({_KUBERNETES})"
    if given and "x-kubernetes-int-or-string" in given.fragment:
        return "integer or string"
    if isinstance(found.core, tuple):
        return "string, one of " + " ".join(f"`{value}`" for value in found.core)
    if found.item:
        return f"{_type(found.item)}[]" if found.core == "list" else f"map of {_type(found.item)}s"
    return _link(found.core) if issubclass(found.core, Part) else _WORDS[found.core]


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=False)
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if value is PydanticUndefined or value is None or value in ({}, ()):
        return ""
    return f"`{json.dumps(value)}`" if not isinstance(value, str) else f"`{value}`"


def _link(model: type[Part]) -> str:
    return f"[{model.__name__}](#{model.__name__.lower()})"


def _prose(model: type[Part]) -> str:
    return " ".join((inspect.getdoc(model) or "").split("\n\n")[0].split())


def _table(title: str, rows: Iterable[tuple[str, str]], heads: tuple[str, str]) -> list[str]:
    return [f"## {title}", "", _row(*heads), "|---|---|", *(_row(*row) for row in rows), ""]
