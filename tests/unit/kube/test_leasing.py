"""The lease over a real socket: what is written, what guards it, and that nothing is repeated."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from kaspr_controller.kube import errors
from kaspr_controller.kube.leasing import LeaseClient, LeaseRecord
from kaspr_controller.kube.transport import HttpTransport
from tests.fakes.apiserver import ApiServer, Exchange, answers, drops, hangs, refuses

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 1, 2, 12, 0, 0, 5, tzinfo=UTC)
STORED = {
    "apiVersion": "coordination.k8s.io/v1",
    "kind": "Lease",
    "metadata": {"namespace": "n", "name": "l", "resourceVersion": "7", "labels": {"of": "others"}},
    "spec": {
        "holderIdentity": "pod_1",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-02T12:00:00.000005Z",
        "renewTime": "2026-01-02T12:00:00.000005Z",
        "leaseTransitions": 3,
    },
}


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.fixture
def leases(server: ApiServer) -> Iterator[LeaseClient]:
    client = LeaseClient(HttpTransport(server.cluster()), "n", "l", renew_deadline=10)
    yield client
    client.close()


def test_a_record_survives_the_round_trip(server: ApiServer, leases: LeaseClient) -> None:
    """Times, counters and what others wrote into the metadata."""
    server.always(answers(STORED))
    record = leases.get()
    assert record.holder == "pod_1"
    assert (record.acquire_time, record.renew_time) == (NOON, NOON)
    assert (record.duration_seconds, record.transitions, record.resource_version) == (15, 3, "7")
    leases.update(record)
    assert server.requests[-1].json() == STORED
    assert str(server.requests[-1].method) == "PUT"


def test_a_new_lease_is_created_without_a_version(server: ApiServer, leases: LeaseClient) -> None:
    """The first candidate of all."""
    server.always(answers(STORED, 201))
    leases.create(LeaseRecord("pod_1", 15, NOON, NOON, 0))
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/apis/coordination.k8s.io/v1/namespaces/n/leases")
    assert request.json()["metadata"] == {"namespace": "n", "name": "l"}
    assert request.json()["spec"]["acquireTime"] == "2026-01-02T12:00:00.000005Z"


def test_a_released_lease_has_no_holder(server: ApiServer, leases: LeaseClient) -> None:
    """Whoever wrote it may leave out everything."""
    server.always(answers({**STORED, "spec": {}}))
    record = leases.get()
    assert (record.holder, record.duration_seconds, record.renew_time, record.transitions) == ("", 0, None, 0)
    server.always(answers(STORED))
    leases.update(replace(record, holder="", duration_seconds=1))
    assert server.requests[-1].json()["spec"]["holderIdentity"] == ""


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (404, "NotFound", errors.NotFound),
        (409, "AlreadyExists", errors.AlreadyExists),
        (409, "Conflict", errors.Conflict),
        (429, "TooManyRequests", errors.TooManyRequests),
        (503, "ServiceUnavailable", errors.ServerError),
    ],
)
def test_refusals_come_at_once(
    server: ApiServer, leases: LeaseClient, code: int, reason: str, kind: type[errors.ApiError]
) -> None:
    """Rule L3: the elector has its own rhythm; a repetition here would only take its time."""
    server.always(refuses(code, reason))
    with pytest.raises(kind):
        leases.update(LeaseRecord("x", 15, NOON, NOON, 0))
    assert len(server.requests) == 1


def test_a_lost_connection_comes_at_once_and_the_next_request_is_fine(
    server: ApiServer, leases: LeaseClient
) -> None:
    """One connection, replaced when it breaks."""
    server.script(drops, answers(STORED), answers(STORED))
    with pytest.raises(errors.ConnectionLost):
        leases.get()
    leases.get()
    leases.get()
    assert server.connections == 2


def test_a_hung_request_takes_half_the_renew_deadline(server: ApiServer) -> None:
    """So a second one still fits before the lease is lost; but one second at least."""
    server.always(hangs)
    client = LeaseClient(HttpTransport(server.cluster()), "n", "l", renew_deadline=0.2)
    began = time.monotonic()
    with pytest.raises(errors.Timeout):
        client.get()
    assert 0.9 < time.monotonic() - began < 1.5
    client.close()


def test_an_answer_that_is_no_lease_is_an_error(server: ApiServer, leases: LeaseClient) -> None:
    """A proxy that answers 200 with a page must not make us leader."""

    def page(exchange: Exchange) -> None:
        exchange.answer(200, b"<html>maintenance</html>")

    server.always(page)
    with pytest.raises(errors.ProtocolError):
        leases.get()
