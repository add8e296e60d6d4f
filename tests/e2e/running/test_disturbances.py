"""What clusters do to pods and to the controller: evictions, drains, frozen processes, kills, upgrades.

Rules: a member that comes back takes its place without a rebalance (4.4); a member that stands still is noticed and replaced while
another one answers (C11); a new controller finishes what its predecessor began and restarts nobody.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from hack.kind.running import run
from hack.manifests.installation import NAMESPACE as SYSTEM
from kaspr_controller.kube.kinds import LEASE, POD
from tests.e2e import images
from tests.e2e.running import preparing
from tests.integration.waiting import eventually_holds

if TYPE_CHECKING:
    from tests.e2e.running.stage import Stage


def relaying(stage: Stage, replicas: int) -> tuple[str, str]:
    """An app that passes messages on; its topics."""
    source, target = stage.kafka.topic(f"{stage.namespace}-in"), stage.kafka.topic(f"{stage.namespace}-out")
    stage.apply(stage.app(replicas=replicas), stage.agent("relay", source, target))
    stage.ready()
    stage.covered([source], members=replicas)
    return source, target


def test_an_evicted_member_comes_back_to_its_place(stage: Stage) -> None:
    """Purpose: what a node under pressure or an autoscaler of nodes does, by the Eviction API. Nothing is lost."""
    source, target = relaying(stage, 2)
    with stage.kafka.flow(source, target) as flow:
        flow.flows()
        before, held = stage.uids(), stage.readers(source)
        victim = stage.member(1)
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": victim, "namespace": stage.namespace},
        }
        stage.kube.request("POST", f"{POD.path(stage.namespace, victim)}/eviction", eviction)

        def back() -> None:
            now = stage.uids()
            assert now[victim] != before[victim]
            assert now[stage.member(0)] == before[stage.member(0)]
            assert stage.readers(source) == held

        eventually_holds(back, timeout=90, what="the member back in its place")
        stage.ready()
        flow.complete()


def test_a_drained_node_and_its_return(stage: Stage) -> None:
    """Purpose: maintenance of the only node. Its members wait without a place, the status says so, and all heals by itself."""
    source, target = relaying(stage, 2)
    with stage.kafka.flow(source, target) as flow:
        flow.flows()
        (node,) = {pod["spec"]["nodeName"] for pod in stage.pods().values()}
        # Only this app's pods: the broker and the controller live on the same node.
        selector = f"--pod-selector=kaspr.io/cluster={stage.name}"
        try:
            stage.cluster.kubectl("drain", node, selector, "--delete-emptydir-data", "--timeout=60s")
            eventually_holds(lambda: _pending(stage), timeout=60, what="pods that wait for a node")
            eventually_holds(lambda: _not_ready(stage), timeout=60, what="a status that says so")
        finally:
            stage.cluster.kubectl("uncordon", node)
        stage.covered([source], members=2)
        stage.ready()
        flow.complete()


def _pending(stage: Stage) -> None:
    phases = [pod["status"]["phase"] for pod in stage.pods().values()]
    assert phases == ["Pending", "Pending"], phases


def _not_ready(stage: Stage) -> None:
    assert stage.condition()["status"] == "False", stage.condition()


def test_the_controller_is_killed_in_the_middle_of_a_rollout(stage: Stage) -> None:
    """Purpose: a node with the controller dies. The other one takes over, the rollout ends, each pod is replaced once."""
    source, target = relaying(stage, 3)
    with stage.kafka.flow(source, target) as flow:
        flow.flows()
        before, revisions = stage.uids(), stage.revisions()
        seen = {name: {uid} for name, uid in before.items()}
        stage.annotate_pods(edition="2")

        def begun() -> None:
            assert any(stage.uids().get(name) != uid for name, uid in before.items())

        eventually_holds(begun, timeout=60, what="the first pod replaced")
        holder = stage.kube.get(LEASE, SYSTEM, "kaspr-controller")["spec"]["holderIdentity"]
        leader = next(
            pod["metadata"]["name"]
            for pod in stage.kube.list_objects(POD, SYSTEM)
            if pod["metadata"]["name"] in holder
        )
        stage.cluster.kubectl("delete", "pod", leader, f"--namespace={SYSTEM}", "--grace-period=0", "--force")

        def over() -> None:
            for name, uid in stage.uids().items():
                seen[name].add(uid)
            status = stage.stateful_set()["status"]
            assert status["currentRevision"] == status["updateRevision"], status

        eventually_holds(over, timeout=180, what="the end of the rollout")
        stage.ready()
        stage.covered([source], members=3)
        flow.complete()
    for name, uid in stage.uids().items():
        seen[name].add(uid)
    assert {name: len(uids) for name, uids in seen.items()} == dict.fromkeys(before, 2)
    assert stage.revisions() == revisions + 1
    preparing.rolled_out(stage.kube)


def test_an_upgrade_of_the_controller_restarts_no_member(stage: Stage) -> None:
    """Purpose: nobody fears an upgrade. New pods of the controller adopt what is there and write nothing into it."""
    source, target = relaying(stage, 2)
    with stage.kafka.flow(source, target) as flow:
        flow.flows()
        before, revisions, template = (
            stage.uids(),
            stage.revisions(),
            stage.stateful_set()["spec"]["template"],
        )
        leader = stage.kube.get(LEASE, SYSTEM, "kaspr-controller")["spec"]["holderIdentity"]
        preparing.settings(stage.kube, LOG_LEVEL="debug")

        def taken_over() -> None:
            lease = stage.kube.get(LEASE, SYSTEM, "kaspr-controller")["spec"]
            assert lease["holderIdentity"] not in {"", leader}

        eventually_holds(taken_over, timeout=60, what="another holder of the lease")
        # The new leader has looked at the app when it has carried out a change of it.
        stage.annotate(hung_rebalancing_threshold_seconds="301")
        stage.edit(replicas=3)
        stage.covered([source], members=3)
        stage.ready()
        flow.complete()
    now = stage.uids()
    assert {name: now[name] for name in before} == before
    assert set(stage.restarts().values()) == {0}
    assert stage.revisions() == revisions
    assert stage.stateful_set()["spec"]["template"] == template


@pytest.mark.skipif(not images.ours(), reason="the durations are those of our own member image")
def test_a_frozen_member_is_replaced(stage: Stage, measured: Callable[[str], None]) -> None:
    """C11: SIGSTOP answers nothing and dies of nothing. While another member answers, it is given up and replaced."""
    source, target = relaying(stage, 2)
    with stage.kafka.flow(source, target) as flow:
        flow.flows()
        before, victim = stage.uids(), stage.member(1)
        begin = time.monotonic()
        freeze(stage, victim)
        eventually_holds(
            lambda: _replaced(stage, victim, before[victim]), timeout=400, what=f"{victim} replaced"
        )
        measured(f"frozen member replaced after {time.monotonic() - begin:.1f} s")
        stage.covered([source], members=2)
        stage.ready()
        flow.complete()
    assert stage.uids()[stage.member(0)] == before[stage.member(0)]


def freeze(stage: Stage, pod: str) -> None:
    """Send SIGSTOP to a member's process, from the node: a process 1 cannot be stopped from within its container."""
    found = stage.pods()[pod]
    node = found["spec"]["nodeName"]
    container = found["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    # containerd's own client: crictl is not on every node.
    tasks = run(["docker", "exec", node, "ctr", "--namespace=k8s.io", "tasks", "ls"]).splitlines()
    number = next(line.split()[1] for line in tasks if line.startswith(container))
    run(["docker", "exec", node, "kill", "-STOP", number])


def _replaced(stage: Stage, pod: str, uid: str) -> None:
    assert stage.uids().get(pod, uid) != uid
    assert stage.actives(pod)
