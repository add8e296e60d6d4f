"""Golden renders: every case's objects, byte for byte; `GOLDEN_UPDATE=1` writes them anew for review as a diff."""

from __future__ import annotations

import os
from typing import Any

import pytest

from hack.nodesim.definitions import load
from kaspr_controller.api.fields import shape
from kaspr_controller.api.modelling import Part
from kaspr_controller.api.parsing import MODELS
from tests.unit.desired.cases import Case, as_text, cases

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_renders_as_recorded(case: Case) -> None:
    """A change of any rendered byte is a change that somebody has looked at."""
    text = as_text(case.render())
    path = case.folder / "objects.yaml"
    if os.environ.get("GOLDEN_UPDATE") == "1":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("order", [sorted, lambda paths: sorted(paths, reverse=True)], ids=["forth", "back"])
def test_the_runtime_starts_with_every_render(case: Case, order: Any) -> None:
    """Whatever users wrote, the definitions that are mounted start, in any order of the directory, without a fault."""
    bundle = case.render()
    loaded = load(bundle.files, order=order)
    assert not loaded.warnings
    assert not [fault for fault in loaded.faults if "default selector" not in fault]
    agents = {("KasprAgent", agent.name) for agent in loaded.agents}
    tables = {("KasprTable", table.name) for table in loaded.tables if not table.internal}
    joins = {("KasprJoin", join.name) for join in loaded.joins}
    views = {("KasprWebView", view.name) for view in loaded.webviews}
    tasks = {("KasprTask", task.name) for task in loaded.tasks}
    mounted = {key for key, one in bundle.components.items() if one.config_map}
    assert agents | tables | joins | views | tasks == mounted


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_subscriptions_are_what_the_runtime_reads(case: Case) -> None:
    """The set a rebalance is judged by is the set the runtime subscribes to."""
    bundle = case.render()
    if bundle.refused:
        return
    app = case.app()
    scheduler = bool(app.spec.config.scheduler_enabled or app.spec.config.scheduler_cron_enabled)
    wanted = load(bundle.files).subscription(f"{app.name}-app", scheduler=scheduler)
    assert set(bundle.subscriptions.all) == wanted


def test_every_field_of_every_spec_occurs_in_a_case() -> None:
    """A field that no golden case sets could be lost by the render without anybody noticing."""
    seen = {path for case in CASES for raw in case.resources() for path in written(raw["kind"], raw["spec"])}
    known = {
        path
        for kind, model in MODELS.items()
        for path in declared(kind, shape(model.model_fields["spec"]).core)
    }
    assert known - seen == set()


def test_there_are_enough_cases() -> None:
    """A folder that is not found would make every other test here pass."""
    assert len(CASES) >= 60
    assert all((case.folder / "objects.yaml").exists() for case in CASES)


def declared(path: str, model: Any) -> set[str]:
    """The paths of all fields below a model."""
    paths: set[str] = set()
    for attribute, info in model.model_fields.items():
        found = shape(info)
        core = found.item.core if found.core == "list" and found.item else found.core
        here = f"{path}.{info.alias or attribute}"
        paths.add(here)
        if isinstance(core, type) and issubclass(core, Part):
            paths |= declared(here, core)
    return paths


def written(path: str, value: Any) -> set[str]:
    """The paths of everything that is written in an input."""
    if isinstance(value, list):
        return {found for item in value for found in written(path, item)}
    if not isinstance(value, dict):
        return {path}
    return {path, *(found for key, item in value.items() for found in written(f"{path}.{key}", item))}
