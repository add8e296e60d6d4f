"""A controller that is killed anywhere within its work: the next one goes on, and then there is nothing left to do.

The moment is a request, not a time: the process dies before the n-th of its writes leaves, or when the server has carried
it out and the answer is still on its way. Which n, and which of the two, comes from a seed.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from kaspr_controller.kube.kinds import CONFIG_MAP, SERVICE, STATEFUL_SET
from tests.integration.fixtures import shop
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.faults import Cut, Door
from tests.integration.fixtures.scraping import quiet
from tests.integration.fixtures.watching import apply, await_ready, mounted
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hack.controlplane.cluster import ControlPlane
    from hack.nodesim.simulator import NodeSimulator
    from tests.integration.fixtures.oracle import Kube

KILLS = 2
"""Processes that die over one change, one after another, before one is left alone."""


class Assassin:
    """Kills the process behind a door at one of its writes."""

    def __init__(self, door: Door, controller: Controller) -> None:
        self._door = door
        self._controller = controller
        self._lock = threading.Lock()  # requests come side by side
        self._left = 0
        self.killed_at: list[str] = []

    def aim(self, write: int, *, answered: bool) -> None:
        """At that write from now on, the first being 1, before it is passed on or when it has been carried out."""
        self._left = write
        self._door.on_request = _nothing if answered else self._count
        self._door.on_answer = self._count if answered else _nothing

    def rest(self) -> None:
        """Kill nobody any more."""
        with self._lock:
            self._left = 0

    def has_struck(self) -> bool:
        """Whether the process is dead."""
        process = self._controller.process
        return process is not None and process.poll() is not None

    def _count(self, method: str, path: str) -> None:
        if method == "GET" or "/events" in path:
            return
        with self._lock:
            self._left -= 1
            if self._left != 0:
                return
            self.killed_at.append(f"{method} {path}")
            self._controller.kill()
        raise Cut


@pytest.fixture
def door(control_plane: ControlPlane) -> Iterator[Door]:
    with Door(control_plane) as made:
        yield made


@pytest.fixture
def victim(
    door: Door, crds: object, simulator: NodeSimulator, namespace: str, tmp_path: Path
) -> Iterator[Controller]:
    with Controller(door.kubeconfig(tmp_path / "kubeconfig"), tmp_path, namespace=namespace) as running:
        yield running


@pytest.mark.timeout(240)
@pytest.mark.parametrize("seed", range(2))
def test_work_that_was_cut_off_is_continued(  # long: one life of an app
    door: Door, victim: Controller, kube: Kube, namespace: str, seed: int
) -> None:
    """H4, R1: created, edited, pruned and deleted by processes that die over it; a restart afterwards writes nothing."""
    rng = random.Random(seed)  # noqa: S311  # no secret: a failure must come again
    assassin = Assassin(door, victim)

    def over(change: Callable[[], None], writes: int, done: Callable[[], None]) -> None:
        """Make a change that takes about so many writes, and lose processes over it."""
        for number in range(KILLS):
            assassin.aim(rng.randint(1, writes), answered=rng.random() < 0.5)
            if number == 0:
                change()
            # There may be less to do than thought: then this process lives, and so does its work.
            eventually(lambda: assassin.has_struck() or _holds(done), timeout=40)
            if not assassin.has_struck():
                break
            victim.start()
        assassin.rest()
        if assassin.has_struck():
            victim.start()
        eventually_holds(done, timeout=40)
        quiet(victim, seconds=1.0)
        passed = len(door.passed)
        _restart(victim)
        new = [request for request in door.passed[passed:] if request[0] not in {"GET", "WATCH"}]
        assert new == [], f"after {assassin.killed_at}"

    over(lambda: _create(kube, namespace), 12, lambda: _is_running(kube, namespace, "return v", {"a", "b"}))
    over(lambda: _edit(kube, namespace), 5, lambda: _is_running(kube, namespace, "return 2", {"a", "b"}))
    over(
        lambda: kube.delete(shop.AGENT, namespace, "b"),
        3,
        lambda: _is_running(kube, namespace, "return 2", {"a"}),
    )
    assert len(assassin.killed_at) >= 3
    over(lambda: kube.delete(shop.APP, namespace, "shop"), 2, lambda: _is_gone(kube, namespace))


def _create(kube: Kube, namespace: str) -> None:
    apply(kube, shop.app(namespace), *(shop.agent(namespace, name, topic=name) for name in ("a", "b")))


def _edit(kube: Kube, namespace: str) -> None:
    changed = [shop.agent(namespace, name, topic=name, code="return 2") for name in ("a", "b")]
    apply(kube, shop.app(namespace, config={"topicPartitions": 3}), *changed)


def _is_running(kube: Kube, namespace: str, code: str, agents: set[str]) -> None:
    await_ready(kube, namespace, timeout=0)
    for agent in agents:
        await_ready(kube, namespace, agent, shop.AGENT, timeout=0)
        assert code in kube.get(CONFIG_MAP, namespace, f"{agent}-agent")["data"][f"{agent}-agent.yaml"]
    kube.get(SERVICE, namespace, "shop-app-api")
    names = {f"{agent}-agent" for agent in agents}
    assert mounted(kube, namespace) == names
    contents = {item["metadata"]["name"] for item in kube.list_objects(CONFIG_MAP, namespace)}
    assert contents == {"kube-root-ca.crt", "shop-app-config", *names}


def _is_gone(kube: Kube, namespace: str) -> None:
    assert kube.find(STATEFUL_SET, namespace, "shop-app") is None
    contents = {item["metadata"]["name"] for item in kube.list_objects(CONFIG_MAP, namespace)}
    assert contents == {"kube-root-ca.crt"}
    status = kube.get(shop.AGENT, namespace, "a")["status"]
    assert status["app"]["status"] == "AppNotFound"


def _restart(controller: Controller) -> None:
    controller.kill()
    controller.start()
    eventually(lambda: controller.reconciled() >= 1)
    quiet(controller, seconds=0.5)


def _holds(done: Callable[[], None]) -> bool:
    try:
        done()
    except (AssertionError, LookupError):
        return False
    return True


def _nothing(method: str, path: str) -> None:
    """Nobody dies."""
