"""`diff` in words: a line for what would change, a note for what only waits, nothing for what is as it should be."""

from __future__ import annotations

import pytest

from kaspr_controller.cli.diff import chosen, describe, notes
from kaspr_controller.cli.parser import CommandError
from kaspr_controller.converge.planning import PlannedChange
from kaspr_controller.engine.store import Store
from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.reconcilers import kinds
from kaspr_controller.reconcilers.planning import Plan

APP = ObjectKey("KasprApp", "demo", "shop")
WORKLOAD = ObjectKey("StatefulSet", "demo", "shop-app")
CONTENT = ObjectKey("ConfigMap", "demo", "old-agent")
SCALER = ObjectKey("HorizontalPodAutoscaler", "demo", "shop-app-hpa")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (PlannedChange(WORKLOAD, "create"), "create StatefulSet shop-app"),
        (
            PlannedChange(WORKLOAD, "change", ("spec.replicas", "metadata.labels.x")),
            "change StatefulSet shop-app: spec.replicas, metadata.labels.x",
        ),
        (
            PlannedChange(WORKLOAD, "blocked", (), "NameConflict", "it belongs to somebody else"),
            "blocked StatefulSet shop-app: it belongs to somebody else",
        ),
    ],
)
def test_a_change_is_one_line(change: PlannedChange, line: str) -> None:
    """App, what, which object, which fields or why not."""
    assert list(describe(Plan(APP, changes=(change,)))) == [f"demo/shop: {line}"]


def test_what_is_as_it_should_be_is_not_mentioned() -> None:
    """No lines are exit code 0."""
    plan = Plan(APP, changes=(PlannedChange(WORKLOAD, "none"), PlannedChange(CONTENT, "none")))
    assert list(describe(plan)) == []
    assert list(notes(plan)) == []


def test_an_app_that_is_refused_says_why_for_every_reason() -> None:
    """Nothing would be done, which is not the same as that nothing differs."""
    plan = Plan(APP, refused=("spec.version: is unknown", "spec.config: is odd"))
    assert list(describe(plan)) == [
        "demo/shop: refused: spec.version: is unknown",
        "demo/shop: refused: spec.config: is odd",
    ]


def test_a_component_that_is_held_back_comes_first() -> None:
    """It explains why its change is not among the lines below."""
    plan = Plan(APP, held=("KasprAgent bad: no",), changes=(PlannedChange(WORKLOAD, "create"),))
    assert list(describe(plan)) == [
        "demo/shop: held back: KasprAgent bad: no",
        "demo/shop: create StatefulSet shop-app",
    ]


def test_content_that_a_pod_mounts_stays_and_is_only_noted() -> None:
    """A converged app whose component was deleted must not differ until its pods are gone."""
    plan = Plan(APP, unwanted=(CONTENT, SCALER))
    assert list(describe(plan, {"old-agent"})) == ["demo/shop: remove HorizontalPodAutoscaler shop-app-hpa"]
    (note,) = notes(plan, {"old-agent"})
    assert "ConfigMap old-agent" in note
    assert list(describe(plan)) == [
        "demo/shop: remove ConfigMap old-agent",
        "demo/shop: remove HorizontalPodAutoscaler shop-app-hpa",
    ]
    assert list(notes(plan)) == []


def test_a_mounted_name_of_another_kind_is_no_excuse() -> None:
    """Only ConfigMaps are mounted."""
    plan = Plan(APP, unwanted=(SCALER,))
    assert len(list(describe(plan, {"shop-app-hpa"}))) == 1


def stores(*apps: tuple[str, str]) -> dict[str, Store]:
    store = Store(kinds.APP)
    staged = store.stage()
    for namespace, name in apps:
        staged.add({"metadata": {"namespace": namespace, "name": name, "uid": name, "resourceVersion": "1"}})
    staged.commit("1")
    return {"KasprApp": store}


def test_the_name_chooses_apps() -> None:
    """In every namespace that was asked for; without a name all of them."""
    found = stores(("a", "shop"), ("b", "shop"), ("b", "other"))
    assert [key.namespace for key in chosen(found, None, "shop")] == ["a", "b"]
    assert len(chosen(found, None, None)) == 3
    assert chosen(stores(), None, None) == []


def test_a_name_that_no_app_has_is_an_error() -> None:
    """A typing error must not read as "nothing would change"."""
    with pytest.raises(CommandError, match="there is no KasprApp shpo in namespace a"):
        chosen(stores(("a", "shop")), "a", "shpo")
    with pytest.raises(CommandError, match="there is no KasprApp shpo in any namespace"):
        chosen(stores(("a", "shop")), None, "shpo")
