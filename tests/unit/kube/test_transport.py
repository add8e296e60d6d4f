"""Bytes on real sockets: reuse, deadlines, hang-ups, credentials, stops."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.kube import connections, errors
from kaspr_controller.kube.credentials import Anonymous
from kaspr_controller.kube.transport import HttpTransport, Request
from kaspr_controller.telemetry import metrics
from tests.fakes.apiserver import (
    ApiServer,
    Exchange,
    answers,
    drops,
    hangs,
    head,
    refuses,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GET = Request("get", "GET", "/api/v1/pods/a")
BODY = {"kind": "Pod"}


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer() as server:
        server.always(answers(BODY))
        yield server


@pytest.fixture
def transport(server: ApiServer) -> Iterator[HttpTransport]:
    transport = HttpTransport(server.cluster())
    yield transport
    transport.close()


def seconds(call: Callable[[], Any]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def test_a_request_arrives_as_it_was_meant(server: ApiServer, transport: HttpTransport) -> None:
    """Method, path, query, body and both content headers."""
    request = Request(
        "apply", "PATCH", "/x/y?force=true", b'{"a":1}', content_type="application/apply-patch+yaml"
    )
    answer = transport.send(request, timeout=2)
    assert (answer.status, json.loads(answer.body)) == (200, BODY)
    (received,) = server.requests
    assert (received.method, received.path, received.query) == ("PATCH", "/x/y", {"force": "true"})
    assert received.json() == {"a": 1}
    assert received.headers["content-type"] == "application/apply-patch+yaml"
    assert received.headers["user-agent"].startswith("kaspr-controller")


def test_requests_in_a_row_share_one_connection(server: ApiServer, transport: HttpTransport) -> None:
    """A TLS handshake costs more than a request."""
    for _ in range(20):
        assert transport.send(GET, timeout=2).status == 200
    assert (len(server.requests), server.connections) == (20, 1)


def test_refusals_leave_the_connection_usable(server: ApiServer, transport: HttpTransport) -> None:
    """Only an incomplete answer spoils a connection."""
    server.script(refuses(404, "NotFound"), refuses(409, "Conflict"), refuses(500))
    assert [transport.send(GET, timeout=2).status for _ in range(4)] == [404, 409, 500, 200]
    assert server.connections == 1


def test_threads_share_the_pool_without_mixing_answers(server: ApiServer, transport: HttpTransport) -> None:
    """8 threads, 50 requests each: everybody gets the answer to the own request, over few connections."""
    server.always(lambda exchange: exchange.answer(200, {"path": exchange.request.path}))

    def work(worker: int) -> list[bool]:
        paths = [f"/{worker}/{number}" for number in range(50)]
        return [
            json.loads(transport.send(Request("get", "GET", path), timeout=5).body) == {"path": path}
            for path in paths
        ]

    with ThreadPoolExecutor(8) as pool:
        results = [right for rights in pool.map(work, range(8)) for right in rights]
    assert len(results) == 400
    assert all(results)
    assert server.connections <= 8


def test_a_connection_that_the_server_closed_is_not_used(server: ApiServer, transport: HttpTransport) -> None:
    """A restarted API server leaves dead connections in the pool; the next request must not meet one."""
    transport.send(GET, timeout=2)
    server.cut_connections()
    assert transport.send(GET, timeout=2).status == 200
    assert server.connections == 2


def test_an_old_idle_connection_is_not_used(server: ApiServer) -> None:
    """The server closes idle connections after 90 s; using one just then would lose a request."""
    now = [100.0]
    transport = HttpTransport(server.cluster(), monotonic=lambda: now[0])
    transport.send(GET, timeout=2)
    now[0] += connections.IDLE_SECONDS - 1
    transport.send(GET, timeout=2)
    assert server.connections == 1
    now[0] += connections.IDLE_SECONDS + 1
    transport.send(GET, timeout=2)
    assert server.connections == 2
    transport.close()


def test_connection_close_is_obeyed(server: ApiServer, transport: HttpTransport) -> None:
    """The answer is read to its end although the socket is given up; the next request connects anew."""
    server.script(answers(BODY, Connection="close"))
    assert json.loads(transport.send(GET, timeout=2).body) == BODY
    assert transport.send(GET, timeout=2).status == 200
    assert server.connections == 2


def test_nobody_listens(server: ApiServer) -> None:
    """Nothing was sent, so anything may be repeated."""
    cluster = server.cluster()
    server.stop()
    with pytest.raises(errors.ConnectFailed, match=r"cannot connect to 127\.0\.0\.1"):
        HttpTransport(cluster).send(GET, timeout=2)


def test_an_instant_end_is_a_lost_connection(server: ApiServer, transport: HttpTransport) -> None:
    """EOF instead of an answer: it may have been carried out."""
    server.script(drops)
    with pytest.raises(errors.ConnectionLost) as caught:
        transport.send(GET, timeout=2)
    assert caught.value.request == "GET /api/v1/pods/a"


def test_a_body_that_ends_early_is_a_lost_connection(server: ApiServer, transport: HttpTransport) -> None:
    """Half an object must never look like an object."""

    def half(exchange: Exchange) -> None:
        exchange.raw(head(200, Content_Length="100") + b'{"kind":')
        exchange.drop()

    server.script(half)
    with pytest.raises(errors.ConnectionLost):
        transport.send(GET, timeout=2)


def test_something_else_listens(server: ApiServer, transport: HttpTransport) -> None:
    """An SSH banner is no answer."""
    server.script(lambda exchange: exchange.raw(b"SSH-2.0-OpenSSH_9.6\r\n"))
    with pytest.raises(errors.ProtocolError):
        transport.send(GET, timeout=2)


def test_a_silent_server_costs_the_timeout(server: ApiServer, transport: HttpTransport) -> None:
    """And not more."""
    server.script(hangs)
    with pytest.raises(errors.Timeout) as caught:
        assert seconds(lambda: transport.send(GET, timeout=0.1)) < 1
    assert not isinstance(caught.value, errors.IdleTimeout)


def test_a_server_that_drips_cannot_stretch_the_timeout(server: ApiServer, transport: HttpTransport) -> None:
    """Each byte comes in time, the answer does not: the deadline is for the whole."""

    def drip(exchange: Exchange) -> None:
        exchange.raw(head(200, Content_Length="1000"))
        while not exchange.released.wait(0.02):
            exchange.raw(b" ")

    server.script(drip)
    began = time.monotonic()
    with pytest.raises(errors.Timeout):
        transport.send(GET, timeout=0.2)
    assert time.monotonic() - began < 1


def test_a_head_that_drips_cannot_stretch_the_timeout(server: ApiServer, transport: HttpTransport) -> None:
    """The deadline holds before the first header too."""

    def drip(exchange: Exchange) -> None:
        exchange.raw(b"HTTP/1.1 200 OK\r\n")
        while not exchange.released.wait(0.02):
            exchange.raw(b"X-A: b\r\n")

    server.script(drip)
    began = time.monotonic()
    with pytest.raises(errors.Timeout):
        transport.send(GET, timeout=0.2)
    assert time.monotonic() - began < 1


def test_a_slow_body_that_makes_it_is_fine(server: ApiServer, transport: HttpTransport) -> None:
    """Slow is not broken."""

    def slow(exchange: Exchange) -> None:
        exchange.begin_stream()
        for piece in (b'{"ki', b'nd":"P', b'od"}'):
            exchange.released.wait(0.01)
            exchange.chunk(piece)
        exchange.end_stream()

    server.script(slow)
    assert json.loads(transport.send(GET, timeout=2).body) == BODY


def test_after_a_timeout_the_late_answer_meets_nobody(server: ApiServer, transport: HttpTransport) -> None:
    """The next request must not read the rest of the last one."""
    server.script(hangs)
    with pytest.raises(errors.Timeout):
        transport.send(GET, timeout=0.05)
    assert json.loads(transport.send(GET, timeout=2).body) == BODY
    assert server.connections == 2


def test_close_frees_a_blocked_request(server: ApiServer, transport: HttpTransport) -> None:
    """A process that stops does not wait for a silent server; afterwards nothing is sent."""
    arrived = threading.Event()

    def silent(exchange: Exchange) -> None:
        arrived.set()
        hangs(exchange)

    server.script(silent)
    with ThreadPoolExecutor(1) as pool:
        blocked = pool.submit(transport.send, GET, timeout=5)
        assert arrived.wait(2)
        began = time.monotonic()
        transport.close()
        with pytest.raises(errors.ConnectionLost):
            blocked.result(2)
        assert time.monotonic() - began < 0.5
    with pytest.raises(errors.ConnectFailed):
        transport.send(GET, timeout=1)


def test_a_path_prefix_is_kept(server: ApiServer) -> None:
    """Rancher serves clusters under /k8s/clusters/<id>."""
    transport = HttpTransport(replace(server.cluster(), server=f"{server.url}/k8s/c1/"))
    transport.send(GET, timeout=2)
    transport.close()
    assert server.requests[0].path == "/k8s/c1/api/v1/pods/a"


def test_a_proxy_is_asked_to_connect() -> None:
    """Requests go through `CONNECT host:port`, with the proxy's own password."""
    with ApiServer() as proxy:
        proxy.script(lambda exchange: exchange.raw(b"HTTP/1.1 200 Connection established\r\n\r\n"))
        proxy.always(answers(BODY))
        endpoint = connections.Endpoint.parse(
            "http://10.255.255.1:6443", lambda: None, proxy=f"http://me:p%40ss@127.0.0.1:{proxy.port}"
        )
        connection = connections.Connection(endpoint, time.monotonic)
        answer = connection.ask("GET", "/version", None, {}, deadline=time.monotonic() + 2)
        assert json.loads(answer.read()) == BODY
        connection.close()
    asked, request = proxy.requests
    assert (asked.method, asked.target) == ("CONNECT", "10.255.255.1:6443")
    assert asked.headers["proxy-authorization"] == "Basic bWU6cEBzcw=="
    assert request.path == "/version"


def test_a_proxy_that_refuses_is_named() -> None:
    """407 comes from the proxy, not from the API server, and nothing was sent to the latter."""
    with ApiServer() as proxy:
        proxy.script(refuses(407))
        endpoint = connections.Endpoint.parse(
            "http://10.255.255.1:6443", lambda: None, proxy=f"http://127.0.0.1:{proxy.port}"
        )
        connection = connections.Connection(endpoint, time.monotonic)
        with pytest.raises(errors.ConnectFailed, match=r"proxy refused .* HTTP 407"):
            connection.ask("GET", "/version", None, {}, deadline=time.monotonic() + 2)


def test_a_socks_proxy_is_refused_without_its_password() -> None:
    """The message names the field; a password in it does not reach the log."""
    with pytest.raises(ValueError, match="proxy-url") as caught:
        connections.Endpoint.parse("https://a", lambda: None, proxy="socks5://me:secret@b:1080")
    assert "secret" not in str(caught.value)


def test_requests_are_counted_by_code_and_verb(server: ApiServer, transport: HttpTransport) -> None:
    """Names and labels as controller-runtime has them."""
    server.script(refuses(409, "Conflict"), drops)

    def value(code: str) -> float:
        return float(metrics.REQUESTS.labels(code, "GET", transport.host)._value.get())

    before = [value("409"), value("<error>")]
    transport.send(GET, timeout=2)
    with pytest.raises(errors.ConnectionLost):
        transport.send(GET, timeout=2)
    assert [value("409"), value("<error>")] == [before[0] + 1, before[1] + 1]


def test_a_stream_that_cannot_be_asked_for_leaves_no_connection(
    server: ApiServer, transport: HttpTransport
) -> None:
    """A token with a line break is refused by ourselves, each time the watch is tried again: no descriptor may stay."""

    class Broken(Anonymous):
        def headers(self) -> dict[str, str]:
            return {"Authorization": "Bearer a\nb"}

    broken = HttpTransport(replace(server.cluster(), auth=Broken()))
    stream = broken.stream(GET, timeout=2, idle=2)
    with pytest.raises(errors.BadRequest):
        stream.open()
    stream.stop()
    assert broken._pool._busy == set()
