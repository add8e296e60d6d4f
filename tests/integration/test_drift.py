"""Drift: what somebody changes in our objects by hand comes back, whatever it is; what they add beside it stays."""

from __future__ import annotations

import copy
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.converge.canonical import HASH_ANNOTATION
from kaspr_controller.kube.kinds import (
    CONFIG_MAP,
    HORIZONTAL_POD_AUTOSCALER,
    NAMESPACE,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
)
from tests.integration.fixtures import rich, shop
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.hands import UNDONE, Hands
from tests.integration.fixtures.owned import fields_of, substance, unequal
from tests.integration.fixtures.scraping import applies, quiet
from tests.integration.fixtures.watching import apply, await_ready
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.controlplane.cluster import ControlPlane
    from hack.nodesim.simulator import NodeSimulator
    from tests.integration.fixtures.oracle import Kube

CHILDREN: tuple[tuple[Kind, str], ...] = (
    (SERVICE_ACCOUNT, "{}-app"),
    (CONFIG_MAP, "{}-app-config"),
    (CONFIG_MAP, "{}-enrich-agent"),
    (CONFIG_MAP, "{}-prices-table"),
    (CONFIG_MAP, "{}-lookup-webview"),
    (CONFIG_MAP, "{}-tick-task"),
    (SERVICE, "{}-app"),
    (SERVICE, "{}-app-api"),
    (PERSISTENT_VOLUME_CLAIM, "{}-app-python-packages"),
    (HORIZONTAL_POD_AUTOSCALER, "{}-app-hpa"),
    (STATEFUL_SET, "{}-app"),
)
_IMMUTABLE_CLAIM = "spec is immutable after creation"
_IMMUTABLE_WORKLOAD = "updates to statefulset spec for fields other than"
UNCHANGEABLE = (
    # What nobody may ever change.
    (r"^Service APP-app spec\.clusterIP$", "may not change once set"),
    (r"^PersistentVolumeClaim .* spec\.accessModes$", _IMMUTABLE_CLAIM),
    (r"^PersistentVolumeClaim .* spec\.storageClassName$", _IMMUTABLE_CLAIM),
    (r"^StatefulSet .* spec\.podManagementPolicy$", _IMMUTABLE_WORKLOAD),
    (r"^StatefulSet .* spec\.selector$", _IMMUTABLE_WORKLOAD),
    (r"^StatefulSet .* spec\.serviceName$", _IMMUTABLE_WORKLOAD),
    (r"^StatefulSet .* spec\.volumeClaimTemplates$", _IMMUTABLE_WORKLOAD),
    # What the server does not let go while something else is as it is, and so cannot drift by itself.
    (r"^Service APP-app-api spec\.ports\[[^]]*\]$", "spec.ports: Required value"),
    (
        r"^StatefulSet .*\.template\.metadata\.labels\.kaspr\.io/(cluster|kind|name)$",
        "does not match template",
    ),
    (r"^StatefulSet .*\.containers\[name=kaspr\]$", "containers: Required value"),
    (r"^StatefulSet .*\.volumes\[[^]]*\]$", "volumeMounts"),
    # What can have one value only.
    (r"^StatefulSet .*\.livenessProbe\.successThreshold$", "must be 1"),
    (r"^StatefulSet .*\.emptyDir$", UNDONE),
)
"""The fields that cannot drift: where, and the server's words."""
MARK = {"example.com-by": "neighbour"}
APPS = [f"rich{number}" for number in range(12)]


@dataclass(frozen=True, slots=True)
class Fleet:
    """A controller at rest, in autoscaler mode, with apps that use everything."""

    controller: Controller
    namespace: str

    def children(self, app: str) -> Iterator[tuple[Kind, str]]:
        for kind, pattern in CHILDREN:
            yield kind, pattern.format(app)


@pytest.fixture(scope="module")
def fleet(
    control_plane: ControlPlane,
    crds: object,
    simulator: NodeSimulator,
    kube: Kube,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    """One for all tests that leave it as they found it."""
    name, folder = f"drift-{secrets.token_hex(3)}", tmp_path_factory.mktemp("drift")
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    eventually(lambda: kube.find(SERVICE_ACCOUNT, name, "default"))
    # Driven rollouts move a field of the workload by themselves, and these apps have pods that never come up.
    settings = {"SCALING_MODE": "autoscaler", "ROLLOUT_MODE": "plain"}
    with Controller(control_plane.kubeconfig, folder, namespace=name, settings=settings) as running:
        made = Fleet(running, name)
        for app in APPS:
            apply(kube, *rich.objects(name, app))
        for app in APPS:
            for kind, child in made.children(app):
                eventually(lambda kind=kind, child=child: kube.find(kind, name, child))  # type: ignore[misc]
        quiet(running)
        yield made
    kube.delete(NAMESPACE, "", name)


@pytest.mark.timeout(300)
def test_every_owned_field_of_every_child_comes_back(fleet: Fleet, kube: Kube) -> None:
    """S2, S4, D11: each field that we own is changed by hand and repaired with one write; the server refuses the rest."""
    hands = Hands(fleet.controller, kube, fleet.namespace)
    for kind, pattern in CHILDREN:
        # A claim cannot shrink, so a larger one is kept: see below.
        hands.take(kind, pattern, APPS, leave="spec.resources.requests.storage")
    while hands.round():
        pass
    assert len(hands.repaired) > 280
    unexplained = {
        field: words
        for field, words in hands.refused.items()
        if not any(re.search(where, field) and why in words for where, why in UNCHANGEABLE)
    }
    assert unexplained == {}
    unused = [
        where for where, _ in UNCHANGEABLE if not any(re.search(where, field) for field in hands.refused)
    ]
    assert unused == []


def test_a_deleted_child_comes_back(fleet: Fleet, kube: Kube) -> None:
    """S2, D19: whichever child is deleted is created again as it was, and no other is touched."""
    before = {app: _children(fleet, kube, app) for app in APPS}
    gone = dict(zip(APPS, CHILDREN, strict=False))
    assert len(gone) == len(CHILDREN)
    for app, (kind, pattern) in gone.items():
        kube.delete(kind, fleet.namespace, pattern.format(app))

    def back(app: str) -> None:
        now = _children(fleet, kube, app)
        kind, pattern = gone[app]
        for key, old in before[app].items():
            again = key == (kind.kind, pattern.format(app))
            assert (now[key]["metadata"]["uid"] != old["metadata"]["uid"]) == again, key
            assert _ours(now[key]) == _ours(old), key

    for app, child in gone.items():
        eventually_holds(lambda app=app: back(app), what=f"{child} of {app}")  # type: ignore[misc]
    quiet(fleet.controller)


def test_what_others_add_beside_our_fields_stays(fleet: Fleet, kube: Kube) -> None:
    """S2: labels, annotations, keys, ports, variables and containers of others are none of our business, then or later."""
    app = APPS[0]
    writes = applies(fleet.controller)
    for kind, name in fleet.children(app):
        addition = _addition(kind, f"{app}-app" if kind is STATEFUL_SET else name)
        meta = {"name": name, "namespace": fleet.namespace, "labels": MARK, "annotations": MARK}
        kube.apply({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, **addition})
    with_additions = _children(fleet, kube, app)
    quiet(fleet.controller)
    assert applies(fleet.controller) == writes
    for kind, name in fleet.children(app):
        kube.patch(kind, fleet.namespace, name, {"metadata": {"labels": {"kaspr.io/app": "by-hand"}}})

    def restored() -> None:
        for key, now in _children(fleet, kube, app).items():
            assert unequal(substance(now), substance(with_additions[key])) == [], key

    eventually_holds(restored)


def test_a_claim_that_was_grown_by_hand_is_kept(fleet: Fleet, kube: Kube) -> None:
    """D17: a volume cannot shrink; to insist would stall the app, whose workload waits for the claim."""
    app, claim = APPS[1], f"{APPS[1]}-app-python-packages"
    kube.patch(
        PERSISTENT_VOLUME_CLAIM,
        fleet.namespace,
        claim,
        {"spec": {"resources": {"requests": {"storage": "2Gi"}}}},
    )
    quiet(fleet.controller)
    live = kube.get(PERSISTENT_VOLUME_CLAIM, fleet.namespace, claim)
    assert live["spec"]["resources"]["requests"]["storage"] == "2Gi"
    status = kube.get(shop.APP, fleet.namespace, app)["status"]
    assert "Stalled" not in {condition["type"] for condition in status["conditions"]}


def test_repairs_leave_the_members_alone(controller: Controller, kube: Kube, namespace: str) -> None:
    """S2: no pod restarts for a repair outside of the template; after one of the template all are back on its revision."""
    apply(kube, shop.app(namespace, replicas=2), shop.agent(namespace, "enrich"))
    await_ready(kube, namespace)
    pods = _pods(kube, namespace)
    revision = _revision(kube, namespace)
    edits: tuple[tuple[Kind, str, dict[str, Any]], ...] = (
        (SERVICE_ACCOUNT, "shop-app", {"metadata": {"ownerReferences": None}}),
        (CONFIG_MAP, "shop-app-config", {"data": {"K_WEB_PORT": "1"}}),
        (CONFIG_MAP, "enrich-agent", {"data": {"enrich-agent.yaml": "{}"}}),
        (SERVICE, "shop-app", {"spec": {"selector": {"kaspr.io/name": "other"}}}),
        (SERVICE, "shop-app-api", {"spec": {"type": "NodePort"}}),
        (STATEFUL_SET, "shop-app", {"metadata": {"annotations": {"kaspr.io/written-replicas": "7"}}}),
        (STATEFUL_SET, "shop-app", {"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}}),
    )
    for kind, name, change in edits:
        before = _unpaced(kube.get(kind, namespace, name))
        assert _unpaced(kube.patch(kind, namespace, name, change)) != before
        eventually(lambda: _unpaced(kube.get(kind, namespace, name)) == before, what=f"{name} {change}")  # noqa: B023
    assert _pods(kube, namespace) == pods
    image = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "by-hand:1"}]
    kube.request(
        "PATCH", STATEFUL_SET.path(namespace, "shop-app"), image, content_type="application/json-patch+json"
    )

    def recovered() -> None:
        status = kube.get(STATEFUL_SET, namespace, "shop-app")["status"]
        assert status["updateRevision"] == status["currentRevision"] == revision
        assert status["updatedReplicas"] == status["readyReplicas"] == 2

    eventually_holds(recovered, timeout=30)
    await_ready(kube, namespace)


def test_a_count_that_is_written_directly_comes_back(
    controller: Controller, kube: Kube, namespace: str
) -> None:
    """D11: in direct mode the number of members is a field like any other; the app is where users scale."""
    apply(kube, shop.app(namespace, replicas=2), shop.agent(namespace, "enrich"))
    await_ready(kube, namespace)
    pods = _pods(kube, namespace)
    kube.patch(STATEFUL_SET, namespace, "shop-app", {"spec": {"replicas": 3}}, subresource="scale")
    eventually(lambda: kube.get(STATEFUL_SET, namespace, "shop-app")["spec"]["replicas"] == 2)
    await_ready(kube, namespace)
    eventually(lambda: _pods(kube, namespace) == pods)


def _children(fleet: Fleet, kube: Kube, app: str) -> dict[tuple[str, str], dict[str, Any]]:
    return {(kind.kind, name): kube.get(kind, fleet.namespace, name) for kind, name in fleet.children(app)}


def _unpaced(obj: dict[str, Any]) -> dict[str, Any]:
    """What a repair has to bring back when rollouts are driven: all but how far the next one may go by itself."""
    found = copy.deepcopy(substance(obj))
    found.get("spec", {}).get("updateStrategy", {}).pop("rollingUpdate", None)
    (found["metadata"]["annotations"] or {}).pop(HASH_ANNOTATION, None)
    return found


def _ours(obj: dict[str, Any]) -> dict[str, Any]:
    """The values that we own; another incarnation has other addresses and volumes."""
    return {field.text: field.value for field in fields_of(obj) if not field.item}


def _addition(kind: Kind, name: str) -> dict[str, Any]:
    """What somebody else may add to an object of this kind."""
    if kind is CONFIG_MAP:
        return {"data": MARK}
    if kind is SERVICE_ACCOUNT:
        return {"imagePullSecrets": [{"name": "theirs"}]}
    if kind is SERVICE:
        return {"spec": {"ports": [{"name": "theirs", "port": 9999}]}}
    if kind is STATEFUL_SET:
        env = [{"name": "THEIRS", "value": "1"}]
        containers = [{"name": "kaspr", "env": env}, {"name": "sidecar", "image": "sidecar:1"}]
        volumes = [{"name": "theirs", "emptyDir": {}}]
        template = {"metadata": {"labels": MARK}, "spec": {"containers": containers, "volumes": volumes}}
        return {"spec": {"template": template}}
    return {}


def _pods(kube: Kube, namespace: str) -> dict[str, str]:
    return {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in kube.list_objects(POD, namespace)}


def _revision(kube: Kube, namespace: str) -> str:
    revision: str = kube.get(STATEFUL_SET, namespace, "shop-app")["status"]["updateRevision"]
    return revision
