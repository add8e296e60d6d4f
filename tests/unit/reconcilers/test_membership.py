"""Who is asked, how often, and what an app without answers is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspr_controller.reconcilers.membership import Members
from kaspr_controller.status.facts import AppFacts, Membership
from kaspr_controller.status.judging import Group
from kaspr_controller.status.observations import Answer
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.answering import RUNNING
from tests.unit.reconcilers.resources import APP
from tests.unit.reconcilers.world import HEALTHY, WORKLOAD, World

if TYPE_CHECKING:
    from kaspr_controller.members.targets import Target

AGENT = resources.agent("a")
REBALANCING = Answer("ok", rebalancing=True)


def running(replicas: int = 2) -> World:
    world = World()
    world.start(resources.app(replicas=replicas), AGENT)
    return world


def members(world: World) -> list[str]:
    return sorted(target.name for target in world.poller.targets[APP])


def test_every_member_is_asked() -> None:
    """D48: by the identity of its pod, not by counting from zero."""
    world = running(3)
    assert members(world) == ["orders-app-0", "orders-app-1", "orders-app-2"]
    world.cluster.vanish(APP._replace(kind="Pod", name="orders-app-0"))
    world.settle(5.0, around=False)
    assert members(world) == ["orders-app-1", "orders-app-2"]


def test_a_member_without_an_address_is_not_asked_yet() -> None:
    """A pod that is not scheduled cannot answer; the app waits for it all the same."""
    world = running()
    pod = APP._replace(kind="Pod", name="orders-app-1")
    world.cluster.edit(pod, "status", "podIP", to=None)
    world.settle(5.0, around=False)
    assert members(world) == ["orders-app-0"]


def test_a_pod_that_is_not_ready_is_waited_for() -> None:
    """The kubelet's word comes first; its change wakes the app."""
    world = running()
    world.workloads.set_ready(APP._replace(kind="Pod", name="orders-app-1"), ready=False)
    world.settle(5.0, around=False)
    ready = world.why()
    assert ready is not None
    assert ready.message == "orders-app-1 is not ready"
    world.workloads.set_ready(APP._replace(kind="Pod", name="orders-app-1"), ready=True)
    world.settle(5.0, around=False)
    assert world.why() == HEALTHY


def test_an_app_that_is_not_calm_is_asked_often() -> None:
    """B3: every 2 s while something is awaited, every 30 s once it is calm."""
    world = running()
    assert world.poller.every[APP] == 30.0
    world.poller.reply = lambda _: REBALANCING
    world.settle()
    assert world.poller.every[APP] == 2.0
    waiting = world.why(condition="Reconciling")
    assert waiting is not None
    assert waiting.reason == "WaitingForMembers"
    assert waiting.message == "orders-app-0 is rebalancing, orders-app-1 is rebalancing"
    assert world.status()["rebalancingMembers"] == "2/2"
    world.poller.reply = lambda _: RUNNING
    world.settle()
    assert (world.poller.every[APP], world.why()) == (30.0, HEALTHY)


def test_one_member_is_enough_to_wait_for() -> None:
    """C3: Ready is about all members."""
    world = running(3)

    def reply(target: Target) -> Answer:
        return REBALANCING if target.name == "orders-app-1" else RUNNING

    world.poller.reply = reply
    world.settle()
    ready = world.why()
    assert ready is not None
    assert ready.message == "orders-app-1 is rebalancing"
    assert [member["rebalancing"] for member in world.status()["members"]] == [False, True, False]


def test_answers_during_a_roll_out_do_not_make_it_ready() -> None:
    """A calm old member says nothing about the new revision."""
    world = running()
    world.user(resources.agent("a", "clicks"))
    world.settle(5.0, around=False)
    world.workloads.roll(WORKLOAD, at_most=1)
    world.settle(5.0, around=False)
    world._wake(world.poller.ask())
    world.settle(5.0, around=False)
    assert world.poller.every[APP] == 2.0
    reconciling = world.why(condition="Reconciling")
    assert reconciling is not None
    assert reconciling.reason == "RolloutInProgress"


def test_nobody_is_asked_when_nobody_is_there() -> None:
    """An app at zero members has nobody to ask; its former members are forgotten."""
    world = running()
    world.user(resources.app(replicas=0))
    world.settle()
    assert world.poller.targets == {}
    assert world.status()["rebalancingMembers"] == "0/0"
    assert "members" not in world.status()


def test_a_restart_trusts_members_that_were_calm() -> None:
    """Absence of information is no evidence: until the first answers are in, the status stands."""
    world = running()
    world.restart()
    world.settle(5.0, around=False)
    assert world.cluster.requests == []
    assert members(world) == ["orders-app-0", "orders-app-1"]
    assert world.why() == HEALTHY


def test_a_restart_does_not_trust_a_new_pod() -> None:
    """The trust is in a pod's UID; a pod that came while nobody looked has yet to be heard."""
    world = running()
    world.cluster.vanish(APP._replace(kind="Pod", name="orders-app-0"))
    world.workloads.roll(WORKLOAD)
    world.restart()
    world.settle(4.0, around=False)
    ready = world.why()
    assert ready is not None
    assert ready.message == "orders-app-0 has not been heard yet"


def test_without_a_poller_pods_decide() -> None:
    """Asking can be switched off; then nothing is said about members at all."""
    world = World(poll=False)
    world.start(resources.app(), resources.agent("a", "unheard-of"))
    assert world.why() == HEALTHY
    assert "members" not in world.status()
    assert "rebalancingMembers" not in world.status()
    silent = Members(stores=world.stores, poller=None)
    facts = AppFacts(generation=1, old={}, now="")
    assert silent.judge(APP, topics=("unheard-of",), facts=facts, group=Group()) == Membership()
    silent.forget(APP)
