"""The lines of the project's locks that the image needs, hashes included.

In: requirements.lock, requirements-dev.lock and the metadata of the installed packages. Out: two lock files beside this
module, written by `make manifests`. The program needs the package `kubernetes` for kubeconfig files only; in a pod it reads
its token itself, so the image does without it and what only it requires, 130 MB. Invariant: every line is one of a lock
that `make test` ran with.
"""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LEFT_OUT = frozenset({"kubernetes"})
BUILD = ("hatchling",)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_HEADER = "# Generated from {source} by `make manifests`: {what}.\n"


def files() -> dict[Path, str]:
    """Both locks with their text."""
    program = closure(_needs("kaspr-controller") - LEFT_OUT)
    return {
        HERE / "requirements.lock": _HEADER.format(
            source="requirements.lock", what="what the program needs in a pod"
        )
        + chosen((ROOT / "requirements.lock").read_text("utf-8"), program),
        HERE / "build.lock": _HEADER.format(
            source="requirements-dev.lock", what="what makes a wheel of the program"
        )
        + chosen((ROOT / "requirements-dev.lock").read_text("utf-8"), closure(BUILD)),
    }


def closure(names: Iterable[str]) -> frozenset[str]:
    """These packages and all that they require, whatever the platform; extras aside."""
    found: set[str] = set()
    ahead = {normal(name) for name in names}
    while ahead:
        name = ahead.pop()
        found.add(name)
        ahead |= _needs(name) - found
    return frozenset(found)


def chosen(lock: str, names: frozenset[str]) -> str:
    """The entries of a lock for these packages; names that it lacks belong to other platforms."""
    entries = re.findall(r"^\S.*\n(?:[ \t]+\S.*\n)*", lock, re.MULTILINE)
    return "".join(entry for entry in entries if normal(_name(entry)) in names)


def normal(name: str) -> str:
    """A package name in the one spelling that compares."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _needs(name: str) -> set[str]:
    try:
        lines = requires(name) or []
    except PackageNotFoundError:
        return set()  # of another platform
    return {normal(_name(line)) for line in lines if "extra ==" not in line}


def _name(line: str) -> str:
    found = _NAME.match(line)
    if found is None:
        raise ValueError(f"no package name in {line!r}")
    return found[0]
