"""Which live objects may be written, and what is said of the others."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.converge.canonical import HASH_ANNOTATION
from kaspr_controller.converge.ownership import objection
from kaspr_controller.kube.kinds import key_of
from tests.unit.converge.objects import LABELS, claim, config_map, edited, owner, reference

_INTENT = config_map("a", {})


def live(*references: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {
        **_INTENT,
        "metadata": {"name": "a", "namespace": "shop", "ownerReferences": list(references), **meta},
    }


def reason(obj: dict[str, Any], intent: dict[str, Any] | None = None, **options: Any) -> str | None:
    entry = objection(key_of(obj), obj, owner(**options), intent or _INTENT)
    return entry.reason if entry else None


def test_an_owner_reference_by_uid_makes_it_ours() -> None:
    """D19: the UID counts, not the name; other owners beside ours do not matter."""
    assert reason(live(reference("app-uid"))) is None
    assert reason(live({**reference("x"), "controller": False}, reference("app-uid"))) is None
    assert reason(live(reference("agent-uid", kind="KasprAgent")), also=("agent-uid",)) is None


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (live(), "NameConflict"),
        (live(labels=dict(LABELS)), "NameConflict"),
        (live(reference("x", kind="Deployment", api_version="apps/v1")), "NameConflict"),
        (live(reference("x")), "OwnerGone"),
        (live(reference("x", name="other")), "OwnedByOther"),
        (live(reference("x", kind="KasprAgent", name="a")), "OwnedByOther"),
        (live(reference("app-uid"), deletionTimestamp="2026-01-01T00:00:00Z"), "Deleting"),
    ],
)
def test_everything_else_is_left_alone(obj: dict[str, Any], expected: str) -> None:
    """D19: untouched, with a reason that tells waiting from conflict."""
    assert reason(obj) == expected


def test_an_orphan_that_was_written_here_is_taken_back() -> None:
    """After `kubectl delete --cascade=orphan` and a new app: no owner, our labels, our hash."""
    orphan = live(labels=dict(LABELS), annotations={HASH_ANNOTATION: "x"})
    assert reason(orphan) is None
    assert reason(edited(orphan, "metadata", "labels", "kaspr.io/app", to="other")) == "NameConflict"
    assert reason(live(annotations={HASH_ANNOTATION: "x"})) == "NameConflict"
    owned = edited(
        orphan, "metadata", "ownerReferences", to=[reference("x", kind="Secret", api_version="v1")]
    )
    assert reason(owned) == "NameConflict"


def test_only_labels_that_say_whose_it_is_prove_anything() -> None:
    """A label that a user added to the resource since then is no part of the proof."""
    intent = edited(_INTENT, "metadata", "labels", "team", to="x")
    assert reason(live(labels=dict(LABELS), annotations={HASH_ANNOTATION: "x"}), intent) is None


def test_an_intent_without_owner_finds_its_object_by_labels() -> None:
    """A claim that outlives its app has no owner reference; a user's claim of that name has not our labels (D19)."""
    intent = claim()
    assert reason(intent, intent) is None
    bare = edited(intent, "metadata", "labels", to={"team": "x"})
    assert reason(bare, intent) == "NameConflict"
    unlabelled = edited(intent, "metadata", "labels", to={})
    assert reason(intent, unlabelled) == "NameConflict", (
        "an intent that says nothing of itself proves nothing"
    )


def test_the_message_names_the_object_and_a_way_out() -> None:
    """A user reads it in a condition and knows what to do."""
    entry = objection(key_of(_INTENT), live(), owner(), _INTENT)
    assert entry is not None
    assert "ConfigMap/shop/a" in entry.message
    assert "KasprApp/shop/demo" in entry.message
    assert "Delete or rename it" in entry.message
    assert entry.after == 60.0
