"""The definitions of a member, as mounted: read once, at the start of the process.

In: the definitions directory and the environment. Out: the `Program` that the simulated member is made of too, and the checked
entries with the code in them. Called by `__main__`. The rules are those of `hack.nodesim.definitions`, not a second set.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hack.nodesim.definitions import checked_document
from hack.nodesim.member import Program
from hack.nodesim.programs import program
from hack.nodesim.settings import APP_DIRECTORY
from tests.e2e.member.codecs import KEY, VALUE


@dataclass(frozen=True, slots=True)
class Documents:
    """The texts of all definition files, and what the environment says about serializers."""

    texts: Mapping[str, str]
    key_serializer: str = KEY
    value_serializer: str = VALUE

    def entries(self, kind: str) -> list[Mapping[str, Any]]:
        """Return the checked entries of a kind; of two with one name the later one stays, as in the runtime."""
        found = {}
        for document in self.checked():
            for entry in document[kind]:
                found[entry["name"]] = entry
        return list(found.values())

    def checked(self) -> Iterator[Mapping[str, Any]]:
        """Yield the documents; a file that is no YAML is left out, as at the start."""
        for path, text in self.texts.items():
            if path.endswith((".yml", ".yaml")):
                try:
                    yield checked_document(text)[0]
                except (yaml.YAMLError, ValueError, RecursionError):
                    continue


def read(environment: Mapping[str, str], hostname: str) -> tuple[Program, Documents]:
    """Return what this process is started with.

    Raises:
        OSError: the directory is not there and cannot be made; this ends the real process as well.
    """
    named = environment.get("K_DEFINITIONS_DIR") or "builders"
    folder = Path(named if named.startswith("/") else f"{APP_DIRECTORY}/{named}")
    if not folder.exists():
        folder.mkdir()  # not recursive, as the runtime's
    order: dict[str, int] = {}
    texts: dict[str, str] = {}
    for directory, folders, files in os.walk(folder, followlinks=True):
        for name in [*files, *folders]:
            order[f"{directory}/{name}"] = len(order)
        for name in files:
            texts[f"{directory}/{name}"] = Path(directory, name).read_text(encoding="utf-8")
    made = program(
        dict(environment),
        texts,
        hostname=hostname,
        order=lambda paths: sorted(paths, key=lambda path: order.get(path, -1)),
    )
    return made, Documents(
        texts,
        environment.get("K_KEY_SERIALIZER") or KEY,
        environment.get("K_VALUE_SERIALIZER") or VALUE,
    )
