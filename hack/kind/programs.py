"""The programs inside a node image that is built here: Kubernetes, etcd, CoreDNS, volumes, the pause container's.

In: the Go module in `go/`. Out: a folder in the cache with the programs of PACKAGES; `kubenode` is all of Kubernetes.
Called by `node_image.py`. Invariant: a folder in the cache is complete or absent, and parallel runs wait for one another.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from hack.controlplane import assets, building
from hack.controlplane.recipe import Recipe
from hack.controlplane.sources import SourceError
from hack.kind.running import KindError

if TYPE_CHECKING:
    from hack.controlplane.sources import Say

RECIPE = Recipe(Path(__file__).with_name("go"))
PROVISIONER = "local-path-provisioner"
PACKAGES = {
    "kubenode": ".",
    "dns": "./dns",
    "pause": "./pause",
    PROVISIONER: f"github.com/rancher/{PROVISIONER}",
}


def cache_root() -> Path:
    """What this folder keeps between runs; safe to remove."""
    return assets.cache_root().with_name("kind")


def fetch(say: Say) -> Path:
    """The folder of the programs; minutes the first time on a machine, milliseconds afterwards.

    Raises:
        KindError: there is no Go, or the build fails; holds the end of its output.
    """
    folder = cache_root() / RECIPE.key
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with assets.exclusive(folder.with_name(folder.name + ".lock"), say):
        if not folder.is_dir():  # made while we waited
            part = folder.with_name(folder.name + ".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            try:
                _build(part, say)
            except SourceError as error:
                raise KindError(str(error)) from error
            part.rename(folder)
    return folder


def _build(target: Path, say: Say) -> None:
    # The control plane's cache, because a Go toolchain from PyPI may be there already.
    go = building.find_go(assets.cache_root(), say)
    say(
        f"building Kubernetes {RECIPE.kubernetes} for a node with {go}; 8 to 14 minutes on two cores with nothing cached, "
        "2 to 6 after `make controlplane`, and once on this machine"
    )
    env = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    if go.is_relative_to(assets.cache_root()):
        env.pop("GOROOT", None)  # would point the toolchain from PyPI at another one's library
    step = building.Step(RECIPE.sources, env, say, building.REPORT_SECONDS)
    for name, package in PACKAGES.items():
        step.run(
            [str(go), "build", "-v", *RECIPE.flags, "-o", str(target / name), package],
            f"{name}: compiled {{packages}} packages",
        )
