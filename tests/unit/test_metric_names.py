"""The names, types, labels and buckets of all metrics are an interface: dashboards and alerts are written against them.

`metrics.txt` next to this file is the agreement. After a wanted change, rewrite it with `GOLDEN_UPDATE=1` and say in the
release notes what was renamed or removed.
"""

from __future__ import annotations

import os
from pathlib import Path

from prometheus_client import Histogram
from prometheus_client.metrics import MetricWrapperBase

from kaspr_controller.telemetry import legacy_metrics, metrics

AGREED = Path(__file__).with_name("metrics.txt")
NAMED_THINGS = {"namespace", "uid", "app_name", "component_name", "member_id"}


def wrappers() -> list[MetricWrapperBase]:
    found = {
        each
        for module in (metrics, legacy_metrics)
        for each in vars(module).values()
        if isinstance(each, MetricWrapperBase)
    }
    return sorted(found, key=lambda each: each._name)


def exposed() -> list[str]:
    lines = []
    for each in wrappers():
        suffix = "_total" if each._type == "counter" else ""
        line = f"{each._name}{suffix} {each._type} {','.join(each._labelnames) or '-'}"
        if isinstance(each, Histogram):
            line += " " + ",".join(f"{bound:g}" for bound in each._kwargs["buckets"])
        lines.append(line)
    families = {family.name: family for family in metrics.SURVEY.describe()}
    lines += [f"{name} {each.type} {','.join(each._labelnames)}" for name, each in families.items()]
    return lines


def test_metrics_are_as_agreed() -> None:
    """P4: what is exposed equals the checked-in list."""
    if os.environ.get("GOLDEN_UPDATE"):
        AGREED.write_text("\n".join(exposed()) + "\n")
    assert exposed() == AGREED.read_text().splitlines()


def test_every_metric_is_in_the_registry_that_is_served() -> None:
    """A metric that was made without it would be set for nobody."""
    described = {family.name for family in metrics.REGISTRY.collect()}
    assert {each._name for each in wrappers()} <= described


def test_no_names_in_the_labels_of_histograms() -> None:
    """P2: a histogram a name multiplies its buckets by the fleet; the old operator's own are the agreed exception."""
    faults = [
        each._name
        for each in wrappers()
        if isinstance(each, Histogram)
        and not each._name.startswith("kasprop_")
        and NAMED_THINGS & set(each._labelnames)
    ]
    assert faults == []


def test_answers_of_members_start_at_zero() -> None:
    """P1: label sets that are known in advance exist before the first event."""
    for answer in ("ok", "starting", "refused", "timeout", "wrong"):
        assert metrics.REGISTRY.get_sample_value("kaspr_member_polls_total", {"answer": answer}) is not None
