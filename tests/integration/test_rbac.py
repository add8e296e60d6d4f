"""The rights of the manifests are enough, in both modes, and they are what docs/rbac.md says.

What is missed without each of them: test_rbac_refusals.py.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.kube.kinds import (
    CONFIG_MAP,
    HORIZONTAL_POD_AUTOSCALER,
    PERSISTENT_VOLUME_CLAIM,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
)
from tests.integration.fixtures import shop
from tests.integration.fixtures.account import Account
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.oracle import Kube
from tests.integration.fixtures.watching import apply, await_ready
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hack.controlplane.cluster import ControlPlane
    from hack.manifests.rbac import Mode
    from hack.nodesim.simulator import NodeSimulator
    from kaspr_controller.kube.kinds import Kind

PAGE = Path(__file__).parents[2] / "docs" / "rbac.md"
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
VERBS = re.compile(r"^\| (?P<resources>.+?) \| `(?P<verb>[a-z]+)` \|", re.MULTILINE)
RESOURCE = re.compile(r"`(?P<resource>[^`]+)`(?: called `(?P<name>[^`]+)`)?")
PACKAGES = {"packages": ["requests"], "cache": {"enabled": True, "type": "pvc", "size": "1Gi"}}

Right = tuple[str, str, str]
"""Resource as `kubectl auth can-i` names it, name of the only object or "", verb."""


@pytest.fixture(params=["cluster", "namespaced"])
def mode(request: pytest.FixtureRequest) -> Mode:
    """How the rights are given."""
    found: Mode = request.param
    return found


@pytest.fixture
def account(control_plane: ControlPlane, kube: Kube, namespace: str, mode: Mode) -> Iterator[Account]:
    """An account with the rights of that mode."""
    made = Account(control_plane, kube, namespace, mode)
    yield made
    made.discard()


SCALING: dict[str, str] = {"cluster": "autoscaler", "namespaced": "direct"}
"""One of each; the rights of both modes are the same."""


def test_the_rights_are_enough(
    account: Account,
    mode: Mode,
    crds: Sequence[Kind],
    simulator: NodeSimulator,
    kube: Kube,
    namespace: str,
    tmp_path: Path,
) -> None:
    """Every child is created, changed, put back and deleted, statuses and the lease are written; nothing is refused."""
    if mode == "cluster":
        # Namespaces of other tests, which are on their way out, refuse everything.
        eventually(lambda: not kube.list_objects(shop.APP), timeout=60)
    settings = {
        "LEADER_ELECTION": "true",
        "LEADER_ELECTION_NAMESPACE": namespace,
        "SCALING_MODE": SCALING[mode],
    }
    watched = namespace if mode == "namespaced" else None
    with Controller(account.kubeconfig, tmp_path, namespace=watched, settings=settings) as controller:
        eventually(controller.leads)
        apply(
            kube,
            shop.app(namespace, pythonPackages=PACKAGES),
            shop.agent(namespace, "enrich"),
            shop.table(namespace, "prices"),
            shop.web_view(namespace, "lookup", "/prices"),
            shop.task(namespace, "tick"),
        )
        await_ready(kube, namespace)
        await_ready(kube, namespace, "enrich", shop.AGENT)
        scaled = kube.find(HORIZONTAL_POD_AUTOSCALER, namespace, "shop-app-hpa") is not None
        assert scaled == (mode == "cluster")
        _edit_and_remove(kube, namespace)
        await_ready(kube, namespace)
        kube.patch(shop.APP, namespace, "shop", {"metadata": {"annotations": {"kaspr.io/rebalance": "true"}}})
        eventually_holds(lambda: _acknowledged(kube, namespace))
        codes = {code for _, code in controller.requests()}
        assert "403" not in codes, controller.tail(100)


def _edit_and_remove(kube: Kube, namespace: str) -> None:
    """Drift of several kinds, a component that goes, packages that go with their claim."""
    kube.patch(SERVICE_ACCOUNT, namespace, "shop-app", {"metadata": {"labels": {"kaspr.io/cluster": "x"}}})
    kube.patch(CONFIG_MAP, namespace, "enrich-agent", {"data": {"enrich-agent.yaml": "drift"}})
    kube.patch(STATEFUL_SET, namespace, "shop-app", {"spec": {"template": {"spec": {"hostIPC": False}}}})
    kube.delete(shop.TASK, namespace, "tick")
    kube.patch(shop.APP, namespace, "shop", {"spec": {"pythonPackages": None}})

    def settled() -> None:
        assert kube.find(CONFIG_MAP, namespace, "tick-task") is None
        assert kube.find(PERSISTENT_VOLUME_CLAIM, namespace, "shop-app-python-packages") is None
        assert kube.get(CONFIG_MAP, namespace, "enrich-agent")["data"]["enrich-agent.yaml"] != "drift"
        account = kube.get(SERVICE_ACCOUNT, namespace, "shop-app")
        assert account["metadata"]["labels"]["kaspr.io/cluster"] == "shop"

    eventually_holds(settled, timeout=40)


def _acknowledged(kube: Kube, namespace: str) -> None:
    app = kube.get(shop.APP, namespace, "shop")
    assert "kaspr.io/rebalance" not in app["metadata"].get("annotations", {})


def test_the_page_lists_what_the_account_may_do(
    account: Account, control_plane: ControlPlane, crds: Sequence[Kind], kube: Kube, namespace: str
) -> None:
    """`kubectl auth can-i --list` without what every account may do equals the tables of docs/rbac.md."""
    kube.create(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": "other"}}
    )
    other = control_plane.service_account_kubeconfig(namespace, "other")
    documented = _documented()
    eventually_holds(
        lambda: _equal(_allowed(account.kubeconfig, namespace) - _allowed(other, namespace), documented)
    )


def test_the_lease_is_the_only_thing_of_other_rights_in_the_cluster_wide_mode(
    control_plane: ControlPlane, kube: Kube, namespace: str
) -> None:
    """Another namespace than that of the controller: no lease there, and Secrets never in a list."""
    account = Account(control_plane, kube, namespace, "cluster")
    try:
        eventually_holds(
            lambda: _equal({("pods", "", "list")} - _allowed(account.kubeconfig, "default"), set())
        )
        found = _allowed(account.kubeconfig, "default")
        assert not [verb for resource, _, verb in found if resource == "leases.coordination.k8s.io"]
        assert {verb for resource, _, verb in found if resource == "secrets"} <= {"get"}
    finally:
        account.discard()


def _equal(found: set[Right], wanted: set[Right]) -> None:
    assert found == wanted


def _documented() -> set[Right]:
    found = set()
    for row in VERBS.finditer(PAGE.read_text("utf-8")):
        for resource in RESOURCE.finditer(row["resources"]):
            found.add((resource["resource"], resource["name"] or "", row["verb"]))
    assert len(found) > 50
    return found


def _allowed(kubeconfig: Path, namespace: str) -> set[Right]:
    """What `kubectl auth can-i --list` prints for the account, resource rules only."""
    client = Kube(kubeconfig)
    try:
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        status: dict[str, Any] = client.request("POST", REVIEW, body)["status"]
    finally:
        client.close()
    assert not status.get("incomplete"), status
    return {
        (_qualified(resource, group), name, verb)
        for rule in status["resourceRules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames") or [""]
        for verb in rule["verbs"]
    }


def _qualified(resource: str, group: str) -> str:
    plural, slash, subresource = resource.partition("/")
    return f"{plural}.{group}{slash}{subresource}" if group else resource
