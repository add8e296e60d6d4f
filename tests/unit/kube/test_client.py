"""The facade against a server on a real socket: what a call promises when the server misbehaves."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from kaspr_controller.kube import errors, retrying
from kaspr_controller.kube.kinds import CONFIG_MAP, POD, Kind
from kaspr_controller.kube.limiting import BREAKER_FAILURES, RateLimiter
from kaspr_controller.telemetry import metrics
from tests.fakes.apiserver import ApiServer, Exchange, answers, drops, hangs, refuses, streams
from tests.fakes.clock import FakeClock
from tests.unit.kube.clients import client_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kaspr_controller.kube.client import Client

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "n", "name": "a"}}
STORED = {**CONFIG, "metadata": {**CONFIG["metadata"], "resourceVersion": "5"}}  # type: ignore[dict-item]
CUSTOM = Kind("kaspr.io", "v1alpha1", "KasprApp", "kasprapps")


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer() as server:
        yield server


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def client(server: ApiServer, clock: FakeClock) -> Iterator[Client]:
    with client_for(server, clock=clock) as client:
        yield client


def with_managed_fields(obj: dict[str, Any]) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], "managedFields": [{"manager": "x"}]}}


def pods(*names: str, version: str = "9", token: str = "") -> dict[str, Any]:
    meta = {"resourceVersion": version, **({"continue": token} if token else {})}
    return {"kind": "PodList", "metadata": meta, "items": [{"metadata": {"name": name}} for name in names]}


def test_reads_and_writes_give_objects_without_managed_fields(server: ApiServer, client: Client) -> None:
    """They are most of an object and nobody above reads them, except when asked for."""
    server.always(answers(with_managed_fields(STORED)))
    assert client.get(CONFIG_MAP, "n", "a") == STORED
    assert client.apply(CONFIG) == STORED
    assert client.create(CONFIG) == STORED
    assert client.replace(CONFIG) == STORED
    assert client.patch_merge(CONFIG_MAP, "n", "a", {}) == STORED
    assert client.patch_json(CONFIG_MAP, "n", "a", []) == STORED
    full = client.get(CONFIG_MAP, "n", "a", managed_fields=True)
    assert full["metadata"]["managedFields"] == [{"manager": "x"}]
    assert "drop=" in server.requests[0].headers["accept"]
    assert "drop=" not in server.requests[-1].headers["accept"]


def test_custom_kinds_are_named_by_the_caller(server: ApiServer, client: Client) -> None:
    """Built-in ones are known; a custom one without its kind is a bug that shows at once."""
    server.always(answers(STORED))
    app = {"apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp", "metadata": {"namespace": "n", "name": "a"}}
    client.apply(app, kind=CUSTOM, subresource="status")
    assert server.requests[0].path == "/apis/kaspr.io/v1alpha1/namespaces/n/kasprapps/a/status"
    with pytest.raises(KeyError):
        client.apply(app)


def test_a_passing_failure_is_repeated_unseen(server: ApiServer, client: Client, clock: FakeClock) -> None:
    """A rolling API server costs a pause, not a failed reconcile; each repetition is counted."""
    counter = metrics.REQUEST_RETRIES.labels("503", "apply", client._transport.host)
    before = counter._value.get()
    server.script(refuses(503, "ServiceUnavailable"), drops, answers(STORED))
    assert client.apply(CONFIG) == STORED
    assert len(server.requests) == 3
    assert len(clock.slept) == 2
    assert counter._value.get() == before + 1


def test_a_refusal_is_final(server: ApiServer, client: Client) -> None:
    """422, 403, 409: the caller has to decide."""
    server.script(refuses(422, "Invalid", "spec.replicas: must be >= 0"))
    with pytest.raises(errors.Invalid, match="replicas") as caught:
        client.apply(CONFIG)
    assert caught.value.request == "PATCH /api/v1/namespaces/n/configmaps/a"
    assert len(server.requests) == 1


def test_retry_after_is_obeyed(server: ApiServer, client: Client, clock: FakeClock) -> None:
    """Rule W7."""
    server.script(refuses(429, "TooManyRequests", "later", Retry_After="4"), answers(STORED))
    client.get(CONFIG_MAP, "n", "a")
    assert clock.slept == [4.0]


def test_a_429_slows_the_client_down(server: ApiServer, clock: FakeClock) -> None:
    """Rule A1: half the rate for 30 s."""
    limiter = RateLimiter(clock, qps=10, burst=1)
    with client_for(server, clock=clock, limiter=limiter) as client:
        server.script(refuses(429, "TooManyRequests", "later", Retry_After="1"))
        server.always(answers(STORED))
        client.get(CONFIG_MAP, "n", "a")
        client.get(CONFIG_MAP, "n", "a")
    assert clock.slept == pytest.approx([1.0, 0.2])


def test_watches_need_no_token(server: ApiServer, clock: FakeClock) -> None:
    """Rule A1: informers come back at once, however busy the workers are."""
    limiter = RateLimiter(clock, qps=1, burst=1)
    limiter.take(1, threading.Event())
    server.always(streams())
    with client_for(server, clock=clock, limiter=limiter) as client:
        for _ in range(3):
            assert list(client.watch(POD, resource_version="1", timeout_seconds=300)) == []
    assert clock.slept == []


def test_every_write_asks_the_fence_and_no_read_does(server: ApiServer) -> None:
    """Rule L4: who cannot prove leadership does not write."""
    asked = []

    def fence() -> None:
        asked.append(True)
        raise errors.NotLeading("the lease is 11 s old")

    server.always(answers(STORED))
    with client_for(server, fence=fence) as client:
        client.get(CONFIG_MAP, "n", "a")
        client.version()
        assert asked == []
        for write in (
            lambda: client.apply(CONFIG),
            lambda: client.create(CONFIG),
            lambda: client.replace(CONFIG),
            lambda: client.patch_merge(CONFIG_MAP, "n", "a", {}),
            lambda: client.patch_json(CONFIG_MAP, "n", "a", []),
            lambda: client.delete(CONFIG_MAP, "n", "a", uid="u"),
        ):
            with pytest.raises(errors.NotLeading):
                write()
    assert len(asked) == 6
    assert [request.method for request in server.requests] == ["GET", "GET"]


def test_a_write_ends_before_another_process_may_act(server: ApiServer) -> None:
    """Rule L4: a request that passed the fence in time may hang, and must not arrive when somebody else leads."""
    answers_left = [0.1]

    def fence() -> float:
        if not answers_left:
            raise errors.NotLeading("no")
        return answers_left.pop()

    server.always(hangs)
    began = time.monotonic()
    with client_for(server, fence=fence) as client, pytest.raises(errors.NotLeading):
        client.apply(CONFIG)
    assert time.monotonic() - began < 1.0
    assert len(server.requests) == 1


def test_the_fence_is_asked_again_before_each_repetition(server: ApiServer, clock: FakeClock) -> None:
    """A lease can be lost during a backoff."""
    verdicts = [None, errors.NotLeading("lost meanwhile")]

    def fence() -> float:
        verdict = verdicts.pop(0)
        if verdict:
            raise verdict
        return 60.0

    server.always(drops)
    with client_for(server, clock=clock, fence=fence) as client, pytest.raises(errors.NotLeading):
        client.apply(CONFIG)
    assert len(server.requests) == 1


def test_a_list_comes_page_by_page(server: ApiServer, client: Client) -> None:
    """Rule W4: the next page is asked for only when the last one was taken."""
    server.script(answers(pods("a", "b", token="t1")), answers(pods("c")))
    pages = client.list_pages(POD, "n", label_selector="x=y", page_size=2)
    first = next(pages)
    assert [pod["metadata"]["name"] for pod in first.items] == ["a", "b"]
    assert len(server.requests) == 1
    (second,) = pages
    assert [pod["metadata"]["name"] for pod in second.items] == ["c"]
    assert (first.resource_version, second.resource_version) == ("9", "9")
    assert [request.query for request in server.requests] == [
        {"labelSelector": "x=y", "limit": "2"},
        {"labelSelector": "x=y", "limit": "2", "continue": "t1"},
    ]


def test_an_expired_token_ends_a_list(server: ApiServer, client: Client) -> None:
    """Pages of two different moments must not be mixed."""
    server.script(answers(pods("a", token="t1")), refuses(410, "Expired", "token expired"))
    with pytest.raises(errors.Expired):
        list(client.list_pages(POD))


def test_an_empty_list_is_a_page(server: ApiServer, client: Client) -> None:
    """Its resource version is what the watch starts from; Go writes null for no items."""
    server.script(answers({"kind": "PodList", "metadata": {"resourceVersion": "3"}, "items": None}))
    (page,) = client.list_pages(POD)
    assert (page.items, page.resource_version) == ([], "3")


def test_the_time_of_a_call_is_for_all_its_attempts(server: ApiServer, client: Client) -> None:
    """A caller with 0.2 s gets an answer or an error in 0.2 s."""
    server.always(hangs)
    began = time.monotonic()
    with pytest.raises(errors.Timeout):
        client.get(CONFIG_MAP, "n", "a", timeout=0.1)
    assert time.monotonic() - began < 0.5


def test_a_budget_limits_all_calls_within(server: ApiServer, client: Client, clock: FakeClock) -> None:
    """A reconcile's time covers its requests; when it is used up nothing more is sent."""
    server.always(answers(STORED))
    with client.budget(5):
        client.get(CONFIG_MAP, "n", "a")
        clock.advance(5)
        with pytest.raises(errors.Timeout):
            client.get(CONFIG_MAP, "n", "a")
    client.get(CONFIG_MAP, "n", "a")
    assert len(server.requests) == 2


def test_a_stopping_process_cuts_the_backoffs(server: ApiServer, client: Client, clock: FakeClock) -> None:
    """Rule X3: a wait that reaches beyond the end is not begun."""
    client.finish_within(1.0)
    server.always(refuses(503, "ServiceUnavailable", Retry_After="2"))
    with pytest.raises(errors.ServerError):
        client.get(CONFIG_MAP, "n", "a")
    assert clock.slept == []
    clock.advance(1.0)
    with pytest.raises(errors.Timeout):
        client.get(CONFIG_MAP, "n", "a")


def test_a_stop_ends_the_waits_that_were_begun_before(server: ApiServer) -> None:
    """Rule X3: a worker that obeys a long Retry-After must not hold the exit, nor ask again before its time."""
    clock = FakeClock(jump=False)
    server.always(refuses(503, "ServiceUnavailable", Retry_After="25"))
    with client_for(server, clock=clock) as client, ThreadPoolExecutor(1) as pool:
        call = pool.submit(client.get, CONFIG_MAP, "n", "a")
        clock.await_sleepers(1)
        client.finish_within(15.0)
        assert isinstance(call.exception(2), errors.ServerError)
    assert len(server.requests) == 1


def test_an_outage_pauses_requests_until_a_probe_succeeds(
    server: ApiServer, client: Client, clock: FakeClock
) -> None:
    """Rule A3: ten lost requests in a row, then only a probe every two seconds reaches the server."""
    server.always(drops)
    while client.available:
        with pytest.raises(errors.ConnectionLost):
            client.create(CONFIG)
    assert len(server.requests) == BREAKER_FAILURES
    for _ in range(50):
        with pytest.raises(errors.Unavailable):
            client.get(CONFIG_MAP, "n", "a")
    assert len(server.requests) == BREAKER_FAILURES
    server.always(answers(STORED))
    clock.advance(2.0)
    assert client.get(CONFIG_MAP, "n", "a") == STORED
    assert client.available


def test_a_watch_that_is_answered_ends_the_outage(server: ApiServer, client: Client) -> None:
    """The informers keep trying; the first answer they get frees the workers."""
    server.always(drops)
    while client.available:
        with pytest.raises(errors.ConnectionLost):
            client.create(CONFIG)
    server.always(streams())
    assert list(client.watch(POD, resource_version="1", timeout_seconds=300)) == []
    assert client.available


def test_refusals_are_answers(server: ApiServer, client: Client) -> None:
    """A server that says 500 to everything is reachable: the breaker is about the network."""
    server.always(refuses(500, "InternalError"))
    for _ in range(BREAKER_FAILURES + 1):
        with pytest.raises(errors.ServerError):
            client.create(CONFIG)
    assert client.available


def test_impatient_callers_do_not_open_the_breaker(server: ApiServer, client: Client) -> None:
    """A timeout of some milliseconds says nothing about the server."""
    server.always(hangs)
    with ThreadPoolExecutor(BREAKER_FAILURES) as pool:
        calls = [pool.submit(client.get, CONFIG_MAP, "n", "a", timeout=0.02) for _ in range(BREAKER_FAILURES)]
        assert all(isinstance(call.exception(), errors.Timeout) for call in calls)
    assert client.available


def test_threads_share_a_client(server: ApiServer, client: Client) -> None:
    """8 threads, 50 requests each, all right."""

    def echo(exchange: Exchange) -> None:
        name = exchange.request.path.rpartition("/")[2]
        exchange.answer(200, {**CONFIG, "metadata": {"namespace": "n", "name": name}})

    server.always(echo)

    def work(worker: int) -> int:
        names = [f"{worker}-{number}" for number in range(50)]
        return sum(client.get(CONFIG_MAP, "n", name)["metadata"]["name"] == name for name in names)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [50] * 8
    assert server.connections <= 8


def test_warnings_of_the_server_are_logged_once(server: ApiServer, client: Client) -> None:
    """Unknown fields and deprecated versions come as headers; a reconcile repeats them for ever."""
    server.always(answers(STORED, Warning='299 - "unknown field spec.replica"'))
    with structlog.testing.capture_logs() as lines:
        client.apply(CONFIG)
        client.apply(CONFIG)
    assert [line["warning"] for line in lines] == ['299 - "unknown field spec.replica"']


def test_the_default_time_covers_every_attempt() -> None:
    """Three attempts of ten seconds each must fit, else the third would be a promise only."""
    assert retrying.GET.attempts * retrying.GET.seconds == 30
    assert retrying.LIST.seconds == 30


def test_nothing_is_sent_after_close(server: ApiServer, client: Client) -> None:
    """Late threads get an error, not a new connection."""
    server.always(answers(STORED))
    client.close()
    with pytest.raises(errors.ConnectFailed):
        client.get(CONFIG_MAP, "n", "a")
    assert server.connections == 0
