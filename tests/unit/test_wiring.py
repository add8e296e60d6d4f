"""The whole program on threads of its own, against a server on a real socket: how it comes to its end."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.engine.collecting import Collector
from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.reconcilers import kinds
from kaspr_controller.settings import Settings
from kaspr_controller.wiring import Program
from tests.fakes.apiserver import ApiServer, Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KINDS = {kind.plural: kind for kind in kinds.WATCHED}
APP = {
    "apiVersion": "kaspr.io/v1alpha1",
    "kind": "KasprApp",
    "metadata": {"namespace": "n", "name": "a", "uid": "u1", "resourceVersion": "7"},
}


class Cluster:
    """An empty cluster that stores a lease; `hang_lists` makes it accept lists and never answer them.

    Events are taken slowly: whoever does not wait for them gives the lease back in the meantime.
    """

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.version = 100
        self.hang_lists = False
        self.new_app = False
        self.standby = False
        self.listing = threading.Event()
        self.given_back = threading.Event()
        server.always(self.behave)

    def behave(self, exchange: Exchange) -> None:
        request = exchange.request
        plural = request.path.rpartition("/")[2]
        if "leases" in request.path:
            self.lease(exchange)
        elif request.method != "GET":
            self.given_back.wait(0.2)
            exchange.answer(201, {})
        elif "watch" in request.query:
            exchange.begin_stream()
            if plural == "kasprapps" and self.new_app:
                exchange.line({"type": "ADDED", "object": APP})
            exchange.hang()
        elif self.hang_lists:
            self.listing.set()
            exchange.hang()
        else:
            answer = {"kind": f"{KINDS[plural].kind}List", "metadata": {"resourceVersion": "5"}, "items": []}
            exchange.answer(200, answer)

    def lease(self, exchange: Exchange) -> None:
        if exchange.request.method == "GET" or self.standby:
            exchange.status(404, "NotFound")
            return
        self.version += 1
        lease = exchange.request.json()
        lease["metadata"]["resourceVersion"] = str(self.version)
        exchange.answer(200, lease)
        if not lease["spec"]["holderIdentity"]:
            self.given_back.set()

    def events(self) -> list[str]:
        return [one.json()["reason"] for one in self.server.requests if one.path.endswith("/events")]

    def holders(self) -> list[str]:
        leases = [one for one in self.server.requests if "leases" in one.path and one.method != "GET"]
        return [one.json()["spec"]["holderIdentity"] for one in leases]


class Run:
    """A program that runs on a thread of its own."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.codes: list[int] = []
        program._lifecycle._leave = self.codes.append
        self.thread = threading.Thread(target=lambda: self.codes.append(program.run()))
        self.thread.start()

    def stop(self) -> list[int]:
        self.program._lifecycle.request_stop("test")
        self.thread.join(20)
        assert not self.thread.is_alive()
        return self.codes


def settings(**given: Any) -> Settings:
    return Settings(metrics_port=0, metrics_address="127.0.0.1", **given)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with ApiServer() as server:
        yield Cluster(server)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Run]]:
    runs: list[Run] = []
    monkeypatch.setattr(Collector, "freeze", lambda _self: 0)  # not the heap of the other tests

    def begin(program: Program) -> Run:
        runs.append(Run(program))
        return runs[-1]

    yield begin
    for run in runs:
        run.stop()
        run.program._collector.uninstall()


def test_what_the_last_reconcile_told_is_sent_before_the_lease_is_given_back(
    start: Callable[..., Run], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V2, L4: the fence lets an Event pass only while we lead, so the sender ends before the elector does."""
    program = Program(settings(), cluster.server.cluster())
    workers, events, working = program._workers[0], program._events, threading.Event()
    begin, join = workers.start, workers.join

    def note_start() -> None:
        begin()
        working.set()

    def tell_and_join(timeout: float) -> bool:
        ended = join(timeout)
        for reason in ("First", "Last"):
            events.emit(APP, type="Normal", reason=reason, action="Reconcile", note="bye")
        return ended

    monkeypatch.setattr(workers, "start", note_start)
    monkeypatch.setattr(workers, "join", tell_and_join)
    run = start(program)
    assert working.wait(5)
    assert run.stop() == [0]
    assert cluster.events() == ["First", "Last"]
    assert cluster.holders()[-1] == ""


def test_a_list_that_is_never_answered_does_not_spoil_the_stop(
    start: Callable[..., Run], cluster: Cluster
) -> None:
    """X3: informers that wait for a server which hangs are cut off, the exit is an orderly one."""
    cluster.hang_lists = True
    run = start(Program(settings(leader_election=False), cluster.server.cluster()))
    assert cluster.listing.wait(5)
    assert run.stop() == [0]


def test_the_debug_page_knows_why_an_app_was_queued(
    start: Callable[..., Run], cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """O2: the triggers of a key are noted too, not only what its runs came to; here nobody runs it, on a standby."""
    cluster.new_app = cluster.standby = True
    program = Program(settings(), cluster.server.cluster())
    add, queued = program._queues.apps.add, threading.Event()

    def note(key: ObjectKey, priority: int = 0) -> None:
        add(key, priority)
        queued.set()

    monkeypatch.setattr(program._queues.apps, "add", note)
    run = start(program)
    assert queued.wait(5)
    run.stop()
    lines = program._journal.read(ObjectKey("KasprApp", "n", "a"))
    assert [line.text.partition(" of ")[0] for line in lines] == ["queued by KasprApp.rewritten"]
