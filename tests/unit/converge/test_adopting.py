"""The migration patch that makes a predecessor's fields ours (rule S6)."""

from __future__ import annotations

import copy
from typing import Any

from kaspr_controller.converge.adopting import LEAVE_REPLICAS, migration

_OLD = "OpenAPI-Generator"


def entry(manager: str, fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "manager": manager,
        "operation": "Update",
        "apiVersion": "apps/v1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
        **more,
    }


def live(*entries: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": "a", "namespace": "n", "resourceVersion": "7", "managedFields": list(entries)},
    }


def migrated(obj: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
    operations = migration(obj, former={_OLD}, **options)
    assert operations is not None
    assert operations[1] == {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}
    assert operations[0]["path"] == "/metadata/managedFields"
    value: list[dict[str, Any]] = operations[0]["value"]
    return value


_SPEC: dict[str, Any] = {
    "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {".": {}, "f:schedulerName": {}}}}
}


def test_fields_move_to_one_apply_entry() -> None:
    """The former manager's entry becomes ours, as an apply."""
    (ours,) = migrated(live(entry(_OLD, _SPEC)))
    assert (ours["manager"], ours["operation"], ours["fieldsV1"]) == ("kaspr-controller", "Apply", _SPEC)


def test_an_entry_of_ours_is_united_with_the_former() -> None:
    """A second take-over after a first apply: nothing of either is lost."""
    first: dict[str, Any] = {"f:spec": {"f:template": {"f:metadata": {}}}}
    mine = entry("kaspr-controller", first, operation="Apply")
    (ours,) = migrated(live(mine, entry(_OLD, _SPEC)))
    assert ours["fieldsV1"]["f:spec"]["f:template"] == {
        "f:metadata": {},
        "f:spec": {".": {}, "f:schedulerName": {}},
    }
    assert ours["fieldsV1"]["f:spec"]["f:replicas"] == {}


def test_what_is_to_be_left_stays_with_its_former_manager() -> None:
    """A replica count in our hands would fall to 1 at the next apply, which does not name it."""
    ours, old = migrated(live(entry(_OLD, _SPEC)), leave=[LEAVE_REPLICAS])
    assert "f:replicas" not in ours["fieldsV1"]["f:spec"]
    assert (old["manager"], old["fieldsV1"]) == (_OLD, {"f:spec": {"f:replicas": {}}})


def test_entries_of_others_stay() -> None:
    """Other managers, subresources and API versions are not touched."""
    others = [
        entry("kube-controller-manager", _SPEC),
        entry(_OLD, _SPEC, subresource="status"),
        entry(_OLD, _SPEC, apiVersion="apps/v1beta1"),
        entry(_OLD, _SPEC, operation="Apply"),
    ]
    assert migrated(live(*others, entry(_OLD, {"f:metadata": {}})))[1:] == others


def test_without_a_former_manager_there_is_nothing_to_do() -> None:
    """The second call on the same object sends no request."""
    obj = live(entry("somebody", _SPEC))
    assert migration(obj, former={_OLD}) is None
    assert migration({**obj, "metadata": {"name": "a"}}, former={_OLD}) is None
    done = live(*migrated(live(entry(_OLD, _SPEC))))
    assert migration(done, former={_OLD}) is None


def test_the_object_that_was_read_is_not_edited() -> None:
    """It may come from a cache."""
    obj = live(entry(_OLD, _SPEC), entry("kaspr-controller", {"f:spec": {}}, operation="Apply"))
    before = copy.deepcopy(obj)
    migration(obj, former={_OLD}, leave=[LEAVE_REPLICAS])
    assert obj == before
