"""Fixtures of the end-to-end tests: one kind cluster per run, the controller in it, a fresh namespace per test.

The cluster is wrapped once, in `cluster`: pytest-kind's `KindCluster` with our node image. `--cluster-name` chooses it, an
existing one is used as it is and never removed, `--keep-cluster` keeps a new one. What tests know they know through the official
client (`cluster.kube`) and kubectl.
"""

from __future__ import annotations

import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hack.kind import cluster as kind_cluster
from hack.kind import deploying, engine, node_source
from hack.manifests import installation
from kaspr_controller.kube.kinds import NAMESPACE, SERVICE_ACCOUNT
from tests.e2e import evidence
from tests.e2e.cluster import DEPLOYMENT, Cluster
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

HERE = Path(__file__).parent
KUBECONFIGS = HERE.parents[1] / ".cache" / "e2e"
TEST_SECONDS = 600
PREPARED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this folder is an end-to-end test, and may take as long as pods take."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.e2e)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TEST_SECONDS))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Have cluster and image before the first test: building them takes longer than a test may."""
    if session.config.option.collectonly or not any(item.path.is_relative_to(HERE) for item in session.items):
        return
    if engine.runs():
        node_source.choose(_say(session.config))
        session.config.stash[PREPARED] = True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the evidence of a failure while objects and pods still exist."""
    report = yield
    fixtures: dict[str, Any] = getattr(item, "funcargs", {})
    found = fixtures.get("cluster")
    if report.failed and call.when != "teardown" and found is not None and item.path.is_relative_to(HERE):
        try:
            where: object = evidence.keep(item.name, found.access, fixtures.get("namespace"))
        except Exception as error:  # noqa: BLE001  # the test's own failure must not be hidden by this one
            where = f"not kept: {error!r}"
        report.sections.append(("logs, events and objects", str(where)))
    return report


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster of this run. Skipped without a Docker engine; `make e2e` fails earlier, and says so."""
    if PREPARED not in request.config.stash:
        pytest.skip("no Docker engine answers (docker info); make docker installs one")
    name, say = request.config.getoption("--cluster-name"), _say(request.config)
    kubeconfig = request.config.getoption("--kubeconfig") or KUBECONFIGS / f"{name}.kubeconfig"
    kubeconfig = Path(kubeconfig)
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    existed = kind_cluster.access(name, say).exists()
    access = kind_cluster.up(name, say, kubeconfig=kubeconfig)
    found = Cluster.of(access)
    yield found
    found.kube.close()
    if existed or request.config.getoption("--keep-cluster"):
        say(f"the cluster {name} is kept: export KUBECONFIG={kubeconfig}")
    else:
        found.kind.delete()


@pytest.fixture(scope="session")
def controller_image(cluster: Cluster, request: pytest.FixtureRequest) -> str:
    """The image of this checkout, in the cluster."""
    image = deploying.built(_say(request.config))
    cluster.load(image)
    return image


@pytest.fixture
def controller(cluster: Cluster, controller_image: str) -> str:
    """The controller is installed by `manifests/` and available; gives its image.

    A test that removes or changes it need not put it back: what differs from the manifests is applied again here.
    """
    deploying.apply(cluster.access, [deploying.MANIFESTS], controller_image)
    deploying.available(cluster.access)
    deployment = cluster.kube.get(DEPLOYMENT, installation.NAMESPACE, installation.NAME)
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == controller_image
    return controller_image


@pytest.fixture
def namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace that enforces Pod Security `restricted`; deleted afterwards without waiting."""
    slug = re.sub(r"[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:40].strip("-")
    name = f"{slug}-{secrets.token_hex(3)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.kube.create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    )
    # Without it the API server refuses pods.
    eventually(lambda: cluster.kube.find(SERVICE_ACCOUNT, name, "default"))
    yield name
    cluster.kube.delete(NAMESPACE, "", name)


def _say(config: pytest.Config) -> Any:
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    return terminal.write_line if terminal else print
