"""The library behind the border: real sockets, brokers that speak Kafka, and peers that do not."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hack.nodesim.wire import WireGroup, WireMember
from kaspr_controller.groups.address import Credentials, Secret, group_address
from kaspr_controller.groups.answers import Farewell, GroupFault, GroupMember, GroupView
from kaspr_controller.groups.client import KafkaGroupClient, kafka_connect
from tests.unit.groups.brokers import NOBODY, Told, at, pretending, serving

SHORT = 0.6
"""Seconds for a request that is going to run out of time."""


def nothing(connection: socket.socket) -> None:
    """Accept and listen, but never say a word."""
    with connection, contextlib.suppress(OSError):
        while connection.recv(4096):
            pass


def hang_up(connection: socket.socket) -> None:
    connection.close()


def says(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


@pytest.fixture
def told() -> Told:
    member = WireMember("orders-app-0", "kaspr-1", ("in",), {"in": (1, 0)})
    return Told(orders=WireGroup("Stable", (member,)))


def test_a_group_is_described(told: Told) -> None:
    """State, member, partitions, and whether goodbyes are allowed."""
    with serving(told) as broker:
        client = KafkaGroupClient()
        view = client.describe(at(broker.port), NOBODY)
        client.close()
    assert view == GroupView(
        "stable",
        (GroupMember("orders-app-0", "kaspr-1", "127.0.0.1", (("in", (0, 1)),)),),
        may_say_goodbye=True,
    )


def test_goodbyes_reach_the_group(told: Told) -> None:
    """By instance id; an unknown one is no fault."""
    with serving(told) as broker:
        client = KafkaGroupClient()
        answers = [client.goodbye(at(broker.port), NOBODY, f"orders-app-{n}").kind for n in (0, 7)]
        client.close()
    assert answers == ["said", "unknown-member"]
    assert told.removed == [("orders", "orders-app-0"), ("orders", "orders-app-7")]


def test_a_group_that_was_never_there_is_dead(told: Told) -> None:
    """A fresh app before its first member."""
    with serving(told) as broker:
        client = KafkaGroupClient()
        assert client.describe(at(broker.port, group="new"), NOBODY) == GroupView(
            "dead", may_say_goodbye=True
        )
        client.close()


def test_missing_acls_have_a_name(told: Told) -> None:
    """Both requests say what is missing."""
    told.forbidden.add("orders")
    with serving(told) as broker:
        client = KafkaGroupClient()
        fault = client.describe(at(broker.port), NOBODY)
        farewell = client.goodbye(at(broker.port), NOBODY, "orders-app-0")
        client.close()
    assert isinstance(fault, GroupFault)
    assert (fault.kind, farewell.kind) == ("no-permission", "no-permission")
    assert "READ" in farewell.reason


def test_the_first_server_that_answers_is_enough(told: Told) -> None:
    """Bootstrap lists outlive brokers."""
    with serving(told) as broker, pretending(hang_up) as closed:
        client = KafkaGroupClient()
        for _ in range(3):
            assert client.goodbye(at(1, closed, broker.port), NOBODY, "orders-app-0").kind == "said"
            client.close()


@pytest.mark.parametrize("tls", [False, True], ids=["plaintext", "tls"])
def test_a_peer_that_keeps_quiet_costs_no_more_than_the_limit(*, tls: bool) -> None:
    """The library alone would wait for ever for the end of a TLS handshake."""
    with pretending(nothing) as port:
        client = KafkaGroupClient(seconds=SHORT)
        begin = time.monotonic()
        assert client.goodbye(at(port, tls=tls), NOBODY, "a") == Farewell("timeout", "no answer in time")
        assert SHORT * 0.9 <= time.monotonic() - begin < SHORT + 1


@pytest.mark.parametrize(
    ("script", "tls", "kind"),
    [
        (hang_up, False, "unreachable"),
        (hang_up, True, "tls-failed"),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), False, "wrong"),
        (says(b"\x00\x00\x00\x04\x00\x00\x00\x63"), False, "wrong"),
        (says(b"\x7f\xff\xff\xff" + b"x" * 100), False, "wrong"),
        (says(b"\xff\xff\xff\xff"), False, "wrong"),
        (says(b"\x00\x00\x00\x00"), False, "timeout"),
        (says(b"SSH-2.0-OpenSSH\r\n"), True, "tls-failed"),
    ],
)
def test_peers_that_do_not_speak_kafka(
    script: Callable[[socket.socket], None], kind: str, *, tls: bool
) -> None:
    """Garbage, giants and slammed doors end in an answer, quickly."""
    with pretending(script) as port:
        client = KafkaGroupClient(seconds=SHORT)
        begin = time.monotonic()
        answer = client.goodbye(at(port, tls=tls), NOBODY, "a")
        assert answer.kind == kind, answer
        assert time.monotonic() - begin < SHORT + 1


def test_no_thread_is_made(told: Told) -> None:
    """The admin client as it is would make one for each connection, which nobody stops or watches."""
    with serving(told) as broker:
        before = threading.enumerate()
        client = KafkaGroupClient()
        assert client.describe(at(broker.port), NOBODY).ok
        assert threading.enumerate() == before
        client.close()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts open files as Linux shows them")
@pytest.mark.parametrize("tls", [False, True], ids=["plaintext", "tls"])
@pytest.mark.parametrize("script", [None, hang_up, nothing], ids=["refused", "closed", "silent"])
def test_failed_attempts_leave_no_socket_behind(
    script: Callable[[socket.socket], None] | None, *, tls: bool
) -> None:
    """Brokers may be away for days, and the garbage collector is not to be relied on for descriptors."""
    with pretending(script or nothing) as port:
        client = KafkaGroupClient(seconds=0.1)
        address = at(port if script else 1, tls=tls)
        client.goodbye(address, NOBODY, "a")
        gc.disable()
        try:
            before = descriptors()
            for _ in range(5):
                assert not client.goodbye(address, NOBODY, "a").ok
            # The last connection may still be open at the other end.
            assert descriptors() <= before + 1
        finally:
            gc.enable()


def test_the_library_logs_nothing(told: Told, caplog: pytest.LogCaptureFixture) -> None:
    """At debug level it would log its configuration and each request, the password among them."""
    caplog.set_level(logging.DEBUG)
    secret = Credentials("u", Secret("hunter2"))
    with serving(told) as broker, pretending(hang_up) as closed:
        client = KafkaGroupClient()
        client.describe(at(broker.port), NOBODY)
        for port in (broker.port, closed, 1):
            client.describe(at(port, username="u"), secret)
        client.close()
    assert [record for record in caplog.records if record.name.startswith("kafka")] == []


def test_certificates_are_read_once() -> None:
    """Reading the system's authorities takes 20 ms and a megabyte."""
    made: list[ssl.SSLContext] = []

    def context() -> ssl.SSLContext:
        made.append(ssl.create_default_context())
        return made[-1]

    client = KafkaGroupClient(kafka_connect(context), seconds=1)
    with pretending(hang_up) as port:
        for _ in range(3):
            assert client.goodbye(at(port, tls=True), NOBODY, "a").kind == "tls-failed"
    assert len(made) == 1


def test_a_name_that_nobody_knows() -> None:
    """RFC 6761 keeps `.invalid` unknown for ever."""
    if os.environ.get("KASPR_TEST_NO_DNS"):
        pytest.skip("KASPR_TEST_NO_DNS is set: this machine's resolver answers for everything")
    client = KafkaGroupClient()
    farewell = client.goodbye(group_address("kafka.invalid:9092", "g"), NOBODY, "a")
    assert farewell == Farewell("unreachable", "the name of a broker is not known")
