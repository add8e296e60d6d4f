"""docs/runbooks/README.md and docs/reference/metrics.md: every alert of the chart, every metric of the program.

In: the rules file of the chart, the metric objects of `telemetry`. Out: two Markdown texts. Invariant: what is exposed is
on the page, and what no line of the program sets yet is said to be empty.
"""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.metrics import MetricWrapperBase

from kaspr_controller.telemetry import legacy_metrics, metrics

ROOT = Path(__file__).parents[2]
RULES = ROOT / "charts" / "kaspr-controller" / "files" / "alerts.yaml"
SOURCES = ROOT / "src" / "kaspr_controller"

ALERTS = """\
# Runbooks

Generated from `charts/kaspr-controller/files/alerts.yaml` by `make manifests`.

A page for each alert of the chart: what it means, what it does to apps, how to find out more, what to do. The commands assume the
namespace `kaspr-system` and the name `kaspr-controller`. With the chart's value `prometheusRule.runbookUrl`, each alert carries
the address of its page.

| Alert | Severity | After | |
|---|---|---|---|
"""
METRICS = """\
# Metrics

Generated from `src/kaspr_controller/telemetry` by `make manifests`.

At `/metrics` on the port `METRICS_PORT`, as Prometheus text or OpenMetrics, without credentials: a NetworkPolicy says who may ask.
Besides these there are `process_*` and `python_*`, about the process.

- Names, labels and buckets are an interface: a change is in the changelog.
- Those that begin with `controller_runtime_`, `workqueue_`, `rest_client_` and `leader_election_` are those of controller-runtime, so its
  dashboards work. Those that begin with `kasprop_` are those of the existing operator.
- `kaspr_condition`, `kaspr_app_members` and `kaspr_invalid_objects` are read from the caches when somebody asks, by every replica:
  aggregate with `max by`. There is a series for what exists at that moment and for nothing else.
- The label `namespace` of a metric is that of the app: scrape with `honorLabels: true`.
- Of the metrics of the existing operator, `component_name` and `resource_name` are there and empty, `member_id` too for changes of state,
  and `kasprop_resource_sync_duration_seconds` has no names at all: a series costs 0.65 KiB, a histogram 3.2 KiB, and with all names a
  thousand apps would need more memory than the whole program may use. As it is, an app costs 4 KiB after a start and up to 15 KiB.

| Metric | Type | Labels | |
|---|---|---|---|
"""
UNSET = """\

## Empty

Exposed, for dashboards that query them, and not set yet by this version: {names}.
"""


def alerts() -> str:
    """The index of the runbooks."""
    groups: list[dict[str, Any]] = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    rows = [
        f"| [{rule['alert']}]({rule['alert']}.md) | {rule['labels']['severity']} | {rule.get('for', 'at once')} "
        f"| {_plain(rule['annotations']['summary'])} |"
        for group in groups
        for rule in group["rules"]
    ]
    return ALERTS + "\n".join(rows) + "\n"


def reference() -> str:
    """The page of metrics."""
    wrappers = [
        each
        for module in (metrics, legacy_metrics)
        for each in vars(module).values()
        if isinstance(each, MetricWrapperBase)
    ]
    rows = [
        (_name(each), str(each._type), each._labelnames, each._documentation)  # noqa: SLF001 - no other way
        for each in wrappers
    ]
    rows += [
        (each.name, each.type, tuple(each._labelnames), each.documentation)  # noqa: SLF001 - no other way
        for each in metrics.SURVEY.describe()
    ]
    lines = [
        f"| `{name}` | {type_} | {', '.join(f'`{label}`' for label in labels)} | {text} |"
        for name, type_, labels, text in sorted(rows)
    ]
    silent = sorted(f"`{_name(each)}`" for each in set(wrappers) - set_somewhere())
    return METRICS + "\n".join(lines) + "\n" + (UNSET.format(names=", ".join(silent)) if silent else "")


def set_somewhere() -> set[MetricWrapperBase]:
    """The metrics that a line outside of `telemetry` sets, by itself or by a function of `legacy_metrics`."""
    found = {vars(metrics)[name] for name in read_from("metrics") if name in vars(metrics)}
    called = read_from("legacy_metrics")
    tree = ast.parse((SOURCES / "telemetry" / "legacy_metrics.py").read_text("utf-8"))
    names = {
        node.id
        for function in tree.body
        if isinstance(function, ast.FunctionDef) and function.name in called
        for node in ast.walk(function)
        if isinstance(node, ast.Name)
    }
    values = [*found, *(vars(legacy_metrics)[name] for name in names if name in vars(legacy_metrics))]
    return {each for each in values if isinstance(each, MetricWrapperBase)}


@functools.cache
def read_from(module: str) -> frozenset[str]:
    """`X` of every `module.X` in the program outside of `telemetry`."""
    trees = [
        ast.parse(path.read_text("utf-8"))
        for path in SOURCES.rglob("*.py")
        if path.parent.name != "telemetry"
    ]
    return frozenset(
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == module
    )


def _name(metric: MetricWrapperBase) -> str:
    suffix = "_total" if metric._type == "counter" else ""  # noqa: SLF001 - no other way
    return f"{metric._name}{suffix}"  # noqa: SLF001


def _plain(summary: str) -> str:
    """The text without its template: `{{ $labels.name }}` becomes NAME, `{{ $value | x }}` N."""
    named = re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: found[1].upper(), summary)
    return re.sub(r"\{\{ \$value[^}]*\}\}", "N", named)
