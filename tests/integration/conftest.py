"""Fixtures of the integration tests: one real control plane per run, one fresh namespace per test."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml

from hack.controlplane import assets
from hack.controlplane.cluster import ControlPlane
from hack.nodesim.simulator import NodeSimulator
from kaspr_controller.kube.kinds import NAMESPACE, SERVICE_ACCOUNT, Kind
from tests.integration.fixtures import evidence
from tests.integration.fixtures.borrowed import BorrowedControlPlane
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.oracle import Kube
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

HERE = Path(__file__).parent
CRDS = HERE.parents[1] / "manifests" / "crds"
BORROWED = "KASPR_TEST_KUBECONFIG"
CRD = Kind(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is an integration test."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.integration)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Get the programs before the first test: a build takes longer than a test may."""
    if session.config.option.collectonly or BORROWED in os.environ:
        return
    if any(item.path.is_relative_to(HERE) for item in session.items):
        terminal = session.config.pluginmanager.get_plugin("terminalreporter")
        assets.fetch(say=terminal.write_line if terminal else print)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the evidence of a failure while the objects still exist."""
    report = yield
    fixtures: dict[str, Any] = getattr(item, "funcargs", {})
    plane = fixtures.get("control_plane")
    if report.failed and call.when != "teardown" and plane is not None and item.path.is_relative_to(HERE):
        try:
            where: object = evidence.keep(
                item.name, plane.admin, fixtures.get("namespace"), plane.log_tails()
            )
        except Exception as error:  # noqa: BLE001  # the test's own failure must not be hidden by this one
            where = f"not kept: {error!r}"
        report.sections.append(("objects and logs", str(where)))
    return report


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The control plane of this run; with KASPR_TEST_KUBECONFIG the one that it names.

    A test that freezes or restarts the API server must leave it running.
    """
    if BORROWED in os.environ:
        folder = tmp_path_factory.mktemp("borrowed")
        yield cast("ControlPlane", BorrowedControlPlane(Path(os.environ[BORROWED]), folder))
        return
    with ControlPlane.start() as plane:
        yield plane


@pytest.fixture(scope="session")
def kube(control_plane: ControlPlane) -> Iterator[Kube]:
    """The administrator, through the official client."""
    client = Kube(control_plane.kubeconfig)
    yield client
    client.close()


@pytest.fixture(scope="session")
def simulator(control_plane: ControlPlane) -> Iterator[NodeSimulator]:
    """The one simulated node of this run; two would share an app's pods and know nothing of each other."""
    with NodeSimulator(control_plane.kubeconfig) as running:
        yield running
        assert running.failures == []


@pytest.fixture
def controller(
    control_plane: ControlPlane,
    crds: Sequence[Kind],
    simulator: NodeSimulator,
    namespace: str,
    tmp_path: Path,
) -> Iterator[Controller]:
    """A controller process that works in the test's namespace, with a node that runs its pods."""
    with Controller(control_plane.kubeconfig, tmp_path, namespace=namespace) as running:
        yield running


@pytest.fixture
def namespace(kube: Kube, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace with its default service account; deleted afterwards without waiting."""
    slug = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:40].strip("-")
    name = f"{slug}-{secrets.token_hex(3)}"
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    # Without it the API server refuses pods.
    eventually(lambda: kube.find(SERVICE_ACCOUNT, name, "default"))
    yield name
    kube.delete(NAMESPACE, "", name)


@pytest.fixture(scope="session")
def crds(kube: Kube) -> Sequence[Kind]:
    """The kinds of manifests/crds, installed and served."""
    files = sorted(CRDS.glob("*.yaml"))
    if not files:
        pytest.skip(f"{CRDS} holds no CRDs; make manifests writes them")
    objects = [obj for file in files for obj in yaml.safe_load_all(file.read_text()) if obj]
    for obj in objects:
        kube.apply(obj, CRD, force=True)
    return [_served(kube, obj) for obj in objects]


def _served(kube: Kube, crd: dict[str, Any]) -> Kind:
    kind = _kind(crd)
    eventually(lambda: _established(kube, crd["metadata"]["name"]), what=f"{kind.kind} established")
    # Established comes a moment before the first request succeeds.
    eventually(lambda: kube.request("GET", kind.collection()), what=f"{kind.kind} served")
    return kind


def _kind(crd: dict[str, Any]) -> Kind:
    spec = crd["spec"]
    version = next(version["name"] for version in spec["versions"] if version["served"])
    names = spec["names"]
    return Kind(
        spec["group"], version, names["kind"], names["plural"], namespaced=spec["scope"] == "Namespaced"
    )


def _established(kube: Kube, name: str) -> bool:
    conditions = kube.get(CRD, "", name).get("status", {}).get("conditions", [])
    return any(
        condition["type"] == "Established" and condition["status"] == "True" for condition in conditions
    )
