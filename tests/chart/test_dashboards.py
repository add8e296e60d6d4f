"""Dashboards: every expression parses, every metric in them is set by the program, every panel can be read."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.manifests.grafana import COLUMNS
from tests.chart.names import metrics_in, scraped, set_by_the_program
from tests.chart.rendering import CHART, Chart, of_kind

FILES = sorted((CHART / "files" / "dashboards").glob("*.json"))
VARIABLES = {"$__rate_interval": "5m", "$namespace": ".*", "$app": ".*"}

every_dashboard = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def panels(path: Path) -> list[dict[str, Any]]:
    """The panels with queries."""
    board = json.loads(path.read_text("utf-8"))
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def expressions(path: Path) -> list[str]:
    """The expressions, with a value for each of Grafana's variables."""
    return replaced([target["expr"] for panel in panels(path) for target in panel["targets"]])


def replaced(found: list[str]) -> list[str]:
    """Expressions without Grafana's variables."""
    for name, value in VARIABLES.items():
        found = [expression.replace(name, value) for expression in found]
    return found


def test_there_are_two() -> None:
    """One about the controller, one about the apps."""
    assert [path.stem for path in FILES] == ["apps", "controller"]


@every_dashboard
def test_prometheus_takes_every_expression(path: Path, promtool: Path, tmp_path: Path) -> None:
    """Each as a rule of its own; none has a variable that nobody replaces."""
    found = expressions(path)
    assert not [expression for expression in found if "$" in expression]
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(found)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run(
        [promtool, "check", "rules", "--lint=none", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout


@every_dashboard
def test_every_expression_gives_something_when_there_is_something(
    path: Path, promtool: Path, tmp_path: Path
) -> None:
    """Evaluated over two replicas that expose every metric: no error of matching, and no graph that is always empty."""
    tests = []
    for panel in panels(path):
        for target in panel["targets"]:
            (expression,) = replaced([target["expr"]])
            tests.append(
                {
                    "expr": f"count({expression}) > bool 0",
                    "eval_time": "10m",
                    "exp_samples": [{"labels": "{}", "value": 1}],
                }
            )
    suite = {
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": scraped(), "promql_expr_test": tests}],
    }
    file = tmp_path / "panels.test.yaml"
    file.write_text(yaml.safe_dump(suite))
    done = subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout


@every_dashboard
def test_metrics_of_dashboards_are_set_by_the_program(path: Path) -> None:
    """A panel about a metric that nothing sets would always be empty, and look as if all were well."""
    for expression in expressions(path):
        found = metrics_in(expression)
        assert found, expression
        assert found <= set_by_the_program(), expression


@every_dashboard
def test_every_panel_can_be_read(path: Path) -> None:
    """It says what is normal, has a unit, and lines that differ have names that differ."""
    for panel in panels(path):
        assert len(panel["description"]) > 10, panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"]
        if panel["type"] == "timeseries":
            for target in panel["targets"]:
                grouped = re.match(r"(?:sum|max|histogram_quantile)\b.*?by \(([^)]*)\)", target["expr"])
                labels = set(re.split(r",\s*", grouped[1])) - {"le"} if grouped else set()
                named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
                assert labels <= named, panel["title"]


@every_dashboard
def test_panels_do_not_overlap(path: Path) -> None:
    """Each cell of the page belongs to one panel, rows included."""
    taken: set[tuple[int, int]] = set()
    board = json.loads(path.read_text("utf-8"))
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= COLUMNS
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_the_chart_ships_them_as_they_are(chart: Chart) -> None:
    """Grafana's own braces are not Helm's."""
    found = of_kind(chart.render({"dashboards": {"enabled": True}}), "ConfigMap")
    assert len(found) == len(FILES)
    for one, path in zip(found, FILES, strict=True):
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        (name, content), *rest = one["data"].items()
        assert (name, rest) == (f"kaspr-{path.name}", [])
        assert json.loads(content) == json.loads(path.read_text("utf-8"))
