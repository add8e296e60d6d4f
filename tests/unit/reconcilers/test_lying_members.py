"""Wrong answers in every phase of an app: nobody is replaced, and no app becomes Ready, because of a lie.

Sixteen classes of answers, six phases. What travels over a connection is read by the real client from a real port, once a
class; the answer is then given by one of two members while a world with every decision runs for three minutes.
"""

from __future__ import annotations

import functools
import gc
import json
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.members.client import MAX_BODY, MemberClient
from kaspr_controller.status.observations import Answer
from tests.unit.members.liars import HONEST, closed_target, liar, response, says
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.answering import RUNNING
from tests.unit.reconcilers.resources import APP
from tests.unit.reconcilers.team import Team, pod_key

if TYPE_CHECKING:
    import socket

    from kaspr_controller.members.targets import Target

LIAR = pod_key(1).name
STEP, STEPS = 15.0, 12
"""Seconds between two polls and their number: three strikes and the silence before them take less."""


def _without(*path: str) -> bytes:
    document: Any = json.loads(json.dumps(HONEST))
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return response(json.dumps(document).encode())


_OTHER = "http://bills-app-0.bills-app.shop.svc.cluster.local:6065"
SENT: dict[str, bytes] = {
    "4xx": response(b"{}", status="404 Not Found"),
    "5xx": response(b"{}", status="503 Service Unavailable"),
    "redirect": response(b"", status="302 Found", extra="Location: http://127.0.0.1:1/status/\r\n"),
    "html": response(b"<html>hello</html>", kind="text/html"),
    "huge body": response(b" " * (MAX_BODY + 1)),
    "wrong types": response(json.dumps({**HONEST, "rebalancing": "no"}).encode()),
    "missing keys": _without("assignment", "actives"),
    "old version": _without("recovering"),
    "another app": response(json.dumps({**HONEST, "table_metadata": {_OTHER: {}}}).encode()),
}
"""What is on the wire, for the classes in which that is the lie."""

SILENT = {"time-out", "slow drip"}
SAID = {"contradicting peers", "always rebalancing", "flapping", "signal ignored"}
CLASSES = sorted({"refuse", *SENT, *SILENT, *SAID})
END_OF_A_PROCESS = SILENT | {"always rebalancing"}
"""What a frozen or hung member does as well: there a new process is the remedy, for this member only."""
LIKE_THE_TRUTH = {"contradicting peers", "signal ignored", "flapping"}
"""At times or always the words of a calm member; only Kafka could tell."""


def _silence(over: threading.Event, *, drip: bool) -> Callable[[socket.socket], None]:
    def script(connection: socket.socket) -> None:
        while not over.wait(0.01):
            if drip:
                connection.sendall(b"H")

    return script


@functools.cache
def heard(name: str) -> Answer:
    """What the real client makes of it."""
    client = MemberClient(total=0.3 if name in SILENT else 5.0)
    over = threading.Event()
    try:
        if name == "refuse":
            return client.status(closed_target(), namespace="shop")
        script = says(SENT[name]) if name in SENT else _silence(over, drip=name == "slow drip")
        with liar(script) as server:
            answer = client.status(server.target(), namespace="shop")
            over.set()
            return answer
    finally:
        client.close()


class Stage(Team):
    """Two members; from `lie` on the second one lies."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.poller.reply = self._honest

    @staticmethod
    def _honest(target: Target) -> Answer:
        return replace(RUNNING, leader=target.name.endswith("-0"))

    def lie(self) -> None:
        """From now on, also to the next process of the controller."""
        self.poller.reply = self._reply

    def _reply(self, target: Target) -> Answer:
        if target.name != LIAR:
            return self._honest(target)
        if self.name == "always rebalancing":
            return Answer("ok", rebalancing=True, actives=RUNNING.actives)
        if self.name == "flapping":
            return RUNNING if self.clock.monotonic() // STEP % 2 else Answer("ok", rebalancing=True)
        if self.name == "contradicting peers":
            return replace(RUNNING, leader=True)
        return RUNNING if self.name == "signal ignored" else heard(self.name)

    def pass_time(self) -> None:
        for _ in range(STEPS):
            self.settle(STEP)
            self._wake(self.poller.targets)


APP_OF_TWO, AGENT = resources.app(replicas=2), resources.agent("a")


def new(stage: Stage) -> None:
    stage.lie()
    stage.user(APP_OF_TWO, AGENT)


def calm(stage: Stage) -> None:
    stage.start(APP_OF_TWO, AGENT)
    stage.lie()


def rollout(stage: Stage) -> None:
    calm(stage)
    stage.user(resources.agent("a", "clicks"))


def rebalance(stage: Stage) -> None:
    calm(stage)
    stage.annotate(APP, rebalance="true")


def scaling(stage: Stage) -> None:
    stage.start(resources.app(replicas=3), AGENT)
    stage.lie()
    stage.user(APP_OF_TWO)


def restarted(stage: Stage) -> None:
    calm(stage)
    stage.settle(STEP)
    stage.restart()
    stage.lie()


PHASES = (new, calm, rollout, rebalance, scaling, restarted)


@pytest.mark.parametrize("phase", PHASES, ids=lambda phase: phase.__name__)
@pytest.mark.parametrize("name", CLASSES)
def test_no_lie_kills_and_none_makes_ready(name: str, phase: Callable[[Stage], None]) -> None:
    """R13: absence of information is no evidence; a word that is not understood is no word."""
    stage = Stage(name)
    phase(stage)
    stage.pass_time()
    killed = [key.name for key in stage.cluster.asked("delete") if key.kind == "Pod"]
    if name in END_OF_A_PROCESS:
        assert set(killed) <= {LIAR}
        assert len(killed) <= 1
    else:
        assert killed == []
    ready = stage.why()
    assert ready is not None
    assert name in LIKE_THE_TRUTH or ready.status != "True", ready


def test_there_are_sixteen_classes_and_six_phases() -> None:
    """Of the first, thirteen at least are told by the client already."""
    assert (len(CLASSES), len(PHASES)) == (16, 6)
    kinds = {name: heard(name).kind for name in CLASSES if name not in SAID}
    assert "ok" not in kinds.values()
    assert {name for name, kind in kinds.items() if kind == "timeout"} == SILENT


@pytest.mark.parametrize("name", [*sorted(SENT)])
def test_lies_leave_nothing_in_memory(name: str) -> None:
    """R13: twenty answers cost a moment's buffer and nothing after it."""
    client = MemberClient()
    with liar(says(SENT[name])) as server:
        client.status(server.target(), namespace="shop")
        server.requests.clear()
        gc.collect()
        tracemalloc.start()
        for _ in range(20):
            client.status(server.target(), namespace="shop")
        server.requests.clear()
        gc.collect()
        left, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    client.close()
    assert left < 512 * 1024
    assert peak < 8 * MAX_BODY
