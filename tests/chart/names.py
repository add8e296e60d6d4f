"""Which metrics an expression names, which of them the program really sets, and what a scrape of all of them is like."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterator

from prometheus_client.metrics import MetricWrapperBase

from hack.manifests import monitoring
from kaspr_controller.telemetry import legacy_metrics, metrics

OURS = ("controller_runtime_", "kaspr", "leader_election_", "rest_client_", "workqueue_")
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
_FAMILIES_OF_THE_PROCESS = {
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "process_start_time_seconds",
}
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_BRACES = re.compile(r"\{[^}]*\}")
_GROUPING = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)")


def metrics_in(expression: str) -> set[str]:
    """The metric names of a PromQL expression: words with an underscore that are no label, no function, no text."""
    plain = _GROUPING.sub(" ", _BRACES.sub(" ", _TEXT.sub(" ", expression)))
    functions = set(re.findall(r"(\w+)\s*\(", plain))
    words = set(_WORD.findall(plain)) - functions
    return {word for word in words if word.startswith((*OURS, "process_"))}


@functools.cache
def set_by_the_program() -> frozenset[str]:
    """The series that some line outside of `telemetry` sets, as Prometheus names them."""
    used = monitoring.set_somewhere()
    names = {f"{each._name}{suffix}" for each in used for suffix in _SUFFIXES[str(each._type)]}
    if "SURVEY" in monitoring.read_from("metrics"):
        names |= {family.name for family in metrics.SURVEY.describe()}
    return frozenset(names | _FAMILIES_OF_THE_PROCESS)


VALUES = {
    "pod": ("one", "two"),
    "controller": ("kasprapp", "component"),
    "kind": ("KasprApp", "KasprAgent"),
    "le": ("0.1", "1", "+Inf"),
    "state": ("available", "wanted", "rebalancing"),
    "type": (
        "Accepted",
        "ComponentsAccepted",
        "HungMembers",
        "Paused",
        "Ready",
        "RebalancePending",
        "RolloutStuck",
        "SeatsAbandoned",
        "Stalled",
    ),
    "reason": ("InvalidSpec",),
}
"""Values of labels that expressions select by; the others have one that no expression knows."""


def scraped() -> list[dict[str, str]]:
    """Series of two replicas with every metric, as promtool takes them: counters grow, gauges and conditions are 0."""
    return list(_scraped())


def _scraped() -> Iterator[dict[str, str]]:
    wrappers = {
        each
        for module in (metrics, legacy_metrics)
        for each in vars(module).values()
        if isinstance(each, MetricWrapperBase)
    }
    shapes = {
        (f"{each._name}{suffix}", each._labelnames, suffix)
        for each in wrappers
        for suffix in _SUFFIXES[str(each._type)]
    }
    shapes |= {(each.name, tuple(each._labelnames), "") for each in metrics.SURVEY.describe()}
    shapes |= {(name, (), "") for name in _FAMILIES_OF_THE_PROCESS}
    for name, labels, suffix in sorted(shapes):
        names = ("pod", *labels, *(("le",) if suffix == "_bucket" else ()))
        values = "0+1x20" if suffix or name.endswith("_total") else "0+0x20"
        for chosen in itertools.product(*(VALUES.get(label, ("x",)) for label in names)):
            pairs = ",".join(f'{label}="{value}"' for label, value in zip(names, chosen, strict=True))
            yield {"series": f"{name}{{{pairs}}}", "values": values}
