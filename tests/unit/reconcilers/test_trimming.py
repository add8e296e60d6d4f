"""What the caches leave out is what nobody reads, and what they select is what we make."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from kaspr_controller.api.parsing import parse
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.desired.bundle import Intent, render_app
from kaspr_controller.desired.subscriptions import ANNOTATION
from kaspr_controller.engine.store import Store
from kaspr_controller.kube.kinds import POD, STATEFUL_SET
from kaspr_controller.reconcilers import kinds, observing, trimming
from kaspr_controller.reconcilers.caches import make_stores
from kaspr_controller.reconcilers.loading import load_component
from kaspr_controller.status.pods import read_pod
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, NAMESPACE
from tests.unit.reconcilers.world import WORKLOAD, World

Object = dict[str, Any]


def member(**status: Any) -> Object:
    """A pod as a server sends it: rendered by us, filled up by others, with a secret in its environment."""
    world = World()
    world.start(
        resources.app(
            config={"webPort": 7000},
            template={"kasprContainer": {"env": [{"name": "TOKEN", "value": "s3cret"}]}},
        ),
        resources.agent("a"),
    )
    pod: Object = copy.deepcopy(world.cluster.objects[world.workloads.pods(WORKLOAD)[0]])
    pod["metadata"]["managedFields"] = [{"manager": "kubelet", "fieldsV1": {"f:status": {}}}]
    pod["spec"]["containers"].append({"name": "sidecar", "ports": [{"name": "http", "containerPort": 1}]})
    pod["spec"]["volumes"].append({"name": "token", "projected": {"sources": [{"serviceAccountToken": {}}]}})
    pod["metadata"]["annotations"] = {ANNOTATION: "in,out", "somebody.else/note": "x"}
    pod["status"] |= status
    return pod


def stores_with(pod: Object, *, transform: bool) -> dict[str, Store]:
    """Stores with this pod, trimmed or not."""
    stores = make_stores()
    if not transform:
        stores["Pod"] = Store(POD, indexers={observing.POD_INDEX: trimming.by_label("kaspr.io/cluster")})
    stores["Pod"].apply("ADDED", pod)
    return stores


@pytest.mark.parametrize(
    "status",
    [{}, {"podIP": ""}, {"conditions": []}, {"conditions": [{"type": "Ready", "status": "False"}]}],
    ids=["running", "without an address", "just scheduled", "not ready"],
)
def test_a_trimmed_pod_tells_observers_what_the_whole_one_tells(status: Object) -> None:
    """M2: everything that is read survives: address, port, readiness, mounts, ordinal, age."""
    whole, trimmed = (stores_with(member(**status), transform=transform) for transform in (False, True))
    pods = observing.pods(trimmed, APP)
    assert len(pods) == 1
    assert observing.targets(pods) == observing.targets(observing.pods(whole, APP))
    assert observing.mounted(trimmed, APP) == {"a-agent"}
    assert [observing.ready(pod) for pod in pods] == [
        observing.ready(pod) for pod in observing.pods(whole, APP)
    ]
    assert [observing.ordinal(pod) for pod in pods] == [0]
    assert pods[0]["metadata"]["creationTimestamp"]


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no node"}]},
        {
            "containerStatuses": [
                {"name": "kaspr", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "image": "x"}
            ]
        },
        {
            "containerStatuses": [
                {
                    "name": "kaspr",
                    "restartCount": 7,
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"exitCode": 1, "message": "TypeError"}},
                }
            ]
        },
        {
            "initContainerStatuses": [
                {"name": "install-packages", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
            ]
        },
        {"phase": "Failed", "reason": "Evicted", "message": "disk pressure"},
    ],
    ids=["not scheduled", "running", "crash loop", "no image for the init container", "evicted"],
)
def test_a_trimmed_pod_tells_the_decisions_what_the_whole_one_tells(status: Object) -> None:
    """M2, R15: whatever `read_pod` reads survives."""
    whole = member(**status)
    found = [read_pod(each, annotation=ANNOTATION, now=1.8e9) for each in (whole, trimming.pod(whole))]
    assert found[0] == found[1]
    assert found[0].subscriptions
    assert found[0].revision


def test_what_a_container_mounts_is_not_kept() -> None:
    """M2: servers repeat every mount in the status, one for each definition."""
    mounts = [{"name": f"a{number}", "mountPath": f"/x/{number}"} for number in range(100)]
    status = {
        "containerStatuses": [{"name": "kaspr", "state": {}, "volumeMounts": mounts, "imageID": "x" * 99}]
    }
    kept = trimming.pod(member(**status))["status"]
    assert len(json.dumps(kept)) < 400


def test_the_port_is_that_of_the_member_not_of_a_sidecar() -> None:
    """A pod keeps the port that it was started with; others in it do not answer for it."""
    (target,) = observing.targets([trimming.pod(member())])
    assert target.port == 7000
    assert target.name == "orders-app-0"


def test_a_trimmed_pod_is_small_and_holds_no_secret() -> None:
    """M2, O9: environment, images and probes are not kept."""
    whole = member()
    text = json.dumps(trimming.pod(whole))
    assert "s3cret" not in text
    assert len(text) < len(json.dumps(whole)) / 2


def test_trimming_is_idempotent_and_edits_nothing() -> None:
    """A store may apply its transform to what it has transformed before, and never owns what it is given."""
    whole = member()
    before = copy.deepcopy(whole)
    once = trimming.pod(whole)
    assert trimming.pod(once) == once
    assert whole == before


def workload(*references: Object) -> Object:
    return {
        "metadata": {
            "name": "x-app",
            "namespace": NAMESPACE,
            "uid": "u",
            "resourceVersion": "1",
            "ownerReferences": list(references),
        },
        "spec": {},
    }


@pytest.mark.parametrize(
    ("references", "kept"),
    [
        ([], False),
        ([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "x", "uid": "1"}], False),
        ([{"apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp", "name": "x", "uid": "1"}], True),
        ([{"apiVersion": "kaspr.io/v1beta1", "kind": "KasprApp", "name": "x", "uid": "1"}], True),
        ([{"apiVersion": "notkaspr.io/v1", "kind": "KasprApp", "name": "x", "uid": "1"}], False),
    ],
    ids=["nobody's", "a deployment's", "ours", "ours in a later version", "of another group"],
)
def test_stateful_sets_of_others_are_not_kept(references: list[Object], kept: bool) -> None:  # noqa: FBT001
    """M1: there is no label to select them by, so all are watched and most are dropped at the door."""
    store = make_stores()["StatefulSet"]
    store.apply("ADDED", workload(*references))
    assert (store.get(STATEFUL_SET.key(NAMESPACE, "x-app")) is not None) == kept


def test_an_orphan_of_ours_is_kept() -> None:
    """An app that comes back after `kubectl delete --cascade=orphan` has to see what its workload cannot change."""
    store = make_stores()["StatefulSet"]
    orphan = workload()
    orphan["metadata"]["annotations"] = {"kaspr.io/desired-hash": "x"}
    store.apply("ADDED", orphan)
    assert store.get(STATEFUL_SET.key(NAMESPACE, "x-app")) is not None


def rendered() -> tuple[Intent, ...]:
    """The children of an app that has one of each."""
    raw = resources.app(
        pythonPackages={"packages": ["requests"], "cache": {"enabled": True, "type": "pvc"}}, replicas=2
    )
    raw["metadata"]["uid"] = "app-uid"
    app = parse(raw)
    assert isinstance(app, KasprApp)
    components = [
        resources.agent("a"),
        resources.table("t"),
        resources.view("v", "/v"),
        resources.task("n"),
    ]
    return render_app(app, [load_component(each) for each in components]).intents


def test_the_watches_show_every_child_that_we_make() -> None:
    """M1: a child that the selector or the transform hides would be created anew at every pass."""
    intents = rendered()
    assert {intent.obj["kind"] for intent in intents} == {kind.kind for kind in kinds.CHILDREN}
    for intent in intents:
        obj = copy.deepcopy(dict(intent.obj))
        name, _, value = trimming.SELECTORS.get(obj["kind"], "").partition("=")
        assert not name or obj["metadata"]["labels"][name] == value
        transform = trimming.TRANSFORMS.get(obj["kind"])
        assert transform is None or transform(obj) == obj


def test_the_watch_of_pods_shows_every_member() -> None:
    """M1: the selector of the pods is part of the template that they are made from."""
    (workload_,) = (intent.obj for intent in rendered() if intent.obj["kind"] == "StatefulSet")
    name, _, value = trimming.SELECTORS["Pod"].partition("=")
    assert workload_["spec"]["template"]["metadata"]["labels"][name] == value
    assert workload_["spec"]["selector"]["matchLabels"].items() >= {"kaspr.io/cluster": "orders"}.items()


def test_an_index_leads_from_a_label_to_its_objects() -> None:
    """Objects without the label are in no list."""
    index = trimming.by_label("kaspr.io/app")
    assert index(resources.agent("a")) == (f"{NAMESPACE}/orders",)
    assert index(resources.agent("a", app="")) == ()
