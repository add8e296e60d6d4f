"""Members' ports: real sockets on loopback, one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import pytest

from hack.nodesim.addresses import Network
from hack.nodesim.answers import Response
from hack.nodesim.server import Listener


def respond(method: str, path: str, body: bytes) -> Response | None:
    if path == "/silent":
        return None
    if path == "/never":
        return Response(200, "text/plain", b"x" * 10, body_follows=False)
    return Response(200, "text/plain", f"{method} {path} ".encode() + body, (("X-Test", "1"),))


@pytest.fixture
def port() -> int:
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


async def exchange(port: int, request: bytes, *, seconds: float = 0.1) -> bytes:
    """Send bytes and return what comes until the server closes or nothing comes any more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    received = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while chunk := await reader.read(65536):
                received += chunk
    writer.close()
    return received


def get(path: str, *, close: bool = True) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{'Connection: close' if close else 'X: y'}\r\n\r\n".encode()


def test_requests_are_answered_in_order(port: int) -> None:
    """Keep-alive, bodies, requests in one piece or torn."""

    async def scenario() -> None:
        listener = Listener("127.0.0.1", port, respond)
        post = b"POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"
        received = await exchange(port, get("/a", close=False) + post + get("/c"), seconds=5)
        assert received.count(b"HTTP/1.1 200 OK\r\n") == 3
        assert received.index(b"GET /a ") < received.index(b"POST /b abc") < received.index(b"GET /c ")
        assert b"X-Test: 1\r\n" in received
        listener.close()

    asyncio.run(scenario())


def test_head_answers_carry_no_body(port: int) -> None:
    """The length is told, the body is not sent."""

    async def scenario() -> None:
        listener = Listener("127.0.0.1", port, respond)
        received = await exchange(port, b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n", seconds=5)
        assert received.endswith(b"\r\n\r\n")
        assert b"Content-Length: 7\r\n" in received
        listener.close()

    asyncio.run(scenario())


def test_silence_and_half_answers(port: int) -> None:
    """C11: a frozen process takes the connection and says nothing."""

    async def scenario() -> None:
        listener = Listener("127.0.0.1", port, respond)
        assert await exchange(port, get("/silent")) == b""
        assert (await exchange(port, get("/never"))).endswith(b"\r\n\r\n")
        listener.close()

    asyncio.run(scenario())


def test_a_closed_port_refuses_and_cuts(port: int) -> None:
    """The end of a process ends its connections."""

    async def scenario() -> None:
        listener = Listener("127.0.0.1", port, respond)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get("/first", close=False))
        assert (await reader.readuntil(b"GET /first ")).startswith(b"HTTP/1.1 200 OK")
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        Listener("127.0.0.1", port, respond).close()

    asyncio.run(scenario())


def test_two_simulators_never_share_a_network() -> None:
    """Each holds the first address of its own."""

    async def scenario() -> None:
        first, second = Network(respond), Network(respond)
        assert first.number != second.number
        assert next(first.fresh) == f"127.{first.number}.1.1"
        assert len({next(first.fresh) for _ in range(60000)}) == 60000
        first.control.close()
        second.control.close()

    asyncio.run(scenario())
