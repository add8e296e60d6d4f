"""What happens to members: changes without zombies, scale-down without a gap, frozen ones replaced, cut-off ones left alone."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from kaspr_controller.kube.kinds import EVENT
from tests.integration.fixtures import members, shop
from tests.integration.fixtures.members import SESSION, START, Team
from tests.integration.fixtures.watching import apply, await_ready
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hack.controlplane.cluster import ControlPlane
    from hack.nodesim.simulator import NodeSimulator
    from kaspr_controller.kube.kinds import Kind
    from tests.integration.fixtures.oracle import Kube


@pytest.fixture(scope="module")
def node(control_plane: ControlPlane) -> Iterator[NodeSimulator]:
    with members.slow_node(control_plane) as running:
        yield running


@pytest.fixture
def team(
    control_plane: ControlPlane,
    crds: Sequence[Kind],
    kube: Kube,
    node: NodeSimulator,
    namespace: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Team]:
    settings = getattr(request, "param", None)
    with members.team(control_plane, kube, node, namespace, tmp_path, settings) as made:
        yield made


LAST = "shop-app-0"
with_and_without_kafka = pytest.mark.parametrize(
    "team", [{}, members.WITHOUT_KAFKA], indirect=True, ids=["kafka", "no-kafka"]
)


@with_and_without_kafka
def test_an_agent_that_is_deleted_leaves_no_zombie(team: Team) -> None:
    """C1: a member that comes back to an old assignment dies of it; without Kafka the same end is reached later."""
    team.start(
        shop.agent(team.namespace, "first", topic="orders"),
        shop.agent(team.namespace, "second", topic="returns"),
        replicas=2,
    )
    before = team.uids()
    team.kube.delete(shop.AGENT, team.namespace, "second")
    eventually(lambda: not set(team.uids().values()) & set(before.values()), timeout=90)
    team.settled("orders", timeout=120)
    assert not team.readers("returns")


def test_a_topic_that_changes_leaves_no_zombie(team: Team) -> None:
    """C1, C3: the old topic goes, the new one is read, by one rollout and at most one rebalance."""
    team.start(shop.agent(team.namespace, "first", topic="orders"), replicas=2)
    apply(team.kube, shop.agent(team.namespace, "first", topic="returns"))
    eventually(lambda: team.covered("returns"), timeout=120)
    team.settled("returns")
    assert team.status()["rebalance"].get("attempts", 0) <= 1


def test_a_scale_down_is_covered_again_after_two_starts_at_most(team: Team) -> None:
    """C4: the seats of members that are gone are taken away at once; left to themselves they last a session timeout."""
    team.start(shop.agent(team.namespace, "first", topic="orders"))
    team.kube.patch(shop.APP, team.namespace, "shop", {"spec": {"replicas": 1}})
    gap = team.gap(
        "orders", lambda: team.covered("orders") and set(team.readers("orders").values()) == {LAST}
    )
    assert gap <= 2 * START < SESSION
    team.settled("orders")
    assert any(item["reason"] == "SayingGoodbye" for item in team.kube.list_objects(EVENT, team.namespace))


@pytest.mark.parametrize("team", [members.WITHOUT_KAFKA], indirect=True)
def test_a_scale_down_without_kafka_says_what_it_costs(team: Team) -> None:
    """Section 3 of real-runtime: nobody reads the partitions for a session timeout, and the status names the seats."""
    team.start(shop.agent(team.namespace, "first", topic="orders"))
    team.kube.patch(shop.APP, team.namespace, "shop", {"spec": {"replicas": 1}})
    eventually(lambda: "GoodbyesOff" in team.said(), timeout=30)
    team.settled("orders")
    assert set(team.readers("orders").values()) == {LAST}
    assert "GoodbyesOff" not in team.said()


def test_a_frozen_member_is_replaced(team: Team) -> None:
    """Section 4.4: who does not answer while others do gets a new process, once, with an Event; the others stay."""
    team.start(shop.agent(team.namespace, "first", topic="orders"), replicas=2)
    before = team.uids()
    team.node.freeze("shop-app-1", team.namespace)
    eventually(lambda: team.uids().get("shop-app-1") not in (None, before["shop-app-1"]), timeout=90)
    team.settled("orders", timeout=120)
    after = team.uids()
    assert after["shop-app-0"] == before["shop-app-0"]
    replaced = [
        item for item in team.kube.list_objects(EVENT, team.namespace) if item["reason"] == "MemberReplaced"
    ]
    assert len(replaced) == 1
    assert "frozen" in replaced[0]["note"]


def test_nobody_is_touched_when_the_brokers_are_gone(team: Team) -> None:
    """C10: members that lost their brokers say that they rebalance; a new process would not help them."""
    team.start(shop.agent(team.namespace, "first", topic="orders"), replicas=2)
    before = team.uids()
    for name in before:
        team.node.cut_off(name, team.namespace)
    eventually(lambda: _ready(team) == "False", timeout=60)
    # Longer than any threshold: a session timeout with its margin, then three strikes.
    end = time.monotonic() + 2 * SESSION
    eventually(lambda: time.monotonic() > end or team.uids() != before, timeout=3 * SESSION)
    assert team.uids() == before
    for name in before:
        team.node.reconnect(name, team.namespace)
    team.settled("orders", timeout=120)
    assert team.uids() == before


def test_a_rollout_keeps_all_members_but_one(team: Team) -> None:
    """C16: the next member is replaced when the last one processes; left alone all of them are out at once."""
    team.start(shop.agent(team.namespace, "first", topic="orders"))
    before = team.uids()
    apply(team.kube, shop.agent(team.namespace, "first", topic="orders", code="return v + 1"))
    least = 3

    def over() -> bool:
        nonlocal least
        calm = sum(view.calm for view in team.node.members if view.namespace == team.namespace)
        least = min(least, calm)
        return not set(team.uids().values()) & set(before.values())

    team.gap("orders", over)
    await_ready(team.kube, team.namespace, timeout=90)
    assert least >= 2


def _ready(team: Team) -> str:
    found = [item["status"] for item in team.status()["conditions"] if item["type"] == "Ready"]
    return str(found[0]) if found else ""


def test_the_status_of_a_settled_team_stands_still(team: Team) -> None:
    """Nothing that decisions keep in the status moves by itself."""
    team.start(shop.agent(team.namespace, "first", topic="orders"), replicas=2)

    def still() -> None:
        version = team.kube.get(shop.APP, team.namespace, "shop")["metadata"]["resourceVersion"]
        runs = team.controller.reconciled()
        apply(team.kube, shop.agent(team.namespace, "first", topic="orders") | {})
        eventually(lambda: team.controller.reconciled() >= runs, timeout=10)
        assert team.kube.get(shop.APP, team.namespace, "shop")["metadata"]["resourceVersion"] == version

    eventually_holds(still, timeout=60)


def test_a_controller_killed_at_each_step_of_a_recovery_replaces_once(team: Team) -> None:
    """D50, D53: strikes and the kill stand in the status, so a new process neither forgets nor kills a second time."""
    team.start(shop.agent(team.namespace, "first", topic="orders"), replicas=2)
    before = team.uids()
    team.node.freeze("shop-app-1", team.namespace)
    kills = team.kill_at_each_step(
        "recovery", until=lambda: team.uids().get("shop-app-1") not in (None, before["shop-app-1"])
    )
    assert kills >= 2, "the suspicion and at least one strike were seen"
    team.settled("orders", timeout=120)
    assert team.uids()["shop-app-0"] == before["shop-app-0"]
    assert len([start for start in team.node.starts if start.namespace == team.namespace]) == 3


def test_a_controller_killed_at_each_step_of_a_rollout_goes_on(team: Team) -> None:
    """L5, C16: the partition is in the StatefulSet itself; each member is replaced once, one at a time, and nobody dies."""
    team.start(
        shop.agent(team.namespace, "first", topic="orders"),
        shop.agent(team.namespace, "second", topic="returns"),
        replicas=2,
    )
    before = team.uids()
    team.kube.delete(shop.AGENT, team.namespace, "second")
    kills = team.kill_at_each_step(
        "rollout",
        until=lambda: not set(team.uids().values()) & set(before.values()) and len(team.uids()) == 2,
    )
    assert kills >= 2
    team.settled("orders", timeout=120)


def test_a_controller_killed_at_each_step_of_a_rebalance_asks_again_at_most(team: Team) -> None:
    """D40: the request stands in the status from the first sight of it until the members have shown that they rejoined."""
    team.start(shop.agent(team.namespace, "first", topic="orders"), replicas=2)
    before = team.uids()
    annotations = {"metadata": {"annotations": {"kaspr.io/rebalance": "true"}}}
    team.kube.patch(shop.APP, team.namespace, "shop", annotations)
    kills = team.kill_at_each_step("rebalance", until=lambda: team.status()["rebalance"]["state"] == "Done")
    assert kills >= 1
    team.settled("orders")
    assert team.uids() == before
    assert team.status()["rebalance"]["attempts"] <= kills + 1


@pytest.mark.parametrize("team", [{"ROLLOUT_DEADLINE_SECONDS": "40"}], indirect=True, ids=["deadline"])
def test_a_broken_revision_stops_at_its_first_member_and_is_named(team: Team) -> None:
    """Behaviour 2.2: the others keep the old revision and process; the cause is told; the next edit mends it."""
    team.start(shop.agent(team.namespace, "first", topic="orders"), replicas=2)
    before = team.uids()
    broken = team.app(replicas=2)
    broken["spec"]["template"]["pod"]["metadata"] = {"annotations": {"sim.kaspr.io/behaviour": "crash=3"}}
    apply(team.kube, broken)
    eventually(lambda: "CrashLoop" in team.said(), timeout=110)
    stuck = [item for item in team.status()["conditions"] if item["type"] == "RolloutStuck"]
    assert "exit code 3" in stuck[0]["message"]
    assert team.uids()["shop-app-0"] == before["shop-app-0"]
    eventually(lambda: set(team.readers("orders").values()) == {LAST}, timeout=30)
    apply(team.kube, team.app(replicas=2))
    team.settled("orders", timeout=120)
    assert not [item for item in team.status()["conditions"] if item["type"] == "RolloutStuck"]


def test_a_table_that_is_deleted_leaves_no_zombie(team: Team) -> None:
    """C1: a changelog that is in the old assignment and no longer known kills the coordinator just as a topic does."""
    team.start(
        shop.agent(team.namespace, "first", topic="orders"),
        shop.table(team.namespace, "totals"),
        replicas=2,
    )
    before = team.uids()
    team.kube.delete(shop.TABLE, team.namespace, "totals")
    eventually(lambda: not set(team.uids().values()) & set(before.values()), timeout=90)
    team.settled("orders", timeout=120)
    assert len([start for start in team.node.starts if start.namespace == team.namespace]) == 4, "nobody died"


def test_a_controller_killed_at_each_step_of_a_goodbye_ends_it(team: Team) -> None:
    """Who held which seat stands in the status: a seat is neither forgotten nor taken from a member that lives."""
    team.start(shop.agent(team.namespace, "first", topic="orders"))
    before = team.uids()
    team.kube.patch(shop.APP, team.namespace, "shop", {"spec": {"replicas": 1}})
    kills = team.kill_at_each_step(
        "farewell",
        until=lambda: team.covered("orders") and set(team.readers("orders").values()) == {LAST},
    )
    assert kills >= 1
    team.settled("orders", timeout=120)
    assert team.uids() == {LAST: before[LAST]}
    assert not team.status().get("farewell", {}).get("owed")
