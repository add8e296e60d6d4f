"""docs/install.md, command by command, on a real API server; whether its pods run is tested in tests/e2e."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.manifests.installation import NAME, NAMESPACE
from kaspr_controller.kube.kinds import NAMESPACE as NAMESPACES
from kaspr_controller.kube.kinds import Kind
from tests.integration.fixtures.account import CLUSTER_ROLE
from tests.integration.fixtures.commands import ROOT, Commands
from tests.integration.waiting import eventually
from tests.unit.test_documentation import blocks, commands

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hack.controlplane.cluster import ControlPlane
    from tests.integration.fixtures.oracle import Kube

PAGE = (ROOT / "docs" / "install.md").read_text("utf-8")
OVERLAY = PAGE.partition("```yaml\n")[2].partition("```")[0]
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")


@pytest.fixture
def typed(
    control_plane: ControlPlane, kube: Kube, crds: Sequence[Kind], tmp_path: Path
) -> Iterator[Commands]:
    """kubectl, and a cluster without the controller's namespace before and after."""
    eventually(lambda: kube.find(NAMESPACES, "", NAMESPACE) is None, timeout=60)
    commands = Commands(control_plane.kubeconfig, tmp_path)
    yield commands
    commands.kubectl("delete", "-k", "manifests/deployment", "-k", "manifests/rbac/cluster", "--wait=false")
    commands.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _of(section: str) -> list[list[str]]:
    """The commands of a section's blocks."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return list(commands("\n".join(f"    {line}" for line in blocks(text))))


def _kubectl(typed: Commands, words: list[str]) -> str:
    assert words[0] == "kubectl"
    answer = typed.kubectl(*words[1:])
    assert answer.code == 0, (words, answer)
    return answer.out


def test_the_whole_cluster(typed: Commands, kube: Kube) -> None:
    """Everything is accepted, a second time changes nothing, what the page shows can be asked, and it can be removed."""
    apply, status = _of("In the whole cluster")
    assert status[1:3] == ["rollout", "status"]
    _kubectl(typed, apply)
    deployment = kube.get(DEPLOYMENT, NAMESPACE, NAME)
    _kubectl(typed, apply)
    again = kube.get(DEPLOYMENT, NAMESPACE, NAME)
    assert again["metadata"]["generation"] == deployment["metadata"]["generation"]
    for words in _of("See that it works"):
        if "lease" not in words:  # made by the controller
            _kubectl(typed, words)
    for words in _of("Uninstall"):
        _kubectl(typed, words)
    assert kube.find(DEPLOYMENT, NAMESPACE, NAME) is None
    assert kube.find(CLUSTER_ROLE, "", NAME) is None


def test_one_namespace(typed: Commands, kube: Kube) -> None:
    """Nothing cluster-wide comes with it, and it watches the namespace in which it is."""
    for words in _of("In one namespace"):
        _kubectl(typed, words)
    assert kube.find(CLUSTER_ROLE, "", NAME) is None
    (container,) = kube.get(DEPLOYMENT, NAMESPACE, NAME)["spec"]["template"]["spec"]["containers"]
    watched = {entry["name"]: entry for entry in container["env"]}["WATCH_NAMESPACES"]
    assert watched["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.namespace"


def test_a_kustomization_of_ones_own(typed: Commands, tmp_path: Path) -> None:
    """The one of the page: image, priority and setting arrive in the Deployment, the default setting stays."""
    deployment = _built(typed, tmp_path, OVERLAY)[("Deployment", NAME)]
    assert deployment["metadata"]["namespace"] == NAMESPACE
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["image"] == "registry.example.com/kaspr-controller:0.1.0"
    assert pod["priorityClassName"] == "system-cluster-critical"
    env = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert env == {"POD_SECURITY": "restricted", "SCALING_MODE": "direct"}


def test_another_namespace_is_one_line(typed: Commands, tmp_path: Path) -> None:
    """Objects and the subjects of their bindings move together."""
    overlay = "namespace: team-a\nresources: [../kaspr-controller/manifests/namespaced]\n"
    built = _built(typed, tmp_path, overlay)
    assert {obj["metadata"]["namespace"] for obj in built.values()} == {"team-a"}
    subjects = [item for obj in built.values() for item in obj.get("subjects", [])]
    assert subjects
    assert {item["namespace"] for item in subjects} == {"team-a"}


def _built(typed: Commands, folder: Path, overlay: str) -> dict[tuple[str, str], dict[str, Any]]:
    """What kustomize makes of a kustomization that lies beside a checkout."""
    checkout = os.path.relpath(ROOT, folder.resolve())
    (folder / "kustomization.yaml").write_text(overlay.replace("../kaspr-controller", checkout))
    objects = yaml.safe_load_all(_kubectl(typed, ["kubectl", "kustomize", str(folder)]))
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects}
