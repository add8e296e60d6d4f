"""The two images of the end-to-end tests: a member in the place of Kaspr, and a Kafka broker.

In: a Docker engine; a container registry or Debian's packages (`hack.image` finds out which). Out: names of local images.
Called by the fixtures. Invariant: the tag is made of the content, so that an image is built once and never stale, and it begins
with the version of the runtime whose place it takes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from hack.image import building, locks
from hack.image.bases import BUILD, Say
from hack.kafka import jars

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
RUNTIME_VERSION = "0.11.19"
GIVEN_MEMBER = "KASPR_E2E_IMAGE"
GIVEN_BROKER = "KASPR_E2E_BROKER_IMAGE"
LIBRARIES = frozenset({"kafka-python", "pyyaml"})
"""What a member needs besides Python, in the versions of requirements.lock."""

Lay = Callable[[Path], None]


def member(say: Say) -> str:
    """The image of the members; KASPR_E2E_IMAGE names another, such as the real one."""
    return os.environ.get(GIVEN_MEMBER) or _built(f"kaspr-e2e/member:{RUNTIME_VERSION}", _member, say)


def broker(say: Say) -> str:
    """The image of the broker; KASPR_E2E_BROKER_IMAGE names another that reads the same variables.

    Raises:
        KafkaUnavailableError: the jars are not here and Maven cannot get them.
    """
    return os.environ.get(GIVEN_BROKER) or _built(f"kaspr-e2e/broker:{jars.VERSION}", _broker, say)


def ours() -> bool:
    """Whether the members are our own, which can be told to lie and to hang."""
    return GIVEN_MEMBER not in os.environ


def _member(context: Path) -> None:
    for folder in ("hack/nodesim", "tests/e2e/member"):
        shutil.copytree(ROOT / folder, context / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(HERE / "member" / "Dockerfile", context)
    lock = (ROOT / "requirements.lock").read_text()
    (context / "requirements.lock").write_text(locks.chosen(lock, LIBRARIES))


def _broker(context: Path) -> None:
    for name in ("Dockerfile", "run.py"):
        shutil.copy(HERE / "broker" / name, context)
    shutil.copytree(jars.fetch(), context / "jars", ignore=shutil.ignore_patterns("pom.xml"))


def _built(name: str, lay: Lay, say: Say) -> str:
    with tempfile.TemporaryDirectory(prefix="kaspr-e2e-") as folder:
        context = Path(folder)
        lay(context)
        image = f"{name}-{_digest(context)}"
        if subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=False).returncode:
            base = building._bases(building.Choice(), say).build
            command = ["docker", "build", "--quiet", "--tag", image, "--build-arg", f"BASE={base}"]
            # On the engine's own network: the mirror that answers this machine may not answer its containers.
            command += ["--network", "host"] if base == BUILD else []
            say(f"building {image} on {base}")
            subprocess.run([*command, folder], check=True, stdout=subprocess.DEVNULL)
    return image


def _digest(context: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in context.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(context)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
