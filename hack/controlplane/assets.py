"""Finds the programs of a control plane, and gets them when there are none.

In: the environment. Out: `Assets`. Called by `cluster.py` and `__main__.py`. The order: the folder that
KUBEBUILDER_ASSETS names, our cache, published binaries, a build from Go modules. A source counts only for the programs
it has, and Kubernetes programs are mixed only within one minor version. Invariant: a cache folder is complete or absent,
and parallel runs wait for one another instead of working twice.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hack.controlplane import building, downloading
from hack.controlplane.recipe import PROGRAMS, Recipe, minor
from hack.controlplane.sources import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hack.controlplane.sources import Say, Source

ENVIRONMENT = "KUBEBUILDER_ASSETS"
ORIGIN = "origin.txt"
SOURCES: Sequence[Source] = (downloading.download, building.build)


class AssetsError(Exception):
    """There are no programs and no source gave them; the message holds the reason of each source."""


@dataclass(frozen=True, slots=True)
class Assets:
    """The programs by name, their Kubernetes version (v1.34.4), and in words where they come from."""

    programs: Mapping[str, Path]
    version: str
    origin: str


def fetch(
    *,
    say: Say = print,
    environ: Mapping[str, str] = os.environ,
    recipe: Recipe | None = None,
    sources: Sequence[Source] = SOURCES,
) -> Assets:
    """The programs; takes minutes the first time on a machine and milliseconds afterwards.

    Raises:
        AssetsError: no source has them, or a program of KUBEBUILDER_ASSETS does not run.
    """
    recipe = recipe or Recipe()
    given = _given(environ, say)
    if len(given) == len(PROGRAMS):
        return Assets(given, _version(given["kube-apiserver"]), f"{ENVIRONMENT} ({environ[ENVIRONMENT]})")
    if given and not _fits(given, recipe, say):
        given = {}
    folder = cache_root(environ) / recipe.key
    if not folder.is_dir():
        _fill(folder, recipe, sources, say)
    programs = {name: folder / name for name in PROGRAMS} | given
    version = _version(given["kube-apiserver"]) if "kube-apiserver" in given else recipe.kubernetes
    origin = (folder / ORIGIN).read_text().strip()
    if given:
        origin = f"{', '.join(given)}: {ENVIRONMENT} ({environ[ENVIRONMENT]}); the others: {origin}"
    return Assets(programs, version, origin)


def cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of everything that is kept between runs; safe to remove."""
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kaspr-controller" / "controlplane"


def _given(environ: Mapping[str, str], say: Say) -> dict[str, Path]:
    name = environ.get(ENVIRONMENT)
    if not name:
        return {}
    paths = {program: Path(name).absolute() / program for program in PROGRAMS}
    found = {program: path for program, path in paths.items() if os.access(path, os.X_OK)}
    if not found:
        say(f"{ENVIRONMENT} is {name}, which has none of the programs; left aside")
    return found


def _fits(given: Mapping[str, Path], recipe: Recipe, say: Say) -> bool:
    """Whether an incomplete folder can be completed with ours. Etcd goes with every Kubernetes version."""
    for name, path in given.items():
        if name == "etcd" or minor(version := _version(path)) == minor(recipe.kubernetes):
            continue
        missing = ", ".join(sorted(set(PROGRAMS) - set(given)))
        say(
            f"{ENVIRONMENT} has {name} {version} but no {missing}; ours are {recipe.kubernetes}, and minor versions "
            "are not mixed: the folder is left aside"
        )
        return False
    return True


def _version(path: Path) -> str:
    arguments = ["version", "--client"] if path.name == "kubectl" else ["--version"]
    try:
        run = subprocess.run([path, *arguments], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise AssetsError(f"{path} does not run ({error}); fix or unset {ENVIRONMENT}") from error
    match = re.search(r"v\d+\.\d+\.\d+\S*", run.stdout)
    if match is None:
        raise AssetsError(f"{path} tells no version ({run.stdout.strip()!r}); fix or unset {ENVIRONMENT}")
    return match[0]


def _fill(folder: Path, recipe: Recipe, sources: Sequence[Source], say: Say) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(folder.with_name(folder.name + ".lock"), say):
        if folder.is_dir():  # made while we waited
            return
        part = folder.with_name(folder.name + ".part")
        origin = _first(part, recipe, sources, say)
        (part / ORIGIN).write_text(origin + "\n")
        part.rename(folder)
        say(f"programs are in {folder} ({origin})")


def _first(part: Path, recipe: Recipe, sources: Sequence[Source], say: Say) -> str:
    reasons = []
    for source in sources:
        shutil.rmtree(part, ignore_errors=True)  # what a killed run or the source before left
        part.mkdir()
        try:
            origin = source(recipe, part, say)
        except SourceError as error:
            say(str(error))
            reasons.append(str(error))
            continue
        missing = [name for name in PROGRAMS if not os.access(part / name, os.X_OK)]
        if not missing:
            return origin
        reasons.append(f"{origin}: lacks {', '.join(missing)}")
    shutil.rmtree(part, ignore_errors=True)
    raise AssetsError(
        "no programs for a control plane:\n"
        + "\n".join(f"- {reason}" for reason in reasons)
        + f"\nSet {ENVIRONMENT} to a folder with {', '.join(PROGRAMS)}, or give this machine Internet or Go."
    )


@contextlib.contextmanager
def exclusive(path: Path, say: Say) -> Iterator[None]:
    """Hold the lock file `path`; says so when another process has it, and waits."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another run is getting the programs just now; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
