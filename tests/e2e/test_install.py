"""Installed as the documents say, in a cluster that holds every pod to Pod Security `restricted`, and removed again."""

from __future__ import annotations

import json
import os
import subprocess
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kubernetes.client import ApiException

from hack.kind import deploying
from hack.manifests import installation
from hack.manifests.installation import NAME, NAMESPACE
from kaspr_controller.api.metadata import KINDS
from kaspr_controller.kube import kinds
from kaspr_controller.kube.kinds import LEASE, PERSISTENT_VOLUME_CLAIM, POD, STATEFUL_SET, Kind
from tests.e2e.cluster import DEPLOYMENT
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from tests.e2e.cluster import Cluster

ROOT = Path(__file__).parents[2]
SELECTOR = f"app.kubernetes.io/name={NAME}"
CHILDREN = (kinds.STATEFUL_SET, kinds.SERVICE, kinds.CONFIG_MAP, kinds.HORIZONTAL_POD_AUTOSCALER)
POD_SECONDS = 120.0


def make(cluster: Cluster, target: str) -> None:
    """A target of the Makefile, on this cluster, whatever the user's kubeconfig says."""
    env = {**os.environ, "KUBECONFIG": str(cluster.access.kubeconfig)}
    command = ["make", target, f"NAME={cluster.access.name}"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


def custom_kinds() -> list[Kind]:
    return [Kind(kind.group, kind.version, kind.kind, kind.plural) for kind in KINDS]


def examples() -> list[dict[str, Any]]:
    files = sorted((ROOT / "examples").glob("*.yaml"))
    return [obj for file in files for obj in yaml.safe_load_all(file.read_text()) if obj]


def ready_condition(cluster: Cluster, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
    return cluster.conditions(kind, namespace, name).get("Ready")


def uids(cluster: Cluster, namespace: str) -> dict[tuple[str, str], str]:
    """What a user would miss: custom resources and what was made of them, by kind and name."""
    found = {}
    for kind in (*custom_kinds(), *CHILDREN, PERSISTENT_VOLUME_CLAIM):
        for obj in cluster.kube.list_objects(kind, namespace):
            found[kind.kind, obj["metadata"]["name"]] = obj["metadata"]["uid"]
    return found


@pytest.fixture
def released(cluster: Cluster, controller: str) -> None:
    """The controller with the settings of the manifests and no others; scenarios may have set some."""
    deployment = next(obj for obj in installation.deployment() if obj["kind"] == "Deployment")
    wanted = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    path = "/spec/template/spec/containers/0/env"
    change = json.dumps([{"op": "replace", "path": path, "value": wanted}])
    where = f"--namespace={NAMESPACE}"
    cluster.kubectl("patch", where, f"deployment/{NAME}", "--type=json", f"--patch={change}")
    deploying.available(cluster.access)


def test_make_deploy_ends_available_with_the_lease_held(cluster: Cluster) -> None:
    """Two pods are Ready without a restart, and one of them, by its name, holds the lease."""
    make(cluster, "deploy")
    status = cluster.kube.get(DEPLOYMENT, NAMESPACE, NAME)["status"]
    assert status["availableReplicas"] == status["updatedReplicas"] == 2

    def one_leads() -> None:
        holder = cluster.kube.get(LEASE, NAMESPACE, NAME)["spec"]["holderIdentity"]
        pods = cluster.kube.list_objects(POD, NAMESPACE, labels=SELECTOR)
        names = [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]
        assert holder.rsplit("_", 1)[0] in names

    eventually_holds(one_leads)
    for pod in cluster.kube.list_objects(POD, NAMESPACE, labels=SELECTOR):
        assert [container["restartCount"] for container in pod["status"]["containerStatuses"]] == [0]


@pytest.mark.usefixtures("controller")
def test_the_controller_passes_pod_security_restricted(cluster: Cluster, namespace: str) -> None:
    """Its template is admitted where `restricted` is enforced; with one privilege more it is not."""
    template = cluster.kube.get(DEPLOYMENT, NAMESPACE, NAME)["spec"]["template"]
    spec = {**template["spec"], "serviceAccountName": "default"}
    spec.pop("serviceAccount", None)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "probe", "namespace": namespace},
        "spec": spec,
    }
    admitted = cluster.kube.create(pod)
    cluster.kube.delete(POD, namespace, "probe")
    assert admitted["metadata"]["uid"]

    container = {**spec["containers"][0], "securityContext": {"privileged": True}}
    worse = {
        **pod,
        "metadata": {"name": "worse", "namespace": namespace},
        "spec": {**spec, "containers": [container]},
    }
    with pytest.raises(ApiException) as refused:
        cluster.kube.create(worse)
    assert "restricted" in str(refused.value.body)


@pytest.mark.usefixtures("released")
def test_the_examples_are_accepted_and_get_all_their_children(cluster: Cluster, namespace: str) -> None:
    """`kubectl apply -f examples/`: workload, services, definitions and volume exist, and a pod is admitted under `restricted`.

    Whether that pod runs depends on the image of Kaspr, which is not part of this test.
    """
    cluster.kubectl("apply", f"--namespace={namespace}", "-f", str(ROOT / "examples"))

    def children() -> None:
        workload = cluster.kube.get(STATEFUL_SET, namespace, "shop-app")
        mounted = {
            source["configMap"]["name"]
            for volume in workload["spec"]["template"]["spec"]["volumes"]
            for source in (volume, *volume.get("projected", {}).get("sources", ()))
            if "configMap" in source
        }
        made = {obj["metadata"]["name"] for obj in cluster.kube.list_objects(kinds.CONFIG_MAP, namespace)}
        assert mounted
        assert mounted <= made
        services = {obj["metadata"]["name"] for obj in cluster.kube.list_objects(kinds.SERVICE, namespace)}
        assert len(services) == 2
        assert len(cluster.kube.list_objects(kinds.HORIZONTAL_POD_AUTOSCALER, namespace)) == 1
        claims = cluster.kube.list_objects(PERSISTENT_VOLUME_CLAIM, namespace)
        assert [claim["status"]["phase"] for claim in claims] == ["Bound"]
        assert [pod["metadata"]["name"] for pod in cluster.kube.list_objects(POD, namespace)] == [
            "shop-app-0"
        ]

    eventually_holds(children, timeout=POD_SECONDS)
    for obj in examples():
        kind = next(kind for kind in custom_kinds() if kind.kind == obj["kind"])
        name = obj["metadata"]["name"]
        eventually(partial(ready_condition, cluster, kind, namespace, name))


@pytest.mark.usefixtures("controller")
def test_uninstalling_leaves_what_users_have_made(cluster: Cluster, namespace: str) -> None:
    """`make undeploy` removes the controller and its rights; every custom resource, child and volume is still the same object.

    Without a controller a custom resource can be deleted like any other object: no finalizer waits for somebody who is gone. The
    volume stays then too, unless the app says otherwise.
    """
    cluster.apply(namespace, *map(keeping_volumes, examples()))
    eventually(lambda: cluster.kube.list_objects(PERSISTENT_VOLUME_CLAIM, namespace), timeout=POD_SECONDS)
    make(cluster, "undeploy")

    assert cluster.kube.find(DEPLOYMENT, NAMESPACE, NAME) is None
    roles = json.loads(cluster.kubectl("get", "clusterroles,clusterrolebindings", "--output=json"))["items"]
    assert [role["metadata"]["name"] for role in roles if role["metadata"]["name"] == NAME] == []
    eventually_holds(lambda: _none_of(cluster.kube.list_objects(POD, NAMESPACE, labels=SELECTOR)), timeout=60)
    # Only now: the controller may have finished what it was doing while it stopped.
    before = uids(cluster, namespace)
    assert {(obj["kind"], obj["metadata"]["name"]) for obj in examples()} <= before.keys()
    assert ("StatefulSet", "shop-app") in before
    assert not [obj for obj in cluster.kube.list_objects(STATEFUL_SET, namespace) if _going(obj)]

    cluster.kubectl("delete", f"--namespace={namespace}", "-f", str(ROOT / "examples"), "--wait=true")
    eventually_holds(lambda: _none_of(cluster.kube.list_objects(STATEFUL_SET, namespace)), timeout=60)
    (claim,) = cluster.kube.list_objects(PERSISTENT_VOLUME_CLAIM, namespace)
    assert before["PersistentVolumeClaim", claim["metadata"]["name"]] == claim["metadata"]["uid"]
    # With an owner that is gone the garbage collector would come for it later.
    assert "ownerReferences" not in claim["metadata"]
    assert not _going(claim)


def keeping_volumes(obj: dict[str, Any]) -> dict[str, Any]:
    """The app of the examples gives its volumes up when it is deleted; here it keeps them, which is the default."""
    if obj["kind"] == "KasprApp":
        del obj["spec"]["storage"]["deleteClaim"]
    return obj


def _none_of(objects: list[dict[str, Any]]) -> None:
    assert [obj["metadata"]["name"] for obj in objects] == []


def _going(obj: dict[str, Any]) -> bool:
    return "deletionTimestamp" in obj["metadata"]
