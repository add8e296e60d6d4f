"""CustomResourceDefinitions from the models.

In: the six model classes. Out: plain dicts, ready to be written as YAML (hack/manifests does) or compared with what a cluster
serves. Pure; any thread. Invariant: structural schemas whose rules are the models' own; equal models give equal bytes.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from kaspr_controller.api.fields import Shape, shape
from kaspr_controller.api.kubernetes_types import Kubernetes, schemas
from kaspr_controller.api.metadata import Raw
from kaspr_controller.api.modelling import INT32, Keyed, Part, Schema, TextToo
from kaspr_controller.api.printing import COLUMNS
from kaspr_controller.api.rules import Rule
from kaspr_controller.api.v1alpha1.resource import Resource

PRESERVE = "x-kubernetes-preserve-unknown-fields"
_SIMPLE = {str: "string", int: "integer", float: "number", bool: "boolean"}
_BOUND_NAMES = {
    "string": {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
    "integer": {"ge": "minimum", "le": "maximum"},
    "number": {"ge": "minimum", "le": "maximum"},
    "boolean": {},
}


def crd(model: type[Resource]) -> dict[str, Any]:
    """The definition of one kind: names, columns, subresources, schema."""
    kind = model.custom_kind
    version: dict[str, Any] = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": [column.to_raw() for column in COLUMNS[kind.kind]],
        "schema": {"openAPIV3Schema": resource_schema(model)},
    }
    if kind.kind == "KasprApp":
        version["subresources"]["scale"] = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": kind.crd_name},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced",
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.singular,
                "shortNames": list(kind.short_names),
                "categories": ["kaspr"],
            },
            "versions": [version],
        },
    }


def resource_schema(model: type[Resource]) -> dict[str, Any]:
    """The schema of a whole object. Only `metadata.name` is bounded: admission rules see no more of the metadata."""
    spec = model.model_fields["spec"]
    return {
        "type": "object",
        "description": _prose(model),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 253}}},
            "spec": field_schema(shape(spec), spec.description),
            "status": _status_schema(model.status_model),
        },
        **_validations(model),
    }


def field_schema(found: Shape, description: str | None = None, default: Any = None) -> dict[str, Any]:
    """The schema of one field, or of one item of a list or map."""
    head = {"description": description} if description else {}
    tail = {} if default is None else {"default": default}
    return {**head, **_typed(found), **tail}


def _typed(found: Shape) -> dict[str, Any]:
    given, kubernetes = found.mark(Schema), found.mark(Kubernetes)
    if given is not None:
        return dict(given.fragment)
    if kubernetes is not None:
        return dict(schemas()[kubernetes.name])
    if found.item is not None:
        return _collection(found, found.item)
    if isinstance(found.core, tuple):
        return {"type": "string", "enum": list(found.core)}
    if issubclass(found.core, Part):
        return object_schema(found.core)
    simple = _bounded(_SIMPLE[found.core], found, _format(found))
    return _or_text(simple) if found.mark(TextToo) else simple


def _or_text(schema: Raw) -> dict[str, Any]:
    """A number or boolean that may be text too. The bounds hold for numbers; those of a text are the parser's to check."""
    limits = {key: schema[key] for key in ("minimum", "maximum") if key in schema}
    match schema["type"]:
        case "integer":
            return {"x-kubernetes-int-or-string": True, **limits, "maxLength": 16, "pattern": "^[0-9]+$"}
        case "boolean":
            return {PRESERVE: True, "enum": [True, False, "true", "True", "false", "False"]}
        case _:
            closed = {"maxItems": 0, "maxProperties": 0, "not": {"enum": [{}, [], True, False]}}
            return {
                PRESERVE: True,
                **limits,
                "maxLength": 32,
                "pattern": r"^[0-9]{1,16}(\.[0-9]{0,16})?$",
                **closed,
            }


def _collection(found: Shape, item: Shape) -> dict[str, Any]:
    if found.core == "list":
        return _bounded("array", found, {"items": field_schema(item), **_list_type(found)})
    return _bounded("object", found, {"additionalProperties": field_schema(item)})


def _format(found: Shape) -> dict[str, Any]:
    if found.core is not int:
        return {}
    return {"format": "int32" if found.bounds().get("le", INT32 + 1) <= INT32 else "int64"}


def _list_type(found: Shape) -> dict[str, Any]:
    keyed = found.mark(Keyed)
    if keyed is None:
        return {"x-kubernetes-list-type": "atomic"}
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keyed.keys)}


def _bounded(kind: str, found: Shape, more: Raw) -> dict[str, Any]:
    names = _BOUND_NAMES[kind]
    bounds = {names[name]: value for name, value in found.bounds().items() if name in names}
    return {"type": kind, **bounds, **more}


def object_schema(model: type[Part]) -> dict[str, Any]:
    """The schema of a part: its fields, the required ones, its rules."""
    fields = {info.alias or name: info for name, info in model.model_fields.items()}
    properties = {
        name: field_schema(
            shape(info), info.description, _default(info.get_default(call_default_factory=False))
        )
        for name, info in fields.items()
    }
    required = [name for name, info in fields.items() if info.is_required()]
    result: dict[str, Any] = {"type": "object"}
    if required:
        result["required"] = required
    if properties:
        result["properties"] = properties
    if model.model_config.get("extra") == "allow":
        result[PRESERVE] = True
    return {**result, **_validations(model)}


def _default(value: Any) -> Any:
    """The default to store, None for none: an absent object, list or map stays absent."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True, exclude_unset=True)
    if value is PydanticUndefined or value in ({}, ()):
        return None
    return value


def _validations(model: type[Part]) -> dict[str, Any]:
    rules = [_validation(rule) for rule in model.rules if rule.cel]
    keywords = {key: value for rule in model.rules for key, value in rule.schema.items()}
    return {**keywords, "x-kubernetes-validations": rules} if rules else keywords


def _validation(rule: Rule) -> dict[str, Any]:
    result = {"rule": rule.cel, "message": rule.message, "reason": rule.reason}
    if rule.message_cel:
        result["messageExpression"] = " ".join(rule.message_cel.split())
    if rule.at:
        result["fieldPath"] = f".{rule.at}"
    return result


def _status_schema(model: type[Part]) -> dict[str, Any]:
    """The schema of a status: open everywhere, so that programs of other versions can write theirs."""
    return {"description": _prose(model), **_opened(object_schema(model))}


def _opened(schema: Raw) -> dict[str, Any]:
    result = dict(schema)
    if "properties" in schema:
        result["properties"] = {name: _opened(item) for name, item in schema["properties"].items()}
        result[PRESERVE] = True
    if isinstance(schema.get("items"), Mapping):
        result["items"] = _opened(schema["items"])
    return result


def _prose(model: type[Part]) -> str:
    return " ".join((inspect.getdoc(model) or "").split("\n\n")[0].split())
