"""Namespaces that forbid much: Pod Security `restricted`, and networks that are closed but for what is needed.

Rules: what the controller makes by default is admitted under `restricted`, without a warning (issue: a platform where that is on
everywhere); it needs to reach the members' port and the members need the broker, nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.client import ApiException

from hack.kind.running import KindError
from hack.manifests.installation import NAMESPACE as SYSTEM
from kaspr_controller.kube.kinds import POD, Kind
from tests.integration.waiting import eventually_holds

if TYPE_CHECKING:
    from tests.e2e.running.stage import Stage

POLICY = Kind("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
FORBIDDEN = 403


def test_an_app_lives_where_only_restricted_pods_may(stage: Stage) -> None:
    """Purpose: the namespace really refuses others, and lets in the pods of an app that says nothing about security."""
    careless = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": stage.namespace, "name": "careless"},
        "spec": {"containers": [{"name": "one", "image": stage.image}]},
    }
    with pytest.raises(ApiException) as refused:
        stage.kube.create(careless, POD)
    assert refused.value.status == FORBIDDEN
    source = stage.kafka.topic(f"{stage.namespace}-in")
    stage.apply(stage.app(), stage.agent("relay", source))
    stage.ready()
    words = ["exec", f"--namespace={stage.namespace}", stage.member(0), "--", "python", "-c"]
    user = stage.cluster.kubectl(*words, "import os; print(os.getuid())")
    assert user != "0"
    told = stage.cluster.kubectl(
        "label", "--dry-run=server", "--overwrite", "namespace", stage.namespace,
        "pod-security.kubernetes.io/warn=restricted",
    )  # fmt: skip
    assert "violate" not in told


def test_a_closed_network_with_two_doors(stage: Stage) -> None:
    """Purpose: default deny in the app's namespace. The controller may ask, the members may reach broker and DNS: it becomes Ready."""
    source, target = stage.kafka.topic(f"{stage.namespace}-in"), stage.kafka.topic(f"{stage.namespace}-out")
    stage.apply(stage.app(replicas=2), stage.agent("relay", source, target))
    stage.ready()
    first, second = (stage.pods()[stage.member(ordinal)]["status"]["podIP"] for ordinal in (0, 1))
    assert reaches(stage, stage.member(0), second)
    for policy in policies(stage.namespace):
        stage.kube.create(policy, POLICY)
    if reaches(stage, stage.member(1), first, seconds=10):
        pytest.skip("the network of this cluster does not enforce policies (kind's own does)")
    before = stage.uids()
    stage.annotate_pods(edition="2")
    stage.rolled_out(before)
    stage.kafka.send(source, {"number": 1}, key=1)
    stage.kafka.flush()
    assert stage.kafka.received(target, 1) == [{"number": 1}]


def policies(namespace: str) -> list[dict[str, Any]]:
    """Nothing in but from the controller, nothing out but to DNS and the broker."""
    controller = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": SYSTEM}}}
    broker = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kafka"}}}
    names = [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]
    spec = {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [controller], "ports": [{"port": 6065, "protocol": "TCP"}]}],
        "egress": [{"ports": names}, {"to": [broker], "ports": [{"port": 9092, "protocol": "TCP"}]}],
    }
    metadata = {"namespace": namespace, "name": "closed"}
    return [
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    ]


def reaches(stage: Stage, pod: str, address: str, *, seconds: float = 0.0) -> bool:
    """Whether a member reaches another one's port; waits so long for it to become impossible."""
    code = f"import socket; socket.create_connection(('{address}', 6065), 2).close(); print('open')"
    words = ["exec", f"--namespace={stage.namespace}", pod, "--", "python", "-c"]

    def closed() -> None:
        try:
            answer = stage.cluster.kubectl(*words, code)
        except KindError:
            return
        assert answer != "open"

    try:
        eventually_holds(closed, timeout=seconds)
    except AssertionError:
        return True
    return False
