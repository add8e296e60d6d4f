"""What the chart renders is accepted by a real API server: strictly, and where Pod Security `restricted` is enforced."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import ApiException

from kaspr_controller.kube.kinds import POD, Kind
from tests.chart.rendering import Chart, Object, cases, only

if TYPE_CHECKING:
    from tests.integration.fixtures.oracle import Kube

CASES = dict(cases())
ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")
every_case = pytest.mark.parametrize("name", CASES)


def kind_of(obj: Object) -> Kind:
    """The kind of an object, by the rules of English that Kubernetes follows."""
    group, _, version = obj["apiVersion"].rpartition("/")
    word = obj["kind"].lower()
    plural = f"{word[:-1]}ies" if word.endswith("y") else f"{word}s"
    return Kind(group, version, obj["kind"], plural, namespaced="namespace" in obj["metadata"])


@every_case
@pytest.mark.usefixtures("monitoring", "places")
def test_every_object_is_accepted(chart: Chart, kube: Kube, name: str) -> None:
    """A dry run on the server, in which a field that it does not know is an error; defaults and validation included."""
    for obj in chart.render(CASES[name]):
        kind, metadata = kind_of(obj), obj["metadata"]
        answer = kube.request(
            "PATCH",
            kind.path(metadata.get("namespace", ""), metadata["name"]),
            obj,
            query={
                "dryRun": "All",
                "fieldManager": "helm",
                "fieldValidation": "Strict",
                "force": "true",
            },
            content_type="application/apply-patch+yaml",
        )
        assert answer["metadata"]["name"] == metadata["name"]


@every_case
@pytest.mark.usefixtures("places")
def test_the_pods_are_admitted_where_restricted_is_enforced(chart: Chart, kube: Kube, name: str) -> None:
    """The pod itself, since a Deployment that breaks the standard is accepted and never gets one."""
    pod = pod_of(chart.render(CASES[name]))
    made = kube.request("POST", POD.collection("kaspr-system"), pod, query={"dryRun": "All"})
    assert made["kind"] == "Pod"


@pytest.mark.usefixtures("places")
def test_the_namespace_does_refuse_others(chart: Chart, kube: Kube) -> None:
    """So that the test above can fail: the same pod with one more right is not admitted."""
    values = {"securityContext": {"allowPrivilegeEscalation": True}}
    with pytest.raises(ApiException) as refusal:
        kube.request(
            "POST", POD.collection("kaspr-system"), pod_of(chart.render(values)), query={"dryRun": "All"}
        )
    assert "allowPrivilegeEscalation" in str(refusal.value.body)


def pod_of(objects: list[Object]) -> dict[str, Any]:
    """A pod as the Deployment's controller makes it; with the namespace's own account, as ours is not there."""
    template = copy.deepcopy(only(objects, "Deployment")["spec"]["template"])
    template["spec"]["serviceAccountName"] = "default"
    template["spec"].pop("priorityClassName", None)
    template["metadata"] |= {"name": "controller", "namespace": "kaspr-system"}
    return {"apiVersion": "v1", "kind": "Pod", **template}
