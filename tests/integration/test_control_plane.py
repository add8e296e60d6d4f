"""The control plane of hack/controlplane is a real one, and it never stays behind."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import ApiException

from hack.controlplane.access import Access, ApiError
from hack.controlplane.cluster import ControlPlane
from hack.controlplane.folders import FolderInUseError
from hack.controlplane.recipe import Recipe
from kaspr_controller.kube.kinds import CONFIG_MAP, POD, STATEFUL_SET
from tests.integration.fixtures.oracle import Kube
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
ON_LOOPBACK = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
OWNER = """
import json, os, signal, sys
from hack.controlplane.cluster import ControlPlane
plane = ControlPlane.start(say=lambda line: None)
print(json.dumps({"folder": str(plane.folder), "pids": [plane.pid(name) for name in sys.argv[1:]]}), flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane whose outages disturb nobody, in a folder that is kept."""
    with ControlPlane.start(tmp_path_factory.mktemp("own") / "plane") as plane:
        yield plane


def config_map(namespace: str, name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": name}}


def test_versions_are_the_ones_the_recipe_names(control_plane: ControlPlane, kube: Kube) -> None:
    """A build without version flags would call itself v0.0.0-master, and clients would see skew."""
    server = kube.request("GET", "/version")["gitVersion"]
    command = [
        str(control_plane.kubectl),
        f"--kubeconfig={control_plane.kubeconfig}",
        "version",
        "--output=json",
    ]
    versions = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert server == control_plane.version
    assert versions["serverVersion"]["gitVersion"] == server
    if "KUBEBUILDER_ASSETS" not in os.environ:
        assert server == Recipe().kubernetes
        assert versions["clientVersion"]["gitVersion"] == server


def test_the_kubeconfig_is_an_administrator_over_verified_tls(
    control_plane: ControlPlane, kube: Kube
) -> None:
    """The kubeconfig holds the CA, so nobody has to switch verification off."""
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "*", "group": "*", "resource": "*"}},
    }
    answer = kube.request("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    assert answer["status"]["allowed"]
    assert kube.api.configuration.verify_ssl
    context = ssl.create_default_context(cafile=str(control_plane.ca_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # the default from Python 3.13 on
    with urllib.request.urlopen(f"{control_plane.server}/version", context=context) as answer:
        assert answer.status == 200


def test_a_client_without_the_ca_refuses_the_server(control_plane: ControlPlane) -> None:
    """The certificate is nobody else's."""
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(f"{control_plane.server}/version", context=ssl.create_default_context())


def test_a_stateful_set_gets_its_pods(kube: Kube, namespace: str) -> None:
    """The controllers run: without kube-controller-manager a StatefulSet would stay alone."""
    template = {
        "metadata": {"labels": {"app": "a"}},
        "spec": {"containers": [{"name": "c", "image": "none"}], "nodeSelector": {"there": "is-none"}},
    }
    spec = {
        "replicas": 1,
        "serviceName": "a",
        "selector": {"matchLabels": {"app": "a"}},
        "template": template,
    }
    metadata = {"namespace": namespace, "name": "a"}
    kube.create({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec})
    pod = eventually(lambda: kube.find(POD, namespace, "a-0"))
    assert (
        pod["metadata"]["ownerReferences"][0]["uid"]
        == kube.get(STATEFUL_SET, namespace, "a")["metadata"]["uid"]
    )
    # And the scheduler runs: it says that no node fits, also while a simulated one is there.
    condition = eventually(lambda: kube.get(POD, namespace, "a-0")["status"]["conditions"])[0]
    assert (condition["type"], condition["reason"]) == ("PodScheduled", "Unschedulable")


def test_a_service_account_may_do_only_what_its_role_allows(
    control_plane: ControlPlane, namespace: str
) -> None:
    """RBAC is on, and a service account's kubeconfig acts as that account."""
    client = Kube(control_plane.service_account_kubeconfig(namespace, "default"))
    try:
        review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        answer = client.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)
        assert answer["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:default"
        with pytest.raises(ApiException) as refused:
            client.list_objects(POD, namespace)
        assert refused.value.status == 403
    finally:
        client.close()
    with pytest.raises(ApiError) as missing:
        control_plane.service_account_kubeconfig(namespace, "nobody")
    assert missing.value.status == 404


def test_a_killed_api_server_comes_back_with_address_and_data(own: ControlPlane) -> None:
    """Outage tests rely on one address: the client under test must find the server again by itself."""
    own.admin.request("POST", "/api/v1/namespaces/default/configmaps", config_map("default", "before"))
    server = own.server
    own.kill_apiserver()
    with pytest.raises(OSError, match="refused"):
        own.admin.request("GET", "/readyz")
    own.restart_apiserver()
    assert own.server == server
    assert own.admin.request("GET", CONFIG_MAP.path("default", "before"))["metadata"]["name"] == "before"


def test_a_frozen_api_server_answers_nothing_until_it_is_thawed(own: ControlPlane) -> None:
    """A partition: connections are accepted by the kernel, and no answer comes."""
    impatient = Access(own.server, own.token, own.ca_file, timeout=0.5)
    own.freeze_apiserver()
    try:
        with pytest.raises(OSError, match="timed out"):
            impatient.request("GET", "/readyz")
    finally:
        own.thaw_apiserver()
    assert eventually(lambda: own.admin.answers("/readyz"))


def test_a_kept_folder_is_used_by_one_at_a_time_and_keeps_its_data(tmp_path: Path) -> None:
    """The same folder gives the same cluster again: data, keys, token and, when free, port."""
    with ControlPlane.start(tmp_path) as first:
        first.admin.request("POST", "/api/v1/namespaces/default/configmaps", config_map("default", "kept"))
        with pytest.raises(FolderInUseError, match="already"):
            ControlPlane.start(tmp_path)
    with ControlPlane.start(tmp_path) as second:
        assert (second.server, second.token) == (first.server, first.token)
        assert second.admin.answers(CONFIG_MAP.path("default", "kept"))


def test_nothing_stays_behind_when_the_owner_is_killed() -> None:
    """SIGKILL leaves the owner no chance to clean up; the kernel ends the programs."""
    owner = [sys.executable, "-c", OWNER, *ON_LOOPBACK]
    with subprocess.Popen(owner, stdout=subprocess.PIPE, cwd=ROOT, env=with_path()) as process:
        assert process.stdout is not None
        pids = json.loads(process.stdout.readline())["pids"]
        assert [alive(pid) for pid in pids] == [True] * len(ON_LOOPBACK)
        process.kill()
    eventually(lambda: not any(alive(pid) for pid in pids), timeout=5, what="programs gone")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_up_ends_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C and SIGTERM end the foreground command with its programs and its temporary folder.

    While it runs, the kubectl command finds it without being told.
    """
    env = {**with_path(), "TMPDIR": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    env.pop("KUBECONFIG", None)
    command = [sys.executable, "-m", "hack.controlplane", "up"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=env) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        kubeconfig = Path(
            next(line for line in lines if line.startswith("export KUBECONFIG=")).strip().split("=")[1]
        )
        assert kubeconfig.is_relative_to(tmp_path)
        while "Ctrl-C" not in next(lines):
            pass
        kubectl = [*command[:-1], "kubectl", "get", "namespace", "default", "--output=name"]
        run = subprocess.run(kubectl, capture_output=True, text=True, check=True, cwd=ROOT, env=env)
        assert run.stdout == "namespace/default\n"
        process.send_signal(number)
        assert process.wait(10) == 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not kubeconfig.parent.exists()
    programs = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path) in words(path)]
    assert programs == []


def with_path() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": f"{ROOT}/src:{ROOT}"}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def words(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # ended meanwhile
        return ""
