"""The HTTP server cannot be occupied, cannot be stalled, and stops at once."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from http import HTTPStatus

import pytest

from kaspr_controller.serve.listener import CONNECTION_SECONDS, THREADS, Listener
from kaspr_controller.serve.pages import Page, Request, Routes, as_json, text
from tests.unit.serve.asking import Asker, running


def listener(routes: Routes, **options: object) -> Listener:
    return Listener("test", "127.0.0.1", 0, routes, **options)  # type: ignore[arg-type]


def echo(request: Request) -> Page:
    return as_json(
        {
            "method": request.method,
            "rest": request.rest,
            "query": request.query,
            "body": request.body.decode(),
        }
    )


def test_the_longest_prefix_serves_the_page() -> None:
    """A view gets what comes after its prefix, decoded, and the query."""
    with running(listener(Routes({"/a": lambda _: text("short"), "/a/b": echo}))) as ask:
        assert ask("/a/x").text == "short"
        reply = ask("/a/b/c%2Fd/e?verbose&x=1&x=2")
        assert reply.headers["Content-Type"].startswith("application/json")
        assert '"c",\n    "d",\n    "e"' in reply.text
        assert '"verbose": [\n      ""\n    ]' in reply.text


def test_unknown_paths_are_answered_with_the_known_ones() -> None:
    """The front page is the list, and so is a 404."""
    with running(listener(Routes({"/a": echo, "/b": echo}))) as ask:
        assert (ask("/").status, ask("/").text) == (200, "/a\n/b\n")
        assert (ask("/c").status, ask("/c").text) == (404, "/a\n/b\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_nothing_can_be_changed(method: str) -> None:
    """Pages are read, but for those that say that they can be set."""
    with running(listener(Routes({"/a": echo, "/w": echo}, writable=frozenset({"/w"})))) as ask:
        reply = ask("/a", method, body=b"x")
        assert reply.status == HTTPStatus.METHOD_NOT_ALLOWED
        assert reply.headers["Allow"] == "GET, HEAD"
        assert (ask("/w", method, body=b"x").status == HTTPStatus.OK) is (method == "PUT")


def test_head_has_no_body() -> None:
    """A HEAD is a GET without its body."""
    with running(listener(Routes({"/a": echo}))) as ask:
        reply = ask("/a", "HEAD")
        assert (reply.status, reply.body) == (200, b"")
        assert int(reply.headers["Content-Length"]) == len(ask("/a").body)


def test_a_fault_in_a_page_is_answered_without_its_text() -> None:
    """The log has the traceback, the peer has 500."""

    def broken(_: Request) -> Page:
        raise RuntimeError("secret")

    with running(listener(Routes({"/a": broken, "/b": echo}))) as ask:
        reply = ask("/a")
        assert (reply.status, reply.text) == (500, "internal server error\n")
        assert ask("/b").status == HTTPStatus.OK


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET http://[bad/ HTTP/1.1\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"PUT /a HTTP/1.1\r\nContent-Length: 999999\r\n\r\n",
        b"GET /a?" + b"&".join(b"x=1" for _ in range(100)) + b" HTTP/1.1\r\n\r\n",
        b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_malformed_requests_end_only_themselves(data: bytes) -> None:
    """Whatever a peer sends, the next one is served, and no malformed request reaches a view."""
    with running(listener(Routes({"/a": echo}, writable=frozenset({"/a"})))) as ask:
        answer = b""
        with (
            socket.create_connection(("127.0.0.1", ask.port), timeout=5) as peer,
            contextlib.suppress(ConnectionError),
        ):
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            answer = peer.recv(65536)
        assert b" 200 " not in answer
        assert ask("/a").status == HTTPStatus.OK


def test_a_crowd_is_told_to_come_back_and_the_slow_are_cut() -> None:
    """Peers that hold all threads get in nobody's way for longer than a connection may last."""
    now = [0.0]
    with (
        running(listener(Routes({"/a": echo}), monotonic=lambda: now[0])) as ask,
        contextlib.ExitStack() as stack,
    ):
        peers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", ask.port), timeout=5))
            for _ in range(THREADS)
        ]
        for peer in peers:
            peer.sendall(b"GET /a HTTP/1.1\r\nX-Slow: ")
        assert turned_away(ask)
        now[0] = CONNECTION_SECONDS + 1
        for peer in peers:  # each ends: the loop looks at the clock once a second
            with contextlib.suppress(ConnectionError):
                while peer.recv(1024):
                    pass
        deadline = time.monotonic() + 5
        while turned_away(ask):  # its thread may still be on its way out
            assert time.monotonic() < deadline
        assert ask("/a").status == HTTPStatus.OK


def turned_away(ask: Asker) -> bool:
    """Whether there is no room: 503, or a reset when the answer was faster than the question."""
    try:
        return ask("/a").status == HTTPStatus.SERVICE_UNAVAILABLE
    except ConnectionError:
        return True


def test_stop_is_quick_even_with_an_open_request() -> None:
    """The pod's grace period belongs to the work, not to a scraper that hangs."""
    entered, leave = threading.Event(), threading.Event()

    def slow(_: Request) -> Page:
        entered.set()
        leave.wait(5)
        return text("done")

    server = listener(Routes({"/slow": slow}))
    server.start()
    port = server.port
    with socket.create_connection(("127.0.0.1", port), timeout=5) as peer:
        peer.sendall(b"GET /slow HTTP/1.0\r\n\r\n")
        assert entered.wait(5)
        began = time.monotonic()
        server.stop()
        assert server.join(5)
        took = time.monotonic() - began
        leave.set()
        with peer.makefile("rb") as answer:
            assert answer.read().endswith(b"done")
    assert took < 0.2
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_an_occupied_port_is_named() -> None:
    """The process must not go on without its probes, and must say which port it is about."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"test cannot listen on 127.0.0.1 port {port}"):
            Listener("test", "127.0.0.1", port, Routes({})).start()


def test_a_server_that_never_started_can_be_stopped() -> None:
    """A start that failed elsewhere stops everything, in any order."""
    server = listener(Routes({}))
    server.stop()
    assert server.join(0)
    with pytest.raises(RuntimeError, match="does not listen"):
        _ = server.port
