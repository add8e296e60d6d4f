"""Who we are and whom we trust, on real sockets: tokens that change, certificates that are wrong or replaced."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from kaspr_controller.kube import connections, errors
from kaspr_controller.kube.credentials import TlsFiles, TokenFile
from kaspr_controller.kube.transport import HttpTransport, Request
from tests.fakes.apiserver import CERTIFICATES, ApiServer, answers, refuses

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GET = Request("get", "GET", "/api/v1/pods/a")
BODY = {"kind": "Pod"}


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer() as server:
        server.always(answers(BODY))
        yield server


def test_tokens_are_read_again_in_time(server: ApiServer, tmp_path: Path) -> None:
    """The kubelet renews the file; the new token is used within 60 s, the file read no more often."""
    now = [0.0]
    token = tmp_path / "token"
    token.write_text("first\n")
    auth = TokenFile(token, monotonic=lambda: now[0])
    transport = HttpTransport(server.cluster(auth=auth))
    transport.send(GET, timeout=2)
    token.write_text("second\n")
    now[0] = 59.0
    transport.send(GET, timeout=2)
    now[0] = 60.0
    transport.send(GET, timeout=2)
    transport.close()
    assert [request.headers["authorization"] for request in server.requests] == [
        "Bearer first",
        "Bearer first",
        "Bearer second",
    ]


def test_a_401_is_answered_once_with_a_fresh_token(server: ApiServer, tmp_path: Path) -> None:
    """A token revoked before its time: the file has the new one already."""
    token = tmp_path / "token"
    token.write_text("old")
    transport = HttpTransport(server.cluster(auth=TokenFile(token)))
    transport.send(GET, timeout=2)
    token.write_text("new")
    server.script(refuses(401, "Unauthorized"))
    assert transport.send(GET, timeout=2).status == 200
    assert [request.headers["authorization"][7:] for request in server.requests] == ["old", "old", "new"]
    transport.close()


def test_a_401_with_the_same_token_is_final(server: ApiServer, tmp_path: Path) -> None:
    """Sending the same token again would only double the load."""
    token = tmp_path / "token"
    token.write_text("only")
    transport = HttpTransport(server.cluster(auth=TokenFile(token)))
    server.always(refuses(401, "Unauthorized"))
    assert transport.send(GET, timeout=2).status == 401
    assert len(server.requests) == 1
    transport.close()


def test_a_second_401_is_final(server: ApiServer, tmp_path: Path) -> None:
    """One fresh token, one more try."""
    token = tmp_path / "token"
    token.write_text("old")
    auth = TokenFile(token)
    auth.headers()
    token.write_text("new")
    transport = HttpTransport(server.cluster(auth=auth))
    server.always(refuses(401, "Unauthorized"))
    assert transport.send(GET, timeout=2).status == 401
    assert len(server.requests) == 2
    transport.close()


def test_the_server_certificate_is_verified(tmp_path: Path) -> None:
    """A server of another CA gets no request, so no token either."""
    with ApiServer(certificate="server-two.pem") as server:
        transport = HttpTransport(server.cluster(tls=TlsFiles(CERTIFICATES / "ca-one.pem")))
        with pytest.raises(errors.ConnectFailed, match="CERTIFICATE_VERIFY_FAILED"):
            transport.send(GET, timeout=2)
        assert server.requests == []


def test_the_host_name_is_verified() -> None:
    """The right CA for the wrong name is refused; a server name from the kubeconfig replaces the host."""
    with ApiServer(certificate="server-one.pem") as server:
        server.always(answers(BODY))
        endpoint = connections.Endpoint.parse(
            server.url, TlsFiles(CERTIFICATES / "ca-one.pem"), server_name="example.org"
        )
        wrong = connections.Connection(endpoint, time.monotonic)
        with pytest.raises(errors.ConnectFailed, match="CERTIFICATE_VERIFY_FAILED"):
            wrong.ask("GET", "/", None, {}, deadline=time.monotonic() + 2)
        endpoint = connections.Endpoint.parse(
            server.url, TlsFiles(CERTIFICATES / "ca-one.pem"), server_name="localhost"
        )
        right = connections.Connection(endpoint, time.monotonic)
        assert right.ask("GET", "/", None, {}, deadline=time.monotonic() + 2).status == 200
        right.close()


def test_a_new_ca_counts_from_the_next_connection(tmp_path: Path) -> None:
    """The CA file is replaced while we run (rule 20.3); no restart is needed."""
    ca = tmp_path / "ca.crt"
    ca.write_bytes((CERTIFICATES / "ca-two.pem").read_bytes())
    with ApiServer(certificate="server-one.pem") as server:
        server.always(answers(BODY))
        transport = HttpTransport(server.cluster(tls=TlsFiles(ca)))
        with pytest.raises(errors.ConnectFailed):
            transport.send(GET, timeout=2)
        replacement = tmp_path / "new"
        replacement.write_bytes((CERTIFICATES / "ca-one.pem").read_bytes())
        replacement.rename(ca)
        assert transport.send(GET, timeout=2).status == 200
        transport.close()


def test_tls_connections_are_reused_too() -> None:
    """Session tickets that arrive with the first answer must not look like a hang-up."""
    with ApiServer(certificate="server-one.pem") as server:
        server.always(answers(BODY))
        transport = HttpTransport(server.cluster(tls=TlsFiles(CERTIFICATES / "ca-one.pem")))
        for _ in range(5):
            transport.send(GET, timeout=2)
        assert server.connections == 1
        transport.close()
