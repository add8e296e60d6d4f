"""Watches over real sockets: what a stream yields, how it ends, and how fast it can be stopped."""

from __future__ import annotations

import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspr_controller.kube import errors, watching
from kaspr_controller.kube.kinds import CONFIG_MAP, POD
from kaspr_controller.kube.transport import HttpTransport
from tests.fakes.apiserver import (
    ApiServer,
    Exchange,
    drops,
    refuses,
    status,
    streams,
)
from tests.unit.kube.clients import client_for
from tests.unit.kube.watches import bookmark, event, pod, seen, watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kaspr_controller.kube.client import Client


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.fixture
def client(server: ApiServer) -> Iterator[Client]:
    with client_for(server) as client:
        yield client


def test_the_request_asks_for_bookmarks_and_an_end(server: ApiServer, client: Client) -> None:
    """Rule W3: bookmarks keep the stream alive, the server ends it after a random while."""
    server.script(streams())
    stream = client.watch(
        POD, "n", resource_version="7", label_selector="app=x,b!=c", timeout_seconds=301, field_selector="a=b"
    )
    assert seen(stream) == []
    (request,) = server.requests
    assert request.path == "/api/v1/namespaces/n/pods"
    assert request.query == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "301",
        "labelSelector": "app=x,b!=c",
        "fieldSelector": "a=b",
        "resourceVersion": "7",
    }
    assert request.headers["accept"] == "application/json;drop=metadata.managedFields"


def test_events_come_in_order_without_managed_fields(server: ApiServer, client: Client) -> None:
    """A clean end is no error; the version to resume from is that of the last event, bookmarks included."""
    server.script(
        streams(
            event("ADDED", 2, managedFields=[{"manager": "x"}]),
            event("MODIFIED", 3),
            event("DELETED", 4),
            bookmark(9),
        )
    )
    stream = watch(client)
    events = list(stream)
    assert [(event.type, event.resource_version) for event in events] == [
        ("ADDED", "2"),
        ("MODIFIED", "3"),
        ("DELETED", "4"),
        ("BOOKMARK", "9"),
    ]
    assert all("managedFields" not in event.object["metadata"] for event in events)
    assert stream.resource_version == "9"


def test_an_expired_version_is_a_410_answer(server: ApiServer, client: Client) -> None:
    """As an answer..."""
    server.script(refuses(410, "Expired", "too old resource version: 1 (7)"))
    with pytest.raises(errors.Expired, match="too old"):
        seen(watch(client))


def test_an_expired_version_is_an_error_event(server: ApiServer, client: Client) -> None:
    """... or in the middle of a stream; what came before is kept."""
    server.script(streams(event("ADDED", 2), {"type": "ERROR", "object": status(410, "Expired", "too old")}))
    stream = watch(client)
    with pytest.raises(errors.Expired):
        seen(stream)
    assert stream.resource_version == "2"


def test_an_internal_error_event_is_no_reason_to_list_again(server: ApiServer, client: Client) -> None:
    """Only an expired version is."""
    server.script(streams({"type": "ERROR", "object": status(500, "InternalError", "decode failed")}))
    with pytest.raises(errors.ServerError) as caught:
        seen(watch(client))
    assert not isinstance(caught.value, errors.Gone)


def test_too_many_requests_says_when_to_come_back(server: ApiServer, client: Client) -> None:
    """Rule W7: the informer takes this as the floor of its backoff."""
    server.script(refuses(429, "TooManyRequests", "later", Retry_After="13"))
    with pytest.raises(errors.TooManyRequests) as caught:
        seen(watch(client))
    assert caught.value.retry_after == 13


def test_an_instant_end_is_told_apart(server: ApiServer, client: Client) -> None:
    """No answer at all is an error, an empty stream is not."""
    server.script(drops, streams())
    with pytest.raises(errors.ConnectionLost):
        seen(watch(client))
    assert seen(watch(client)) == []


def test_a_cut_cable_is_a_lost_connection(server: ApiServer, client: Client) -> None:
    """Events before it count; the stream resumes after them."""
    server.script(streams(event("ADDED", 2), event("ADDED", 3), clean=False))
    stream = watch(client)
    with pytest.raises(errors.ConnectionLost):
        seen(stream)
    assert stream.resource_version == "3"


def test_a_torn_last_line_is_no_event(server: ApiServer, client: Client) -> None:
    """Even where half a line happens to be the end of a clean answer."""

    def torn(exchange: Exchange) -> None:
        exchange.begin_stream()
        exchange.line(event("ADDED", 2))
        exchange.chunk(json.dumps(event("ADDED", 3)).encode()[:-5])
        exchange.end_stream()

    server.script(torn)
    stream = watch(client)
    with pytest.raises(errors.ConnectionLost, match="within an event"):
        seen(stream)
    assert stream.resource_version == "2"


def test_a_line_that_is_no_json_ends_the_stream(server: ApiServer, client: Client) -> None:
    """Skipping it would lose an event for ever; a resumed watch gets it again."""

    def garbled(exchange: Exchange) -> None:
        exchange.begin_stream()
        exchange.line(event("ADDED", 2))
        exchange.chunk(b"<html>\n")
        exchange.line(event("ADDED", 3))
        exchange.end_stream()

    server.script(garbled)
    stream = watch(client)
    with pytest.raises(errors.ProtocolError):
        seen(stream)
    assert stream.resource_version == "2"


@pytest.mark.parametrize(
    "strange",
    [
        {"type": "SYNC", "object": pod(3)},
        {"type": "ADDED", "object": {"kind": "Table", "metadata": {"resourceVersion": "3"}}},
        {"type": "ADDED", "object": {"kind": "Pod", "metadata": {}}},
        {"type": "ADDED", "object": {"kind": "Pod"}},
        {"type": "ADDED", "object": None},
        {"type": "ERROR", "object": None},
        {},
    ],
)
def test_events_of_an_unknown_form_are_skipped(
    server: ApiServer, client: Client, strange: dict[str, Any]
) -> None:
    """They never reach a store; the stream goes on."""
    server.script(streams(strange, event("ADDED", 4)))
    assert seen(watch(client)) == [("ADDED", "4")]


def test_silence_is_an_idle_timeout(server: ApiServer, client: Client) -> None:
    """Rule W3: a half-open connection is noticed by us; we resume, not list."""

    def falls_silent(exchange: Exchange) -> None:
        exchange.begin_stream()
        exchange.line(event("ADDED", 2))
        exchange.hang()

    server.script(falls_silent)
    stream = watch(client, idle_seconds=0.1)
    with pytest.raises(errors.IdleTimeout):
        seen(stream)
    assert stream.resource_version == "2"


def test_late_bookmarks_keep_a_stream_alive(server: ApiServer, client: Client) -> None:
    """The limit is for silence, not for the length of the stream."""

    def slow(exchange: Exchange) -> None:
        exchange.begin_stream()
        for version in range(2, 8):
            exchange.released.wait(0.06)
            exchange.line(bookmark(version))
        exchange.end_stream()

    server.script(slow)
    began = time.monotonic()
    assert len(seen(watch(client, idle_seconds=0.2))) == 6
    assert time.monotonic() - began > 0.3


def test_each_watch_has_its_own_connection(server: ApiServer, client: Client) -> None:
    """A watch must not starve requests of the pool, nor be confused with them."""
    server.script(streams(), streams())
    seen(watch(client))
    seen(watch(client))
    assert server.connections == 2


def test_an_unknown_kind_is_not_found(server: ApiServer, client: Client) -> None:
    """The CRD may not be installed yet."""
    server.script(refuses(404, "NotFound", "the server could not find the requested resource"))
    with pytest.raises(errors.NotFound):
        list(client.watch(CONFIG_MAP, resource_version="1", timeout_seconds=300))


@given(
    lines=st.lists(st.binary(max_size=20).map(lambda data: data.replace(b"\n", b"x")), max_size=10),
    cuts=st.lists(st.integers(0, 200), max_size=10),
)
def test_lines_survive_any_cut(lines: list[bytes], cuts: list[int]) -> None:
    """However the network cuts the bytes, the same lines come out; empty ones do not count."""
    data = b"".join(line + b"\n" for line in lines)
    marks = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    chunks = [data[begin:end] for begin, end in itertools.pairwise(marks)]
    assert list(watching.split_lines(chunks)) == [line for line in lines if line]


def test_lines_of_megabytes_are_joined_in_linear_time() -> None:
    """An object of 1.5 MB comes in many chunks; joining them one by one would copy gigabytes."""
    chunks = [b"x" * 1000] * 20_000 + [b"\n"]
    began = time.monotonic()
    (line,) = watching.split_lines(chunks)
    assert len(line) == 20_000_000
    assert time.monotonic() - began < 1


def test_transport_is_free_of_a_watch_that_never_started(server: ApiServer) -> None:
    """A stream that nobody reads holds nothing."""
    transport = HttpTransport(server.cluster())
    with client_for(server) as client:
        watch(client)
    transport.close()
    assert server.connections == 0
