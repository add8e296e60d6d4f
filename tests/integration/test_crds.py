"""The CRDs on a real API server: accepted, shown, scaled, defaulted, and good for the examples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from kubernetes.client import ApiException

from kaspr_controller.api.parsing import parse
from kaspr_controller.kube.kinds import Kind
from tests.corpus.loading import BASES, changed, good
from tests.integration.conftest import CRD

if TYPE_CHECKING:
    from tests.integration.fixtures.oracle import Kube

STATUS = {
    "conditions": [
        {
            "type": "Ready",
            "status": "False",
            "reason": "HungMembers",
            "message": "member 2",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
    ],
    "kasprVersion": "0.11.19",
    "availableMembers": "2/3",
    "newer": {"x": 1},
}


def test_the_crds_are_structural_and_within_their_budget(kube: Kube, crds: Sequence[Kind]) -> None:
    """The server established all six, found no fault in their schemas, and they fit into a client-side apply."""
    limit = 256 * 1024
    assert len(crds) == 6
    for kind in crds:
        crd = kube.get(CRD, "", f"{kind.plural}.{kind.group}")
        conditions = {item["type"]: item["status"] for item in crd["status"]["conditions"]}
        assert conditions["Established"] == "True"
        assert conditions.get("NonStructuralSchema", "False") == "False"
        assert conditions["NamesAccepted"] == "True"
        assert len(json.dumps(crd["spec"])) < limit


def test_the_examples_can_be_applied(kube: Kube, crds: Sequence[Kind], namespace: str) -> None:
    """As `kubectl apply` does it, strictly; a second apply changes nothing."""
    kinds = {kind.kind: kind for kind in crds}
    for obj in examples():
        placed = changed(obj, {"metadata.namespace": namespace})
        first = kube.apply(placed, kinds[obj["kind"]])
        again = kube.apply(placed, kinds[obj["kind"]])
        assert first["metadata"]["resourceVersion"] == again["metadata"]["resourceVersion"]
        assert first["metadata"]["generation"] == 1


def examples() -> list[dict[str, Any]]:
    """All objects of examples/."""
    folder = Path(__file__).parents[2] / "examples"
    return [
        obj for file in sorted(folder.rglob("*.yaml")) for obj in yaml.safe_load_all(file.read_text("utf-8"))
    ]


def test_kubectl_shows_what_a_person_wants_to_know(kube: Kube, crds: Sequence[Kind], namespace: str) -> None:
    """The columns of each kind exist and read labels, spec and status."""
    kinds = {kind.kind: kind for kind in crds}
    app = changed(BASES["app"], {"metadata.namespace": namespace})
    agent = changed(
        BASES["agent"], {"metadata.namespace": namespace, "metadata.labels": {"kaspr.io/app": "shop"}}
    )
    for obj in (app, agent):
        stored = kube.create(obj, kinds[obj["kind"]])
        stored["status"] = STATUS
        kube.replace(stored, kinds[obj["kind"]], subresource="status")
    assert row(kube, kinds["KasprApp"], namespace) == {
        "Name": "shop",
        "Version": "0.11.19",
        "Ready": "False",
        "Reason": "HungMembers",
        "Members": "2/3",
        "Rebalancing": None,
        "Message": "member 2",
    }
    assert row(kube, kinds["KasprAgent"], namespace) == {
        "Name": "enrich",
        "App": "shop",
        "Topic": "orders",
        "Channel": None,
        "Ready": "False",
        "Reason": "HungMembers",
        "Message": "member 2",
    }
    assert kube.get(kinds["KasprApp"], namespace, "shop")["status"]["newer"] == {"x": 1}


def row(kube: Kube, kind: Kind, namespace: str) -> dict[str, Any]:
    """The only row `kubectl get -o wide` would print, without the age."""
    headers = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    request = kube.api.param_serialize(
        "GET", kind.collection(namespace), None, [], headers, auth_settings=["BearerToken"]
    )
    table = json.loads(kube.api.call_api(*request[:3]).read())
    (cells,) = (row["cells"] for row in table["rows"])
    named = dict(zip((column["name"] for column in table["columnDefinitions"]), cells, strict=True))
    del named["Age"]
    return named


def test_apps_are_scaled_by_their_scale_subresource(kube: Kube, crds: Sequence[Kind], namespace: str) -> None:
    """`kubectl scale` and autoscalers write spec.replicas and read status."""
    kind = next(kind for kind in crds if kind.kind == "KasprApp")
    kube.create(changed(BASES["app"], {"metadata.namespace": namespace}), kind)
    kube.patch(kind, namespace, "shop", {"spec": {"replicas": 4}}, subresource="scale")
    kube.patch(kind, namespace, "shop", {"status": {"replicas": 2, "selector": "a=b"}}, subresource="status")
    scale = kube.request("GET", kind.path(namespace, "shop", "scale"))
    assert (scale["spec"]["replicas"], scale["status"]) == (4, {"replicas": 2, "selector": "a=b"})
    assert kube.get(kind, namespace, "shop")["spec"]["replicas"] == 4


def test_what_is_stored_holds_the_defaults_of_the_models(
    kube: Kube, crds: Sequence[Kind], namespace: str
) -> None:
    """An object read back parses to the same model as the one that was written."""
    kinds = {kind.kind: kind for kind in crds}
    wrong = []
    for case in good():
        stored = kube.request(
            "POST", kinds[case.obj["kind"]].collection(namespace), case.obj, query={"dryRun": "All"}
        )
        if parse(stored).spec != parse(case.obj).spec:
            wrong.append(case.name)
    assert wrong == []


def test_a_refusal_names_the_value_and_the_way_out(kube: Kube, crds: Sequence[Kind], namespace: str) -> None:
    """The message of the pipeline rule is computed: it names the operation nobody defined."""
    kind = next(kind for kind in crds if kind.kind == "KasprAgent")
    with pytest.raises(ApiException) as refused:
        kube.create(
            changed(
                BASES["agent"], {"metadata.namespace": namespace, "spec.processors.pipeline": ["one", "tow"]}
            ),
            kind,
        )
    assert "pipeline names tow, which operations does not define" in str(refused.value.body)
