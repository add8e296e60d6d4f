"""The chart in a cluster with nodes: installed where Pod Security `restricted` is enforced, upgraded under an app, removed.

The release watches its own namespace, with Roles only, so the scenario shows the least that a team can be given. Helm waits for the
pods itself, as its users let it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from hack.gotools.fetching import fetch
from hack.gotools.tools import HELM
from hack.kind import deploying
from kaspr_controller.kube.kinds import LEASE, POD, STATEFUL_SET
from tests.chart.rendering import Chart
from tests.e2e.cluster import DEPLOYMENT
from tests.integration.conftest import CRD
from tests.integration.fixtures import shop
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.cluster import Cluster

RELEASE = "kaspr-controller"
SELECTOR = f"app.kubernetes.io/instance={RELEASE}"
POD_SECONDS = 180.0


@pytest.fixture
def chart(cluster: Cluster, tmp_path: Path) -> Chart:
    """The chart, with a helm that knows this cluster only, waits for pods, and has time for it."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "KUBE"))
    }
    environment |= {f"HELM_{name}_HOME": str(tmp_path / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    environment["KUBECONFIG"] = str(cluster.access.kubeconfig)
    return Chart(fetch(HELM), environment, seconds=int(POD_SECONDS))


@pytest.fixture
def alone(cluster: Cluster, controller: str) -> str:
    """The cluster has the CRDs and no controller of the manifests, which would look after the same apps; gives the image.

    Whoever comes next asks for the fixture `controller`, which applies the manifests again.
    """
    deploying.undeploy(cluster.access, lambda _: None)
    return controller


def values(image: str, **more: Any) -> dict[str, Any]:
    """Namespaced, with the image of this checkout."""
    name, _, tag = image.rpartition(":")
    return {
        "image": {"repository": name, "tag": tag},
        "crds": {"install": False},
        "rbac": {"mode": "namespaced"},
        "settings": {"SCALING_MODE": "direct"},
        **more,
    }


def leader(cluster: Cluster, namespace: str) -> str:
    """The pod that holds the lease."""
    holder = str(cluster.kube.get(LEASE, namespace, RELEASE)["spec"]["holderIdentity"]).rsplit("_", 1)[0]
    pods = cluster.kube.list_objects(POD, namespace, labels=SELECTOR)
    assert holder in [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
    return holder


def scrape(cluster: Cluster, namespace: str) -> str:
    """The metrics of one replica, through the Service."""
    path = f"/api/v1/namespaces/{namespace}/services/{RELEASE}-metrics:metrics/proxy/metrics"
    return str(cluster.kube.request("GET", path))


def test_a_release_from_install_to_uninstall(
    cluster: Cluster, alone: str, chart: Chart, namespace: str
) -> None:
    """Two pods are available and one leads; an app gets its workload; an upgrade leaves the app's pods; an uninstall the app."""
    place = ("--namespace", namespace, "--wait", f"--timeout={int(POD_SECONDS)}s")
    chart.run("install", RELEASE, str(chart.folder), *place, values=values(alone))
    assert cluster.kube.get(DEPLOYMENT, namespace, RELEASE)["status"]["availableReplicas"] == 2
    first = eventually(lambda: leader(cluster, namespace), timeout=30)

    cluster.apply(namespace, shop.app(namespace), shop.agent(namespace, "greet"))
    eventually(lambda: cluster.kube.find(STATEFUL_SET, namespace, "shop-app"), timeout=60)
    workload = cluster.kube.get(STATEFUL_SET, namespace, "shop-app")
    about = f'kaspr_condition{{kind="KasprApp",name="shop",namespace="{namespace}"'
    eventually_holds(lambda: _has(scrape(cluster, namespace), about), timeout=60)

    chart.run(
        "upgrade",
        RELEASE,
        str(chart.folder),
        *place,
        values=values(alone, podAnnotations={"example.com/revision": "two"}),
    )
    eventually_holds(lambda: _another(leader(cluster, namespace), first), timeout=60)
    after = cluster.kube.get(STATEFUL_SET, namespace, "shop-app")
    assert after["metadata"]["uid"] == workload["metadata"]["uid"]
    assert after["spec"]["template"] == workload["spec"]["template"]

    chart.run("uninstall", RELEASE, *place)
    assert cluster.kube.find(DEPLOYMENT, namespace, RELEASE) is None
    assert cluster.kube.find(CRD, "", "kasprapps.kaspr.io")
    assert cluster.kube.get(shop.APP, namespace, "shop")
    assert (
        cluster.kube.get(STATEFUL_SET, namespace, "shop-app")["metadata"]["uid"] == after["metadata"]["uid"]
    )


def _has(text: str, words: str) -> None:
    assert words in text


def _another(name: str, before: str) -> None:
    assert name != before
