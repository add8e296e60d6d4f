"""Build the image with the Docker engine: choose the base, call `docker build`, say what came out.

In: the Dockerfile and the locks. Out: a local image. Called by `python -m hack.image`. The public base is taken where it is
here already or can be pulled; else one made of Debian packages (`bases.py`). One switch overrides what is found out:
BASE=public, BASE=local or the name of an image.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import tarfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.image import bases
from hack.image.bases import Bases, ImageError, Say

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
REPOSITORY = "kaspr-controller"
PULL_SECONDS = 120.0
MEBI = 1 << 20


@dataclass(frozen=True, slots=True)
class Choice:
    """What a user asks for; empty means that it is found out.

    Attributes:
        image: name of the result.
        base: `public`, `local`, or the image to run in.
        build_base: the image to build in, when it is not `base`.
        platforms: of buildx, `linux/amd64,linux/arm64`; more than one is pushed.
    """

    image: str = ""
    base: str = ""
    build_base: str = ""
    platforms: str = ""


def version() -> str:
    """The version of the project."""
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def default_image() -> str:
    """The name that `make image` gives: never `latest`, which kubelets pull again and again."""
    return f"{REPOSITORY}:{version()}"


def public_base() -> str:
    """The default of the Dockerfile."""
    found = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE.read_text("utf-8"), re.MULTILINE)
    if found is None:
        raise ImageError(f"{DOCKERFILE} names no BASE")
    return found[1]


def build(choice: Choice, say: Say) -> str:
    """Build; gives the name of the image.

    Raises:
        ImageError: there is no engine, no base, or the build failed.
    """
    if _docker("info").returncode:
        raise ImageError("no Docker engine answers; start one, or set DOCKER_HOST")
    image = choice.image or default_image()
    chosen = _bases(choice, say)
    arguments = {
        "BASE": chosen.runtime,
        "BUILD_BASE": chosen.build,
        "VERSION": version(),
        "REVISION": _git("rev-parse", "HEAD"),
        "CREATED": _git("log", "-1", "--format=%cI"),
    }
    command = ["docker", *_builder(choice), "--tag", image]
    # On the engine's own network: the mirror that answers this machine may not answer its containers.
    command += ["--network", "host"] if chosen.build == bases.BUILD else []
    command += [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    say(f"image: building {image} on {chosen.runtime}")
    if subprocess.run([*command, str(ROOT)], check=False).returncode:
        raise ImageError("docker build failed, see above")
    return image


def compressed(image: str) -> int:
    """Bytes of the layers as a registry would hold them."""
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saved:
        sizes: dict[str, int] = {}
        with tarfile.open(fileobj=saved.stdout, mode="r|") as archive:
            for entry in archive:
                if entry.isreg() and (content := archive.extractfile(entry)):
                    data = content.read()
                    sizes[entry.name] = len(data) if data[:2] == b"\x1f\x8b" else len(gzip.compress(data, 6))
    if saved.returncode:
        raise ImageError(f"docker save {image} failed")
    return sum(sizes.values())


def describe(image: str) -> str:
    """One line about the size."""
    inspected = json.loads(_docker("image", "inspect", image).stdout)[0]
    return f"image: {image}, {compressed(image) / MEBI:.1f} MiB compressed, {inspected['Size'] / MEBI:.1f} MiB on disk"


def _bases(choice: Choice, say: Say) -> Bases:
    public = public_base()
    if choice.base not in ("", "public", "local"):
        return Bases(choice.build_base or choice.base, choice.base)
    if choice.base == "public" or (not choice.base and _pullable(public)):
        return Bases(choice.build_base or public, public)
    return bases.ensure(say)


def _pullable(image: str) -> bool:
    if not _docker("image", "inspect", image).returncode:
        return True
    try:
        return not _docker("pull", "--quiet", image, timeout=PULL_SECONDS).returncode
    except subprocess.TimeoutExpired:
        return False


def _builder(choice: Choice) -> list[str]:
    if not choice.platforms:
        return ["build"]
    # An image of several platforms is a list, which the engine's own store cannot hold.
    target = "--push" if "," in choice.platforms else "--load"
    return ["buildx", "build", "--platform", choice.platforms, target]


def _docker(*arguments: str, timeout: float | None = None) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["docker", *arguments], capture_output=True, check=False, timeout=timeout)
    except FileNotFoundError:
        raise ImageError(
            "there is no docker command; install a Docker engine (Debian, Ubuntu: apt-get install docker.io)"
        ) from None


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
