"""Definition files: which documents there are, what is in them, and the ConfigMap of each.

In: components and what was chosen for each. Out: `DefinitionFiles`. Pure. Each document is a ConfigMap with one file; the
components of a join's surroundings share the one of their first join. The hash of a kind covers the very texts that are
stored, so a pod template can never promise other content than there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kaspr_controller.api import labels
from kaspr_controller.desired import closure, definitions, documents, hashing, hints
from kaspr_controller.desired.app.environment import HASHES
from kaspr_controller.desired.app.identity import Identity, content_name, file_name
from kaspr_controller.desired.components import Prepared
from kaspr_controller.desired.problems import ComponentKey, Problem
from kaspr_controller.desired.resolving import Choice, Resolution

WITH_TABLES = frozenset({"KasprJoin", "KasprTable"})
"""Kinds whose documents may have tables that other documents use: they are written first."""


@dataclass(frozen=True, slots=True)
class DefinitionFile:
    """One document and the component whose ConfigMap carries it."""

    home: ComponentKey
    text: str

    @property
    def name(self) -> str:
        """The file, which is the key in the ConfigMap."""
        return file_name(*self.home)


@dataclass(frozen=True, slots=True)
class ComponentOutcome:
    """What became of one component.

    Attributes:
        config_map: the ConfigMap that carries its definition, "" when none does.
        hash: of the definition that pods will read, "" when there is none.
        problem: why it is not the one that the resource asks for.
        warnings: things that work otherwise than the user may think.
        tables: for a join: `leftTable` and `rightTable` with name and whether there is such a KasprTable.
    """

    config_map: str = ""
    hash: str = ""
    problem: Problem | None = None
    warnings: tuple[Problem, ...] = ()
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DefinitionFiles:
    """The definitions of one app.

    Attributes:
        homes: the documents, by kind in the order of the contract, then by name.
        hashes: kind of the home -> hash of the files of that kind.
        outcomes: component -> what became of it.
        choices: component -> the definition that is mounted.
    """

    homes: tuple[DefinitionFile, ...]
    hashes: Mapping[str, str]
    outcomes: Mapping[ComponentKey, ComponentOutcome]
    choices: Mapping[ComponentKey, Choice]

    @property
    def names(self) -> list[str]:
        """The ConfigMaps in the order of their mounts."""
        return [content_name(*file.home) for file in self.homes]

    @property
    def files(self) -> dict[str, str]:
        """File name -> text."""
        return {file.name: file.text for file in self.homes}


def compose(prepared: Sequence[Prepared], resolution: Resolution, *, image: str) -> DefinitionFiles:
    """Lay out the documents of an app that `image` will run."""
    groups = closure.groups(resolution.chosen)
    order = list(HASHES)
    homes = sorted(
        (DefinitionFile(group[0], _text(group, resolution.chosen)) for group in groups),
        key=lambda file: (order.index(file.home[0]), file.home),
    )
    mounted_in = {key: group[0] for group in groups for key in group}
    return DefinitionFiles(
        homes=tuple(homes),
        hashes=_hashes(homes),
        outcomes=_outcomes(prepared, resolution, mounted_in, hints.of(resolution.chosen, image)),
        choices=resolution.chosen,
    )


def needs(definitions: DefinitionFiles) -> Mapping[str, frozenset[tuple[str, str]]]:
    """ConfigMap -> those of other documents whose tables it uses: nothing starts with it and without them."""
    found: dict[str, set[str]] = {}
    for key, choice in definitions.choices.items():
        home = definitions.outcomes[key].config_map
        tables = (("KasprTable", use.table) for use in choice.claims.uses)
        found.setdefault(home, set()).update(definitions.outcomes[table].config_map for table in tables)
    return {
        home: frozenset(("ConfigMap", other) for other in others - {home}) for home, others in found.items()
    }


def config_map(file: DefinitionFile, identity: Identity) -> dict[str, Any]:
    """The ConfigMap of one document. It belongs to the app: a pod may still mount it when its component is gone."""
    kind, name = file.home
    metadata = identity.metadata(content_name(kind, name))
    metadata["labels"] = identity.component_labels(kind, name)
    metadata["annotations"] = {labels.RESOURCE_HASH: hashing.of_text(file.text)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {file.name: file.text}}


def _text(group: Sequence[ComponentKey], chosen: Mapping[ComponentKey, Choice]) -> str:
    if len(group) == 1 and (text := chosen[group[0]].text):
        return text
    entries: dict[str, list[definitions.Entry]] = {}
    for key in group:
        entries.setdefault(key[0], []).append(chosen[key].entry)
    return documents.text_of(definitions.document_of(entries))


def _hashes(homes: Iterable[DefinitionFile]) -> dict[str, str]:
    by_kind: dict[str, dict[str, str]] = {}
    for file in homes:
        by_kind.setdefault(file.home[0], {})[file.name] = file.text
    return {kind: hashing.of_files(texts) for kind, texts in by_kind.items()}


def _outcomes(
    prepared: Sequence[Prepared],
    resolution: Resolution,
    home: Mapping[ComponentKey, ComponentKey],
    warnings: Mapping[ComponentKey, tuple[Problem, ...]],
) -> dict[ComponentKey, ComponentOutcome]:
    existing = {one.key for one in prepared}
    outcomes = {}
    for one in prepared:
        choice = resolution.chosen.get(one.key)
        outcomes[one.key] = ComponentOutcome(
            config_map=content_name(*home[one.key]) if choice else "",
            hash=choice.hash if choice else "",
            problem=resolution.faults.get(one.key),
            warnings=(*one.warnings, *warnings.get(one.key, ())),
            tables=_tables(one, existing),
        )
    return outcomes


def _tables(one: Prepared, existing: set[ComponentKey]) -> Mapping[str, Mapping[str, str]]:
    if one.wanted is None or one.key[0] != "KasprJoin":
        return {}
    found = {}
    for field_name, word, table in (
        ("leftTable", "LeftTable", one.wanted.left),
        ("rightTable", "RightTable", one.wanted.right),
    ):
        there = ("KasprTable", table) in existing
        found[field_name] = {"name": table, "status": f"{word}{'Found' if there else 'NotFound'}"}
    return found
