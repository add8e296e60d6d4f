"""Objects of others in our way, and others who write what we write: left alone, told about, never fought."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.kube.kinds import (
    CONFIG_MAP,
    EVENT,
    HORIZONTAL_POD_AUTOSCALER,
    NAMESPACE,
    PERSISTENT_VOLUME_CLAIM,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
)
from tests.integration.fixtures import shop
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.owned import MANAGER, substance
from tests.integration.fixtures.scraping import applies, counted, quiet
from tests.integration.fixtures.watching import apply, await_ready, condition
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.controlplane.cluster import ControlPlane
    from hack.nodesim.simulator import NodeSimulator
    from tests.integration.fixtures.oracle import Kube

_SELECTOR = {"matchLabels": {"by": "user"}}
_POD = {"metadata": {"labels": {"by": "user"}}, "spec": {"containers": [{"name": "own", "image": "own:1"}]}}
_TARGET = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "elsewhere"}
_CLAIM = {
    "accessModes": ["ReadWriteOnce"],
    "storageClassName": "elsewhere",
    "resources": {"requests": {"storage": "1Gi"}},
}
STRANGERS: dict[str, tuple[Kind, str, dict[str, Any]]] = {
    "account": (SERVICE_ACCOUNT, "{}-app", {"automountServiceAccountToken": False}),
    "settings": (CONFIG_MAP, "{}-app-config", {"data": {"K_WEB_PORT": "1"}}),
    "agent": (CONFIG_MAP, "{}-enrich-agent", {"data": {"mine": "1"}}),
    "headless": (SERVICE, "{}-app", {"spec": {"ports": [{"port": 1}]}}),
    "service": (SERVICE, "{}-app-api", {"spec": {"ports": [{"port": 1}]}}),
    "claim": (PERSISTENT_VOLUME_CLAIM, "{}-app-python-packages", {"spec": _CLAIM}),
    "scaler": (
        HORIZONTAL_POD_AUTOSCALER,
        "{}-app-hpa",
        {"spec": {"maxReplicas": 3, "scaleTargetRef": _TARGET}},
    ),
    "workload": (
        STATEFUL_SET,
        "{}-app",
        {"spec": {"replicas": 0, "serviceName": "x", "selector": _SELECTOR, "template": _POD}},
    ),
}
"""An app's name -> the object of somebody else that stands in its way. Every child has one."""


@dataclass(slots=True)
class Neighbourhood:
    """Apps that met a stranger each."""

    controller: Controller
    namespace: str
    strangers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def children(self, app: str) -> list[tuple[Kind, str]]:
        """The children of an app, in the order in which they are written."""
        return [(kind, name.format(app)) for kind, name, _ in STRANGERS.values()]


@pytest.fixture(scope="module")
def neighbourhood(
    control_plane: ControlPlane,
    crds: object,
    simulator: NodeSimulator,
    kube: Kube,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Neighbourhood]:
    """Strangers first, then the apps."""
    name, folder = f"foreign-{secrets.token_hex(3)}", tmp_path_factory.mktemp("foreign")
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    eventually(lambda: kube.find(SERVICE_ACCOUNT, name, "default"))
    settings = {"SCALING_MODE": "autoscaler"}
    with Controller(control_plane.kubeconfig, folder, namespace=name, settings=settings) as running:
        made = Neighbourhood(running, name)
        for app, (kind, pattern, body) in STRANGERS.items():
            meta = {"name": pattern.format(app), "namespace": name, "labels": {"by": "user"}}
            obj = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, **body}
            made.strangers[app] = kube.create(obj)
        for app in STRANGERS:
            packages = {"packages": ["requests"], "cache": {"enabled": True}}
            apply(
                kube, shop.app(name, app, pythonPackages=packages), shop.agent(name, f"{app}-enrich", app=app)
            )
        yield made
    kube.delete(NAMESPACE, "", name)


@pytest.mark.parametrize("app", STRANGERS)
def test_an_object_of_somebody_else_is_left_alone(neighbourhood: Neighbourhood, kube: Kube, app: str) -> None:
    """D19: untouched, a condition and an Event that name it, and everything that does not need it is there."""
    kind, pattern, _ = STRANGERS[app]
    namespace, name = neighbourhood.namespace, pattern.format(app)

    # What one component needs is that component's business; the rest of the app goes on.
    about = (shop.AGENT, f"{app}-enrich") if app == "agent" else (shop.APP, app)

    def told() -> None:
        found = condition(kube, about[0], namespace, about[1], "Stalled" if app == "agent" else "Reconciling")
        assert found["reason"] == "NameConflict"
        assert name in found["message"]
        assert condition(kube, about[0], namespace, about[1], "Ready")["status"] == "False"

    eventually_holds(told, timeout=30)
    eventually_holds(lambda: _event_names(kube, namespace, about[1], "NameConflict", name))
    now = kube.get(kind, namespace, name)
    assert substance(now) == substance(neighbourhood.strangers[app])
    assert now["metadata"]["uid"] == neighbourhood.strangers[app]["metadata"]["uid"]
    assert MANAGER not in {entry["manager"] for entry in now["metadata"]["managedFields"]}
    for other_kind, other in neighbourhood.children(app):
        # A workload waits for what it refers to, and its autoscaler for the workload.
        waits = (
            other_kind in {STATEFUL_SET, HORIZONTAL_POD_AUTOSCALER} and kind is not HORIZONTAL_POD_AUTOSCALER
        )
        if waits or (other_kind, other) == (kind, name):
            continue
        owners = kube.get(other_kind, namespace, other)["metadata"]["ownerReferences"]
        assert [owner["name"] for owner in owners] == [app], other


def test_to_wait_for_somebody_costs_no_writes(neighbourhood: Neighbourhood, kube: Kube) -> None:
    """D19, O10: who waits looks once a minute; nobody is written to meanwhile, the statuses included."""

    def look() -> None:
        runs = neighbourhood.controller.reconciled()
        for app in STRANGERS:
            _touch(kube, neighbourhood.namespace, app)
        eventually(lambda: neighbourhood.controller.reconciled() >= runs + len(STRANGERS))

    look()  # a status says once that a spec is new
    quiet(neighbourhood.controller, seconds=3.0)
    writes = neighbourhood.controller.writes()
    look()
    assert neighbourhood.controller.writes() == writes


def test_when_the_stranger_goes_the_app_goes_on(neighbourhood: Neighbourhood, kube: Kube) -> None:
    """D19: nothing of it is left in the way; whoever cannot wait a minute touches the app."""
    namespace = neighbourhood.namespace
    for app, (kind, pattern, _) in STRANGERS.items():
        name = pattern.format(app)
        kube.delete(kind, namespace, name)
        eventually(partial(_is_gone, kube, kind, namespace, name))
        _touch(kube, namespace, app)
    for app in STRANGERS:
        await_ready(kube, namespace, app, timeout=60)
        await_ready(kube, namespace, f"{app}-enrich", shop.AGENT)


RIVALS: dict[str, tuple[Kind, str, dict[str, Any], tuple[str | int, ...]]] = {
    "a value": (CONFIG_MAP, "shop-app-config", {"data": {"K_WEB_PORT": "1"}}, ("data", "K_WEB_PORT")),
    "the template": (
        STATEFUL_SET,
        "shop-app",
        {"spec": {"template": {"spec": {"containers": [{"name": "kaspr", "image": "theirs:1"}]}}}},
        ("spec", "template", "spec", "containers", 0, "image"),
    ),
}
"""What somebody else insists on, and where it stands."""


@pytest.mark.parametrize("what", RIVALS)
def test_nobody_is_fought_for_a_field(controller: Controller, kube: Kube, namespace: str, what: str) -> None:
    """S4: whoever writes back at once what we repair is told about and let be; the number of writes stays small."""
    kind, name, change, path = RIVALS[what]
    apply(kube, shop.app(namespace), shop.agent(namespace, "enrich"))
    await_ready(kube, namespace)
    quiet(controller)
    theirs, before = _at(change, path), applies(controller)

    def insist() -> None:
        if _at(kube.get(kind, namespace, name), path) != theirs:
            kube.patch(kind, namespace, name, change) if kind is not STATEFUL_SET else kube.apply(
                {**_reference(kind, namespace, name), **change}, manager="rival", force=True
            )

    def told() -> None:
        insist()
        reconciling = condition(kube, shop.APP, namespace, "shop", "Reconciling")
        assert reconciling["reason"] == "ApplyLoop"
        assert f"{kind.kind}" in reconciling["message"]
        assert str(path[-1]) in reconciling["message"]

    eventually_holds(told, timeout=30)
    quiet(controller, seconds=2.5)  # a rival of the template has it rolled out
    statuses = _status_writes(controller)
    assert (applies(controller) - before)[kind.kind] == 2
    # However often it is looked at: no write to the object, and no news in the status.
    for _ in range(3):
        runs = controller.reconciled()
        _touch(kube, namespace, "shop")
        eventually(lambda: controller.reconciled() > runs)  # noqa: B023
    assert (applies(controller) - before)[kind.kind] == 2
    assert _status_writes(controller) == statuses
    assert _at(kube.get(kind, namespace, name), path) == theirs


def test_a_new_wish_ends_the_rest(controller: Controller, kube: Kube, namespace: str) -> None:
    """S4: what the user changes is written at once, also to an object that somebody else contends."""
    apply(kube, shop.app(namespace), shop.agent(namespace, "enrich"))
    await_ready(kube, namespace)
    ours = kube.get(CONFIG_MAP, namespace, "shop-app-config")["data"]
    theirs = {"data": {"K_WEB_PORT": "1"}}

    def rests() -> None:
        kube.patch(CONFIG_MAP, namespace, "shop-app-config", theirs)
        assert condition(kube, shop.APP, namespace, "shop", "Reconciling")["reason"] == "ApplyLoop"

    eventually_holds(rests, timeout=30)
    apply(kube, shop.app(namespace, config={"topicPartitions": 3}))

    def written() -> None:
        now = kube.get(CONFIG_MAP, namespace, "shop-app-config")["data"]
        assert now == {**ours, "K_TOPIC_PARTITIONS": "3"}

    eventually_holds(written, timeout=5)
    await_ready(kube, namespace)


def _is_gone(kube: Kube, kind: Kind, namespace: str, name: str) -> bool:
    return kube.find(kind, namespace, name) is None


def _event_names(kube: Kube, namespace: str, app: str, reason: str, words: str) -> None:
    notes = [
        event["note"]
        for event in kube.list_objects(EVENT, namespace)
        if (event["reason"], event["regarding"]["name"]) == (reason, app)
    ]
    assert any(words in note for note in notes), notes


def _touch(kube: Kube, namespace: str, app: str) -> None:
    stamp = secrets.token_hex(4)
    kube.patch(shop.APP, namespace, app, {"metadata": {"annotations": {"example.com/touched": stamp}}})


def _reference(kind: Kind, namespace: str, name: str) -> dict[str, Any]:
    return {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "metadata": {"namespace": namespace, "name": name},
    }


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def _status_writes(controller: Controller) -> int:
    return counted(controller, "kaspr_status_writes_total", "kind")["KasprApp"]
