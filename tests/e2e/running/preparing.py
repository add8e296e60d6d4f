"""What scenarios need in a cluster, made once: a broker, volumes, settings of the controller.

In: the administrator. Out: names and addresses. Called by the fixtures of `conftest`. Every step leaves alone
what an earlier run has made, so that a kept cluster is ready at once.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hack.kind.running import run
from hack.manifests.installation import NAME, NAMESPACE
from kaspr_controller.kube.kinds import Kind, built_in
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from tests.integration.fixtures.oracle import Kube

BROKER = Path(__file__).parents[1] / "broker" / "kafka.yaml"
INSIDE = "kafka.kafka.svc.cluster.local:9092"
NODE_PORT = 30092
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
NODE = Kind("", "v1", "Node", "nodes", namespaced=False)
STATEFUL_SET = Kind("apps", "v1", "StatefulSet", "statefulsets")
STORAGE_CLASS = Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False)
VOLUME = Kind("", "v1", "PersistentVolume", "persistentvolumes", namespaced=False)
KINDS = {"Namespace": None, "Deployment": DEPLOYMENT, "StatefulSet": STATEFUL_SET}
CLASS = "e2e"
FREE_VOLUMES = 12
FOLDER = "/var/lib/kaspr-e2e"
LONG = 180.0


def say(line: str) -> None:
    """Progress, past pytest's capture of standard output."""
    sys.stderr.write(line + "\n")


def kafka(kube: Kube, image: str) -> str:
    """Have the broker; returns its address for this process."""
    for obj in yaml.safe_load_all(BROKER.read_text().replace("BROKER_IMAGE", image)):
        kube.apply(obj, KINDS.get(obj["kind"]) or built_in(obj), force=True)

    def ready() -> None:
        status = kube.get(STATEFUL_SET, "kafka", "kafka")["status"]
        assert status.get("readyReplicas") == 1
        assert status["currentRevision"] == status["updateRevision"]

    eventually_holds(ready, timeout=LONG, what="the broker")
    return f"{addresses(kube)[0]}:{NODE_PORT}"


def addresses(kube: Kube) -> list[str]:
    """The addresses of the nodes."""
    nodes = kube.list_objects(NODE)
    return [
        address["address"]
        for node in nodes
        for address in node["status"]["addresses"]
        if address["type"] == "InternalIP"
    ]


def volumes(kube: Kube) -> str:
    """Have a storage class with free volumes on the control plane's node.

    They are of type `local`, to which the kubelet applies `fsGroup`; host paths, which a cluster without an image of a
    provisioner has, belong to root whatever the pod says.
    """
    kube.apply(
        {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": CLASS},
            "provisioner": "kubernetes.io/no-provisioner",
            "volumeBindingMode": "WaitForFirstConsumer",
        },
        STORAGE_CLASS,
    )
    node = kube.list_objects(NODE)[0]["metadata"]["name"]
    present = kube.list_objects(VOLUME)
    ours = {one["metadata"]["name"]: one for one in present if one["spec"].get("storageClassName") == CLASS}
    free = sum(one["status"]["phase"] == "Available" for one in ours.values())
    for number in range(len(ours), len(ours) + max(0, FREE_VOLUMES - free)):
        path = f"{FOLDER}/{number}"
        on_node(node, "mkdir", "-p", path)
        kube.create(_volume(f"e2e-{number}", path, node), VOLUME)
    return CLASS


def on_node(node: str, *command: str) -> str:
    """Run a command on a node: kind's nodes are containers of their name."""
    return run(["docker", "exec", node, *command])


def settings(kube: Kube, **variables: str) -> None:
    """Set exactly these variables, besides those of the manifests, and wait until every pod of the controller has them.

    Always without an autoscaler: there is no metrics API here, without which it never scales.
    """
    _set(kube, {"SCALING_MODE": "direct", **variables})


def as_shipped(kube: Kube) -> None:
    """Take back what `settings` has set."""
    if kube.find(DEPLOYMENT, NAMESPACE, NAME) is not None:
        _set(kube, {})


def _set(kube: Kube, variables: dict[str, str]) -> None:
    container = {
        "name": "controller",
        "env": [{"name": name, "value": value} for name, value in variables.items()],
    }
    # What this manager applied before and does not name now is removed by the API server.
    kube.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"namespace": NAMESPACE, "name": NAME},
            "spec": {"template": {"spec": {"containers": [container]}}},
        },
        DEPLOYMENT,
        force=True,
    )
    rolled_out(kube)


def rolled_out(kube: Kube) -> None:
    """Wait until all pods of the controller are of its newest template and available."""

    def done() -> None:
        found = kube.get(DEPLOYMENT, NAMESPACE, NAME)
        wanted, status = found["spec"]["replicas"], found["status"]
        assert status["observedGeneration"] == found["metadata"]["generation"]
        counts = [status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")]
        assert counts == [wanted] * 3, counts

    eventually_holds(done, timeout=LONG, what="the controller's pods")


def gone(kube: Kube, kind: Kind, namespace: str, name: str) -> None:
    """Wait until an object is not there any more."""
    eventually(lambda: kube.find(kind, namespace, name) is None, timeout=LONG, what=f"{name} gone")


def _volume(name: str, path: str, node: str) -> dict[str, Any]:
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": CLASS,
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            # A volume that was used once is not given out again: nobody may find another test's rows.
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
        },
    }
