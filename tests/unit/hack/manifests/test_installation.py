"""The manifests: what a cluster with strict rules asks of them, and that they fit together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.image import building
from hack.manifests import installation, rbac
from kaspr_controller.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = installation.files()
PODS = {"app.kubernetes.io/name": "kaspr-controller", "app.kubernetes.io/instance": "kaspr-controller"}


def objects(*names: str) -> Iterator[dict[str, Any]]:
    for name in names or FILES:
        yield from yaml.safe_load_all(FILES[name])


@pytest.fixture
def parts() -> dict[str, dict[str, Any]]:
    """The objects of the deployment by kind."""
    return {obj["kind"]: obj for obj in objects("deployment/deployment.yaml")}


@pytest.fixture
def pod(parts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = parts["Deployment"]["spec"]["template"]["spec"]
    return found


def test_the_pod_asks_for_nothing_that_restricted_forbids(pod: dict[str, Any]) -> None:
    """Pod Security `restricted`, and a root file system that nobody writes to."""
    (container,) = pod["containers"]
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"volumes", "hostNetwork", "hostPID", "initContainers"} & pod.keys()


def test_two_replicas_that_are_never_both_away(parts: dict[str, dict[str, Any]]) -> None:
    """One may be drained at a time, an upgrade starts the new one first, and they are spread."""
    spec = parts["Deployment"]["spec"]
    assert (spec["replicas"], spec["strategy"]["rollingUpdate"]["maxUnavailable"]) == (2, 0)
    assert parts["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    keys = {item["topologyKey"] for item in spec["template"]["spec"]["topologySpreadConstraints"]}
    assert keys == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}


def test_everything_selects_the_pods(parts: dict[str, dict[str, Any]]) -> None:
    """Budget, Service, policy and spreading mean the same pods, and those carry the labels."""
    spec = parts["Deployment"]["spec"]
    assert spec["template"]["metadata"]["labels"].items() >= PODS.items()
    selectors = [
        spec["selector"]["matchLabels"],
        parts["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        parts["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        parts["Service"]["spec"]["selector"],
        *(
            item["labelSelector"]["matchLabels"]
            for item in spec["template"]["spec"]["topologySpreadConstraints"]
        ),
    ]
    assert selectors == [PODS] * len(selectors)


def test_nothing_is_taken_for_a_child_of_an_app() -> None:
    """`managed-by: kaspr-operator` is how the caches know children; ours must not carry it."""
    labels = [obj["metadata"].get("labels", {}) for obj in objects() if obj["kind"] != "Kustomization"]
    assert not [one for one in labels if "app.kubernetes.io/managed-by" in one or "kaspr.io/kind" in one]


def test_probes_and_metrics_are_on_the_port_of_the_settings(pod: dict[str, Any]) -> None:
    """The default of METRICS_PORT; probes name the pages that exist."""
    (container,) = pod["containers"]
    assert container["ports"] == [
        {"name": "metrics", "containerPort": Settings().metrics_port, "protocol": "TCP"}
    ]
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}


def test_its_settings_are_settings(pod: dict[str, Any]) -> None:
    """Every variable is one that the program reads, with a value that it takes."""
    (container,) = pod["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert {name.lower() for name in environment} <= set(Settings.model_fields)
    assert Settings.load(environment).pod_security == "restricted"


def test_the_image_is_the_one_that_is_built(pod: dict[str, Any]) -> None:
    """`make image` without arguments makes what the manifests name."""
    assert (
        pod["containers"][0]["image"] == building.default_image() == f"kaspr-controller:{building.version()}"
    )


@pytest.mark.parametrize(
    ("mode", "kind", "name"),
    [
        ("cluster", "ClusterRole", installation.CLUSTER_RIGHTS),
        ("namespaced", "Role", installation.NAMESPACED_RIGHTS),
    ],
)
def test_roles_hold_the_rules_and_are_bound_to_the_account(mode: rbac.Mode, kind: str, name: str) -> None:
    """Rights of the mode, those on the lease in the own namespace, nothing cluster-wide in the namespaced mode."""
    found = {(obj["kind"], obj["metadata"]["name"]): obj for obj in objects(name)}
    assert found[kind, "kaspr-controller"]["rules"] == rbac.rules(mode)
    assert found["Role", "kaspr-controller-lease"]["rules"] == rbac.own_rules()
    for (bound, role), obj in found.items():
        if bound.endswith("Binding"):
            reference = obj["roleRef"]
            assert (reference["kind"], reference["name"]) == (bound.removesuffix("Binding"), role)
            assert (reference["kind"], role) in found
            account = {"kind": "ServiceAccount", "name": "kaspr-controller", "namespace": "kaspr-system"}
            assert obj["subjects"] == [account]
    if mode == "namespaced":
        assert not [one for one, _ in found if one.startswith("Cluster")]


def test_a_kustomization_names_what_exists() -> None:
    """Files beside it or folders with a kustomization, generated all of them."""
    generated = {Path(name) for name in FILES} | {Path("crds") / path.name for path in _crds()}
    for name in FILES:
        if name.endswith("kustomization.yaml"):
            (obj,) = objects(name)
            for resource in obj["resources"]:
                target = (Path("/") / Path(name).parent / resource).resolve().relative_to("/")
                assert target in generated or target / "kustomization.yaml" in generated, resource


def test_every_crd_is_installed() -> None:
    """A kind that is new comes with the whole."""
    (whole,) = objects("kustomization.yaml")
    assert {f"crds/{path.name}" for path in _crds()} <= set(whole["resources"])


def _crds() -> list[Path]:
    return sorted((building.ROOT / "manifests" / "crds").glob("*.yaml"))
