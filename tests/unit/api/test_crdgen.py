"""CRDs: structural, bounded, described, and complete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from kaspr_controller.api.crdgen import crd, object_schema, resource_schema
from kaspr_controller.api.fields import children
from kaspr_controller.api.metadata import KINDS
from kaspr_controller.api.modelling import Part
from kaspr_controller.api.parsing import MODELS, parse
from kaspr_controller.api.v1alpha1.resource import Resource
from tests.corpus.loading import good
from tests.unit.api.test_rules import models

KIB = 1024
CLIENT_SIDE_APPLY = 256 * KIB
RESERVED_IN_CEL = {
    "as", "break", "const", "continue", "else", "for", "function", "if", "import", "in", "let", "loop", "package",
    "namespace", "return", "var", "void", "while", "true", "false", "null",
}  # fmt: skip


def spec_of(kind: str) -> dict[str, Any]:
    """The schema of a kind's spec."""
    schema: dict[str, Any] = resource_schema(MODELS[kind])["properties"]["spec"]
    return schema


def nodes(schema: dict[str, Any], at: str = "spec") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in a schema with its path."""
    yield at, schema
    for name, inner in schema.get("properties", {}).items():
        yield from nodes(inner, f"{at}.{name}")
    if isinstance(schema.get("items"), dict):
        yield from nodes(schema["items"], f"{at}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{at}.*")


@pytest.fixture(params=sorted(MODELS))
def spec(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The schema of each kind's spec in turn."""
    return spec_of(request.param)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_names_versions_and_subresources(kind: Any) -> None:
    """The names of the live clusters; status everywhere; scale for the app alone."""
    definition = crd(MODELS[kind.kind])
    version = definition["spec"]["versions"][0]
    assert definition["metadata"]["name"] == f"{kind.plural}.kaspr.io"
    assert definition["spec"]["names"]["shortNames"] == list(kind.short_names)
    assert definition["spec"]["names"]["categories"] == ["kaspr"]
    assert (version["name"], version["served"], version["storage"]) == ("v1alpha1", True, True)
    assert version["subresources"]["status"] == {}
    assert ("scale" in version["subresources"]) == (kind.kind == "KasprApp")
    assert version["additionalPrinterColumns"][-2]["name"] == "Age"


def test_scale_reads_the_fields_that_exist() -> None:
    """The paths of the scale subresource lead to fields of spec and status."""
    schema = resource_schema(MODELS["KasprApp"])["properties"]
    scale = crd(MODELS["KasprApp"])["spec"]["versions"][0]["subresources"]["scale"]
    for path in scale.values():
        _, section, field = path.split(".")
        assert field in schema[section]["properties"]


def test_every_node_has_one_type_or_is_open_on_purpose(spec: dict[str, Any]) -> None:
    """A structural schema; only scalars of several types have none."""
    for at, node in nodes(spec):
        markers = {"x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"}
        assert "type" in node or markers & node.keys(), at


def test_only_the_settings_keep_unknown_fields(spec: dict[str, Any]) -> None:
    """Everywhere else an unknown field is an error, and nothing is lost without a word."""
    for at, node in nodes(spec):
        if node.get("type") == "object" and node.get("x-kubernetes-preserve-unknown-fields"):
            assert at == "spec.config"


def test_no_object_is_emptied_without_a_word(spec: dict[str, Any]) -> None:
    """A bare `type: object` loses its content; `tls` alone has none to lose."""
    for at, node in nodes(spec):
        if node.get("type") == "object":
            assert {"properties", "additionalProperties"} & node.keys() or at == "spec.tls", at


def test_everything_a_rule_can_touch_is_bounded() -> None:
    """Text, lists and maps of our own have limits; Kubernetes' own types are not read by rules."""
    for model in MODELS.values():
        for at, node in nodes(resource_schema(model)["properties"]["spec"]):
            if "description" not in node:
                continue
            kind = node.get("type")
            if kind == "string" and "enum" not in node:
                assert "maxLength" in node, at
            if kind == "array":
                assert "maxItems" in node, at
            if kind == "object" and "additionalProperties" in node:
                assert "maxProperties" in node, at


def test_lists_say_how_they_merge(spec: dict[str, Any]) -> None:
    """Atomic or by key; a list by key requires its keys."""
    for at, node in nodes(spec):
        if node.get("type") != "array" or "description" not in node:
            continue
        kind = node["x-kubernetes-list-type"]
        assert kind in {"atomic", "map"}, at
        for key in node.get("x-kubernetes-list-map-keys", ()):
            assert key in node["items"]["required"], at


def test_no_defaults_inside_lists(spec: dict[str, Any]) -> None:
    """GitOps tools compare list items as a whole: a default in one would look like drift for ever."""
    for at, node in nodes(spec):
        assert "default" not in node or "[]" not in at


def test_defaults_are_few_and_known() -> None:
    """A default is written into every object for ever; the install policy has none, since its hash would change."""
    found = {
        (kind, at): node["default"]
        for kind in MODELS
        for at, node in nodes(spec_of(kind))
        if "default" in node
    }
    assert found == {
        ("KasprApp", "spec.replicas"): 1,
        ("KasprApp", "spec.authentication"): {"type": "plain"},
        ("KasprApp", "spec.storage.deleteClaim"): False,
        ("KasprApp", "spec.pythonPackages.credentials.secretRef.usernameKey"): "username",
        ("KasprApp", "spec.pythonPackages.credentials.secretRef.passwordKey"): "password",
        ("KasprApp", "spec.pythonPackages.cache.type"): "pvc",
        ("KasprApp", "spec.pythonPackages.cache.enabled"): False,
        ("KasprApp", "spec.pythonPackages.cache.size"): "256Mi",
        ("KasprApp", "spec.pythonPackages.cache.accessMode"): "ReadWriteMany",
        ("KasprApp", "spec.pythonPackages.cache.deleteClaim"): True,
        ("KasprApp", "spec.pythonPackages.cache.gcs.prefix"): "kaspr-packages/",
        ("KasprApp", "spec.pythonPackages.cache.gcs.maxArchiveSize"): "1Gi",
        ("KasprApp", "spec.pythonPackages.cache.gcs.secretRef.key"): "sa.json",
        ("KasprAgent", "spec.isolatedPartitions"): False,
        ("KasprTable", "spec.global"): False,
        ("KasprJoin", "spec.type"): "inner",
        ("KasprTask", "spec.onLeader"): False,
    }


def test_status_is_open_and_its_conditions_are_a_map() -> None:
    """Programs of other versions write their own fields; two writers of conditions do not overwrite each other."""
    for model in MODELS.values():
        status = resource_schema(model)["properties"]["status"]
        assert status["x-kubernetes-preserve-unknown-fields"] is True
        assert "required" not in status
        conditions = status["properties"]["conditions"]
        assert conditions["x-kubernetes-list-map-keys"] == ["type"]
        assert set(conditions["items"]["required"]) == {"type", "status", "reason", "lastTransitionTime"}


def test_rules_use_no_word_reserved_in_cel() -> None:
    """A field named like a reserved word would need another spelling in rules."""
    for kind in MODELS:
        for at, node in nodes(spec_of(kind)):
            assert not RESERVED_IN_CEL & node.get("properties", {}).keys(), at


def test_every_field_of_ours_is_described(spec: dict[str, Any]) -> None:
    """`kubectl explain` has an answer."""
    for at, node in nodes(spec):
        if "x-kubernetes-validations" in node or at.count(".") == 1:
            assert node.get("description") or at.endswith("[]"), at


def test_every_field_appears_in_a_good_object() -> None:
    """A field no test sets could be refused, and nobody would know."""
    used = {place for case in good() for place in set_fields(parse(case.obj))}
    wanted = {
        (model.__name__, name)
        for model in models()
        if not issubclass(model, Resource)
        for name in model.model_fields
    }
    assert wanted - used == set()


def set_fields(part: Part) -> Iterator[tuple[str, str]]:
    """Model and name of every field that was given in a parsed object."""
    yield from ((type(part).__name__, name) for name in part.model_fields_set)
    for child in children(type(part)):
        value = getattr(part, child.attribute)
        for item in value if child.many else [value]:
            if item is not None:
                yield from set_fields(item)


def test_definitions_fit_into_a_client_side_apply() -> None:
    """`kubectl apply` stores the object in an annotation of at most 256 KiB."""
    for model in MODELS.values():
        assert len(yaml.safe_dump(crd(model))) < CLIENT_SIDE_APPLY


def test_equal_models_give_equal_definitions() -> None:
    """A generated file changes only with its model."""
    for model in MODELS.values():
        assert yaml.safe_dump(crd(model)) == yaml.safe_dump(crd(model))


def test_a_part_without_fields_is_an_empty_object() -> None:
    """`tls: {}` says something by being there."""

    class Nothing(Part):
        pass

    assert object_schema(Nothing) == {"type": "object"}
