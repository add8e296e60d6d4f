"""More and fewer members, and a rebalance on request.

Rules: each partition has exactly one reader once the app is Ready; what leaves says goodbye or is waited for (C4); the request for a
rebalance is an annotation that is taken away when it was done (contract 1.0).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from kaspr_controller.kube.kinds import PERSISTENT_VOLUME_CLAIM
from tests.integration.fixtures import shop
from tests.integration.waiting import eventually_holds

if TYPE_CHECKING:
    from tests.e2e.running.stage import Stage


def test_one_three_one_with_every_partition_read(stage: Stage, measured: Callable[[str], None]) -> None:
    """Purpose: scaling under load. Measured is the time until all partitions are read again; no message is lost."""
    source, target = stage.kafka.topic(f"{stage.namespace}-in"), stage.kafka.topic(f"{stage.namespace}-out")
    stage.apply(stage.app(replicas=1), stage.agent("relay", source, target))
    stage.ready()
    with stage.kafka.flow(source, target) as flow:
        flow.flows()
        for members in (3, 1):
            begin = time.monotonic()
            stage.edit(replicas=members)
            stage.covered([source], members=members, seconds=150)
            measured(f"scale to {members}: covered after {time.monotonic() - begin:.1f} s")
            stage.ready()
            assert sorted(stage.pods()) == [stage.member(ordinal) for ordinal in range(members)]
        flow.complete()
    claims = stage.kube.list_objects(PERSISTENT_VOLUME_CLAIM, stage.namespace)
    assert len(claims) == 3, "what a member had on its volume waits for its return"


def test_a_rebalance_on_request(stage: Stage) -> None:
    """Purpose: the user's way out. Every member joins anew, the annotation is gone, nobody restarts."""
    source = stage.kafka.topic(f"{stage.namespace}-in")
    stage.apply(stage.app(replicas=2), stage.agent("relay", source))
    stage.ready()
    stage.covered([source], members=2)
    joined = {pod: stage.log(pod).count(" joining: ") for pod in stage.pods()}
    before = stage.uids()
    stage.annotate(rebalance="please")

    def done() -> None:
        for pod, count in joined.items():
            assert stage.log(pod).count(" joining: ") > count, pod
        metadata = stage.kube.get(shop.APP, stage.namespace, stage.name)["metadata"]
        assert "kaspr.io/rebalance" not in metadata.get("annotations", {})

    eventually_holds(done, timeout=60, what="a rebalance of all members")
    stage.covered([source], members=2)
    assert stage.uids() == before
    assert set(stage.restarts().values()) == {0}
