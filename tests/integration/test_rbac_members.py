"""Rights about members that are missing: the member stays, somebody is told, and it goes on once they are granted.

One controller per test, whose account loses a verb while it runs; see test_rbac_refusals.py for the other verbs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kaspr_controller.kube.kinds import EVENT, POD, SECRET
from kaspr_controller.reconcilers import permissions
from kaspr_controller.status.conditions import find
from tests.integration.fixtures import members, shop
from tests.integration.fixtures.account import Account
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.members import Team
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hack.controlplane.cluster import ControlPlane
    from hack.nodesim.simulator import NodeSimulator
    from kaspr_controller.kube.kinds import Kind
    from kaspr_controller.reconcilers.permissions import Permission
    from tests.integration.fixtures.oracle import Kube


@pytest.fixture(scope="module")
def node(control_plane: ControlPlane) -> Iterator[NodeSimulator]:
    """A node that is slow enough to act in between."""
    with members.slow_node(control_plane) as running:
        yield running


@pytest.fixture
def account(control_plane: ControlPlane, crds: Sequence[Kind], kube: Kube, namespace: str) -> Account:
    """An account with the rights of the manifests."""
    return Account(control_plane, kube, namespace, "namespaced")


@pytest.fixture
def team(account: Account, kube: Kube, node: NodeSimulator, namespace: str, tmp_path: Path) -> Iterator[Team]:
    """An app and its members; the controller acts as that account."""
    controller = Controller(account.kubeconfig, tmp_path, namespace=namespace, settings=members.SETTINGS)
    try:
        yield Team(kube, node, namespace, controller)
    finally:
        if controller.process is not None and controller.process.poll() is None:
            controller.stop()


def _right(kind: Kind, verb: str) -> Permission:
    return next(row for row in permissions.table() if (row.kind, row.verb) == (kind, verb))


def test_a_member_that_may_not_be_replaced_stays_and_is_told(team: Team, account: Account) -> None:
    """Without the one verb and then without the other an Event has the server's words; with both it is replaced."""
    team.start(shop.agent(team.namespace, "first", topic="orders"), replicas=2)
    before = team.uids()
    with account.without(_right(POD, "delete")):
        team.node.freeze("shop-app-1", team.namespace)
        eventually(lambda: _refused(team, "delete"), timeout=90)
    with account.without(_right(POD, "get")):
        eventually(lambda: _refused(team, "get"), timeout=90)
        assert team.uids() == before
    eventually(lambda: team.uids().get("shop-app-1") not in (None, before["shop-app-1"]), timeout=90)
    assert team.uids()["shop-app-0"] == before["shop-app-0"]


def _refused(team: Team, verb: str) -> bool:
    events = team.kube.list_objects(EVENT, team.namespace)
    notes = [event["note"] for event in events if event["reason"] == "MemberReplacementFailed"]
    return any(f'cannot {verb} resource "pods"' in note for note in notes)


def test_a_password_that_may_not_be_read_costs_the_goodbyes(team: Team, account: Account) -> None:
    """The condition names the Secret; the app gets where it should, later."""
    secret = {"namespace": team.namespace, "name": "kafka-user"}
    team.kube.create(
        {"apiVersion": "v1", "kind": "Secret", "metadata": secret, "stringData": {"password": "x"}}
    )
    with account.without(_right(SECRET, "get")):
        team.start(shop.agent(team.namespace, "first", topic="orders"), replicas=2)
        authentication = {
            "type": "plain",
            "username": "shop",
            "passwordSecret": {"secretName": "kafka-user", "passwordKey": "password"},
        }
        team.kube.patch(shop.APP, team.namespace, "shop", {"spec": {"authentication": authentication}})
        team.kube.patch(shop.APP, team.namespace, "shop", {"spec": {"replicas": 1}})

        def named() -> None:
            condition = find(team.status(), "SeatsAbandoned")
            assert condition is not None
            assert "Secret kafka-user cannot be read: Forbidden" in condition["message"]

        eventually_holds(named, timeout=60)
        eventually(lambda: team.covered("orders"), timeout=90)
