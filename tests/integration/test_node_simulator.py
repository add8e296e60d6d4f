"""The simulated node on a real API server: a hand-written StatefulSet lives, crashes, comes back and goes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from hack.nodesim.behaviour import ANNOTATION
from hack.nodesim.simulator import NodeSimulator
from kaspr_controller.kube.kinds import (
    CONFIG_MAP,
    EVENT,
    PERSISTENT_VOLUME_CLAIM,
    POD,
    STATEFUL_SET,
    Kind,
)
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from hack.controlplane.cluster import ControlPlane
    from tests.integration.fixtures.oracle import Kube

APP = "orders-app"
DEFINITION = "orders-agent"
LABELS = {"kaspr.io/name": APP}
NODE = Kind("", "v1", "Node", "nodes", namespaced=False)
VOLUME = Kind("", "v1", "PersistentVolume", "persistentvolumes", namespaced=False)


def agents(*topics: str, **changes: Any) -> str:
    code = {"python": "def f(v):\n    return v\n", "entrypoint": "f"}
    processors = {"pipeline": ["one"], "operations": [{"name": "one", "map": code}]}
    entries = [
        {"name": topic, "input": {"topic": {"name": topic}}, "processors": processors, **changes}
        for topic in topics
    ]
    return json.dumps({"agents": entries, "tables": [{"name": "prefs"}]})


def definition(namespace: str, text: str) -> dict[str, Any]:
    metadata = {"namespace": namespace, "name": DEFINITION}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {f"{DEFINITION}.yaml": text},
    }


def container(namespace: str, **changes: Any) -> dict[str, Any]:
    values = {
        "K_APP_NAME": APP,
        "K_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "K_WEB_PORT": "6065",
        "K_DEFINITIONS_DIR": "/var/lib/data/definitions",
        "K_WEB_HOST": f"$(POD_NAME).{APP}.{namespace}.svc.cluster.local",
        "AGENTS_HASH": "1",
    }
    name = {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    env = [{"name": "POD_NAME", **name}, {"name": "K_CONSUMER_GROUP_INSTANCE_ID", **name}]
    env += [{"name": key, "value": value} for key, value in values.items()]
    mounts = [
        {"name": f"{APP}-pv", "mountPath": "/var/lib/data/tables"},
        {
            "name": DEFINITION,
            "mountPath": f"/var/lib/data/definitions/{DEFINITION}.yaml",
            "subPath": f"{DEFINITION}.yaml",
            "readOnly": True,
        },
    ]
    return {"name": "kaspr", "image": "kaspr:0.11.18", "env": env, "volumeMounts": mounts, **changes}


def stateful_set(namespace: str, *, replicas: int = 2, **changes: Any) -> dict[str, Any]:
    items = [{"key": f"{DEFINITION}.yaml", "path": f"{DEFINITION}.yaml"}]
    pod_spec = {
        "containers": [container(namespace, **changes.pop("container", {}))],
        "volumes": [{"name": DEFINITION, "configMap": {"name": DEFINITION, "items": items}}],
        "terminationGracePeriodSeconds": 30,
        **changes,
    }
    claim = {
        "metadata": {"name": f"{APP}-pv"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"namespace": namespace, "name": APP},
        "spec": {
            "serviceName": APP,
            "replicas": replicas,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": pod_spec},
            "volumeClaimTemplates": [claim],
        },
    }


def pod(kube: Kube, namespace: str, ordinal: int = 0) -> dict[str, Any]:
    return kube.get(POD, namespace, f"{APP}-{ordinal}")


def status_of(kube: Kube, namespace: str, ordinal: int = 0) -> dict[str, Any]:
    status: dict[str, Any] = pod(kube, namespace, ordinal)["status"]["containerStatuses"][0]
    return status


def conditions(obj: dict[str, Any]) -> dict[str, str]:
    return {one["type"]: one["status"] for one in obj["status"].get("conditions", ())}


def calm(simulator: NodeSimulator, namespace: str, count: int) -> bool:
    views = [view for view in simulator.members if view.namespace == namespace]
    return len(views) == count and all(view.calm for view in views)


def running(kube: Kube, simulator: NodeSimulator, namespace: str, **changes: Any) -> None:
    """Create the app and wait until two members are calm."""
    kube.create(definition(namespace, agents("in")))
    kube.create(stateful_set(namespace, **changes))
    simulator.wait_for(lambda: calm(simulator, namespace, 2), what="two calm members")


def test_a_stateful_set_becomes_running_and_ready(
    kube: Kube, simulator: NodeSimulator, namespace: str
) -> None:
    """Scheduled, volumes bound, ready; the members answer over real HTTP and share the partitions."""
    running(kube, simulator, namespace)
    eventually_holds(lambda: ready_replicas(kube, namespace, 2))
    first = pod(kube, namespace)
    assert first["status"]["phase"] == "Running"
    assert conditions(first)["Ready"] == "True"
    claims = kube.list_objects(PERSISTENT_VOLUME_CLAIM, namespace)
    assert [claim["status"]["phase"] for claim in claims] == ["Bound", "Bound"]
    views = [view for view in simulator.members if view.namespace == namespace]
    documents = [httpx.get(f"{view.url}/status/", trust_env=False).json() for view in views]
    assert sorted(p for document in documents for p in document["assignment"]["actives"]["in"]) == [
        0,
        1,
        2,
        3,
    ]
    assert first["status"]["podIP"] in views[0].url
    start = next(start for start in simulator.starts if start.namespace == namespace)
    assert start.hashes == {"AGENTS_HASH": "1"}
    assert start.revision == first["metadata"]["labels"]["controller-revision-hash"]
    assert list(start.files) == [f"/var/lib/data/definitions/{DEFINITION}.yaml"]


def ready_replicas(kube: Kube, namespace: str, count: int) -> None:
    assert kube.get(STATEFUL_SET, namespace, APP)["status"].get("readyReplicas") == count


def test_a_refused_definition_crash_loops_until_it_is_mended(
    kube: Kube, simulator: NodeSimulator, namespace: str
) -> None:
    """Exit code and last words in the status; a restarted container mounts what the ConfigMap holds then."""
    kube.create(definition(namespace, agents("in", processors=None)))
    changes = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    kube.create(stateful_set(namespace, replicas=1, container=changes))
    waiting = eventually(lambda: crash_looping(kube, namespace))
    ended = waiting["lastState"]["terminated"]
    assert ended["exitCode"] == 1
    assert "agents[0].processors: Field may not be null." in ended["message"]
    assert waiting["restartCount"] >= 1
    assert conditions(pod(kube, namespace))["Ready"] == "False"
    kube.replace(definition(namespace, agents("in")))
    simulator.wait_for(lambda: calm(simulator, namespace, 1), what="the mended member")


def crash_looping(kube: Kube, namespace: str) -> dict[str, Any] | None:
    status = status_of(kube, namespace)
    return status if status["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff" else None


def test_a_deleted_pod_comes_back_with_its_old_assignment(
    kube: Kube, simulator: NodeSimulator, namespace: str
) -> None:
    """Static membership: the others never rebalance; the new pod has a new uid and address."""
    running(kube, simulator, namespace)
    before = simulator.member(f"{APP}-1", namespace)
    generation = simulator.group(APP, namespace).generation
    kube.delete(POD, namespace, f"{APP}-1")
    simulator.wait_for(lambda: simulator.member(f"{APP}-1", namespace).uid != before.uid)
    simulator.wait_for(lambda: calm(simulator, namespace, 2))
    after = simulator.member(f"{APP}-1", namespace)
    assert after.actives == before.actives
    assert after.url != before.url
    assert simulator.group(APP, namespace).generation == generation
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{before.url}/status/", trust_env=False)


def test_a_removed_topic_makes_zombies_and_a_goodbye_heals(
    kube: Kube, simulator: NodeSimulator, namespace: str
) -> None:
    """C1 through a real pod: Running and Ready for Kubernetes, useless for its app, until the group forgets it."""
    kube.create(definition(namespace, agents("in", "more")))
    kube.create(stateful_set(namespace, replicas=1))
    simulator.wait_for(lambda: calm(simulator, namespace, 1))
    kube.replace(definition(namespace, agents("in")))
    kube.delete(POD, namespace, f"{APP}-0")
    simulator.wait_for(lambda: simulator.member(f"{APP}-0", namespace).phase == "zombie")
    assert conditions(pod(kube, namespace))["Ready"] == "True"
    assert simulator.goodbye(APP, f"{APP}-0", namespace)
    kube.delete(POD, namespace, f"{APP}-0")
    simulator.wait_for(lambda: calm(simulator, namespace, 1))


def test_missing_objects_keep_a_pod_waiting(kube: Kube, simulator: NodeSimulator, namespace: str) -> None:
    """A missing ConfigMap: ContainerCreating and a FailedMount event; a missing key: CreateContainerConfigError."""
    reference = {"name": "LATE", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "word"}}}
    spec = stateful_set(namespace, replicas=1)
    spec["spec"]["template"]["spec"]["containers"][0]["env"].append(reference)
    kube.create(spec)
    events = eventually(
        lambda: [e for e in kube.list_objects(EVENT, namespace) if e["reason"] == "FailedMount"]
    )
    assert f'configmap "{DEFINITION}" not found' in str(events[0].get("note") or events[0].get("message"))
    assert status_of(kube, namespace)["state"]["waiting"]["reason"] == "ContainerCreating"
    kube.create(definition(namespace, agents("in")))
    eventually(lambda: waiting_reason(kube, namespace) == "CreateContainerConfigError")
    late = {"namespace": namespace, "name": "late"}
    kube.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": late, "data": {"word": "now"}})
    simulator.wait_for(lambda: calm(simulator, namespace, 1))
    assert [start.env["LATE"] for start in simulator.starts if start.namespace == namespace] == ["now"]


def waiting_reason(kube: Kube, namespace: str) -> str:
    reason: str = status_of(kube, namespace)["state"].get("waiting", {}).get("reason", "")
    return reason


def test_an_image_that_does_not_exist(kube: Kube, simulator: NodeSimulator, namespace: str) -> None:
    """ImagePullBackOff, and no member ever."""
    kube.create(definition(namespace, agents("in")))
    kube.create(stateful_set(namespace, replicas=1, container={"image": "kaspr:does-not-exist"}))
    eventually(lambda: waiting_reason(kube, namespace) == "ImagePullBackOff")
    assert not [view for view in simulator.members if view.namespace == namespace]


def test_readiness_follows_the_probe_and_the_gate(
    kube: Kube, simulator: NodeSimulator, namespace: str
) -> None:
    """A pod is Ready when its probe passes and the gate's condition was set; unready when the member stands still."""
    probe = {"httpGet": {"path": "/status/", "port": 6065}, "periodSeconds": 1, "failureThreshold": 2}
    gates = [{"conditionType": "kaspr.io/assigned"}]
    changes = {"container": {"readinessProbe": probe}, "readinessGates": gates}
    running(kube, simulator, namespace, **changes)
    eventually(lambda: conditions(pod(kube, namespace)).get("ContainersReady") == "True")
    assert conditions(pod(kube, namespace))["Ready"] == "False"
    for ordinal in range(2):
        gate = {"status": {"conditions": [{"type": "kaspr.io/assigned", "status": "True"}]}}
        path = POD.path(namespace, f"{APP}-{ordinal}", "status")
        kube.request("PATCH", path, gate, content_type="application/strategic-merge-patch+json")
    eventually_holds(lambda: ready_replicas(kube, namespace, 2))
    simulator.freeze(f"{APP}-0", namespace)
    eventually_holds(lambda: ready_replicas(kube, namespace, 1))
    simulator.thaw(f"{APP}-0", namespace)
    eventually_holds(lambda: ready_replicas(kube, namespace, 2))


def test_init_containers_run_first_and_can_fail(kube: Kube, simulator: NodeSimulator, namespace: str) -> None:
    """A failing init container crash-loops and nothing else starts; once the script is gone the pod comes up."""
    spec = stateful_set(
        namespace, replicas=1, initContainers=[{"name": "install-packages", "image": "kaspr:0.11.18"}]
    )
    spec["spec"]["template"]["metadata"]["annotations"] = {ANNOTATION: "init-fails=1"}
    kube.create(definition(namespace, agents("in")))
    kube.create(spec)
    status = eventually(lambda: init_crash_looping(kube, namespace))
    assert status["lastState"]["terminated"]["exitCode"] == 1
    assert conditions(pod(kube, namespace))["Initialized"] == "False"
    kube.patch(POD, namespace, f"{APP}-0", {"metadata": {"annotations": {ANNOTATION: None}}})
    simulator.wait_for(lambda: calm(simulator, namespace, 1))
    eventually(lambda: conditions(pod(kube, namespace))["Ready"] == "True")
    done = pod(kube, namespace)["status"]["initContainerStatuses"][0]["state"]["terminated"]
    assert done["reason"] == "Completed"


def init_crash_looping(kube: Kube, namespace: str) -> dict[str, Any] | None:
    status: dict[str, Any] = pod(kube, namespace)["status"]["initContainerStatuses"][0]
    return status if status["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff" else None


def test_scripts_and_crashes_reach_a_running_member(
    kube: Kube, simulator: NodeSimulator, namespace: str
) -> None:
    """An annotation changes a pod that runs; a killed process comes back at once with a restart counted."""
    running(kube, simulator, namespace)
    kube.patch(POD, namespace, f"{APP}-0", {"metadata": {"annotations": {ANNOTATION: "hung"}}})
    simulator.wait_for(lambda: simulator.member(f"{APP}-0", namespace).status["rebalancing"])
    kube.patch(POD, namespace, f"{APP}-0", {"metadata": {"annotations": {ANNOTATION: ""}}})
    simulator.crash(f"{APP}-1", namespace)
    simulator.wait_for(lambda: calm(simulator, namespace, 2))
    eventually(lambda: status_of(kube, namespace, 1)["restartCount"] == 1)
    assert status_of(kube, namespace, 1)["lastState"]["terminated"]["exitCode"] == 137


def test_scripts_and_topics_can_be_set_before_the_pods_exist(
    kube: Kube, simulator: NodeSimulator, namespace: str
) -> None:
    """One ordinal of a template can misbehave from its first start, and again after its replacement."""
    simulator.script(f"{APP}-1", "hung", namespace)
    simulator.topic(namespace, "kafka:9092", "in", 1)
    kube.create(definition(namespace, agents("in")))
    kube.create(stateful_set(namespace))
    simulator.wait_for(lambda: simulator.member(f"{APP}-1", namespace).phase == "restoring")
    before = simulator.member(f"{APP}-1", namespace).uid
    kube.delete(POD, namespace, f"{APP}-1")
    simulator.wait_for(lambda: simulator.member(f"{APP}-1", namespace).uid != before)
    simulator.wait_for(lambda: simulator.member(f"{APP}-1", namespace).phase == "restoring")
    held = [view.actives.get("in", []) for view in simulator.members if view.namespace == namespace]
    assert sorted(held) == [[], [0]]


def test_the_control_endpoint_shows_and_acts(kube: Kube, simulator: NodeSimulator, namespace: str) -> None:
    """Other processes see members and groups, freeze and say goodbye over HTTP."""
    running(kube, simulator, namespace)
    with httpx.Client(base_url=simulator.control_url, trust_env=False) as http:
        mine = [member for member in http.get("/members").json() if member["namespace"] == namespace]
        assert [member["calm"] for member in mine] == [True, True]
        assert http.post(f"/pods/{namespace}/{APP}-0/freeze").status_code == 200
        simulator.wait_for(lambda: simulator.member(f"{APP}-0", namespace).frozen)
        assert http.post(f"/groups/{namespace}/{APP}/goodbye/{APP}-0").json() == {"removed": True}
        group = next(group for group in http.get("/groups").json() if group["namespace"] == namespace)
        assert list(group["members"]) == [f"{APP}-1"]
        assert http.post(f"/pods/{namespace}/nobody/freeze").status_code == 404
        assert http.post(f"/pods/{namespace}/{APP}-0/behaviour", content="nonsense").status_code == 400


def test_claims_grow_and_take_their_volumes_with_them(
    kube: Kube, simulator: NodeSimulator, namespace: str
) -> None:
    """The class allows expansion; a deleted claim's volume goes too."""
    spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"namespace": namespace, "name": "packages"}
    kube.create({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec})

    def claim() -> dict[str, Any]:
        return kube.get(PERSISTENT_VOLUME_CLAIM, namespace, "packages")

    volume = eventually(lambda: claim()["status"]["phase"] == "Bound" and claim()["spec"]["volumeName"])
    kube.patch(
        PERSISTENT_VOLUME_CLAIM,
        namespace,
        "packages",
        {"spec": {"resources": {"requests": {"storage": "2Gi"}}}},
    )
    eventually(lambda: claim()["status"]["capacity"]["storage"] == "2Gi")
    assert kube.get(VOLUME, "", volume)["spec"]["capacity"]["storage"] == "2Gi"
    kube.delete(PERSISTENT_VOLUME_CLAIM, namespace, "packages")
    eventually(lambda: kube.find(VOLUME, "", volume) is None)


def test_a_deleted_namespace_leaves_nothing_running(
    kube: Kube, simulator: NodeSimulator, namespace: str
) -> None:
    """Pods are stopped and freed as a kubelet would, so the namespace can end."""
    running(kube, simulator, namespace)
    kube.delete(STATEFUL_SET, namespace, APP)
    eventually(lambda: not kube.list_objects(POD, namespace))
    simulator.wait_for(lambda: not [view for view in simulator.members if view.namespace == namespace])
    assert kube.get(CONFIG_MAP, namespace, DEFINITION)


def test_a_stopped_simulator_leaves_no_node(control_plane: ControlPlane, kube: Kube) -> None:
    """Two in a row: the second finds an orderly cluster."""
    for _ in range(2):
        with NodeSimulator(control_plane.kubeconfig, node_name="short-lived") as simulator:
            assert conditions(kube.get(NODE, "", "short-lived"))["Ready"] == "True"
            assert "taints" not in kube.get(NODE, "", "short-lived")["spec"]
        assert kube.find(NODE, "", "short-lived") is None
        with pytest.raises(httpx.ConnectError):
            httpx.get(simulator.control_url, trust_env=False)
