"""What the rendered objects are to be, whatever the values: rights, CRDs, selectors, security."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from hack.manifests import installation, rbac
from tests.chart.rendering import (
    LOADER,
    NAMESPACE,
    ROOT,
    Chart,
    Object,
    cases,
    container,
    environment,
    of_kind,
    only,
)

CASES = dict(cases())
CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
CLOSED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True}

every_case = pytest.mark.parametrize("name", CASES)


def rights(objects: list[Object]) -> dict[tuple[str, str], list[Any]]:
    """Kind and name of each role that the controller's account is bound to -> its rules."""
    account = only(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"]
    subject = {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}
    bindings = [obj for obj in objects if obj["kind"] in {"RoleBinding", "ClusterRoleBinding"}]
    found: dict[tuple[str, str], list[Any]] = {}
    for binding in bindings:
        assert binding["subjects"] == [subject]
        place = binding["metadata"].get("namespace")
        (role,) = (
            obj
            for obj in objects
            if obj["kind"] == binding["roleRef"]["kind"]
            and obj["metadata"]["name"] == binding["roleRef"]["name"]
            and obj["metadata"].get("namespace") == place
        )
        found[role["kind"], f"{place or ''}/{role['metadata']['name']}"] = role["rules"]
    return found


def test_the_account_may_do_what_the_table_of_permissions_says(chart: Chart) -> None:
    """In the whole cluster: one ClusterRole, and a Role for the lease."""
    objects = chart.render(CASES["default"])
    lease = environment(objects)["LEADER_ELECTION_NAME"]
    assert rights(objects) == {
        ("ClusterRole", f"/{NAMESPACE}-prod-kaspr-controller"): rbac.rules("cluster"),
        ("Role", f"{NAMESPACE}/prod-kaspr-controller-lease"): rbac.own_rules(lease),
    }


def test_in_namespaces_there_are_roles_only(chart: Chart) -> None:
    """One in each watched namespace, nothing cluster-wide."""
    objects = chart.render(CASES["namespaced"])
    lease = environment(objects)["LEADER_ELECTION_NAME"]
    assert rights(objects) == {
        ("Role", "team-a/prod-kaspr-controller"): rbac.rules("namespaced"),
        ("Role", "team-b/prod-kaspr-controller"): rbac.rules("namespaced"),
        ("Role", f"{NAMESPACE}/prod-kaspr-controller-lease"): rbac.own_rules(lease),
    }
    assert not {obj["kind"] for obj in objects} & CLUSTER_WIDE


def test_the_releases_own_namespace_may_be_the_watched_one(chart: Chart) -> None:
    """The two Roles there do not have one name."""
    objects = chart.render(CASES["own-namespace"])
    lease = environment(objects)["LEADER_ELECTION_NAME"]
    assert rights(objects) == {
        ("Role", f"{NAMESPACE}/prod-kaspr-controller"): rbac.rules("namespaced"),
        ("Role", f"{NAMESPACE}/prod-kaspr-controller-lease"): rbac.own_rules(lease),
    }


def test_rights_can_be_left_to_somebody_else(chart: Chart) -> None:
    """Then there is no role, no binding and no account."""
    kinds = {obj["kind"] for obj in chart.render(CASES["little"])}
    assert kinds == {"Deployment"}


@pytest.mark.parametrize("name", ["default", "everything", "own-namespace"])
def test_the_crds_are_those_of_the_manifests_and_stay(chart: Chart, name: str) -> None:
    """Equal in every field; Helm is told to keep them, so an uninstall deletes nobody's apps."""
    rendered = {
        crd["metadata"]["name"]: crd for crd in of_kind(chart.render(CASES[name]), "CustomResourceDefinition")
    }
    files = (ROOT / "manifests" / "crds").glob("*.yaml")
    ours = [yaml.load(path.read_text("utf-8"), LOADER) for path in files]  # noqa: S506 - a safe one
    assert rendered.keys() == {crd["metadata"]["name"] for crd in ours}
    for crd in ours:
        found = rendered[crd["metadata"]["name"]]
        assert found["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
        assert found["metadata"].pop("labels")["app.kubernetes.io/managed-by"] == "Helm"
        assert found == crd


def test_it_installs_what_the_manifests_install(chart: Chart) -> None:
    """One design, two ways to install it: equal but for Helm's labels and what the release's name decides."""
    rendered = chart.render({}, release=installation.NAME, namespace=installation.NAMESPACE)
    found = {(obj["kind"], obj["metadata"]["name"]): plain(obj) for obj in rendered}
    long = f"{installation.NAMESPACE}-{installation.NAME}"
    for obj in [*installation.rights("cluster"), *installation.deployment()]:
        name = obj["metadata"]["name"]
        if obj["kind"].startswith("Cluster"):
            name = {"kaspr-view": f"{long}-view", "kaspr-edit": f"{long}-edit"}.get(name, long)
        twin = found[obj["kind"], name]
        assert twin == plain(obj), (obj["kind"], name)
    crds = len(of_kind(rendered, "CustomResourceDefinition"))
    assert len(rendered) - crds == len(installation.rights("cluster")) + len(installation.deployment())


def plain(obj: Object) -> Object:
    """The object without Helm's labels, names of cluster-wide roles, and settings that the release's name decides."""
    found: Object = yaml.safe_load(yaml.safe_dump(obj))
    if obj["kind"].startswith("Cluster"):
        del found["metadata"]["name"]
        found.pop("roleRef", None)
    for metadata in (found["metadata"], found.get("spec", {}).get("template", {}).get("metadata", {})):
        for label in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
            metadata.get("labels", {}).pop(label, None)
    if obj["kind"] == "Deployment":
        (one,) = found["spec"]["template"]["spec"]["containers"]
        one["env"] = [
            item for item in one["env"] if item["name"] not in {"LEADER_ELECTION_NAME", "METRICS_PORT"}
        ]
    return found


@every_case
def test_selectors_find_the_pods(chart: Chart, name: str) -> None:
    """Of the Deployment, the Service, the disruption budget, the policy, the monitors and the spread."""
    objects = chart.render(CASES[name])
    deployment = only(objects, "Deployment")["spec"]
    pods = deployment["template"]["metadata"]["labels"]
    selectors = [deployment["selector"]["matchLabels"]]
    for obj in objects:
        spec = obj.get("spec", {})
        if obj["kind"] == "Service":
            selectors.append(spec["selector"])
        elif obj["kind"] in {"PodDisruptionBudget", "PodMonitor"}:
            selectors.append(spec["selector"]["matchLabels"])
        elif obj["kind"] == "NetworkPolicy":
            selectors.append(spec["podSelector"]["matchLabels"])
        elif obj["kind"] == "ServiceMonitor":
            (service,) = of_kind(objects, "Service")
            assert spec["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
            assert spec["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]
    spreads = deployment["template"]["spec"].get("topologySpreadConstraints", ())
    selectors += [spread["labelSelector"]["matchLabels"] for spread in spreads]
    for selector in selectors:
        assert selector
        assert selector.items() <= pods.items()


@every_case
def test_no_object_looks_like_a_child_of_an_app(chart: Chart, name: str) -> None:
    """The caches select by this label; the controller must not take its own objects for those of an app."""
    for obj in chart.render(CASES[name]):
        labels = obj["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] != "kaspr-operator"
        assert not any(label.startswith("kaspr.io/") for label in labels)


@every_case
def test_the_pod_is_closed(chart: Chart, name: str) -> None:
    """What Pod Security `restricted` asks for, and a read-only root besides; the test on a real cluster admits it."""
    objects = chart.render(CASES[name])
    spec = only(objects, "Deployment")["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context = container(objects)["securityContext"]
    assert CLOSED.items() <= context.items()
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert "volumes" not in spec


@every_case
def test_names_are_of_the_release(chart: Chart, name: str) -> None:
    """Two releases in one cluster do not meet: neither in a namespace nor in cluster-wide names, nor in the lease."""
    first = names(chart.render(CASES[name]))
    assert (
        not first
        & names(chart.render(CASES[name] | {"fullnameOverride": "other", "serviceAccount": {}})) - CRDS
    )
    if "fullnameOverride" not in CASES[name]:
        assert not first & names(chart.render(CASES[name], release="other")) - CRDS
    same = names(chart.render(CASES[name], namespace="elsewhere"))
    assert not {one for one in first & same if one[0] in CLUSTER_WIDE} - CRDS


CRDS = {
    ("CustomResourceDefinition", "", path.stem + ".kaspr.io")
    for path in (ROOT / "manifests" / "crds").glob("*.yaml")
}


def names(objects: list[Object]) -> set[tuple[str, str, str]]:
    """Kind, namespace and name of each object."""
    found = [(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]) for obj in objects]
    assert len(found) == len(set(found))
    return set(found)


def test_helm_finds_nothing_to_complain_about(chart: Chart) -> None:
    """`helm lint`, warnings included, with the values of each case."""
    for values in CASES.values():
        assert "0 chart(s) failed" in chart.run("lint", "--strict", str(chart.folder), values=values)


def test_long_names_stay_legal(chart: Chart) -> None:
    """63 characters are the limit of a Service and of a label."""
    objects = chart.render(CASES["monitoring"], release="r" * 53, namespace="n" * 63)
    for obj in objects:
        assert len(obj["metadata"]["name"]) <= 63, obj["kind"]
        assert all(len(value) <= 63 for value in obj["metadata"]["labels"].values())
