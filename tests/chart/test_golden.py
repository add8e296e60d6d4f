"""What the chart renders for sets of values: golden/<name>/values.yaml gives golden/<name>/objects.yaml.

`make golden-update` rewrites the objects; review the diff. CRDs, dashboards and alerts, which have tests of their own, are shown
by name, and the version of the program as VERSION.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.image.building import version
from tests.chart.rendering import Chart, Object, Values, cases

GOLDEN = Path(__file__).with_name("golden")
CASES = dict(cases())


def shortened(obj: Object) -> Object:
    """The object without what other tests look at."""
    short = copy.deepcopy(obj)
    if obj["kind"] == "CustomResourceDefinition":
        del short["spec"]
    elif obj["kind"] == "ConfigMap":
        short["data"] = dict.fromkeys(obj["data"], "...")
    elif obj["kind"] == "PrometheusRule":
        for group in short["spec"]["groups"]:
            group["rules"] = [rule["alert"] for rule in group["rules"]]
    elif obj["kind"] in {"ClusterRole", "Role"}:
        short["rules"] = "..."
    return short


def text(objects: list[Object]) -> str:
    """The golden file."""
    shown = yaml.safe_dump_all([shortened(obj) for obj in objects], sort_keys=False, width=120)
    return shown.replace(version(), "VERSION")


@pytest.mark.parametrize("name", CASES)
def test_rendered_as_agreed(chart: Chart, name: str) -> None:
    """A change of what users get is seen in review, never by accident."""
    found = text(chart.render(CASES[name]))
    file = GOLDEN / name / "objects.yaml"
    if os.environ.get("GOLDEN_UPDATE"):
        file.write_text(found, "utf-8")
    assert found == file.read_text("utf-8")


def test_the_case_everything_sets_every_value_otherwise(chart: Chart) -> None:
    """So no value is without a golden file that shows what it does."""
    assert unchanged(defaults(), CASES["everything"]) <= {
        ".crds.install",  # the case `little`
        ".rbac.create",  # `little`
        ".rbac.mode",  # `namespaced`
        ".serviceAccount.create",  # `little`
        ".topologySpread.enabled",  # `little`
        ".podDisruptionBudget.enabled",  # `little`
        ".networkPolicy.enabled",  # `little`
        ".metrics.service.enabled",  # `little`
        ".prometheusRule.labels",  # `monitoring`
        ".prometheusRule.runbookUrl",  # `monitoring`
        ".prometheusRule.disabled",  # `monitoring`
    }


def defaults() -> dict[str, Any]:
    """The values as the chart comes."""
    from tests.chart.rendering import CHART

    values: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    return values


def unchanged(default: Values, given: Values, path: str = "") -> set[str]:
    """Paths of values that are not given, or given as they are by default."""
    found: set[str] = set()
    for name, value in default.items():
        here = f"{path}.{name}"
        if isinstance(value, dict) and value:
            found |= unchanged(value, given.get(name) or {}, here)
        elif name not in given or given[name] == value:
            found.add(here)
    return found
