"""A right that is taken away while the controller runs is named, the rest goes on, and it needs no restart afterwards.

One controller serves the whole file; each test takes one verb on one resource away, acts on an app of its own, and grants
the verb again. Only the namespaced mode: the rules of both are the same (test_rbac.py).
"""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.converge.canonical import HASH_ANNOTATION
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
    ObjectKey,
)
from kaspr_controller.reconcilers import permissions
from kaspr_controller.status.conditions import find
from tests.integration.fixtures import shop
from tests.integration.fixtures.account import Account
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.scraping import counted
from tests.integration.fixtures.watching import apply, await_ready
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hack.controlplane.cluster import ControlPlane
    from hack.nodesim.simulator import NodeSimulator
    from kaspr_controller.reconcilers.permissions import Permission
    from tests.integration.fixtures.oracle import Kube

QUOTA = Kind("", "v1", "ResourceQuota", "resourcequotas")
CHILDREN = {
    SERVICE_ACCOUNT: "{}-app",
    CONFIG_MAP: "{}-app-config",
    SERVICE: "{}-app",
    PERSISTENT_VOLUME_CLAIM: "{}-app-python-packages",
    HORIZONTAL_POD_AUTOSCALER: "{}-app-hpa",
    STATEFUL_SET: "{}-app",
}
NEEDING_OTHERS = {STATEFUL_SET, HORIZONTAL_POD_AUTOSCALER}
PACKAGES = {"packages": ["requests"], "cache": {"enabled": True, "type": "pvc", "size": "1Gi"}}
SETTINGS = {"SCALING_MODE": "autoscaler", "SETTLE_SECONDS": "0", "SETTLE_LIMIT_SECONDS": "0"}
ERRORS = "controller_runtime_reconcile_errors_total"

every_child = pytest.mark.parametrize("kind", list(CHILDREN), ids=lambda kind: kind.plural)


class World:
    """The one controller with its account, and what tests do again and again."""

    def __init__(self, account: Account, controller: Controller, kube: Kube, namespace: str) -> None:
        self.account = account
        self.controller = controller
        self.kube = kube
        self.namespace = namespace

    def app(self, name: str) -> None:
        """An app with a child of every kind; its pods never get ready, which saves their processes."""
        spec = {"pythonPackages": PACKAGES, "image": "nowhere/kaspr:1"}
        pod = {"nodeSelector": {"example.com/disk": "nowhere"}}
        apply(self.kube, shop.app(self.namespace, name, template={"pod": pod}, **spec))

    def whole(self, name: str, *, but: frozenset[Kind] = frozenset()) -> None:
        """Every child is there, except those."""
        missing = [
            kind.plural
            for kind, pattern in CHILDREN.items()
            if kind not in but and self.kube.find(kind, self.namespace, pattern.format(name)) is None
        ]
        assert not missing

    def refusal(self, app: str, permission: Permission) -> None:
        """The app's conditions say that this was refused."""
        status = self.kube.get(shop.APP, self.namespace, app).get("status", {})
        ready = find(status, "Ready")
        assert ready is not None
        assert ready["status"] == "False", status
        words = f'cannot {permission.verb} resource "{permission.kind.plural}"'
        assert any(words in item["message"] for item in status["conditions"]), status["conditions"]

    def accepted(self, app: str) -> None:
        """Nothing is refused any more."""
        conditions = self.kube.get(shop.APP, self.namespace, app)["status"]["conditions"]
        assert not [item for item in conditions if "forbidden" in item["message"]]

    @contextlib.contextmanager
    def without(self, right: Permission) -> Iterator[None]:
        """Within the block the right is missing, and the metric that an alert watches counts what is refused."""
        before = self.refusals()
        with self.account.without(right):
            yield
            assert self.refusals() > before

    def refusals(self) -> int:
        """Requests that the server has called forbidden so far."""
        return sum(count for (_, code), count in self.controller.requests().items() if code == "403")

    def poke(self, app: str) -> None:
        """Have it looked at now; by itself it would be in ten seconds."""
        mark = {"metadata": {"annotations": {"example.com/poke": secrets.token_hex(4)}}}
        self.kube.patch(shop.APP, self.namespace, app, mark)


@pytest.fixture(scope="module")
def world(
    control_plane: ControlPlane,
    crds: Sequence[Kind],
    simulator: NodeSimulator,
    kube: Kube,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """A namespace with a controller whose account has the rights of the manifests."""
    namespace = f"refusals-{secrets.token_hex(3)}"
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    eventually(lambda: kube.find(SERVICE_ACCOUNT, namespace, "default"))
    account = Account(control_plane, kube, namespace, "namespaced")
    folder = tmp_path_factory.mktemp("refusals")
    with Controller(account.kubeconfig, folder, namespace=namespace, settings=SETTINGS) as controller:
        yield World(account, controller, kube, namespace)
    kube.delete(NAMESPACE, "", namespace)


def _right(kind: Kind, verb: str, subresource: str = "") -> Permission:
    wanted = (kind.plural, verb, subresource)
    return next(row for row in permissions.table() if (row.kind.plural, row.verb, row.subresource) == wanted)


@every_child
def test_a_child_that_may_not_be_made_is_named(world: World, kind: Kind) -> None:
    """The condition has the server's words; children that do not need it are made; all of them once it is granted."""
    name, right = f"create-{kind.plural[:12]}", _right(kind, "create")
    with world.without(right):
        world.app(name)
        eventually_holds(lambda: world.refusal(name, right))
        eventually_holds(lambda: world.whole(name, but=frozenset({kind}) | NEEDING_OTHERS))
        assert world.kube.find(kind, world.namespace, CHILDREN[kind].format(name)) is None
    world.poke(name)
    eventually_holds(lambda: world.whole(name))
    eventually_holds(lambda: world.accepted(name))


@every_child
def test_a_child_that_may_not_be_changed_is_named(world: World, kind: Kind) -> None:
    """What drifts stays so and is named, another kind is still put back; so is this one once it is granted."""
    name, right = f"patch-{kind.plural[:12]}", _right(kind, "patch")
    other = SERVICE if kind is CONFIG_MAP else CONFIG_MAP
    world.app(name)
    eventually_holds(lambda: world.whole(name))
    with world.without(right):
        _drift(world, kind, name)
        eventually_holds(lambda: world.refusal(name, right))
        _drift(world, other, name)
        eventually_holds(lambda: _restored(world, other, name))
        assert _mark(world, kind, name) == "drift"
    world.poke(name)
    eventually_holds(lambda: _restored(world, kind, name))
    eventually_holds(lambda: world.accepted(name))


def _drift(world: World, kind: Kind, app: str) -> None:
    change = {"metadata": {"labels": {"kaspr.io/kind": "drift"}}}
    world.kube.patch(kind, world.namespace, CHILDREN[kind].format(app), change)


def _mark(world: World, kind: Kind, app: str) -> str:
    labels: dict[str, str] = world.kube.get(kind, world.namespace, CHILDREN[kind].format(app))["metadata"][
        "labels"
    ]
    return labels["kaspr.io/kind"]


def _restored(world: World, kind: Kind, app: str) -> None:
    assert _mark(world, kind, app) != "drift"


@every_child
@pytest.mark.parametrize("verb", ["get", "delete"])
def test_a_child_that_may_not_be_deleted_is_named(world: World, kind: Kind, verb: str) -> None:
    """What the app does not need any more stays and is named; another such object goes; this one once it is granted.

    Nothing is deleted without a look at it, hence both verbs.
    """
    name, right = f"{verb}-{kind.plural[:12]}", _right(kind, verb)
    other = SERVICE if kind is CONFIG_MAP else CONFIG_MAP
    world.app(name)
    eventually_holds(lambda: world.whole(name))
    with world.without(right):
        for stray in (kind, other):
            world.kube.create(_stray(world, stray, name))
        eventually_holds(lambda: world.refusal(name, right))
        eventually(lambda: world.kube.find(other, world.namespace, f"{name}-stray") is None)
        assert world.kube.find(kind, world.namespace, f"{name}-stray")
    world.poke(name)
    eventually_holds(lambda: _gone(world, kind, f"{name}-stray"))
    eventually_holds(lambda: world.accepted(name))


def _gone(world: World, kind: Kind, name: str) -> None:
    found = world.kube.find(kind, world.namespace, name)
    # A claim waits for its protection to let go.
    assert found is None or "deletionTimestamp" in found["metadata"]


def _stray(world: World, kind: Kind, app: str) -> dict[str, Any]:
    """An object that was written for the app once and is not wanted any more."""
    owner = world.kube.get(shop.APP, world.namespace, app)
    reference = {
        **{key: owner[key] for key in ("apiVersion", "kind")},
        **{key: owner["metadata"][key] for key in ("name", "uid")},
        "controller": True,
    }
    metadata = {
        "namespace": world.namespace,
        "name": f"{app}-stray",
        "labels": {
            "app.kubernetes.io/managed-by": "kaspr-operator",
            "kaspr.io/cluster": app,
            "kaspr.io/kind": "KasprApp",
        },
        "annotations": {HASH_ANNOTATION: "0"},
        "ownerReferences": [reference],
    }
    labels = {"stray": app}
    target = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": f"{app}-stray"}
    container = {"name": "none", "image": "nowhere/none:1"}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    specs: dict[str, dict[str, Any]] = {
        "Service": {"ports": [{"port": 80}]},
        "PersistentVolumeClaim": claim,
        "HorizontalPodAutoscaler": {"scaleTargetRef": target, "maxReplicas": 1},
        "StatefulSet": {
            "replicas": 0,
            "serviceName": app,
            "selector": {"matchLabels": labels},
            "template": pods,
        },
    }
    spec = {"spec": specs[kind.kind]} if kind.kind in specs else {}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **spec}


@pytest.mark.parametrize("kind", list(shop.BY_KIND.values()), ids=lambda kind: kind.plural)
def test_a_status_that_may_not_be_written_stands_still(world: World, kind: Kind) -> None:
    """Children are written nevertheless; the metric grows, the log has the refusal; the status follows by itself."""
    name, right = f"status-{kind.plural[5:]}", _right(kind, "patch", "status")
    controller = "kasprapp" if kind == shop.APP else "component"
    before = counted(world.controller, ERRORS, "controller")[controller]
    # Of an app that is not there: said after two seconds, while the first status of others waits for news.
    components = {
        shop.AGENT: shop.agent(world.namespace, name, app="nowhere"),
        shop.TABLE: shop.table(world.namespace, name, app="nowhere"),
        shop.JOIN: shop.join(world.namespace, name, "left", "right", app="nowhere"),
        shop.WEB_VIEW: shop.web_view(world.namespace, name, "/it", app="nowhere"),
        shop.TASK: shop.task(world.namespace, name, app="nowhere"),
    }
    with world.without(right):
        world.app(name)
        if kind in components:
            apply(world.kube, components[kind])
        eventually_holds(lambda: world.whole(name))
        eventually(lambda: counted(world.controller, ERRORS, "controller")[controller] > before)
        # As JSON has it.
        words = f'cannot patch resource \\"{kind.plural}/status\\"'
        eventually(lambda: words in world.controller.log.read_text())
        assert "status" not in world.kube.get(kind, world.namespace, name)
    eventually(lambda: "status" in world.kube.get(kind, world.namespace, name))


def test_a_request_that_may_not_be_acknowledged_is_tried_again(world: World) -> None:
    """The rebalance is asked for once; its annotation stays until the right is there, and the refusal is counted."""
    apply(world.kube, shop.app(world.namespace, "asks"), shop.agent(world.namespace, "asked", app="asks"))
    await_ready(world.kube, world.namespace, "asks")
    before = counted(world.controller, ERRORS, "controller")["kasprapp"]
    with world.without(_right(shop.APP, "patch")):
        mark = {"metadata": {"annotations": {"kaspr.io/rebalance": "true"}}}
        world.kube.patch(shop.APP, world.namespace, "asks", mark)
        eventually(lambda: counted(world.controller, ERRORS, "controller")["kasprapp"] > before)
        apply(world.kube, shop.agent(world.namespace, "meanwhile", app="asks"))
        eventually(lambda: world.kube.find(CONFIG_MAP, world.namespace, "meanwhile-agent"))

    def acknowledged() -> None:
        app = world.kube.get(shop.APP, world.namespace, "asks")
        assert "kaspr.io/rebalance" not in app["metadata"].get("annotations", {})
        assert app["status"]["rebalance"]["state"] == "Done"

    eventually_holds(acknowledged, timeout=40)


def test_children_that_may_not_block_the_deletion_of_their_app_are_named(world: World) -> None:
    """OwnerReferencesPermissionEnforcement asks for `update` of finalizers; the condition has its words."""
    with world.without(_right(shop.APP, "update", "finalizers")):
        world.app("blocks")

        def refused() -> None:
            conditions = world.kube.get(shop.APP, world.namespace, "blocks")["status"]["conditions"]
            assert any("cannot set blockOwnerDeletion" in item["message"] for item in conditions)

        eventually_holds(refused)
    world.poke("blocks")
    eventually_holds(lambda: world.whole("blocks"))


@pytest.mark.parametrize("verb", ["create", "patch"])
def test_events_that_may_not_be_sent_are_counted_and_nothing_waits(world: World, verb: str) -> None:
    """The first of a kind is created, the second time it is told it is patched; both are courtesies."""
    name, right = (
        f"events-{verb}",
        next(row for row in permissions.table() if (row.kind.kind, row.verb) == ("Event", verb)),
    )
    world.app(name)
    eventually_holds(lambda: world.whole(name))
    with world.without(right):
        before = counted(world.controller, "kaspr_event_drops_total", "reason")["error"]
        for value in ("true", "false", "true", "false"):
            change = {"metadata": {"annotations": {"kaspr.io/pause-reconciliation": value}}}
            world.kube.patch(shop.APP, world.namespace, name, change)
            eventually_holds(lambda value=value: _paused(world, name, value == "true"))  # type: ignore[misc]
        eventually(lambda: counted(world.controller, "kaspr_event_drops_total", "reason")["error"] > before)


def test_without_a_list_of_events_pods_are_missing_for_no_reason(world: World) -> None:
    """Which quota refuses a pod stands in an Event only; who may not list those still says that the app is not ready."""
    name, limit = "events-list", {"metadata": {"name": "limit", "namespace": world.namespace}}
    pods = {"apiVersion": "v1", "kind": QUOTA.kind, **limit, "spec": {"hard": {"count/pods": "0"}}}
    world.kube.create(pods, QUOTA)
    eventually(lambda: world.kube.get(QUOTA, world.namespace, "limit").get("status", {}).get("used"))
    with world.without(_right(EVENT, "list")):
        before = world.refusals()
        world.app(name)
        eventually_holds(lambda: world.whole(name))
        eventually(lambda: world.refusals() > before)
        assert "pods are ready" in _ready(world, name)
        assert "quota" not in _ready(world, name)
    eventually(lambda: "exceeded quota: limit" in _ready(world, name), timeout=30)
    world.kube.delete(QUOTA, world.namespace, "limit")


def _ready(world: World, app: str) -> str:
    condition = find(world.kube.get(shop.APP, world.namespace, app)["status"], "Ready")
    return condition["message"] if condition is not None else ""


def _paused(world: World, app: str, wanted: bool) -> None:  # noqa: FBT001
    condition = find(world.kube.get(shop.APP, world.namespace, app)["status"], "Paused")
    assert (condition is not None and condition["status"] == "True") == wanted


def test_the_process_has_survived_all_of_it(world: World) -> None:
    """No refusal ended it, and none is left in what it says about itself."""
    assert world.controller.process is not None
    assert world.controller.process.poll() is None
    key = ObjectKey("KasprApp", world.namespace, "last")
    world.app(key.name)
    eventually_holds(lambda: world.whole(key.name))
