"""Ending a watch from outside: at once, at every moment, without a trace (rule X2)."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from kaspr_controller.kube import errors
from kaspr_controller.kube.credentials import TlsFiles
from tests.fakes.apiserver import CERTIFICATES, ApiServer, Exchange, hangs
from tests.unit.kube.clients import client_for
from tests.unit.kube.watches import event, seen, watch

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


def test_a_stop_frees_a_blocked_reader_at_once(server: ApiServer, client: Client) -> None:
    """Rule X2: less than 50 ms, no error, connection gone."""
    assert stopping(server, client) < 0.05


def test_a_stop_frees_a_blocked_reader_under_tls() -> None:
    """The socket below TLS is shut down; TLS itself would wait for the peer's good-bye."""
    with ApiServer(certificate="server-one.pem") as server:
        tls = TlsFiles(CERTIFICATES / "ca-one.pem")
        with client_for(server, tls=tls) as client:
            assert stopping(server, client) < 0.05


def stopping(server: ApiServer, client: Client) -> float:
    """Seconds from `stop` to the end of a reader that waits for its second event."""

    def silent(exchange: Exchange) -> None:
        exchange.begin_stream()
        exchange.line(event("ADDED", 2))
        exchange.hang()

    server.script(silent)
    stream = watch(client)
    reading = threading.Event()

    def read() -> list[str]:
        got = []
        for one in stream:
            got.append(one.resource_version)
            reading.set()
        return got

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        assert reading.wait(2)
        began = time.monotonic()
        stream.stop()
        assert reader.result(2) == ["2"]
        return time.monotonic() - began


def test_a_stop_frees_a_reader_that_still_waits_for_the_answer(server: ApiServer, client: Client) -> None:
    """A server that accepts and says nothing must not hold up the end of the process."""
    arrived = threading.Event()

    def silent(exchange: Exchange) -> None:
        arrived.set()
        hangs(exchange)

    server.script(silent)
    stream = watch(client)
    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(seen, stream)
        assert arrived.wait(2)
        began = time.monotonic()
        stream.stop()
        assert reader.result(2) == []
        assert time.monotonic() - began < 0.05


def test_a_stop_before_the_start_sends_nothing(server: ApiServer, client: Client) -> None:
    """And may come twice."""
    stream = watch(client)
    stream.stop()
    stream.stop()
    assert seen(stream) == []
    assert server.requests == []


def test_a_stop_from_within_the_loop_ends_it(server: ApiServer, client: Client) -> None:
    """Handlers run on the informer's thread and may decide that it is over."""

    def endless(exchange: Exchange) -> None:
        exchange.begin_stream()
        version = 2
        while not exchange.released.wait(0.001):
            exchange.line(event("ADDED", version))
            version += 1

    server.script(endless)
    stream = watch(client)
    for got, _ in enumerate(stream):
        if got == 3:
            stream.stop()
    assert int(stream.resource_version) >= 5


def test_leaving_the_loop_closes_the_connection(server: ApiServer, client: Client) -> None:
    """A consumer that breaks off leaves no socket behind."""
    gone = threading.Event()

    def endless(exchange: Exchange) -> None:
        exchange.begin_stream()
        try:
            while not exchange.released.wait(0.001):
                exchange.line(event("ADDED", 2))
        except OSError:
            gone.set()

    server.script(endless)
    for _ in watch(client):
        break
    assert gone.wait(2)


def test_closing_the_client_ends_its_watches(server: ApiServer) -> None:
    """Nothing survives the client; here the informer did not ask for it, so it is told."""
    began = threading.Event()

    def silent(exchange: Exchange) -> None:
        exchange.begin_stream()
        began.set()
        exchange.hang()

    server.script(silent)
    with client_for(server) as client, ThreadPoolExecutor(1) as pool:
        reader = pool.submit(seen, watch(client))
        assert began.wait(2)
        client.close()
        with pytest.raises(errors.ConnectionLost):
            reader.result(2)
