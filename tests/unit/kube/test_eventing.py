"""Events: their form, their series, their limits, and that nobody ever waits for them."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.engine.threads import Loop
from kaspr_controller.kube import eventing
from kaspr_controller.kube.eventing import EventSink
from kaspr_controller.telemetry import metrics
from tests.fakes.apiserver import ApiServer, Exchange, answers, drops, hangs, refuses
from tests.fakes.clock import FakeClock
from tests.unit.kube.clients import client_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kaspr_controller.kube.client import Client

APP = {
    "apiVersion": "kaspr.io/v1alpha1",
    "kind": "KasprApp",
    "metadata": {"namespace": "n", "name": "a", "uid": "u1", "resourceVersion": "7", "labels": {"x": "y"}},
    "spec": {},
}


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer() as server:
        server.always(answers({}, 201))
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def client(server: ApiServer, clock: FakeClock) -> Iterator[Client]:
    with client_for(server, clock=clock) as client:
        yield client


@pytest.fixture
def sink(client: Client, clock: FakeClock) -> EventSink:
    rng = random.Random(1)  # noqa: S311 (names)
    return EventSink(client, clock=clock, rng=rng, instance="pod-1")


def tell(
    sink: EventSink,
    *,
    regarding: Any = APP,
    reason: str = "Created",
    note: str = "made it",
    type_: str = "Normal",
) -> None:
    sink.emit(regarding, type=type_, reason=reason, action="Reconcile", note=note)


def dropped(reason: str) -> float:
    return float(metrics.EVENT_DROPS.labels(reason)._value.get())


def sent(server: ApiServer) -> list[str]:
    return [request.method for request in server.requests]


def test_an_event_has_what_the_api_demands(server: ApiServer, sink: EventSink) -> None:
    """events.k8s.io/v1: microseconds, reporting controller and instance, action, reason; a reference, not the object."""
    tell(sink)
    sink.send_queued()
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/apis/events.k8s.io/v1/namespaces/n/events")
    event = request.json()
    name = event["metadata"].pop("name")
    assert name.startswith("a.")
    assert len(name) == len("a.") + 16
    assert event == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "n"},
        "eventTime": "2026-01-02T03:04:05.000000Z",
        "type": "Normal",
        "reason": "Created",
        "action": "Reconcile",
        "note": "made it",
        "regarding": {
            "apiVersion": "kaspr.io/v1alpha1",
            "kind": "KasprApp",
            "namespace": "n",
            "name": "a",
            "uid": "u1",
            "resourceVersion": "7",
        },
        "reportingController": "kaspr-controller",
        "reportingInstance": "pod-1",
    }


def test_an_event_about_a_cluster_wide_object_lives_in_default(server: ApiServer, sink: EventSink) -> None:
    """The API demands it."""
    tell(sink, regarding={"apiVersion": "v1", "kind": "Node", "metadata": {"name": "x"}})
    sink.send_queued()
    assert server.requests[0].json()["metadata"]["namespace"] == "default"


@pytest.mark.parametrize("note", ["x" * 5000, "ü" * 1000, "😀" * 600])
def test_notes_are_cut_by_bytes(server: ApiServer, sink: EventSink, note: str) -> None:
    """The server counts bytes and refuses more than 1024; no character is torn."""
    tell(sink, note=note)
    sink.send_queued()
    cut = server.requests[0].json()["note"]
    assert 1000 < len(cut.encode()) <= 1024
    assert cut.endswith("…")
    assert set(cut) == {note[0], "…"}


def test_names_are_cut_but_valid(server: ApiServer, sink: EventSink) -> None:
    """Object names may be 253 characters long, and so may the Event's."""
    tell(sink, regarding={**APP, "metadata": {"namespace": "n", "name": "a" * 235 + "." * 18, "uid": "u"}})
    sink.send_queued()
    name = server.requests[0].json()["metadata"]["name"]
    assert len(name) <= 253
    assert ".." not in name


def test_a_repetition_becomes_a_series(server: ApiServer, sink: EventSink, clock: FakeClock) -> None:
    """Rule V2: the second one makes it visible, the next hundred cost nothing, the end writes the sum."""
    tell(sink)
    sink.send_queued()
    clock.advance(10)
    tell(sink)
    sink.send_queued()
    assert sent(server) == ["POST", "PATCH"]
    created, patched = server.requests
    assert patched.path.endswith("/" + created.json()["metadata"]["name"])
    assert patched.json() == {"series": {"count": 2, "lastObservedTime": "2026-01-02T03:04:15.000000Z"}}
    for _ in range(100):
        tell(sink)
    sink.send_queued()
    assert len(server.requests) == 2
    clock.advance(eventing.SERIES_QUIET_SECONDS)
    sink.send_queued()
    assert server.requests[-1].json()["series"]["count"] == 102
    assert len(server.requests) == 3


def test_after_a_quiet_time_it_is_a_new_event(server: ApiServer, sink: EventSink, clock: FakeClock) -> None:
    """Six minutes end a series; one that was told once has nothing left to write."""
    tell(sink)
    sink.send_queued()
    clock.advance(eventing.SERIES_QUIET_SECONDS)
    tell(sink)
    sink.send_queued()
    assert sent(server) == ["POST", "POST"]


def test_an_endless_series_is_refreshed(server: ApiServer, sink: EventSink, clock: FakeClock) -> None:
    """Else its Event would expire on the server after an hour while it still goes on."""
    for _ in range(20):
        tell(sink)
        sink.send_queued()
        clock.advance(300)
    assert sent(server) == ["POST", "PATCH", "PATCH", "PATCH", "PATCH"]


def test_different_notes_are_different_events(server: ApiServer, sink: EventSink) -> None:
    """Which member was killed matters."""
    tell(sink, note="member 1")
    tell(sink, note="member 2")
    tell(sink, reason="Deleted", note="member 1")
    sink.send_queued()
    assert sent(server) == ["POST"] * 3


def test_each_object_has_a_budget(server: ApiServer, sink: EventSink, clock: FakeClock) -> None:
    """Rule V2: 25 at once, then one each five minutes; other objects are not concerned."""
    before = dropped("object-limit")
    for number in range(40):
        tell(sink, note=f"note {number}")
    sink.send_queued()
    assert len(server.requests) == 25
    assert dropped("object-limit") == before + 15
    other = {**APP, "metadata": {**APP["metadata"], "uid": "u2"}}  # type: ignore[dict-item]
    tell(sink, regarding=other)
    sink.send_queued()
    assert len(server.requests) == 26
    clock.advance(eventing.OBJECT_REFILL_SECONDS)
    tell(sink, note="later")
    tell(sink, note="too soon")
    sink.send_queued()
    assert len(server.requests) == 27


def test_the_queue_is_bounded(server: ApiServer, sink: EventSink) -> None:
    """Whoever tells never waits: beyond 1000 it is dropped and counted."""
    before = dropped("queue-full")
    for number in range(1200):
        regarding = {**APP, "metadata": {"namespace": "n", "name": "a", "uid": f"u{number}"}}
        tell(sink, regarding=regarding)
    assert dropped("queue-full") == before + 200
    sink.send_queued()
    assert len(server.requests) == eventing.QUEUE_SIZE


def test_a_failed_event_is_dropped_not_repeated(server: ApiServer, sink: EventSink) -> None:
    """Rule A2: Events are not worth a second attempt; the sender goes on."""
    before = dropped("error")
    server.script(
        drops, refuses(403, "Forbidden", "namespace is terminating"), refuses(429, "TooManyRequests")
    )
    for number in range(4):
        tell(sink, note=f"{number}")
    sink.send_queued()
    assert sent(server) == ["POST"] * 4
    assert dropped("error") == before + 3


def test_a_series_whose_event_expired_starts_again(server: ApiServer, sink: EventSink) -> None:
    """The server forgets Events after an hour, or somebody deleted it."""
    tell(sink)
    sink.send_queued()
    server.script(refuses(404, "NotFound"))
    tell(sink)
    sink.send_queued()
    assert sent(server) == ["POST", "PATCH", "POST"]
    assert server.requests[0].json()["metadata"]["name"] != server.requests[2].json()["metadata"]["name"]


def test_emit_never_blocks(server: ApiServer, client: Client, sink: EventSink) -> None:
    """The sender hangs on a silent server; a worker tells in no time."""
    hung = threading.Event()

    def silent(exchange: Exchange) -> None:
        hung.set()
        hangs(exchange)

    server.script(silent)
    stop = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        sender = pool.submit(sink.run, stop)
        tell(sink)
        assert hung.wait(2)
        began = time.monotonic()
        for number in range(100):
            tell(sink, note=f"{number}")
        assert time.monotonic() - began < 0.2
        stop.set()
        client.close()
        sender.result(2)


def test_a_stop_sends_what_is_queued(server: ApiServer, sink: EventSink) -> None:
    """The last words of a process matter most."""
    stop = threading.Event()
    stop.set()
    for number in range(10):
        tell(sink, note=f"{number}")
    sink.run(stop)
    assert len(server.requests) == 10


def test_a_stop_wakes_the_sender(client: Client) -> None:
    """A sender with nothing to send looks up twice a second; the exit does not wait for that."""
    clock = FakeClock(jump=False)  # time stands still, so only the wake-up can end the pause
    sink = EventSink(client, clock=clock, rng=random.Random(1), instance="pod-1")  # noqa: S311 (names)
    loop = Loop("events", sink.run, time.monotonic, wake=sink.wake)
    loop.start()
    clock.await_sleepers()
    loop.stop()
    assert loop.join(5)


def test_memory_is_bounded(sink: EventSink, server: ApiServer) -> None:
    """Apps come and go for months; what is remembered about each does not pile up."""
    for number in range(eventing.REMEMBERED + 100):
        regarding = {**APP, "metadata": {"namespace": "n", "name": "a", "uid": f"u{number}"}}
        assert sink._affords(regarding["metadata"]["uid"], 0.0)  # type: ignore[index]
    assert len(sink._budgets) == eventing.REMEMBERED


def test_a_stop_does_not_wait_for_the_whole_queue(
    server: ApiServer, client: Client, clock: FakeClock
) -> None:
    """V2: a slow server and a full queue must not hold the exit: two seconds from the stop, the rest is lost."""
    stop = threading.Event()

    def slow(exchange: Exchange) -> None:
        stop.set()
        clock.advance(0.9)
        exchange.answer(201, {})

    server.always(slow)
    rng = random.Random(1)  # noqa: S311 (names)
    sink = EventSink(client, clock=clock, rng=rng, instance="pod-1")
    before = dropped("error")
    for number in range(20):
        tell(sink, note=f"{number}")
    sink.run(stop)
    assert len(server.requests) == 4, "one that was in hand, three within two seconds"
    assert dropped("error") == before + 16


def test_an_event_that_cannot_be_made_costs_itself_only(server: ApiServer, sink: EventSink) -> None:
    """X4 ends the process when a thread dies; an object without a name, or a note that is no text, is no reason."""
    before = dropped("error")
    tell(sink, regarding={"metadata": {}})
    tell(sink, note="\ud800")
    tell(sink)
    sink.send_queued()
    assert sent(server) == ["POST"]
    assert dropped("error") == before + 2
