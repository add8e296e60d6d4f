"""What parses may still not run: code that does not compile, two routes of one path, a join without its tables.

In: parsed objects with their documents. Out: findings. Each app among them is rendered with its components exactly as the
controller would for a new app, and what the render holds back is reported; components whose app is elsewhere are judged
one by one. Something that is only missing in these files may well be in the cluster: that is a warning.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from kaspr_controller.api import labels
from kaspr_controller.api.parsing import AnyResource
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.cli.documents import Document
from kaspr_controller.cli.findings import Finding, Severity, in_document
from kaspr_controller.desired import problems
from kaspr_controller.desired.bundle import render_app
from kaspr_controller.desired.components import prepare
from kaspr_controller.desired.definitions import Component
from kaspr_controller.desired.problems import ComponentKey, Problem


class Parsed(NamedTuple):
    """One object that could be parsed, and where it is written."""

    document: Document
    resource: AnyResource


def judge(parsed: Iterable[Parsed], *, missing: Severity = "warning") -> Iterator[Finding]:
    """Findings about objects together; each object has parsed by itself.

    Args:
        parsed: the objects.
        missing: how bad it is that an object refers to another one that is not among them.
    """
    apps: dict[tuple[str, str], tuple[Document, KasprApp]] = {}
    components: defaultdict[tuple[str, str], list[tuple[Document, Component]]] = defaultdict(list)
    for document, resource in parsed:
        if isinstance(resource, KasprApp):
            apps[resource.namespace, resource.name] = (document, resource)
            continue
        if not resource.app:
            text = "must name the KasprApp that this component belongs to"
            yield in_document(document, f"metadata.labels[{labels.APP}]", text)
        components[resource.namespace, resource.app].append((document, resource))
    for key, (document, app) in apps.items():
        yield from _together(document, app, components.pop(key, []), missing)
    for alone in components.values():
        yield from _alone(alone, missing)


def _together(
    document: Document, app: KasprApp, components: list[tuple[Document, Component]], missing: Severity
) -> Iterator[Finding]:
    bundle = render_app(app, [component for _, component in components])
    for refusal in bundle.refused:
        yield in_document(document, refusal.field, refusal.message)
    if bundle.refused:
        yield from _alone(components, missing)
    for warning in bundle.warnings:
        yield in_document(document, warning.field, warning.message, "warning")
    places: dict[ComponentKey, Document] = {(each.kind, each.name): place for place, each in components}
    for key, outcome in bundle.components.items():
        yield from _about(places[key], outcome.problem, outcome.warnings, missing)


def _alone(components: Iterable[tuple[Document, Component]], missing: Severity) -> Iterator[Finding]:
    for document, component in components:
        prepared = prepare(component)
        yield from _about(document, prepared.problem, prepared.warnings, missing)


def _about(
    document: Document, problem: Problem | None, warnings: Iterable[Problem], missing: Severity
) -> Iterator[Finding]:
    if problem is not None:
        severity: Severity = missing if problem.reason in problems.MAY_COME else "error"
        yield in_document(document, problem.field, problem.message, severity)
    for warning in warnings:
        yield in_document(document, warning.field, warning.message, "warning")
