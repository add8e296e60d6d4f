"""A release's life on a real API server: CRDs come, are upgraded, and stay, and with them what users made."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import ApiException

from kaspr_controller.kube.kinds import SECRET, Kind
from tests.chart.rendering import Chart, RefusedError
from tests.integration.conftest import CRD, CRDS
from tests.integration.fixtures import shop
from tests.integration.fixtures.commands import Commands
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from hack.controlplane.cluster import ControlPlane
    from tests.integration.fixtures.oracle import Kube

RELEASE = "kaspr-controller"
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
AGENTS = "kaspragents.kaspr.io"
UNKNOWN_FIELD = 400
LARGEST = 512 * 1024
"""Half of what a Secret may hold."""

pytestmark = pytest.mark.usefixtures("no_crds")


@pytest.fixture
def typed(control_plane: ControlPlane, tmp_path: Path) -> Commands:
    return Commands(control_plane.kubeconfig, tmp_path)


def described(namespace: str) -> dict[str, Any]:
    """An agent that uses the field which the older chart does not know."""
    return shop.agent(namespace, "greet", description="says hello")


def served(kube: Kube, kind: Kind) -> None:
    """A CRD answers a moment after it is established."""
    eventually(lambda: kube.request("GET", kind.collection()), what=f"{kind.kind} served")


def test_an_upgrade_upgrades_the_crds(chart: Chart, kube: Kube, namespace: str, older: Path) -> None:
    """A field that only the newer definition knows is refused before and stored after; what was there stays."""
    chart.run("install", RELEASE, str(older), "--namespace", namespace)
    served(kube, shop.AGENT)
    before = kube.get(CRD, "", AGENTS)
    app = kube.create(shop.app(namespace), shop.APP)
    with pytest.raises(ApiException) as refusal:
        kube.create(described(namespace), shop.AGENT)
    assert "description" in str(refusal.value.body)

    chart.run("upgrade", RELEASE, str(chart.folder), "--namespace", namespace)
    after = kube.get(CRD, "", AGENTS)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["metadata"]["generation"] > before["metadata"]["generation"]
    made = eventually(lambda: created(kube, described(namespace)), what="the new field is served")
    assert made["spec"]["description"] == "says hello"
    assert kube.get(shop.APP, namespace, "shop")["metadata"]["uid"] == app["metadata"]["uid"]


def created(kube: Kube, obj: dict[str, Any]) -> dict[str, Any] | None:
    """The object, or None while the API server still refuses it."""
    try:
        return kube.create(obj, shop.BY_KIND[obj["kind"]])
    except ApiException as error:
        if error.status != UNKNOWN_FIELD:
            raise
        return None


def test_an_uninstall_leaves_crds_and_apps_and_a_second_install_continues(
    chart: Chart, kube: Kube, namespace: str
) -> None:
    """The controller is gone, users' objects are not; the same release can be installed over what stayed."""
    chart.run("install", RELEASE, str(chart.folder), "--namespace", namespace)
    served(kube, shop.APP)
    app = kube.create(shop.app(namespace), shop.APP)
    names = {crd["metadata"]["name"] for crd in kube.list_objects(CRD)}

    said = chart.run("uninstall", RELEASE, "--namespace", namespace, "--wait")
    assert AGENTS in said
    assert kube.find(DEPLOYMENT, namespace, RELEASE) is None
    assert {crd["metadata"]["name"] for crd in kube.list_objects(CRD)} == names
    assert kube.get(shop.APP, namespace, "shop")["metadata"]["uid"] == app["metadata"]["uid"]

    chart.run("install", RELEASE, str(chart.folder), "--namespace", namespace)
    assert kube.find(DEPLOYMENT, namespace, RELEASE)
    assert kube.get(shop.APP, namespace, "shop")["metadata"]["uid"] == app["metadata"]["uid"]
    chart.run("uninstall", RELEASE, "--namespace", namespace)


def test_crds_of_others_are_taken_over_when_that_is_asked_for(
    chart: Chart, kube: Kube, namespace: str, typed: Commands
) -> None:
    """Applied with kubectl before: Helm refuses, and says why; `--take-ownership` is the way that the page names."""
    assert typed.kubectl("apply", "--server-side", "-f", str(CRDS)).code == 0
    install = ("upgrade", "--install", RELEASE, str(chart.folder), "--namespace", namespace)
    with pytest.raises(RefusedError, match="ownership"):
        chart.run(*install)
    chart.run(*install, "--take-ownership")
    labels = kube.get(CRD, "", AGENTS)["metadata"]["labels"]
    assert labels["app.kubernetes.io/managed-by"] == "Helm"
    chart.run("uninstall", RELEASE, "--namespace", namespace)
    assert kube.find(CRD, "", AGENTS)


def test_a_rollback_rolls_the_program_back(chart: Chart, kube: Kube, namespace: str) -> None:
    """To the image and the settings that it had."""
    place = ("--namespace", namespace)
    chart.run("install", RELEASE, str(chart.folder), *place, "--set", "image.tag=one")
    chart.run("upgrade", RELEASE, str(chart.folder), *place, "--reuse-values", "--set", "image.tag=two")
    assert image(kube, namespace) == "kaspr-controller:two"
    chart.run("rollback", RELEASE, *place)
    assert image(kube, namespace) == "kaspr-controller:one"
    chart.run("uninstall", RELEASE, *place)


def image(kube: Kube, namespace: str) -> str:
    """The image that the Deployment names."""
    (container,) = kube.get(DEPLOYMENT, namespace, RELEASE)["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


def test_a_release_fits_into_its_secret(chart: Chart, kube: Kube, namespace: str) -> None:
    """With all that can be switched on: Helm keeps chart and manifest in one Secret, which may hold 1 MiB."""
    values = {"dashboards": {"enabled": True}}
    chart.run("install", RELEASE, str(chart.folder), "--namespace", namespace, values=values)
    (secret,) = kube.list_objects(SECRET, namespace, labels="owner=helm")
    assert 0 < len(base64.b64decode(secret["data"]["release"])) < LARGEST
    chart.run("uninstall", RELEASE, "--namespace", namespace)
