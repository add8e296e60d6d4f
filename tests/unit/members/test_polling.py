"""Polling is bounded in rate, in parallel questions and in memory, and forgets pods that are gone."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING

import pytest

from kaspr_controller.engine.clock import SystemClock
from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.members.client import MemberClient
from kaspr_controller.members.polling import BREAKER_FAILURES, BREAKER_SECONDS, Poller
from kaspr_controller.members.running import RunningPoller
from kaspr_controller.members.targets import Target
from kaspr_controller.status.observations import Answer
from tests.fakes.clock import FakeClock
from tests.unit.members.liars import HONEST, liar, status

if TYPE_CHECKING:
    from collections.abc import Callable

APP = ObjectKey("KasprApp", "shop", "orders")
OTHER = ObjectKey("KasprApp", "shop", "bills")
CALM = Answer("ok", actives={"in": (0,)})
SILENT = Answer("timeout", "no answer in time")


def pods(count: int, prefix: str = "orders") -> tuple[Target, ...]:
    return tuple(Target(f"{prefix}-{n}", f"{prefix}-app-{n}", f"10.0.0.{n + 1}", 6065) for n in range(count))


class Members:
    """Answers as told, by pod UID; counts the questions."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []

    def status(self, target: Target, *, namespace: str) -> Answer:
        assert namespace == "shop"
        self.asked.append(target.pod_uid)
        return self.answers.get(target.pod_uid, CALM)


class World:
    """A poller whose time only moves by `run`."""

    def __init__(self, slots: int = 8) -> None:
        self.clock = FakeClock()
        self.members = Members()
        self.changes: list[ObjectKey] = []
        self.poller = Poller(
            self.members,
            on_change=self.changes.append,
            clock=self.clock,
            rng=random.Random(7),  # noqa: S311 - jitter
            slots=slots,
        )

    def run(self, seconds: float, step: float = 0.05) -> int:
        """Ask what is due for so long; the number of questions."""
        before = len(self.members.asked)
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            while found := self.poller.due(self.clock.monotonic(), 1):
                self.poller.poll_one(found[0])
        return len(self.members.asked) - before


@pytest.fixture
def world() -> World:
    return World()


def test_every_member_is_asked_at_its_pace(world: World) -> None:
    """`every` holds on average, and the first answers are there within it."""
    world.poller.want(APP, pods(3), every=2.0)
    world.run(2.0)
    assert world.poller.observations(APP).keys() == {"orders-0", "orders-1", "orders-2"}
    assert 3 * 45 <= world.run(100) <= 3 * 56


def test_a_fleet_is_spread_over_time(world: World) -> None:
    """After a start of the controller hundreds of members are not asked in one moment, nor later in step."""
    world.poller.want(APP, pods(200), every=2.0)
    counts = [world.run(0.1) for _ in range(100)]
    assert max(counts) < 40
    assert min(counts[1:]) > 0


def test_a_changed_answer_is_announced_once(world: World) -> None:
    """First sight and each difference wake the app; the same answer again does not."""
    world.poller.want(APP, pods(1), every=2.0)
    world.run(20)
    assert world.changes == [APP]
    world.members.answers["orders-0"] = Answer("ok", rebalancing=True)
    world.run(20)
    assert world.changes == [APP, APP]


def test_every_answer_that_never_came_is_announced(world: World) -> None:
    """C11: the first silence of a calm member is forgiven, so whoever decides must be told of the next ones as well."""
    world.poller.want(APP, pods(1), every=2.0)
    world.run(20)
    world.changes.clear()
    world.members.answers["orders-0"] = SILENT
    asked = world.run(12)
    assert asked >= 5
    assert world.changes == [APP] * asked
    assert world.poller.observations(APP)["orders-0"].timeouts == asked


def test_a_vanished_pod_is_forgotten(world: World) -> None:
    """A pod that is no longer wanted is neither asked nor remembered."""
    world.poller.want(APP, pods(3), every=2.0)
    world.run(5)
    world.poller.want(APP, pods(1), every=2.0)
    assert world.poller.observations(APP).keys() == {"orders-0"}
    world.members.asked.clear()
    world.run(10)
    assert set(world.members.asked) == {"orders-0"}


def test_a_dropped_app_costs_nothing(world: World) -> None:
    """After `drop` nothing is asked, nothing is known."""
    world.poller.want(APP, pods(3), every=2.0)
    world.run(5)
    world.poller.drop(APP)
    world.poller.drop(APP)
    assert world.run(10) == 0
    assert world.poller.observations(APP) == {}


def test_an_answer_that_comes_too_late_is_not_noted(world: World) -> None:
    """A pod may vanish, or get another address, while its answer is under way (IP reuse)."""
    world.poller.want(APP, pods(2), every=2.0)
    world.clock.advance(2)
    gone, moved = world.poller.due(world.clock.monotonic())
    new_address = Target(moved.target.pod_uid, moved.target.name, "10.9.9.9", 6065)
    world.poller.want(APP, [new_address], every=2.0)
    world.poller.poll_one(gone)
    world.poller.poll_one(moved)
    assert world.poller.observations(APP) == {}
    assert world.changes == []
    world.run(0.1)
    assert world.poller.observations(APP).keys() == {moved.target.pod_uid}


def test_a_pod_wanted_again_during_its_question_is_asked_on(world: World) -> None:
    """Leaving and coming back under a question in flight must not lose the pod's place in the plan."""
    world.poller.want(APP, pods(1), every=2.0)
    world.clock.advance(2)
    (flying,) = world.poller.due(world.clock.monotonic())
    world.poller.want(APP, (), every=2.0)
    world.poller.want(APP, pods(1), every=2.0)
    world.clock.advance(3)
    assert world.poller.due(world.clock.monotonic()) == []
    world.poller.poll_one(flying)
    world.run(5)
    assert world.poller.observations(APP).keys() == {"orders-0"}


def test_the_history_of_a_pod_survives_a_new_address(world: World) -> None:
    """The UID is the pod; its sandbox may be made anew."""
    world.members.answers["orders-0"] = Answer("ok", rebalancing=True)
    world.poller.want(APP, pods(1), every=2.0)
    world.run(5)
    since = world.poller.observations(APP)["orders-0"].rebalancing_since
    world.poller.want(APP, [Target("orders-0", "orders-app-0", "10.7.7.7", 6065)], every=2.0)
    world.run(5)
    assert since is not None
    assert world.poller.observations(APP)["orders-0"].rebalancing_since == since


def test_a_pod_without_address_is_not_asked(world: World) -> None:
    """Before it is scheduled a pod has no IP."""
    world.poller.want(APP, [Target("orders-0", "orders-app-0", "", 6065)], every=2.0)
    assert world.run(10) == 0


def test_a_faster_pace_takes_hold_at_once(world: World) -> None:
    """Somebody who waits for a rebalance does not wait for the slow pace of a calm app first."""
    world.poller.want(APP, pods(4), every=600.0)
    world.run(5)
    world.poller.want(APP, pods(4), every=1.0)
    assert world.run(1.5) >= 4


def test_wanting_the_same_again_asks_no_more(world: World) -> None:
    """Every reconcile repeats its wish."""
    world.poller.want(APP, pods(2), every=2.0)
    world.run(5)
    asked = 0
    for _ in range(100):
        world.poller.want(APP, pods(2), every=2.0)
        asked += world.run(0.1)
    assert asked <= 12


def test_a_silent_app_is_asked_less_often_until_somebody_answers(world: World) -> None:
    """The circuit breaker opens when all members failed 8 times in a row and closes with one answer."""
    for pod in pods(3):
        world.members.answers[pod.pod_uid] = SILENT
    world.poller.want(APP, pods(3), every=2.0)
    world.run(BREAKER_FAILURES * 2.0 * 1.2)
    assert world.poller.slowed(APP)
    assert world.run(BREAKER_SECONDS * 4) <= 3 * 5
    world.members.answers.clear()
    world.run(BREAKER_SECONDS * 1.2)
    assert not world.poller.slowed(APP)
    assert world.run(20) >= 3 * 8


def test_one_member_that_answers_keeps_the_pace_for_the_silent(world: World) -> None:
    """A frozen member is told from an outage by its peers, so it must be asked at the same pace."""
    world.members.answers["orders-0"] = SILENT
    world.poller.want(APP, pods(2), every=2.0)
    world.run(60)
    assert not world.poller.slowed(APP)
    assert world.poller.observations(APP)["orders-0"].timeouts >= 25


def test_an_app_gets_half_of_the_slots_at_most() -> None:
    """Forty silent members of one app, 3 s each, do not keep the others from being asked; none is skipped for good."""
    world = World(slots=4)
    world.poller.want(APP, pods(40), every=2.0)
    world.poller.want(OTHER, pods(3, "bills"), every=2.0)
    world.clock.advance(2)
    flying = world.poller.due(world.clock.monotonic(), 4)
    assert [due.app_key for due in flying].count(APP) == 2
    assert [due.app_key for due in flying].count(OTHER) == 2
    while flying:
        world.poller.poll_one(flying.pop())
        flying += world.poller.due(world.clock.monotonic(), 4 - len(flying))
    assert sorted(world.members.asked) == sorted(pod.pod_uid for pod in (*pods(40), *pods(3, "bills")))


def test_the_plan_does_not_grow_with_wishes(world: World) -> None:
    """A pace that changes again and again leaves no heap of old plans behind."""
    for round_ in range(2000):
        world.poller.want(APP, pods(3), every=600.0 if round_ % 2 else 1.0)
    assert len(world.poller._heap) <= 200


def test_a_pace_of_nothing_is_refused(world: World) -> None:
    """A loop without pause is a fault of the caller."""
    with pytest.raises(ValueError, match="every=0"):
        world.poller.want(APP, pods(1), every=0)


def spawn(name: str, body: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=body, name=name)
    thread.start()
    return thread


def test_slots_ask_real_members_and_stop() -> None:
    """On real threads and sockets: members are observed soon, a change wakes the app, `stop` ends every slot."""
    changed = threading.Semaphore(0)
    client = MemberClient()
    with liar(status(HONEST)) as server:
        poller = Poller(
            client,
            on_change=lambda _: changed.release(),
            clock=SystemClock(),
            rng=random.Random(1),  # noqa: S311 - jitter
            slots=3,
        )
        running = RunningPoller(poller, spawn)
        running.start()
        targets = [server.target(f"uid-{n}", f"orders-app-{n}") for n in range(5)]
        poller.want(APP, targets, every=0.05)
        for _ in targets:
            assert changed.acquire(timeout=5)
        server.script = status({**HONEST, "rebalancing": True})
        for _ in targets:
            assert changed.acquire(timeout=5)
        seen = poller.observations(APP)
        assert running.alive()
        running.stop()
        assert running.join(5)
    client.close()
    assert {each.answer.rebalancing for each in seen.values()} == {True}
    assert len(seen) == 5


def test_a_slot_in_the_middle_of_a_question_is_waited_for_no_longer_than_asked() -> None:
    """A stop has a budget; what has not ended within it is told, not waited for."""
    asked, answer = threading.Event(), threading.Event()

    class Slow:
        def status(self, target: Target, *, namespace: str) -> Answer:
            asked.set()
            answer.wait(5)
            return CALM

    poller = Poller(
        Slow(),
        on_change=lambda _: None,
        clock=SystemClock(),
        rng=random.Random(1),  # noqa: S311 - jitter
        slots=2,
    )
    running = RunningPoller(poller, spawn)
    running.start()
    poller.want(APP, pods(1), every=0.01)
    assert asked.wait(5)
    running.stop()
    assert not running.join(0.01)
    answer.set()
    assert running.join(5)
