"""Finds a program, and gets it when there is none.

In: `Tool` and the environment. Out: its path. Called by `__main__.py` and by the tests' setup. The order: the folder or
program that the tool's variable names (HELM for helm), our cache, published binaries, a build from Go modules. Invariant: a
folder in the cache is complete or absent, and parallel runs wait for one another instead of working twice.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import httpx

from hack.controlplane import assets, building, downloading
from hack.controlplane.recipe import architecture
from hack.controlplane.sources import Say, SourceError
from hack.gotools.tools import Tool

Source: TypeAlias = Callable[[Tool, Path, Say], str]

HELM_SITE = "https://get.helm.sh"


class ToolError(Exception):
    """There is no such program and no source gave it; the message holds the reason of each source."""


def fetch(
    tool: Tool,
    *,
    say: Say = print,
    environ: Mapping[str, str] = os.environ,
    sources: Sequence[Source] | None = None,
) -> Path:
    """The program; takes minutes the first time on a machine and milliseconds afterwards.

    Raises:
        ToolError: no source has it, or the one that is named in the environment does not run.
    """
    given = environ.get(tool.name.upper())
    if given:
        return _runs(Path(given), tool)
    folder = cache_root(environ) / tool.name / tool.key
    program = folder / tool.name
    if not folder.is_dir():
        _fill(folder, tool, SOURCES if sources is None else sources, say)
    return program


def cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of everything that is kept between runs; safe to remove."""
    return assets.cache_root(environ).parent


def download(tool: Tool, target: Path, say: Say, *, site: str = HELM_SITE) -> str:
    """Fetch helm as its project publishes it (20 MB), checked against the published SHA-256.

    Raises:
        SourceError: nothing is published for this program or machine, or the site cannot be reached.
    """
    arch = architecture()
    if tool.name != "helm" or sys.platform != "linux" or arch is None:
        raise SourceError(f"no published {tool.name}: only helm for Linux on amd64 and arm64 is looked for")
    name = f"helm-{tool.version}-linux-{arch}.tar.gz"
    archive = target / name
    try:
        with httpx.Client(timeout=downloading.TIMEOUT, follow_redirects=True) as client:
            expected = downloading.text_of(client, f"{site}/{name}.sha256sum").split()[0]
            downloading.verified(client, f"{site}/{name}", expected, archive, say)
        with tarfile.open(archive) as tar:
            member = tar.extractfile(f"linux-{arch}/helm")
            if member is None:
                raise SourceError(f"no published helm: {name} has no program in it")
            (target / "helm").write_bytes(member.read())
    except httpx.TransportError as error:
        raise SourceError(
            f"no published helm: {error.request.url.host} is not reachable ({error})"
        ) from error
    except (httpx.HTTPError, tarfile.TarError, OSError, LookupError) as error:
        raise SourceError(f"no published helm: {error!r}") from error
    archive.unlink()
    (target / "helm").chmod(0o755)
    return f"downloaded from {site}"


def build(tool: Tool, target: Path, say: Say) -> str:
    """Compile it from its Go modules.

    Raises:
        SourceError: there is no Go and none can be installed, or the build fails; holds the end of its output.
    """
    # The toolchain that may come from PyPI is shared with the control plane.
    toolchains = assets.cache_root()
    toolchains.mkdir(parents=True, exist_ok=True)
    go = building.find_go(toolchains, say)
    say(
        f"building {tool.name} {tool.version} with {go}: {tool.minutes} minutes on two cores, once on this machine"
    )
    env = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    if go.is_relative_to(toolchains):
        env.pop("GOROOT", None)  # would point the toolchain from PyPI at another one's library
    step = building.Step(tool.sources, env, say, building.REPORT_SECONDS)
    command = [str(go), "build", "-v", *tool.flags, "-o", str(target / tool.name), tool.package]
    step.run(command, "compiled {packages} packages, {downloads} modules downloaded")
    return f"built from {tool.module} {tool.version} with {go}"


SOURCES: Sequence[Source] = (download, build)


def _runs(program: Path, tool: Tool) -> Path:
    found = shutil.which(program)
    words = f"{tool.name.upper()} is {program}"
    if found is None:
        raise ToolError(f"{words}, which is no program")
    run = subprocess.run([found, "version"], capture_output=True, text=True, timeout=30, check=False)
    if run.returncode:
        raise ToolError(f"{words}, which does not run: {run.stderr.strip()[:400]}")
    return Path(found)


def _fill(folder: Path, tool: Tool, sources: Sequence[Source], say: Say) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with assets.exclusive(folder.with_name(folder.name + ".lock"), say):
        if folder.is_dir():  # made while we waited
            return
        part = folder.with_name(folder.name + ".part")
        reasons: list[str] = []
        for source in sources:
            shutil.rmtree(part, ignore_errors=True)  # what a killed run or the source before left
            part.mkdir()
            try:
                origin = source(tool, part, say)
            except SourceError as error:
                say(str(error))
                reasons.append(str(error))
                continue
            (part / assets.ORIGIN).write_text(origin + "\n")
            part.rename(folder)
            say(f"{tool.name} is in {folder} ({origin})")
            return
        shutil.rmtree(part, ignore_errors=True)
    raise ToolError(
        f"no {tool.name}:\n"
        + "\n".join(f"- {reason}" for reason in reasons)
        + f"\nSet {tool.name.upper()} to the path of one, or give this machine Internet or Go."
    )
