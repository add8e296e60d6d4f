"""Members that hang, lie or crash: what the controller does about them, and what it leaves alone.

Rules: who rebalances for longer than the threshold is replaced after three strikes (5.3), and nobody else; who answers nonsense is
named and not believed, and not killed for it: the absence of information is no evidence; a crash is the kubelet's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.e2e import images
from tests.integration.waiting import eventually_holds

if TYPE_CHECKING:
    from tests.e2e.running.stage import Stage

pytestmark = pytest.mark.skipif(
    not images.ours(), reason="only our own member image can be told to misbehave"
)
THRESHOLD = 20


def relaying(stage: Stage) -> tuple[str, str]:
    """Two members that pass messages on; their topics."""
    source, target = stage.kafka.topic(f"{stage.namespace}-in"), stage.kafka.topic(f"{stage.namespace}-out")
    stage.apply(stage.app(replicas=2), stage.agent("relay", source, target))
    stage.annotate(hung_rebalancing_threshold_seconds=str(THRESHOLD))
    stage.ready()
    stage.covered([source], members=2)
    return source, target


def test_a_member_that_hangs_in_a_rebalance_is_replaced(
    stage: Stage, measured: Callable[[str], None]
) -> None:
    """5.3: rebalancing, not recovering, its seat kept alive by heartbeats: nobody else would ever read its partitions."""
    source, target = relaying(stage)
    before, victim = stage.uids(), stage.member(1)
    begin = time.monotonic()
    stage.behave(victim, "hung")

    def replaced() -> None:
        assert stage.uids().get(victim, before[victim]) != before[victim], stage.condition()
        assert stage.actives(victim)

    eventually_holds(replaced, timeout=400, what=f"{victim} replaced")
    measured(
        f"hung member replaced after {time.monotonic() - begin:.1f} s, threshold {THRESHOLD} s and three strikes"
    )
    stage.covered([source], members=2)
    stage.ready()
    assert stage.uids()[stage.member(0)] == before[stage.member(0)]
    with stage.kafka.flow(source, target) as flow:
        flow.flows()
        flow.complete()


def test_a_member_that_answers_nonsense_is_named_and_not_killed(stage: Stage) -> None:
    """Absence of information is no evidence. The app is not called Ready, and is again as soon as the member speaks sense."""
    source, target = relaying(stage)
    before = stage.uids()
    with stage.kafka.flow(source, target) as flow:
        flow.flows()
        stage.behave(stage.member(1), "lying=garbage")

        def told() -> None:
            condition = stage.condition()
            assert condition["status"] == "False"
            assert stage.member(1) in condition["message"]

        eventually_holds(told, timeout=180, what="a status that names the liar")
        stage.behave(stage.member(1))
        stage.ready()
        flow.complete()
    assert stage.uids() == before


def test_a_member_that_crashes_comes_back(stage: Stage) -> None:
    """A crash: the kubelet starts the container again, and a static member finds its place as it left it."""
    source, target = relaying(stage)
    before, held = stage.uids(), stage.readers(source)
    with stage.kafka.flow(source, target) as flow:
        flow.flows()
        stage.behave(stage.member(1), "crash-after=0")

        def back() -> None:
            assert stage.restarts()[stage.member(1)] == 1
            assert stage.readers(source) == held

        eventually_holds(back, timeout=90, what="the member back in its place")
        stage.ready()
        flow.complete()
    assert stage.uids() == before
