"""The last good definition of a component, found in the live documents of its app.

In: the texts of live ConfigMaps, and values of those that are not JSON. Out: an entry, and the very text when it is alone in
its document. Called only when a component cannot be used as it is, hence lazy: an app without faults never reads its
live documents. Invariant: what was mounted before stays byte for byte the same, so that a fault restarts nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kaspr_controller.desired import documents, hashing
from kaspr_controller.desired.app.identity import file_name
from kaspr_controller.desired.claims import Claims, claims_of
from kaspr_controller.desired.definitions import LISTS, Entry
from kaspr_controller.desired.facts import Facts
from kaspr_controller.desired.problems import ComponentKey


@dataclass(frozen=True, slots=True)
class LastGood:
    """One definition as pods have it mounted.

    Attributes:
        entry: in the runtime's words.
        claims: its wires.
        text: the document it came from when that holds nothing else, "" otherwise.
        hash: of the entry.
    """

    entry: Entry
    claims: Claims
    text: str
    hash: str


class LiveDefinitions:
    """The live documents of an app, read when first asked."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    def get(self, key: ComponentKey) -> LastGood | None:
        """The last good definition of a component, None when there is none that the runtime would accept."""
        return self._index.get(key)

    @cached_property
    def _index(self) -> dict[ComponentKey, LastGood]:
        mounted = _mounted_files(self._facts)
        # A file that is not mounted any more waits for its removal: one that is mounted knows better.
        names = sorted(self._facts.live_definitions, key=lambda name: (name in mounted, name))
        return {key: found for name in names for key, found in self._read(name)}

    def _read(self, name: str) -> Iterator[tuple[ComponentKey, LastGood]]:
        text = self._facts.live_definitions[name]
        value = self._facts.parsed[name] if name in self._facts.parsed else documents.value_of(text)
        entries = list(_entries(value))
        for key, entry in entries:
            claims, digest = claims_of(key, entry), _hash(entry)
            if claims is not None and digest:
                own = len(entries) == 1 and name == file_name(*key)
                yield key, LastGood(entry, claims, text if own else "", digest)


def keys_of(text: str) -> list[ComponentKey]:
    """The components of which a document of ours carries a definition."""
    return [key for key, _ in _entries(documents.value_of(text))]


def _entries(value: Any) -> Iterator[tuple[ComponentKey, Entry]]:
    if not isinstance(value, Mapping):
        return
    for kind, list_name in LISTS.items():
        members = value.get(list_name)
        for entry in members if isinstance(members, list) else ():
            if isinstance(entry, Mapping) and isinstance(entry.get("name"), str):
                yield (kind, entry["name"]), entry


def _hash(entry: Entry) -> str:
    try:
        return hashing.of_value(entry)
    except (TypeError, ValueError):  # YAML can say more than JSON: such an entry could not be written again
        return ""


def _mounted_files(facts: Facts) -> set[str]:
    if facts.workload is None:
        return set()
    containers = facts.workload.template.get("spec", {}).get("containers") or ()
    return {
        mount["subPath"]
        for one in containers
        for mount in one.get("volumeMounts") or ()
        if "subPath" in mount
    }
