"""`kaspr-controller explain` tells from live objects what is awaited, what is held back and what happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.fixtures import shop
from tests.integration.fixtures.commands import Commands
from tests.integration.fixtures.watching import apply, await_ready
from tests.integration.waiting import eventually_holds

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hack.controlplane.cluster import ControlPlane
    from kaspr_controller.kube.kinds import Kind
    from tests.integration.fixtures.controller import Controller
    from tests.integration.fixtures.oracle import Kube


@pytest.fixture
def commands(control_plane: ControlPlane, tmp_path: Path, crds: Sequence[Kind]) -> Commands:
    return Commands(control_plane.kubeconfig, tmp_path)


def test_an_app_and_its_components_are_explained(
    controller: Controller, commands: Commands, kube: Kube, namespace: str
) -> None:
    """Ready with its members; a component that waits is named with its reason; Events of the object itself are told."""
    apply(kube, shop.app(namespace), shop.agent(namespace, "first", topic="orders"))
    await_ready(kube, namespace)
    answer = commands.controller("explain", "KasprApp/shop", "-n", namespace)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith(f"KasprApp {namespace}/shop is Ready for ")
    assert "0   running" in answer.out
    assert "Held back" not in answer.out
    kube.patch(shop.APP, namespace, "shop", {"metadata": {"annotations": {"kaspr.io/rebalance": "true"}}})
    apply(kube, shop.agent(namespace, "stray", app="nobody"))

    def told() -> None:
        app = commands.controller("explain", "kapp/shop", "-n", namespace)
        assert "RebalanceRequested" in app.out.partition("Events")[2]
        stray = commands.controller("explain", "kaspragent/stray", "-n", namespace)
        assert stray.code == 1
        assert "AppNotFound" in stray.out

    eventually_holds(told, timeout=60)


def test_an_object_that_is_not_there_is_said_to_be_missing(
    commands: Commands, kube: Kube, namespace: str
) -> None:
    """Exit code 2 and one line; an object without a controller is not called broken."""
    answer = commands.controller("explain", "KasprTable/none", "-n", namespace)
    assert (answer.code, answer.out) == (2, "")
    assert '"none" not found' in answer.err
    apply(kube, shop.app(namespace))
    answer = commands.controller("explain", "KasprApp/shop", "-n", namespace)
    assert (answer.code, answer.err) == (1, "")
    assert "no controller has looked at it" in answer.out
