"""What the installer of a pod says is in the app's status: an installation that fails, and one that went well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hack.nodesim.behaviour import ANNOTATION
from kaspr_controller.kube.kinds import POD
from tests.integration.fixtures import shop
from tests.integration.fixtures.watching import apply, await_ready
from tests.integration.waiting import eventually_holds

if TYPE_CHECKING:
    from hack.nodesim.simulator import NodeSimulator
    from tests.integration.fixtures.controller import Controller
    from tests.integration.fixtures.oracle import Kube

PACKAGES = {"packages": ["requests==2.31.0"]}
FAILS = {"pod": {"metadata": {"annotations": {ANNOTATION: "install-fails=authentication"}}}}


def test_an_installation_that_fails_is_named_and_repaired(
    controller: Controller, kube: Kube, namespace: str, simulator: NodeSimulator
) -> None:
    """D59: category and way out are in condition and status; after the repair the status says what is installed."""
    apply(
        kube,
        shop.app(namespace, pythonPackages=PACKAGES, template=FAILS),
        shop.agent(namespace, "first", topic="orders"),
    )

    def failed() -> None:
        status = kube.get(shop.APP, namespace, "shop")["status"]
        assert _packages(status) == ("False", "InstallationFailed")
        (warning,) = status["pythonPackages"]["warnings"]
        assert "shop-app-0: authentication" in warning
        assert "spec.pythonPackages.credentials" in warning

    eventually_holds(failed, timeout=60)
    kube.patch(POD, namespace, "shop-app-0", {"metadata": {"annotations": {ANNOTATION: None}}})
    await_ready(kube, namespace, timeout=90)

    def installed() -> None:
        status = kube.get(shop.APP, namespace, "shop")["status"]
        assert _packages(status) == ("True", "PackagesInstalled")
        part = status["pythonPackages"]
        assert (part["installed"], part["installedBy"]) == (["requests==2.31.0"], "shop-app-0")
        assert part["cacheMode"] == "ephemeral"
        assert part["lastInstallTime"]
        assert "warnings" not in part

    eventually_holds(installed, timeout=60)


def _packages(status: dict[str, Any]) -> tuple[str, str]:
    found = [item for item in status["conditions"] if item["type"] == "PythonPackagesReady"]
    assert found, "the condition is there as soon as packages are asked for"
    return found[0]["status"], found[0]["reason"]
