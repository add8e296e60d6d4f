"""The status of an app: the first rule that applies decides, and every produced status keeps the invariants."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from kaspr_controller.status.composing import compose
from kaspr_controller.status.conditions import faults, find
from kaspr_controller.status.facts import AppFacts, ChildFault, Held, Membership
from kaspr_controller.status.rollout import Rollout

NOW = "2026-01-01T00:00:00+00:00"
DONE = Rollout(
    exists=True,
    observed=True,
    desired=3,
    updated=3,
    ready=3,
    available=3,
    total=3,
    complete=True,
    image="k:1",
)
CALM = Membership(asked=True, calm=3, members=({"id": 0}, {"id": 1}, {"id": 2}))
HEALTHY = AppFacts(
    generation=2, old={}, now=NOW, replicas=3, rollout=DONE, membership=CALM, version="1", selector="a=b"
)
FOREIGN = ChildFault("ConfigMap demo-config", "NameConflict", "belongs to somebody else", "terminal")
BUSY = ChildFault("Service demo-app", "ApplyFailed", "the API server answered 500", "transient")


def reason(facts: AppFacts, type_: str = "Ready") -> str | None:
    condition = find(compose(facts), type_)
    return None if condition is None else str(condition["reason"])


def test_ready_needs_everything() -> None:
    """Objects written, rollout over, members calm: Healthy, and nothing abnormal is mentioned."""
    status = compose(HEALTHY)
    assert {item["type"]: item["status"] for item in status["conditions"]} == {
        "Ready": "True",
        "Progressing": "False",
        "ComponentsAccepted": "True",
    }
    assert (status["availableMembers"], status["rolloutInProgress"], status["kasprVersion"]) == (
        "3/3",
        False,
        "1",
    )
    assert (status["replicas"], status["selector"], status["rebalancingMembers"]) == (3, "a=b", "0/3")


@pytest.mark.parametrize(
    ("change", "ready", "why"),
    [
        ({"invalid": ("spec.replicas: must be 0 or more",)}, "InvalidSpec", ("Stalled", "InvalidSpec")),
        ({"faults": (BUSY, FOREIGN)}, "NameConflict", ("Stalled", "NameConflict")),
        ({"faults": (BUSY,)}, "Error", ("Reconciling", "ApplyFailed")),
        ({"settling": 1.5}, "NotReady", ("Reconciling", "WaitingForComponents")),
        ({"waiting": ("StatefulSet: content first",)}, "NotReady", ("Reconciling", "WaitingForContent")),
        ({"rollout": Rollout()}, "NotReady", ("Reconciling", "WaitingForContent")),
        ({"replicas": 0}, "NotReady", ("Reconciling", "ScalingDown")),
        ({"replicas": 4}, "NotReady", ("Reconciling", "RolloutInProgress")),
        (
            {"rollout": replace(DONE, complete=False, updated=1)},
            "NotReady",
            ("Reconciling", "RolloutInProgress"),
        ),
        (
            {"membership": replace(CALM, waiting=("demo-app-1 is rebalancing",))},
            "NotReady",
            ("Reconciling", "WaitingForMembers"),
        ),
    ],
)
def test_what_is_awaited_is_named(change: dict[str, Any], ready: str, why: tuple[str, str]) -> None:
    """Each missing thing gives Ready=False and the abnormal condition that says who has to act."""
    facts = replace(HEALTHY, **change)
    assert reason(facts) == ready
    assert reason(facts, why[0]) == why[1]


def test_scaled_to_zero_is_neither_ready_nor_broken() -> None:
    """D58: with 0 replicas nothing is processed, which is what was asked for."""
    status = compose(replace(HEALTHY, replicas=0, rollout=Rollout(exists=True, observed=True)))
    assert {item["type"] for item in status["conditions"]} == {"Ready", "Progressing", "ComponentsAccepted"}
    assert find(status, "Ready")["reason"] == "ScaledToZero"  # type: ignore[index]


def test_a_held_component_does_not_take_the_app_down() -> None:
    """D27: the app stays Ready, the condition names the component and its problem."""
    status = compose(
        replace(HEALTHY, held=(Held("KasprAgent enrich", "InvalidCode", "map: line 1: invalid syntax"),))
    )
    accepted = find(status, "ComponentsAccepted")
    assert find(status, "Ready")["status"] == "True"  # type: ignore[index]
    assert accepted is not None
    assert accepted["status"] == "False"
    assert "KasprAgent enrich: map: line 1" in accepted["message"]


def test_an_invalid_spec_keeps_the_numbers_that_were_known() -> None:
    """A spec that cannot be read says nothing about the pods that run."""
    old = compose(HEALTHY)
    status = compose(replace(HEALTHY, generation=3, old=old, invalid=("spec: bad",), rollout=Rollout()))
    assert (status["availableMembers"], status["replicas"]) == ("3/3", 3)
    assert status["observedGeneration"] == 3


def test_a_settled_app_composes_the_same_bytes_again() -> None:
    """T1: a second pass over the same facts writes nothing, whatever the clock says."""
    first = compose(HEALTHY)
    assert compose(replace(HEALTHY, old=first, now="2030-01-01T00:00:00+00:00")) == first


def test_a_pause_shows_and_freezes() -> None:
    """D10: a paused app says so, and an edit made during the pause stays visibly unobserved."""
    old = compose(HEALTHY)
    same = compose(replace(HEALTHY, old=old, paused=True))
    assert find(same, "Ready")["status"] == "True"  # type: ignore[index]
    assert find(same, "Paused")["status"] == "True"  # type: ignore[index]
    edited = compose(replace(HEALTHY, old=old, paused=True, generation=3))
    assert (edited["observedGeneration"], find(edited, "Ready")["status"]) == (2, "Unknown")  # type: ignore[index]
    assert reason(replace(HEALTHY, old=edited, generation=3), "Paused") is None


def test_the_old_condition_tells_new_specs_from_waiting() -> None:
    """Behaviour 2.2: NewSpec until something has moved since the generation was seen, Reconciling afterwards."""
    facts = replace(HEALTHY, settling=1.0)
    assert reason(facts, "Progressing") == "NewSpec"
    moved = replace(HEALTHY, rollout=replace(DONE, complete=False), old=compose(facts))
    assert reason(moved, "Progressing") == "Reconciling"
    assert reason(replace(moved, old=compose(moved)), "Progressing") == "Reconciling"
    assert reason(replace(moved, old=compose(moved), generation=3), "Progressing") == "NewSpec"


def test_every_combination_keeps_the_invariants() -> None:
    """T5: no combination of facts gives a status that kstatus would misread."""
    options: list[list[dict[str, Any]]] = [
        [{}, {"invalid": ("x",)}, {"paused": True}],
        [{}, {"faults": (FOREIGN,)}, {"faults": (BUSY,)}, {"faults": (BUSY, FOREIGN)}],
        [{}, {"settling": 1.0}, {"waiting": ("x",)}],
        [{}, {"replicas": 0}, {"rollout": Rollout()}, {"rollout": replace(DONE, complete=False)}],
        [{}, {"membership": replace(CALM, waiting=("x",))}, {"membership": Membership()}],
        [{}, {"held": (Held("a", "b", "c"),), "warnings": ("w",)}],
        [{}, {"old": compose(HEALTHY)}, {"old": {"observedGeneration": 1, "conditions": []}}],
    ]
    for changes in itertools.product(*options):
        facts = HEALTHY
        for change in changes:
            facts = replace(facts, **change)
        status = compose(facts)
        assert faults(status, generation=facts.generation) == [], changes
        # S1, H1: a pass that sees the same writes nothing, after a restart too.
        assert compose(replace(facts, old=status)) == status, changes
