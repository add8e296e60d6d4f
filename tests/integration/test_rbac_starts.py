"""A right that is missing when the controller starts: the kind and the refusal are named, and it goes on once it is granted.

One start for each rule of the Role, whose kinds differ in nothing but their name, and for both `list` and `watch`: first the one
is missing, then the other. The lease's three verbs follow.
Only the namespaced mode: the rules of both are the same (test_rbac.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from kaspr_controller.kube.kinds import CONFIG_MAP, LEASE, POD
from kaspr_controller.reconcilers import kinds, permissions
from tests.integration.fixtures import shop
from tests.integration.fixtures.account import Account
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.scraping import counted
from tests.integration.fixtures.watching import apply
from tests.integration.waiting import eventually, eventually_holds, stays

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hack.controlplane.cluster import ControlPlane
    from kaspr_controller.kube.kinds import Kind
    from kaspr_controller.reconcilers.permissions import Permission
    from tests.integration.fixtures.oracle import Kube

ERRORS = "kaspr_reflector_errors_total"
ELECTION = {
    "LEADER_ELECTION": "true",
    "LEADER_ELECTION_LEASE_SECONDS": "3",
    "LEADER_ELECTION_RENEW_SECONDS": "2",
    "LEADER_ELECTION_RETRY_SECONDS": "0.2",
}
SETTLED = {"SETTLE_SECONDS": "0", "SETTLE_LIMIT_SECONDS": "0"}


@pytest.fixture
def account(
    control_plane: ControlPlane, crds: Sequence[Kind], kube: Kube, namespace: str
) -> Iterator[Account]:
    """An account with the rights of the manifests."""
    made = Account(control_plane, kube, namespace, "namespaced")
    yield made
    made.discard()


def _right(kind: Kind, verb: str) -> Permission:
    return next(row for row in permissions.table() if (row.kind, row.verb) == (kind, verb))


GROUPS = {
    "apps": (kinds.APP,),
    "components": kinds.COMPONENTS,
    "core": tuple(kind for kind in kinds.CHILDREN if not kind.group),
    "workloads": tuple(kind for kind in kinds.CHILDREN if kind.group == "apps"),
    "autoscalers": tuple(kind for kind in kinds.CHILDREN if kind.group == "autoscaling"),
    "pods": (POD,),
}
"""The watched kinds by the rule that names them."""


def test_every_watched_kind_is_in_a_group() -> None:
    """A kind that is new gets its test."""
    found = [kind for group in GROUPS.values() for kind in group]
    assert sorted(kind.kind for kind in found) == sorted(kind.kind for kind in kinds.WATCHED)


@pytest.mark.parametrize("group", GROUPS.values(), ids=list(GROUPS))
def test_a_kind_that_may_not_be_seen_is_named(
    group: tuple[Kind, ...], account: Account, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    """Without `list`: not ready, nothing is written. Without `watch`: ready and at work. No restart in between."""
    listing = [_right(kind, "list") for kind in group]
    watching = [_right(kind, "watch") for kind in group]
    account.remove(*listing)
    controller = Controller(account.kubeconfig, tmp_path, namespace=namespace, settings=SETTLED)
    controller.launch()
    try:
        eventually_holds(lambda: _say(controller, group))
        assert controller.writes() == 0
        account.remove(*watching)
        account.grant(*listing)
        before = _refused(controller)
        eventually(lambda: _ready(controller), timeout=30)
        eventually(lambda: all(_refused(controller)[kind.kind] > before[kind.kind] for kind in group))
        account.grant(*watching)
        apply(kube, shop.app(namespace))
        eventually(lambda: kube.find(CONFIG_MAP, namespace, "shop-app-config"), timeout=30)
    finally:
        controller.kill()


def _say(controller: Controller, group: tuple[Kind, ...]) -> None:
    for kind in group:
        _says(controller, kind)


def _says(controller: Controller, kind: Kind) -> None:
    """`/readyz` names the kind and the verb, and the metric counts."""
    try:
        answer = httpx.get(f"http://127.0.0.1:{controller.port}/readyz", params={"verbose": ""})
    except httpx.TransportError as error:
        raise AssertionError(f"no answer yet: {error!r}") from error
    assert answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert f"{kind.kind} (Forbidden:" in answer.text
    assert f'cannot list resource "{kind.plural}"' in answer.text
    assert _refused(controller)[kind.kind] > 0


def _refused(controller: Controller) -> Counter[str]:
    """Lists and watches that were refused so far, by kind."""
    return counted(controller, ERRORS, "kind", reason="Forbidden")


def _ready(controller: Controller) -> bool:
    return httpx.get(f"http://127.0.0.1:{controller.port}/readyz").status_code == httpx.codes.OK


@pytest.mark.parametrize("verb", ["get", "create", "update"])
def test_without_a_right_on_the_lease_it_stays_a_standby(
    verb: str, account: Account, kube: Kube, namespace: str, tmp_path: Path
) -> None:
    """Ready, because it could take over, but it writes nothing and the log says why; it leads once it may."""
    right = _right(LEASE, verb)
    if verb == "update":
        kube.create(_free_lease(namespace))
    account.remove(right)
    settings = {**ELECTION, **SETTLED, "LEADER_ELECTION_NAMESPACE": namespace}
    with Controller(account.kubeconfig, tmp_path, namespace=namespace, settings=settings) as controller:
        apply(kube, shop.app(namespace))
        eventually(lambda: f"cannot {verb} resource" in controller.log.read_text())
        stays(lambda: not controller.leads(), seconds=0.5)
        assert kube.find(CONFIG_MAP, namespace, "shop-app-config") is None
        account.grant(right)
        eventually(controller.leads)
        eventually(lambda: kube.find(CONFIG_MAP, namespace, "shop-app-config"))


def test_a_leader_that_may_not_renew_ends(account: Account, namespace: str, tmp_path: Path) -> None:
    """L4: it stops acting before another may begin, and ends with code 1, so that it is started anew."""
    settings = {**ELECTION, "LEADER_ELECTION_NAMESPACE": namespace}
    with Controller(account.kubeconfig, tmp_path, namespace=namespace, settings=settings) as controller:
        eventually(controller.leads)
        account.remove(_right(LEASE, "update"))
        assert controller.process is not None
        assert controller.process.wait(15) == 1
        assert "the lease was lost" in controller.log.read_text()


def _free_lease(namespace: str) -> dict[str, object]:
    """One that somebody gave back."""
    metadata = {"namespace": namespace, "name": permissions.LEASE_NAME}
    spec = {"holderIdentity": "", "leaseDurationSeconds": 3, "leaseTransitions": 1}
    return {"apiVersion": LEASE.api_version, "kind": LEASE.kind, "metadata": metadata, "spec": spec}
