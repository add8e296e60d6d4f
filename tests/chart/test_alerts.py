"""Alerts fire when they should, not otherwise, and name only what exists.

Prometheus' own promtool reads the rules and evaluates them over the series of `alerts.yaml` next to this file.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.manifests import conditions
from kaspr_controller.status import reasons
from tests.chart.names import metrics_in, set_by_the_program
from tests.chart.rendering import CHART, ROOT, Chart, only

RULES = CHART / "files" / "alerts.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"
HEADINGS = ("## Meaning", "## Impact", "## Diagnosis", "## Mitigation")
LEAST = 12
SERIES = {"contended"}
"""Values of a label `reason` that are no reasons of conditions."""

CASES: dict[str, list[dict[str, Any]]] = yaml.safe_load(
    Path(__file__).with_name("alerts.yaml").read_text("utf-8")
)


def alerts() -> dict[str, dict[str, Any]]:
    """Every alert by name."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


every_alert = pytest.mark.parametrize("name", alerts())


def test_prometheus_takes_the_rules(promtool: Path) -> None:
    """Expressions parse, templates too."""
    done = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert len(alerts()) >= LEAST


@pytest.mark.parametrize("minutes", {case.get("interval", 1) for cases in CASES.values() for case in cases})
def test_alerts_fire_when_they_should(promtool: Path, tmp_path: Path, minutes: int) -> None:
    """Each case of the table: that many alerts fire at that minute."""
    file = tmp_path / "rules.test.yaml"
    tests = [
        _test(name, case)
        for name, cases in CASES.items()
        for case in cases
        if case.get("interval", 1) == minutes
    ]
    every = {"rule_files": [str(RULES)], "evaluation_interval": f"{minutes}m"}
    file.write_text(yaml.safe_dump({**every, "tests": tests}))
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout


def _test(name: str, case: dict[str, Any]) -> dict[str, Any]:
    firing = f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)'
    samples = [{"labels": "{}", "value": case["firing"]}]
    return {
        "name": f"{name} {case}",
        "interval": f"{case.get('interval', 1)}m",
        "input_series": [{"series": key, "values": str(value)} for key, value in case["series"].items()],
        "promql_expr_test": [{"expr": firing, "eval_time": f"{case['at']}m", "exp_samples": samples}],
    }


@every_alert
def test_there_is_a_case_for_and_one_against(name: str) -> None:
    """An alert that cannot fire and one that cannot stop are both worth nothing."""
    assert {case["firing"] > 0 for case in CASES[name]} == {True, False}


@every_alert
def test_metrics_of_alerts_are_set_by_the_program(name: str) -> None:
    """Exposed is not enough: a metric that nothing sets never fires an alert."""
    found = metrics_in(alerts()[name]["expr"])
    assert found
    assert found <= set_by_the_program()


@every_alert
def test_conditions_of_alerts_are_written_by_the_program(name: str) -> None:
    """Types and reasons that an alert selects by are words of the program, so a renamed one does not silence it."""
    selectors = re.findall(r"\b(type|reason)(=~|!~|!=|=)\"([^\"]*)\"", alerts()[name]["expr"])
    known = {row[0] for row in conditions.types()} | {row.reason for row in conditions.rows(reasons)} | SERIES
    assert {word for _, _, value in selectors for word in value.split("|")} <= known


@every_alert
def test_every_alert_has_a_runbook(name: str) -> None:
    """A page of one form, whose title is the alert."""
    text = (RUNBOOKS / f"{name}.md").read_text("utf-8")
    assert text.startswith(f"# {name}\n")
    places = [text.index(heading) for heading in HEADINGS]
    assert places == sorted(places)


def test_every_runbook_has_an_alert() -> None:
    """What is left over of an alert that is gone misleads."""
    pages = {path.stem for path in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == set(alerts())


@every_alert
def test_texts_name_labels_that_the_alert_has(name: str) -> None:
    """A label that the expression aggregates away would be an empty word in the text."""
    rule = alerts()[name]
    kept = {
        label.strip() for found in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in found.split(",")
    }
    named = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
    assert named <= kept
    assert set(rule["annotations"]) == {"summary", "description"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_the_rules_are_rendered_with_links_and_without_those_that_are_not_wanted(chart: Chart) -> None:
    """`runbookUrl` and `disabled` of the values; everything else as in the file."""
    url = "https://example.com/runbooks"
    values = {"enabled": True, "runbookUrl": url, "disabled": ["KasprAppPaused"]}
    rendered = only(chart.render({"prometheusRule": values}), "PrometheusRule")
    found = {rule["alert"]: rule for group in rendered["spec"]["groups"] for rule in group["rules"]}
    assert found.keys() == alerts().keys() - {"KasprAppPaused"}
    for name, rule in found.items():
        assert rule["annotations"].pop("runbook_url") == f"{url}/{name}.md"
        assert rule == alerts()[name]
