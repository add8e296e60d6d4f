"""Requests as bytes: paths, queries, bodies, and what is refused before anything is sent."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from kaspr_controller.kube import addressing, applying, deleting, errors, listing, writing
from kaspr_controller.kube.decoding import decode, encode, strip
from kaspr_controller.kube.kinds import CONFIG_MAP, NAMESPACE, POD, STATEFUL_SET, Raw
from kaspr_controller.kube.transport import Request

OBJ: Raw = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"namespace": "n", "name": "a", "managedFields": [{}], "labels": {"x": "y"}},
    "spec": {"replicas": 2},
}


def query(request: Request) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(request.path).query).items()}


def apply(obj: Raw = OBJ, **options: Any) -> Request:
    defaults = {
        "subresource": None,
        "field_manager": "kaspr-controller",
        "field_validation": "Warn",
        "force": True,
        "dry_run": False,
    }
    return applying.apply(obj, STATEFUL_SET, **{**defaults, **options})


def test_an_apply_is_a_forced_patch_of_our_manager() -> None:
    """Rule S4."""
    request = apply()
    assert (request.method, str(request)) == ("PATCH", "PATCH /apis/apps/v1/namespaces/n/statefulsets/a")
    assert request.content_type == "application/apply-patch+yaml"
    expected = {"fieldManager": "kaspr-controller", "fieldValidation": "Warn", "force": "true"}
    assert query(request) == expected


def test_an_apply_can_be_dry_unforced_and_of_the_status() -> None:
    """The options reach the query."""
    request = apply(subresource="status", force=False, dry_run=True, field_validation="Strict")
    assert urlsplit(request.path).path.endswith("/statefulsets/a/status")
    assert query(request) == {
        "fieldManager": "kaspr-controller",
        "fieldValidation": "Strict",
        "dryRun": "All",
    }


def test_an_apply_leaves_out_managed_fields_and_nothing_else() -> None:
    """The server refuses them; the caller's object stays as it is."""
    assert json.loads(apply().body or b"") == {
        **OBJ,
        "metadata": {"namespace": "n", "name": "a", "labels": {"x": "y"}},
    }
    assert "managedFields" in OBJ["metadata"]


def test_a_delete_names_the_incarnation() -> None:
    """The UID goes along as a precondition, the version only on demand."""
    request = deleting.delete(
        POD,
        "n",
        "a",
        uid="u",
        resource_version="7",
        propagation="Orphan",
        grace_seconds=0,
    )
    assert str(request) == "DELETE /api/v1/namespaces/n/pods/a"
    assert json.loads(request.body or b"") == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u", "resourceVersion": "7"},
        "propagationPolicy": "Orphan",
        "gracePeriodSeconds": 0,
    }


def test_a_delete_without_a_uid_is_refused() -> None:
    """It would delete whatever has the name by now."""
    with pytest.raises(errors.BadRequest, match="UID"):
        deleting.delete(
            POD, "n", "a", uid="", resource_version=None, propagation="Background", grace_seconds=None
        )


def test_a_create_goes_to_the_collection_or_the_subresource() -> None:
    """POST has no name in its path, except for subresources; cluster-wide kinds have no namespace."""
    pod = {"metadata": {"namespace": "n", "name": "a"}}
    assert str(writing.create(pod, POD, None)) == "POST /api/v1/namespaces/n/pods"
    assert str(writing.create(pod, POD, "eviction")) == "POST /api/v1/namespaces/n/pods/a/eviction"
    assert str(writing.create({"metadata": {"name": "x"}}, NAMESPACE, None)) == "POST /api/v1/namespaces"


def test_patches_say_what_they_are() -> None:
    """Two languages, two content types."""
    merge = writing.patch_merge(POD, "n", "a", {"metadata": {"labels": {"x": None}}}, "status")
    assert (merge.content_type, str(merge)) == (
        "application/merge-patch+json",
        "PATCH /api/v1/namespaces/n/pods/a/status",
    )
    assert json.loads(merge.body or b"") == {"metadata": {"labels": {"x": None}}}
    ops = [{"op": "test", "path": "/a", "value": 1}]
    patch = writing.patch_json(POD, "n", "a", ops, None)
    assert (patch.content_type, json.loads(patch.body or b"")) == ("application/json-patch+json", ops)


@pytest.mark.parametrize(
    ("resource_version", "token", "expected"),
    [
        ("", "", {"limit": "500"}),
        ("0", "", {"resourceVersion": "0", "resourceVersionMatch": "NotOlderThan"}),
        ("17", "", {"resourceVersion": "17", "resourceVersionMatch": "NotOlderThan"}),
        ("17", "abc", {"limit": "500", "continue": "abc"}),
    ],
)
def test_pages_follow_the_rules_of_resource_versions(
    resource_version: str, token: str, expected: dict[str, str]
) -> None:
    """Rules W1, W4: newest state in pages, cached state in one; a token excludes a version."""
    selection = listing.Selection(POD)
    request = listing.page(selection, resource_version=resource_version, size=500, token=token)
    assert query(request) == expected


def test_page_size_zero_asks_for_everything() -> None:
    """The way out when tokens keep expiring."""
    assert query(listing.page(listing.Selection(POD), resource_version="", size=0, token="")) == {}


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_names_that_address_something_else_are_refused(name: str) -> None:
    """An empty name is the whole collection; `..` another resource."""
    with pytest.raises(errors.BadRequest):
        addressing.object_path(POD, "n", name)
    with pytest.raises(errors.BadRequest):
        addressing.object_path(POD, name, "a")
    with pytest.raises(errors.BadRequest):
        addressing.collection_path(POD, name)


@pytest.mark.parametrize("name", ["a/b", "a?b=c", "../../secrets/x", "a#b", "ä", "a b", "a%2fb", "a\r\nX: y"])
def test_a_strange_name_stays_one_path_segment(name: str) -> None:
    """Names of Secrets and ConfigMaps come from users' specs."""
    path = addressing.object_path(CONFIG_MAP, "n", name)
    assert path.count("/") == "/api/v1/namespaces/n/configmaps/x".count("/")
    assert path.isascii()
    assert not set("?#\r\n ") & set(path)


def test_cluster_wide_kinds_have_no_namespace_in_their_path() -> None:
    """Whatever namespace comes along."""
    assert addressing.object_path(NAMESPACE, "", "x") == "/api/v1/namespaces/x"
    assert addressing.collection_path(NAMESPACE, None) == "/api/v1/namespaces"


def test_items_of_a_list_get_their_kind() -> None:
    """The server leaves it out; stores and keys need it."""
    body = encode(
        {
            "kind": "PodList",
            "metadata": {"resourceVersion": "9", "continue": "t"},
            "items": [{"metadata": {"name": "a", "managedFields": [1]}}],
        }
    )
    request = listing.page(listing.Selection(POD), resource_version="", size=1, token="")
    page, token = listing.parse_page(body, POD, request)
    assert page.items == [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}]
    assert (page.resource_version, token) == ("9", "t")


@pytest.mark.parametrize(
    "body", [b"{}", b'{"kind":"Table","items":[]}', b'{"kind":"PodList","items":{}}', b"x", b"[]"]
)
def test_what_is_no_list_is_refused(body: bytes) -> None:
    """An empty store built from a wrong answer would delete everything."""
    request = listing.page(listing.Selection(POD), resource_version="", size=1, token="")
    with pytest.raises(errors.ProtocolError):
        listing.parse_page(body, POD, request)


def test_json_round_trip() -> None:
    """Unicode, numbers, nulls; read-only mappings are written as objects."""
    value = {"ü": ["x", 1, 2.5, None, True], "m": {}}
    assert decode(encode(MappingProxyType({"a": MappingProxyType(value)}))) == {"a": value}


def test_what_json_cannot_carry_is_a_bad_request() -> None:
    """A bug of a renderer must not end a thread."""
    with pytest.raises(errors.BadRequest):
        encode({"a": object()})


def test_strip_minds_objects_without_metadata() -> None:
    """`Status` answers have an empty one or none."""
    assert strip({"metadata": None}) == {"metadata": None}
    assert strip({}) == {}
