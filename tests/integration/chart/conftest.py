"""Fixtures of the chart's tests on a real API server: one of their own, where no CRD is there before the chart brings it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from hack.controlplane.cluster import ControlPlane
from hack.gotools.fetching import fetch
from hack.gotools.tools import HELM
from kaspr_controller.kube.kinds import NAMESPACE
from tests.chart.rendering import CHART, Chart
from tests.integration.conftest import CRD
from tests.integration.fixtures.oracle import Kube
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent


def pytest_collection_finish(session: pytest.Session) -> None:
    """Get helm before the first test: a build takes longer than a test may."""
    if session.config.option.collectonly or not any(item.path.is_relative_to(HERE) for item in session.items):
        return
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    fetch(HELM, say=terminal.write_line if terminal else print)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """Not the one of the other tests: their CRDs belong to no release, and an upgrade changes them for everybody."""
    with ControlPlane.start() as plane:
        yield plane


@pytest.fixture(scope="session")
def kube(control_plane: ControlPlane) -> Iterator[Kube]:
    """The administrator, through the official client."""
    client = Kube(control_plane.kubeconfig)
    yield client
    client.close()


@pytest.fixture(scope="session")
def chart(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Chart:
    """The chart, with a helm that knows this cluster and nothing of the user's repositories and plugins."""
    home = tmp_path_factory.mktemp("helm")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))
    }
    environment |= {f"HELM_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    environment["KUBECONFIG"] = str(control_plane.kubeconfig)
    return Chart(fetch(HELM), environment)


@pytest.fixture
def no_crds(kube: Kube) -> None:
    """A cluster without our CRDs."""
    _remove_crds(kube)


@pytest.fixture(scope="session")
def monitoring(kube: Kube) -> None:
    """The CRDs of the Prometheus operator."""
    for path in sorted((HERE / "monitoring-crds").glob("*.yaml")):
        crd = yaml.safe_load(path.read_text("utf-8"))
        kube.apply(crd, CRD, force=True)
        plural = crd["spec"]["names"]["plural"]
        served = f"/apis/monitoring.coreos.com/v1/{plural}"
        eventually(lambda served=served: kube.request("GET", served), what=served)  # type: ignore[misc]


@pytest.fixture(scope="session")
def places(kube: Kube) -> None:
    """The namespaces that the sets of values name."""
    for name in ("kaspr-system", "team-a", "team-b"):
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        metadata = {"name": name, "labels": labels}
        kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}, NAMESPACE, force=True)


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A copy of the chart whose CRD of agents does not know `spec.description` yet, and whose version is older."""
    folder = tmp_path / "kaspr-controller"
    shutil.copytree(CHART, folder)
    file = folder / "files" / "crds" / "kaspragents.yaml"
    crd = yaml.safe_load(file.read_text("utf-8"))
    for version in crd["spec"]["versions"]:
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
        del spec["properties"]["description"]
    file.write_text(yaml.safe_dump(crd, sort_keys=False), "utf-8")
    return folder


def _remove_crds(kube: Kube) -> None:
    names = [
        crd["metadata"]["name"]
        for crd in kube.list_objects(CRD)
        if crd["metadata"]["name"].endswith(".kaspr.io")
    ]
    for name in names:
        kube.delete(CRD, "", name)
    for name in names:
        # One that was made just now goes after some ten seconds: its storage waits for all who may still write to it.
        eventually(lambda name=name: kube.find(CRD, "", name) is None, timeout=60)  # type: ignore[misc]
