"""The small validator: it says what the API server says about Kubernetes' own types."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.api.kubernetes_types import Kubernetes, schemas
from kaspr_controller.api.structural import KEYWORDS, problems

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 3, "pattern": "^[a-z]+$"},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "count": {"type": "integer", "minimum": 0, "maximum": 5},
        "ratio": {"type": "number"},
        "on": {"type": "boolean"},
        "port": {"x-kubernetes-int-or-string": True},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "items": {
            "type": "array",
            "maxItems": 2,
            "items": {"type": "object", "properties": {"key": {"type": "string"}}},
            "x-kubernetes-list-map-keys": ["key"],
        },
    },
}


@pytest.mark.parametrize(
    "value",
    [
        {"name": "abc"},
        {
            "name": "a",
            "kind": "b",
            "count": 5,
            "ratio": 1,
            "on": False,
            "port": 80,
            "labels": {},
            "items": [],
        },
        {
            "name": "a",
            "ratio": 0.5,
            "port": "http",
            "labels": {"x": "y"},
            "items": [{"key": "a"}, {"key": "b"}],
        },
    ],
)
def test_valid_values_have_no_problems(value: dict[str, Any]) -> None:
    """A whole number is a number too."""
    assert problems(SCHEMA, value) == []


@pytest.mark.parametrize(
    ("change", "at", "message"),
    [
        ({"name": ""}, ("name",), "must not be empty"),
        ({"name": "abcd"}, ("name",), "must have at most 3 characters"),
        ({"name": "A"}, ("name",), "must match ^[a-z]+$"),
        ({"name": "a\n"}, ("name",), "must match ^[a-z]+$"),
        ({"name": 1}, ("name",), "must be of type string"),
        ({"kind": "c"}, ("kind",), "must be one of a, b"),
        ({"count": -1}, ("count",), "must be at least 0"),
        ({"count": 6}, ("count",), "must be at most 5"),
        ({"count": 1.5}, ("count",), "must be of type integer"),
        ({"count": True}, ("count",), "must be of type integer"),
        ({"on": "yes"}, ("on",), "must be of type boolean"),
        ({"port": True}, ("port",), "must be a whole number or text"),
        ({"port": 1.5}, ("port",), "must be a whole number or text"),
        ({"labels": {"x": 1}}, ("labels", "x"), "must be of type string"),
        ({"labels": []}, ("labels",), "must be of type object"),
        ({"items": [{}, {}, {}]}, ("items",), "must have at most 2 items"),
        ({"items": [{"key": "a"}, {"key": "a"}]}, ("items", 1), "repeats key of an earlier item"),
        ({"items": [{"keys": "a"}]}, ("items", 0, "keys"), "unknown field"),
        ({"other": 1}, ("other",), "unknown field"),
        ({"name": None}, ("name",), "must be of type string"),
    ],
)
def test_problems_name_their_place(change: dict[str, Any], at: tuple[Any, ...], message: str) -> None:
    """The path below the value, and what is wrong there."""
    assert (at, message) in problems(SCHEMA, {"name": "a", **change})


def test_a_missing_field_is_told_at_its_own_path() -> None:
    """As the API server does."""
    assert problems(SCHEMA, {}) == [(("name",), "is required")]


@pytest.mark.parametrize("value", ["1", "500m", "1.5Gi", "1e3", ".5", 1, 0.5, 0])
def test_quantities_are_text_or_numbers(value: Any) -> None:
    """`cpu: 0.5` is common, although no type of a schema covers it."""
    assert problems(schemas()["ResourceRequirements"], {"limits": {"cpu": value}}) == []


@pytest.mark.parametrize("value", ["", "1GB", "-1", -1, -0.5, True, None, {}, [], "1 Gi", "x"])
def test_other_values_are_no_quantities(value: Any) -> None:
    """Nor is a negative one of any use here."""
    assert [at for at, _ in problems(schemas()["ResourceRequirements"], {"limits": {"cpu": value}})] == [
        ("limits", "cpu")
    ]


def test_the_recorded_schemas_use_only_keywords_that_are_understood() -> None:
    """An unknown keyword would be ignored here and enforced by the server."""
    unknown: set[str] = set()

    def visit(schema: dict[str, Any]) -> None:
        unknown.update(schema.keys() - KEYWORDS - {"maxProperties"})
        for inner in (
            *schema.get("properties", {}).values(),
            schema.get("items"),
            schema.get("additionalProperties"),
        ):
            if isinstance(inner, dict):
                visit(inner)

    for schema in schemas().values():
        visit(dict(schema))
    assert unknown == set()


def test_a_marker_names_a_recorded_type() -> None:
    """Checking gives the value back, untouched."""
    value = {"key": "a", "operator": "Exists"}
    assert Kubernetes("Toleration").check(value) is value
    with pytest.raises(KeyError):
        Kubernetes("Tolerations").check(value)
