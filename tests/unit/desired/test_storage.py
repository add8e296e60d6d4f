"""Storage of an app: what is immutable on a live workload is repeated, what differs is reported (contract 1.4, D3 to D5)."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.api.v1alpha1.app import StorageRequirements
from kaspr_controller.desired.app.storage import StoragePlan, StorageResize, plan_storage
from kaspr_controller.desired.facts import LiveWorkload
from tests.unit.desired.resources import IDENTITY


def plan(live: LiveWorkload | None = None, **storage: Any) -> StoragePlan:
    spec = StorageRequirements.model_validate({"type": "persistent-claim", "size": "1Gi", **storage})
    return plan_storage(spec, IDENTITY, live)


def live(size: str = "1Gi", *, storage_class: str | None = None, claims: bool = True) -> LiveWorkload:
    template = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "orders-app-pv", "annotations": {"kaspr.io/resource-hash": "old"}},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}},
            "volumeMode": "Filesystem",
            **({"storageClassName": storage_class} if storage_class else {}),
        },
        "status": {"phase": "Pending"},
    }
    return LiveWorkload(volume_claim_templates=(template,) if claims else ())


def test_a_new_app_gets_a_claim_per_member() -> None:
    """Named as the claims of existing apps are."""
    (template,) = plan(None, **{"class": "fast"}).claim_templates
    assert template["metadata"] == {"name": "orders-app-pv"}
    assert template["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "fast",
    }


def test_live_templates_are_repeated_exactly() -> None:
    """Any difference, a missing annotation included, is refused with 422."""
    before = live("1Gi", storage_class="standard")
    found = plan(before, **{"size": "5Gi", "class": "standard"})
    assert found.claim_templates is before.volume_claim_templates
    assert found.resize == StorageResize("1Gi", "5Gi")
    assert found.resize.grows


def test_a_size_that_the_living_app_does_not_get_is_told() -> None:
    """D17: an app may not look as if it had what it was asked for; a growth is told by what carries it out."""
    assert plan(live("1Gi"), size="5Gi").warnings == ()
    (shrunk,) = plan(live("2Gi")).warnings
    assert (shrunk.field, "cannot shrink" in shrunk.message) == ("spec.storage.size", True)


def test_claims_of_a_workload_about_to_go_do_not_go_with_it() -> None:
    """A claim that names the StatefulSet as its owner could be collected when that is deleted without its pods."""
    spec = StorageRequirements.model_validate(
        {"type": "persistent-claim", "size": "2Gi", "deleteClaim": True}
    )
    found = plan_storage(spec, IDENTITY, live("1Gi"), releasing=True)
    assert found.retention["whenDeleted"] == "Retain"


def test_a_workload_that_left_its_pods_binds_nothing() -> None:
    """Its successor has the claims that the spec asks for: that is what it was deleted for."""
    found = plan(LiveWorkload(replicas=3, orphaned=True), size="5Gi")
    assert found.claim_templates[0]["spec"]["resources"] == {"requests": {"storage": "5Gi"}}
    assert found.warnings == ()


def test_only_a_size_is_changed_by_making_a_workload_anew() -> None:
    """A template of another class would give new members other volumes than the old ones have."""
    same = plan(live("1Gi"), size="5Gi").resize
    other = plan(live("1Gi", storage_class="a"), size="5Gi", **{"class": "b"}).resize
    assert same is not None
    assert other is not None
    assert (same.alone, other.alone) == (True, False)


@pytest.mark.parametrize(
    ("size", "differs"), [("1Gi", False), ("1024Mi", False), ("1073741824", False), ("1G", True)]
)
def test_sizes_are_compared_as_numbers(size: str, *, differs: bool) -> None:
    """The server stores `1024Mi` as `1Gi`."""
    assert (plan(live("1Gi"), size=size).resize is not None) is differs


def test_a_smaller_size_is_reported_as_such() -> None:
    """Nobody shrinks a volume; who acts on it must be able to tell."""
    resize = plan(live("2Gi")).resize
    assert resize is not None
    assert not resize.grows


def test_a_class_is_kept() -> None:
    """Claims of a living app stay where they are."""
    assert [problem.field for problem in plan(live(storage_class="a"), **{"class": "b"}).warnings] == [
        "spec.storage.class"
    ]
    assert [problem.field for problem in plan(live(storage_class="a")).warnings] == ["spec.storage.class"]
    assert plan(live()).warnings == ()


def test_a_living_app_keeps_its_type() -> None:
    """Claims cannot be added to or taken from a StatefulSet (D4)."""
    to_claims = plan(live(claims=False))
    assert to_claims.claim_templates == ()
    assert to_claims.volumes == ({"name": "orders-app-pv", "emptyDir": {"sizeLimit": "1Gi"}},)
    assert [problem.field for problem in to_claims.warnings] == ["spec.storage.type"]
    to_directory = plan(live(), type="ephemeral", size=None)
    assert to_directory.volumes == ()
    assert len(to_directory.claim_templates) == 1
    assert [problem.reason for problem in to_directory.warnings] == ["Immutable"]


def test_ephemeral_storage_is_a_directory() -> None:
    """D4: the type was accepted and never implemented."""
    found = plan(type="ephemeral", size=None)
    assert found.claim_templates == ()
    assert found.volumes == ({"name": "orders-app-pv", "emptyDir": {}},)


@pytest.mark.parametrize(("delete", "word"), [(True, "Delete"), (False, "Retain")])
def test_claims_go_with_the_app_only_if_asked(word: str, *, delete: bool) -> None:
    """Scaling down never deletes a table."""
    assert plan(deleteClaim=delete).retention == {"whenDeleted": word, "whenScaled": "Retain"}


def test_a_strangers_template_does_not_end_the_render() -> None:
    """A StatefulSet of somebody else may look like anything; telling that it is a stranger is not done here."""
    stranger = LiveWorkload(volume_claim_templates=({"metadata": {"name": "x"}, "spec": {}},))
    assert plan(stranger).resize == StorageResize("0", "1Gi", alone=False)


def test_what_the_server_filled_in_does_not_change_the_text() -> None:
    """A new app was written twice: its hash moved when the live templates, with the server's defaults, were repeated."""
    wanted = plan(None).claim_templates
    defaulted = {
        **wanted[0],
        "metadata": {**wanted[0]["metadata"], "creationTimestamp": None},
        "spec": {**wanted[0]["spec"], "volumeMode": "Filesystem"},
        "status": {"phase": "Pending"},
    }
    assert plan(LiveWorkload(volume_claim_templates=(defaulted,))).claim_templates == wanted
