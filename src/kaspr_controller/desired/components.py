"""Components before they meet: each one's entry, its own faults and its warnings.

In: a parsed custom resource, or the news that one could not be parsed. Out: `Prepared`. This depends on the resource alone,
so whoever reconciles may keep it per resource version and hand it to the render again. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from kaspr_controller.api.metadata import KindName
from kaspr_controller.desired import checks, definitions, documents, hashing
from kaspr_controller.desired.claims import Claims, claims_of
from kaspr_controller.desired.definitions import Component, Entry
from kaspr_controller.desired.problems import DOCUMENT_TOO_BIG, INVALID_SPEC, ComponentKey, Problem

DOCUMENT_LIMIT = 1_000_000
"""Bytes of one document. A ConfigMap holds 1 MiB of data, keys included; the rest is margin."""


@dataclass(frozen=True, slots=True)
class Unparsable:
    """A component that the API server let in and the parser refuses, with what is wrong in words."""

    kind: KindName
    name: str
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prepared:
    """One component, judged by itself.

    Attributes:
        key: kind and name.
        entry: its definition, None when it has none that can be used.
        claims: the wires of the entry.
        problem: why it has none.
        warnings: things that work otherwise than the user may think.
        text: the document that holds this entry alone.
        hash: of the entry.
        wanted: claims of the resource as written, also when it is held back; for the status of a join.
    """

    key: ComponentKey
    entry: Entry | None = None
    claims: Claims | None = None
    problem: Problem | None = None
    warnings: tuple[Problem, ...] = ()
    text: str = ""
    hash: str = ""
    wanted: Claims | None = None


AnyComponent: TypeAlias = Component | Unparsable | Prepared


def prepare(component: AnyComponent) -> Prepared:
    """Render and check one component by itself."""
    if isinstance(component, Prepared):
        return component
    if isinstance(component, Unparsable):
        message = "; ".join(component.errors[:3]) + ("; ..." if len(component.errors) > 3 else "")  # noqa: PLR2004
        return Prepared((component.kind, component.name), problem=Problem(INVALID_SPEC, "", message))
    key = (component.kind, component.name)
    entry = definitions.entry_of(component)
    claims = claims_of(key, entry)
    warnings = checks.warnings(component)
    problem = checks.problem(component)
    text = documents.text_of(definitions.document_of({key[0]: [entry]})) if problem is None else ""
    if len(text) > DOCUMENT_LIMIT // 4 and len(text.encode()) > DOCUMENT_LIMIT:
        problem = too_big(len(text.encode()))
    if problem is not None:
        return Prepared(key, problem=problem, warnings=warnings, wanted=claims)
    return Prepared(key, entry, claims, None, warnings, text, hashing.of_value(entry), claims)


def prepare_all(components: Iterable[AnyComponent]) -> list[Prepared]:
    """All components of an app in the order of their keys; one on its way out counts as gone."""
    return sorted(
        (prepare(component) for component in components if not _leaving(component)), key=lambda each: each.key
    )


def too_big(size: int) -> Problem:
    """The problem of a document that no ConfigMap can hold."""
    return Problem(
        DOCUMENT_TOO_BIG,
        "spec",
        f"its definition document has {size} bytes and a ConfigMap holds {DOCUMENT_LIMIT}: move code into a package "
        "that spec.pythonPackages of the app installs",
    )


def _leaving(component: AnyComponent) -> bool:
    # The predecessor's finalizer can keep a deleted component around for ever.
    return not isinstance(component, Unparsable | Prepared) and bool(component.metadata.deletion_timestamp)
