"""Writing children on a real API server: what is repaired, what is left alone, what is said about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import ApiException

from kaspr_controller.converge.canonical import HASH_ANNOTATION
from kaspr_controller.kube.applying import FIELD_MANAGER
from kaspr_controller.kube.kinds import (
    CONFIG_MAP,
    HORIZONTAL_POD_AUTOSCALER,
    PERSISTENT_VOLUME_CLAIM,
    SERVICE,
    STATEFUL_SET,
    Kind,
    key_of,
)
from tests.integration.converging import KINDS, Bench
from tests.integration.waiting import eventually, eventually_holds, stays
from tests.unit.converge.objects import (
    Wanted,
    autoscaler,
    children,
    claim,
    config_map,
    edited,
    service,
    stateful_set,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hack.controlplane.cluster import ControlPlane
    from kaspr_controller.converge.changes import Entry, Owner
    from tests.integration.fixtures.oracle import Kube

_LIMITS = ("spec", "template", "spec", "containers", 0, "resources", "limits")
_QUOTA = Kind("", "v1", "ResourceQuota", "resourcequotas")
_POLICY = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingAdmissionPolicy",
    "validatingadmissionpolicies",
    namespaced=False,
)
_BINDING = Kind(
    _POLICY.group,
    "v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    namespaced=False,
)


class App(Bench):
    """A bench with an owner."""

    def __init__(self, plane: ControlPlane, namespace: str, kube: Kube) -> None:
        super().__init__(plane.kubeconfig, namespace)
        self.kube = kube
        self.me: Owner
        self.me, self.ref = self.owner(kube)

    def one(self, intent: dict[str, Any]) -> Entry:
        (entry,) = self.converger.converge(self.me, [Wanted(intent)])
        return entry

    def config(self, name: str = "a", **data: str) -> dict[str, Any]:
        return config_map(name, dict(data), namespace=self.namespace, ref=self.ref)

    def live(self, kind: Kind, name: str) -> dict[str, Any]:
        return self.kube.get(kind, self.namespace, name)

    def workload(self) -> dict[str, Any]:
        return stateful_set(self.namespace, self.ref)


@pytest.fixture
def app(control_plane: ControlPlane, namespace: str, kube: Kube) -> Iterator[App]:
    made = App(control_plane, namespace, kube)
    yield made
    made.client.close()


def test_removed_fields_go_drift_is_repaired_and_additions_stay(app: App) -> None:
    """D11: after each pass the workload equals the render in our fields, and only there."""
    intent = app.workload()
    assert app.one(intent).outcome == "created"
    without = edited(intent, *_LIMITS, to={"memory": "1Gi"})
    assert app.one(without).outcome == "changed"
    live = app.live(STATEFUL_SET, "demo-app")
    assert live["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"] == {"memory": "1Gi"}

    containers = live["spec"]["template"]["spec"]["containers"]
    containers[0]["image"] = "evil:1"
    containers.append({"name": "sidecar", "image": "theirs"})
    app.kube.patch(
        STATEFUL_SET, app.namespace, "demo-app", {"spec": {"template": {"spec": {"containers": containers}}}}
    )
    app.sync()
    entry = app.one(without)
    assert (entry.outcome, entry.paths) == ("changed", ("spec.template.spec.containers[kaspr].image",))
    live = app.live(STATEFUL_SET, "demo-app")
    assert [each["image"] for each in live["spec"]["template"]["spec"]["containers"]] == [
        "kaspr:0.11.19",
        "theirs",
    ]


def test_the_replica_count_of_the_autoscaler_is_not_ours(app: App) -> None:
    """S5: a field that the intent leaves out is neither compared nor written."""
    app.one(app.workload())
    app.kube.patch(STATEFUL_SET, app.namespace, "demo-app", {"spec": {"replicas": 3}}, subresource="scale")
    app.sync()
    assert app.one(app.workload()).outcome == "unchanged"
    assert app.one(edited(app.workload(), "spec", "minReadySeconds", to=3)).outcome == "changed"
    assert app.live(STATEFUL_SET, "demo-app")["spec"]["replicas"] == 3


def test_the_hash_restarts_nobody(app: App) -> None:
    """S1: the annotation stands on the object; a change of metadata alone leaves the generation alone."""
    app.one(app.workload())
    live = app.live(STATEFUL_SET, "demo-app")
    assert HASH_ANNOTATION in live["metadata"]["annotations"]
    assert HASH_ANNOTATION not in live["spec"]["template"]["metadata"]["annotations"]
    app.one(edited(app.workload(), "metadata", "labels", "new", to="label"))
    assert app.live(STATEFUL_SET, "demo-app")["metadata"]["generation"] == live["metadata"]["generation"]


def test_an_unknown_spelling_is_learned_and_after_a_restart_costs_one_no_op(app: App) -> None:
    """S3: an empty cluster IP asks the server for one; no table knows what it will answer."""
    intent = service("any", app.namespace, app.ref, clusterIP="")
    assert [app.one(intent).outcome for _ in range(3)] == ["created", "unchanged", "unchanged"]
    assert app.client.writes == ["Service/any"]
    version = app.live(SERVICE, "any")["metadata"]["resourceVersion"]
    app.restart()
    assert [app.one(intent).outcome for _ in range(3)] == ["unchanged"] * 3
    assert app.client.writes == ["Service/any"]
    assert app.live(SERVICE, "any")["metadata"]["resourceVersion"] == version


def given_by_its_user(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the cluster's own controllers add meanwhile: a claim is bound to a volume."""
    spec = {key: value for key, value in obj.get("spec", {}).items() if key != "volumeName"}
    kept = {name: obj["metadata"].get(name) for name in ("labels", "ownerReferences")}
    return {"data": obj.get("data"), "spec": spec, **kept}


def test_objects_of_a_user_stay_untouched(app: App) -> None:
    """D19: a ConfigMap and a claim with the names of ours, made by a user."""
    mine = {"name": "a", "namespace": app.namespace}
    app.kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": mine, "data": {"mine": "1"}})
    theirs = edited(claim(app.namespace), "metadata", "labels", to={})
    app.kube.create(theirs)
    before = [app.live(CONFIG_MAP, "a"), app.live(PERSISTENT_VOLUME_CLAIM, theirs["metadata"]["name"])]
    uids = [obj["metadata"]["uid"] for obj in before]
    for _ in range(2):
        for intent in (app.config(x="1"), claim(app.namespace), claim(app.namespace, app.ref)):
            entry = app.one(intent)
            assert (entry.outcome, entry.reason) == ("foreign", "NameConflict")
        app.sync()
    app.converger.prune(app.me, wanted=frozenset(), kinds=KINDS, may_delete=lambda _: None)
    after = [app.live(CONFIG_MAP, "a"), app.live(PERSISTENT_VOLUME_CLAIM, theirs["metadata"]["name"])]
    assert [obj["metadata"]["uid"] for obj in after] == uids
    assert [given_by_its_user(obj) for obj in after] == [given_by_its_user(obj) for obj in before]
    managers = {entry["manager"] for obj in after for entry in obj["metadata"]["managedFields"]}
    assert FIELD_MANAGER not in managers


def test_a_stale_cache_neither_creates_nor_overwrites(app: App) -> None:
    """F1: the UID in the request stops a write that was decided on an object that is gone or replaced."""
    app.one(app.config(x="1"))
    app.kube.delete(CONFIG_MAP, app.namespace, "a")
    entry = app.one(app.config(x="2"))
    assert (entry.outcome, entry.reason, entry.category) == ("waiting", "Replaced", "transient")
    assert app.kube.find(CONFIG_MAP, app.namespace, "a") is None
    mine = {"name": "a", "namespace": app.namespace}
    theirs = app.kube.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": mine, "data": {"mine": "1"}}
    )
    entry = app.one(app.config(x="2"))
    assert (entry.outcome, entry.reason, entry.category) == ("waiting", "Replaced", "transient")
    assert app.live(CONFIG_MAP, "a") == theirs


def test_an_owner_that_is_gone_gets_no_children(app: App) -> None:
    """The server would accept a stale UID and collect the object within seconds; the cache of owners is asked."""
    app.kube.delete(CONFIG_MAP, app.namespace, "demo")
    app.sync()
    entry = app.one(app.config(x="1"))
    assert (entry.outcome, entry.reason) == ("waiting", "OwnerGone")
    assert app.kube.find(CONFIG_MAP, app.namespace, "a") is None


def test_a_child_that_is_being_deleted_is_waited_for(app: App) -> None:
    """A finalizer of somebody holds it; when it is gone it is created again."""
    app.one(app.config(x="1"))
    app.kube.patch(CONFIG_MAP, app.namespace, "a", {"metadata": {"finalizers": ["example.com/hold"]}})
    app.kube.delete(CONFIG_MAP, app.namespace, "a")
    app.sync()
    assert app.one(app.config(x="2")).reason == "Deleting"
    app.kube.patch(CONFIG_MAP, app.namespace, "a", {"metadata": {"finalizers": None}})
    app.sync()
    assert app.one(app.config(x="2")).outcome == "created"


def test_refused_children_do_not_stop_the_others(app: App) -> None:
    """S7, D16: immutable fields and invalid objects are told in the server's words; everything else is written."""
    headless = service("demo-app", app.namespace, app.ref)
    templates = ("spec", "volumeClaimTemplates", 0, "spec", "resources", "requests", "storage")
    app.converger.converge(app.me, [Wanted(headless), Wanted(app.workload())])
    intents = [
        edited(headless, "spec", "clusterIP", to="None"),
        edited(app.workload(), *templates, to="2Gi"),
        app.config("big", x="y" * 1_100_000),
        edited(autoscaler(app.namespace, app.ref), "spec", "maxReplicas", to=-1),
        app.config("good", x="1"),
    ]
    *refused, good = app.converger.converge(app.me, [Wanted(each) for each in intents])
    assert [(entry.outcome, entry.category) for entry in refused] == [("refused", "terminal")] * 4
    assert "may not change once set" in refused[0].message
    assert "kubectl delete service demo-app" in refused[0].message
    assert "--cascade=orphan" in refused[1].message
    assert "Too long" in refused[2].message
    assert "maxReplicas" in refused[3].message
    assert good.outcome == "created"
    assert app.live(SERVICE, "demo-app")["spec"]["clusterIP"] != "None"


def test_a_key_twice_in_a_list_is_refused_not_retried(app: App) -> None:
    """S8: the server answers 500, but trying again would help nobody."""
    env = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]
    entry = app.one(edited(app.workload(), "spec", "template", "spec", "containers", 0, "env", to=env))
    assert (entry.outcome, entry.category) == ("refused", "terminal")
    assert "duplicate entries" in entry.message
    assert app.client.writes == ["StatefulSet/demo-app"]


def test_a_quota_is_waited_for(app: App) -> None:
    """403: the words of the server, and the next pass succeeds when there is room."""
    quota = {"hard": {"count/services": "0"}}
    meta = {"name": "none", "namespace": app.namespace}
    app.kube.create({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": quota}, _QUOTA)
    eventually(lambda: app.kube.get(_QUOTA, app.namespace, "none")["status"]["hard"])
    intent = service("api", app.namespace, app.ref)
    entry = app.one(intent)
    assert (entry.outcome, entry.reason, entry.category) == ("refused", "Forbidden", "wait")
    assert "exceeded quota: none" in entry.message
    app.kube.delete(_QUOTA, app.namespace, "none")
    eventually(lambda: app.one(intent).stored)


def test_an_admission_policy_is_quoted(app: App) -> None:
    """A cluster's own rule says no: its words reach the entry, other kinds are written."""
    name = f"no-services-{app.namespace}"
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": app.namespace}},
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE"],
                    "resources": ["services"],
                }
            ],
        },
        "validations": [{"expression": "false", "message": "services are not allowed here"}],
    }
    api = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    app.kube.create({**api, "kind": _POLICY.kind, "spec": spec}, _POLICY)
    binding = {"policyName": name, "validationActions": ["Deny"]}
    app.kube.create({**api, "kind": _BINDING.kind, "spec": binding}, _BINDING)
    try:
        intent = service("api", app.namespace, app.ref)
        eventually(lambda: _refuses(app, intent), what="the policy is in force")
        entry, other = app.converger.converge(app.me, [Wanted(intent), Wanted(app.config(x="1"))])
        assert (entry.outcome, other.outcome) == ("refused", "created")
        assert "services are not allowed here" in entry.message
    finally:
        app.kube.delete(_BINDING, "", name)
        app.kube.delete(_POLICY, "", name)


def _refuses(app: App, intent: dict[str, Any]) -> bool:
    try:
        app.kube.request(
            "POST",
            SERVICE.collection(app.namespace),
            intent,
            query={"dryRun": "All", "fieldManager": "probe"},
        )
    except ApiException:
        return True
    return False


def test_a_rival_is_not_fought(app: App) -> None:
    """S4: another controller applies the same field by force; after two repairs we rest."""
    app.one(app.config(x="ours"))
    rival = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": app.namespace}}

    def fight() -> Entry:
        app.kube.apply({**rival, "data": {"x": "theirs"}}, manager="rival", force=True)
        app.sync()
        app.clock.advance(1.0)
        return app.one(app.config(x="ours"))

    assert [fight().outcome for _ in range(3)] == ["changed", "changed", "skipped"]
    entry = fight()
    assert (entry.reason, entry.paths) == ("ApplyLoop", ("data.x",))
    app.clock.advance(60.0)
    assert fight().outcome == "changed"


def test_pruning_deletes_ours_and_only_ours(app: App) -> None:
    """D2, D19, D28: unwanted children go; what a user bound to our life, and claims of templates, stay."""
    unwanted = [app.config("old", x="1"), autoscaler(app.namespace, app.ref), claim(app.namespace, app.ref)]
    wanted = [app.config("kept", x="1"), edited(app.workload(), "spec", "replicas", to=1)]
    app.converger.converge(app.me, [Wanted(each) for each in [*unwanted, *wanted]])
    bound = config_map("users", {}, namespace=app.namespace, ref={**app.ref, "controller": False})
    app.kube.create(bound)
    template_claim = "demo-app-pv-demo-app-0"
    eventually(lambda: app.kube.find(PERSISTENT_VOLUME_CLAIM, app.namespace, template_claim))
    # As if its StatefulSet controller had put our owner on it.
    app.kube.patch(
        PERSISTENT_VOLUME_CLAIM, app.namespace, template_claim, {"metadata": {"ownerReferences": [app.ref]}}
    )
    app.sync()
    changes = app.converger.prune(
        app.me, wanted=frozenset(map(key_of, wanted)), kinds=KINDS, may_delete=lambda _: None
    )
    assert {entry.key for entry in changes} == set(map(key_of, unwanted))
    assert {entry.outcome for entry in changes} == {"deleted"}
    assert app.kube.find(CONFIG_MAP, app.namespace, "old") is None
    assert app.kube.find(HORIZONTAL_POD_AUTOSCALER, app.namespace, "demo-app-hpa") is None
    for kind, name in (
        (CONFIG_MAP, "users"),
        (CONFIG_MAP, "kept"),
        (PERSISTENT_VOLUME_CLAIM, template_claim),
    ):
        assert "deletionTimestamp" not in app.live(kind, name)["metadata"]


def test_a_prune_that_was_overtaken_deletes_nothing(app: App) -> None:
    """F3: a new object under the old name survives, by UID."""
    app.one(app.config("old", x="1"))
    app.kube.delete(CONFIG_MAP, app.namespace, "old")
    app.kube.create(app.config("old", x="new"))
    changes = app.converger.prune(app.me, wanted=frozenset(), kinds=[CONFIG_MAP], may_delete=lambda _: None)
    assert [entry.reason for entry in changes] == ["NotOurs"]
    assert app.live(CONFIG_MAP, "old")["data"] == {"x": "new"}


def test_a_plan_changes_nothing_and_names_what_would_change(app: App) -> None:
    """For diff: the server's own dry run, removed fields included, defaults and bookkeeping left out."""
    app.converger.converge(app.me, [Wanted(app.workload()), Wanted(app.config(x="1"))])
    app.sync()
    before = [app.live(STATEFUL_SET, "demo-app")["spec"], app.live(CONFIG_MAP, "a")]
    intents = [
        edited(app.workload(), *_LIMITS, to={"memory": "2048Mi"}),
        app.config(x="1"),
        service("new", app.namespace, app.ref),
        edited(service("bad", app.namespace, app.ref), "spec", "ports", to=[]),
    ]
    workload, same, new, bad = app.converger.plan(app.me, [Wanted(each) for each in intents])
    limits = "spec.template.spec.containers[kaspr].resources.limits"
    assert (workload.action, set(workload.paths)) == ("change", {f"{limits}.cpu", f"{limits}.memory"})
    assert (same.action, new.action) == ("none", "create")
    assert (bad.action, bad.reason) == ("blocked", "Invalid")
    assert before == [app.live(STATEFUL_SET, "demo-app")["spec"], app.live(CONFIG_MAP, "a")]
    assert app.kube.find(SERVICE, app.namespace, "new") is None


def test_children_of_a_gone_owner_are_collected_and_then_made_anew(app: App) -> None:
    """The whole circle: an app is deleted and created again under its name."""
    wanted = children(app.namespace, app.ref)
    app.converger.converge(app.me, wanted)
    app.kube.delete(CONFIG_MAP, app.namespace, "demo")
    owner, ref = app.owner(app.kube)
    renewed = children(app.namespace, ref)

    def settled() -> None:
        app.sync()
        changes = app.converger.converge(owner, renewed)
        reasons = {entry.reason for entry in changes if not entry.stored}
        assert reasons <= {"OwnerGone", "Deleting", "Needs", "Replaced"}
        assert changes.complete

    eventually_holds(settled)
    stays(lambda: app.kube.find(STATEFUL_SET, app.namespace, "demo-app"))
    assert app.live(STATEFUL_SET, "demo-app")["metadata"]["ownerReferences"] == [ref]
