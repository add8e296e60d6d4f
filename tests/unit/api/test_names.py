"""Names, labels and annotations: the words that live objects already carry."""

from __future__ import annotations

import pytest

from kaspr_controller.api import labels
from kaspr_controller.api.metadata import BY_NAME, COMPONENT_KINDS, KINDS, ObjectMeta

STATEFUL_SET_LIMIT = 52
LABEL_LIMIT = 63


def test_plurals_and_suffixes_are_those_of_live_clusters() -> None:
    """They are part of URLs and of names of children."""
    assert {kind.kind: (kind.plural, kind.suffix) for kind in KINDS} == {
        "KasprApp": ("kasprapps", "app"),
        "KasprAgent": ("kaspragents", "agent"),
        "KasprTable": ("kasprtables", "table"),
        "KasprJoin": ("kasprjoins", "join"),
        "KasprWebView": ("kasprwebviews", "webview"),
        "KasprTask": ("kasprtasks", "task"),
    }
    assert BY_NAME["KasprTask"].api_version == "kaspr.io/v1alpha1"
    assert BY_NAME["KasprTask"].crd_name == "kasprtasks.kaspr.io"


def test_name_limits_leave_room_for_the_suffix() -> None:
    """A StatefulSet whose name has more than 52 characters creates no pods; a label value has at most 63."""
    for kind in KINDS:
        limit = LABEL_LIMIT if kind in COMPONENT_KINDS else STATEFUL_SET_LIMIT
        assert len("-" + kind.suffix) + kind.name_limit == limit


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("True", True), ("1", True), ("YES", True), (" true ", True)]
    + [(value, False) for value in (None, "", "false", "0", "no", "on", "enabled")],
)
def test_annotations_switch_on_by_three_words(value: str | None, expected: bool) -> None:  # noqa: FBT001 - a table
    """Everything else is off."""
    assert labels.truthy(value) is expected


def test_metadata_reads_what_it_needs_and_ignores_the_rest() -> None:
    """The API server adds fields from release to release."""
    meta = ObjectMeta.model_validate(
        {"name": "a", "uid": "u", "generation": 3, "managedFields": [{}], "deletionTimestamp": "x", "new": 1}
    )
    assert (meta.name, meta.uid, meta.generation, meta.deletion_timestamp) == ("a", "u", 3, "x")
    assert meta.labels == {}
