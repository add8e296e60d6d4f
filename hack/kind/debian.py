"""A Debian root file system as a Docker image, for machines that reach Debian's packages and no container registry.

In: packages. Out: the tag of an image with them. Called by `node_image.py`. Needs root, because debootstrap does.
Invariant: the tag names what is in the image, so that another list gives another image.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hack.kind.running import KindError, run, succeeds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hack.controlplane.sources import Say

# What nobody reads in a container.
DROPPED = (
    "var/cache/apt/archives",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/man",
    "usr/share/locale",
)


def image(release: str, packages: Sequence[str], say: Say) -> str:
    """The image; half a minute the first time.

    Raises:
        KindError: debootstrap is missing, may not do it, or fails.
    """
    digest = hashlib.sha256(repr([release, sorted(packages), DROPPED]).encode()).hexdigest()[:12]
    tag = f"kaspr/debian:{release}-{digest}"
    if succeeds(["docker", "image", "inspect", tag]):
        return tag
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        raise KindError(
            "without a container registry a node image is built from Debian's packages, which takes root and debootstrap "
            "(apt-get install debootstrap)"
        )
    say(f"getting Debian {release} with {len(packages)} packages")
    with tempfile.TemporaryDirectory(prefix="kaspr-debian-") as name:
        root = Path(name) / "root"
        run(["debootstrap", "--variant=minbase", f"--include={','.join(packages)}", release, root])
        for folder in DROPPED:
            shutil.rmtree(root / folder, ignore_errors=True)
            (root / folder).mkdir(parents=True)
        _load(root, tag)
    return tag


def _load(root: Path, tag: str) -> None:
    with subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE) as tar:
        run(["docker", "import", "-", tag], stdin=tar.stdout)
    if tar.returncode:
        raise KindError(f"tar could not read all of {root}")
