"""The kind and kubectl commands.

In: PATH, the cache, the Internet, Go. Out: the path of a program. Called by `cluster.py`, `deploy.py` and the fixture of
`tests/e2e`. Invariant: a program in the cache is complete, and of the version that its name says.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from hack.controlplane import assets, building, downloading
from hack.controlplane.recipe import architecture
from hack.controlplane.sources import SourceError
from hack.kind import pins, programs
from hack.kind.running import KindError, run

if TYPE_CHECKING:
    from hack.controlplane.sources import Say

# Where pytest-kind takes it from, too.
SITE = "https://github.com/kubernetes-sigs/kind/releases/download"


def kubectl(say: Say) -> Path:
    """The kubectl of PATH, else the one that the control plane of the integration tests has."""
    found = shutil.which("kubectl")
    return Path(found) if found else assets.fetch(say=say).programs["kubectl"]


def kind(say: Say, *, site: str = SITE) -> Path:
    """A kind of at least the pinned version from PATH, else the pinned one: downloaded, or built from its Go module.

    Raises:
        KindError: neither the Internet nor Go gives it.
    """
    found = shutil.which("kind")
    if found and _version(run([found, "version"])) >= _version(pins.KIND):
        return Path(found).absolute()
    path = programs.cache_root() / f"kind-{pins.KIND}"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with assets.exclusive(path.with_name(path.name + ".lock"), say):
        if not path.exists():
            try:
                _download(path, site, say)
            except SourceError as error:
                say(f"{error}; building kind {pins.KIND} from its Go module")
                _build(path, say)
    return path


def _download(target: Path, site: str, say: Say) -> None:
    url = f"{site}/{pins.KIND}/kind-{sys.platform}-{architecture()}"
    try:
        with httpx.Client(timeout=downloading.TIMEOUT, follow_redirects=True) as client:
            checksum = downloading.text_of(client, url + ".sha256sum").split()[0]
            downloading.verified(client, url, checksum, target.with_name(target.name + ".part"), say)
    except (httpx.HTTPError, OSError, LookupError) as error:
        raise SourceError(f"kind is not to be downloaded from {url} ({error})") from error
    _finish(target.with_name(target.name + ".part"), target)


def _build(target: Path, say: Say) -> None:
    folder = target.with_name(target.name + ".build")
    try:
        go = building.find_go(assets.cache_root(), say)
    except SourceError as error:
        raise KindError(str(error)) from error
    run(
        [go, "install", f"sigs.k8s.io/kind@{pins.KIND}"],
        env={**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0", "GOWORK": "off"},
        cwd=target.parent,
    )
    _finish(folder / "kind", target)
    shutil.rmtree(folder)


def _finish(part: Path, target: Path) -> None:
    part.chmod(0o755)
    part.rename(target)


def _version(text: str) -> tuple[int, ...]:
    found = re.search(r"v(\d+)\.(\d+)\.(\d+)", text)
    return tuple(int(number) for number in found.groups()) if found else ()
