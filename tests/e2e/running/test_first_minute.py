"""From `kubectl apply` to messages: an app with running pods, volumes and names.

Rules: the first pod starts with all definitions (C2), so messages flow without a restart or a rebalance; Ready means that every
topic has a calm member; pods of the default installation are `restricted`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspr_controller.kube.kinds import PERSISTENT_VOLUME_CLAIM, SERVICE
from tests.integration.fixtures import shop

if TYPE_CHECKING:
    from tests.e2e.running.stage import Stage

DNS = "import socket, sys; print(sorted({one[4][0] for one in socket.getaddrinfo(sys.argv[1], 6065)}))"


def test_an_app_becomes_ready_with_pods_volumes_and_names(stage: Stage) -> None:
    """Purpose: the whole way once. Two members, their claims bound, both Services and each member's own name resolve."""
    stage.kafka.topic(source := f"{stage.namespace}-in")
    stage.apply(stage.app(replicas=2), stage.agent("relay", source))
    stage.ready()
    pods = stage.pods()
    assert sorted(pods) == [stage.member(0), stage.member(1)]
    claims = stage.kube.list_objects(PERSISTENT_VOLUME_CLAIM, stage.namespace)
    assert {claim["metadata"]["name"]: claim["status"]["phase"] for claim in claims} == {
        f"{stage.name}-app-pv-{name}": "Bound" for name in pods
    }
    addresses = {name: pod["status"]["podIP"] for name, pod in pods.items()}
    clients = stage.kube.get(SERVICE, stage.namespace, f"{stage.name}-app-api")["spec"]["clusterIP"]

    def resolved(name: str) -> str:
        words = ["exec", f"--namespace={stage.namespace}", stage.member(0), "--", "python", "-c", DNS]
        return stage.cluster.kubectl(*words, f"{name}.{stage.namespace}.svc.cluster.local")

    assert resolved(f"{stage.member(1)}.{stage.name}-app") == f"['{addresses[stage.member(1)]}']"
    assert resolved(f"{stage.name}-app") == str(sorted(addresses.values()))
    assert resolved(f"{stage.name}-app-api") == f"['{clients}']"
    assert {pod["status"]["containerStatuses"][0]["restartCount"] for pod in pods.values()} == {0}


def test_messages_flow_from_the_first_minute(stage: Stage) -> None:
    """C2: what was sent before the app existed comes out of its first pod, which is never replaced."""
    source, target = stage.kafka.topic(f"{stage.namespace}-in"), stage.kafka.topic(f"{stage.namespace}-out")
    for number in range(50):
        stage.kafka.send(source, number, key=number)
    stage.kafka.flush()
    double = stage.agent("double", source, target)
    double["spec"]["processors"]["operations"][0]["map"]["python"] = "def f(v):\n    return v * 2\n"
    stage.apply(stage.app(), double, shop.table(stage.namespace, "unused", app=stage.name))
    results = stage.kafka.received(target, 50)
    assert sorted(results) == [number * 2 for number in range(50)]
    stage.ready()
    (pod,) = stage.pods().values()
    assert pod["metadata"]["name"] == stage.member(0)
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    assert stage.stateful_set()["metadata"]["generation"] == 1
