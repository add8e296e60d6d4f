"""The image of this checkout, as an engine runs it: small, without privileges, without a shell, quick to lead."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.controlplane.cluster import ControlPlane
from hack.image import building, sbom
from hack.kind import engine
from kaspr_controller.kube.kinds import LEASE, SERVICE_ACCOUNT
from tests.integration.fixtures.account import Account
from tests.integration.fixtures.oracle import Kube
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT = 60 * building.MEBI
TRIES = 3
LEASE_SECONDS = 1.0
HARDENED = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=host")


@pytest.fixture(scope="module")
def image() -> str:
    """Built as `make image` does."""
    if not engine.runs():
        pytest.skip("no Docker engine answers (docker info); make docker installs one")
    return building.build(building.Choice(), print)


@pytest.fixture(scope="module")
def plane(image: str) -> Iterator[ControlPlane]:
    """An API server that a container on the host's network reaches."""
    with ControlPlane.start() as started:
        yield started


def docker(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def inspected(what: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(docker("inspect", what))[0]
    return found


def test_it_is_small_and_says_what_it_is(image: str) -> None:
    """At most 60 MiB as a registry holds it; version, licence and commit are labels."""
    assert building.compressed(image) <= LIMIT
    labels = inspected(image)["Config"]["Labels"]
    said = {name: labels[f"org.opencontainers.image.{name}"] for name in ("version", "licenses", "title")}
    assert said == {"version": building.version(), "licenses": "Apache-2.0", "title": "kaspr-controller"}
    assert len(labels["org.opencontainers.image.revision"]) == 40


def test_it_needs_no_privilege_and_no_shell(image: str) -> None:
    """A user by number, a program and not a line for a shell; it runs with nothing to write to and no capability."""
    config = inspected(image)["Config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["python3", "-m", "kaspr_controller"]
    assert docker("run", "--rm", *HARDENED, image, "--version").strip().endswith(building.version())
    script = "import os, sys, importlib.util as u; print(os.getuid(), u.find_spec('kubernetes'), u.find_spec('pip'))"
    seen = docker("run", "--rm", *HARDENED, "--entrypoint", "python3", image, "-c", script)
    assert seen.split()[:2] == ["65532", "None"]


@pytest.fixture(scope="module")
def bare(image: str) -> Iterator[str]:
    """Built on a base that has the standard library as sources only, as the public one does."""
    base, name = "kaspr-image-test/bare-base", "kaspr-image-test/bare"
    full = building._bases(building.Choice(), print).build
    lines = f"FROM {full}\nUSER 0\nRUN find / -xdev -name '*.pyc' -delete\n"
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", base, "-"],
        input=lines.encode(),
        check=True,
        capture_output=True,
    )
    yield building.build(building.Choice(name, base), print)
    docker("image", "rm", "--force", name, base)


@pytest.mark.parametrize("which", ["image", "bare"])
def test_nothing_is_compiled_at_the_start(which: str, request: pytest.FixtureRequest) -> None:
    """With a read-only root file system what is not compiled in the build is compiled at every start."""
    image = request.getfixturevalue(which)
    script = (
        "import sys, importlib.util as u; from kaspr_controller.cli import run; from kaspr_controller import wiring; "
        "print([n for n, m in sys.modules.items() if (s := getattr(m, '__spec__', None)) and s.has_location "
        "and (s.origin or '').endswith('.py') and '/dist-packages/' not in s.origin and not (s.cached and __import__('os').path.exists(s.cached))])"
    )
    seen = docker("run", "--rm", *HARDENED, "--entrypoint", "python3", image, "-c", script)
    assert seen.strip() == "[]"


def test_the_bill_of_materials_lists_what_is_inside(image: str) -> None:
    """Python and system packages with their versions, equal for an equal image."""
    document = json.loads(sbom.text(image))
    names = {component["name"] for component in document["components"]}
    assert {"kaspr-controller", "httpx", "pydantic-core", "libc6"} <= names
    assert not names & {"kubernetes", "hatchling"}
    assert sbom.text(image) == json.dumps(document, indent=2) + "\n"


def test_it_leads_within_a_second_and_ends_in_good_order(
    image: str, plane: ControlPlane, tmp_path: Path
) -> None:
    """From the start of the container to the lease held, in a pod's way: the best of three, the machine is shared."""
    kube = Kube(plane.kubeconfig)
    try:
        eventually(lambda: kube.find(SERVICE_ACCOUNT, "default", "default"))
        for crd in _crds():
            plane.admin.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
        eventually(lambda: plane.admin.answers("/apis/kaspr.io/v1alpha1/kasprtasks"))
        account = Account(plane, kube, "default", "cluster")
        folder = _mounted(plane, account, tmp_path)
        seconds = [_start_to_lease(image, plane, kube, folder, number) for number in range(TRIES)]
    finally:
        kube.close()
    assert min(seconds) <= LEASE_SECONDS, seconds


def _crds() -> list[dict[str, Any]]:
    folder = building.ROOT / "manifests" / "crds"
    return [yaml.safe_load(path.read_text()) for path in sorted(folder.glob("*.yaml"))]


def _mounted(plane: ControlPlane, account: Account, folder: Path) -> Path:
    """The files of a service account, as a pod has them, readable for another user."""
    token = yaml.safe_load(account.kubeconfig.read_text())["users"][0]["user"]["token"]
    files = {"token": token, "namespace": "default", "ca.crt": plane.ca_file.read_text()}
    mounted = folder / "serviceaccount"
    mounted.mkdir()
    for name, text in files.items():
        (mounted / name).write_text(text)
    return mounted


def _start_to_lease(image: str, plane: ControlPlane, kube: Kube, mounted: Path, number: int) -> float:
    name = f"kaspr-image-test-{plane.server.rpartition(':')[2]}-{number}"
    environment = {
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": plane.server.rpartition(":")[2],
        "METRICS_PORT": "0",
    }
    options = [part for entry in environment.items() for part in ("--env", "=".join(entry))]
    target = "/var/run/secrets/kubernetes.io/serviceaccount"
    docker(
        "run", "--detach", "--name", name, *HARDENED, *options, "--volume", f"{mounted}:{target}:ro", image
    )
    try:
        lease = eventually(lambda: kube.find(LEASE, "default", "kaspr-controller"), timeout=30)
        docker("stop", name)
        state = inspected(name)["State"]
        assert state["ExitCode"] == 0, docker("logs", name)
    finally:
        docker("rm", "--force", name, check=False)
    kube.delete(LEASE, "default", "kaspr-controller")
    return _time(lease["spec"]["acquireTime"]) - _time(state["StartedAt"])


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
