"""Changes under load: nothing is lost and nothing comes twice, whatever is edited.

Rules: one rollout a change (Q1), a new topic is read without a hand (C3), a removed one makes no member useless (C1).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.integration.fixtures import shop

if TYPE_CHECKING:
    from tests.e2e.running.stage import Stage

MARK = """
def f(v):
    return {**v, "edition": EDITION}
"""


def marking(stage: Stage, source: str, target: str, edition: int) -> dict[str, Any]:
    """An agent that says which edition of it processed a message."""
    agent = stage.agent("mark", source, target)
    agent["spec"]["processors"]["operations"][0]["map"]["python"] = MARK.replace("EDITION", str(edition))
    return agent


def test_an_edit_under_load_loses_nothing(stage: Stage, measured: Callable[[str], None]) -> None:
    """Purpose: the most frequent change. Each pod is replaced once, every message comes out exactly once."""
    source, target = stage.kafka.topic(f"{stage.namespace}-in"), stage.kafka.topic(f"{stage.namespace}-out")
    stage.apply(stage.app(replicas=2), marking(stage, source, target, 1))
    stage.ready()
    stage.covered([source], members=2)
    with stage.kafka.flow(source, target) as flow:
        flow.flows()
        before, revisions = stage.uids(), stage.revisions()
        stage.apply(marking(stage, source, target, 2))
        stage.rolled_out(before)
        flow.flows()
        flow.complete()
        measured(
            f"edit of two members under load: longest silence {flow.silence():.1f} s of {flow.sent} messages"
        )
        editions = [value["edition"] for value in flow.reader.values]
    assert set(editions) == {1, 2}
    assert stage.revisions() == revisions + 1
    assert set(stage.restarts().values()) == {0}


def test_an_added_agent_is_read_while_the_others_go_on(stage: Stage) -> None:
    """C3: a static member gets its old assignment back; somebody has to ask for a rebalance, and that is not the user."""
    names = ["in", "out", "more-in", "more-out"]
    source, target, more, result = (stage.kafka.topic(f"{stage.namespace}-{name}") for name in names)
    stage.apply(stage.app(replicas=2), stage.agent("relay", source, target))
    stage.ready()
    with stage.kafka.flow(source, target) as flow:
        flow.flows()
        before = stage.uids()
        stage.apply(stage.agent("more", more, result))
        stage.rolled_out(before)
        stage.covered([source, more], members=2)
        for number in range(20):
            stage.kafka.send(more, number, key=number)
        stage.kafka.flush()
        assert sorted(stage.kafka.received(result, 20)) == list(range(20))
        flow.complete()


def test_a_removed_agent_makes_no_member_useless(stage: Stage, measured: Callable[[str], None]) -> None:
    """C1: a member that is handed a topic it no longer wants becomes a zombie; after a goodbye it is handed a fresh set."""
    names = ["in", "out", "less"]
    source, target, less = (stage.kafka.topic(f"{stage.namespace}-{name}") for name in names)
    stage.apply(stage.app(replicas=1), stage.agent("relay", source, target), stage.agent("less", less))
    stage.ready()
    stage.covered([source, less], members=1)
    with stage.kafka.flow(source, target) as flow:
        flow.flows()
        before, begin = stage.uids(), time.monotonic()
        stage.kube.delete(shop.AGENT, stage.namespace, "less")
        stage.rolled_out(before)
        stage.covered([source], members=1)
        measured(f"agent removed, one member: calm again after {time.monotonic() - begin:.1f} s")
        assert stage.readers(less) == {}
        flow.flows()
        flow.complete()
