"""The status of a component."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from kaspr_controller.status.component import ComponentFacts, ComponentVerdict, compose
from kaspr_controller.status.conditions import faults, find

NOW = "2026-01-01T00:00:00+00:00"
VERDICT = ComponentVerdict(uid="u", generation=2, config_map="enrich-agent", hash="abc", mounted="yes")
FACTS = ComponentFacts(generation=2, old={}, now=NOW, app="demo", app_found=True, verdict=VERDICT)


@pytest.mark.parametrize(
    ("facts", "ready", "reason"),
    [
        (FACTS, "True", "Applied"),
        (replace(FACTS, invalid=("spec.input: is required",)), "False", "InvalidSpec"),
        (replace(FACTS, app=""), "False", "MissingAppLabel"),
        (replace(FACTS, app_found=False, verdict=None), "False", "AppNotFound"),
        (replace(FACTS, verdict=None), "False", "WaitingForContent"),
        (replace(FACTS, verdict=replace(VERDICT, mounted="rolling")), "False", "RolloutInProgress"),
        (replace(FACTS, verdict=replace(VERDICT, mounted="no")), "False", "WaitingForContent"),
        (replace(FACTS, verdict=replace(VERDICT, reason="InvalidCode", message="x")), "False", "InvalidCode"),
    ],
)
def test_the_first_rule_that_applies_decides(facts: ComponentFacts, ready: str, reason: str) -> None:
    """D01 and 1.11: each state of a component has its own reason, said once."""
    condition = find(compose(facts), "Ready")
    assert condition is not None
    assert (condition["status"], condition["reason"]) == (ready, reason)


def test_the_words_of_the_predecessor_are_kept() -> None:
    """Contract 1.11: app, configMap, hash and the tables of a join are where scripts look for them."""
    tables = {"leftTable": {"name": "orders", "status": "LeftTableFound"}}
    status = compose(replace(FACTS, verdict=replace(VERDICT, tables=tables)))
    assert status["app"] == {"name": "demo", "status": "AppFound"}
    assert (status["configMap"], status["hash"]) == ("enrich-agent", "abc")
    assert status["leftTable"] == {"name": "orders", "status": "LeftTableFound"}


def test_a_held_component_says_that_the_last_good_definition_stays() -> None:
    """D27: a user must know what still runs."""
    held = replace(VERDICT, reason="InvalidCode", message="spec.x: bad.")
    assert "last good definition stays" in find(compose(replace(FACTS, verdict=held)), "Ready")["message"]  # type: ignore[index]
    never = replace(held, hash="")
    assert "last good" not in find(compose(replace(FACTS, verdict=never)), "Ready")["message"]  # type: ignore[index]


def test_every_combination_keeps_the_invariants() -> None:
    """T5 for components."""
    options: list[list[dict[str, Any]]] = [
        [{}, {"invalid": ("x",)}],
        [{}, {"app": ""}, {"app_found": False}],
        [{}, {"verdict": None}, {"verdict": replace(VERDICT, mounted="no", warnings=("w",))}],
        [{}, {"old": compose(FACTS)}],
    ]
    for changes in itertools.product(*options):
        facts = FACTS
        for change in changes:
            facts = replace(facts, **change)
        assert faults(compose(facts), generation=2) == [], changes
