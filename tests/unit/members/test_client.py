"""Whatever is behind a pod's address, a question ends in bounded time and memory with an answer of a known kind."""

from __future__ import annotations

import copy
import gzip
import json
import socket
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaspr_controller.members.client import MAX_BODY, MemberClient, Signalled
from kaspr_controller.members.targets import Target
from kaspr_controller.status.observations import Answer
from tests.unit.members.liars import HONEST, Liar, closed_target, liar, response, says, status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOON = 0.3


@pytest.fixture
def client() -> Iterator[MemberClient]:
    made = MemberClient()
    yield made
    made.close()


@pytest.fixture
def hasty() -> Iterator[MemberClient]:
    """A client with less patience, for answers that do not come."""
    made = MemberClient(total=SOON)
    yield made
    made.close()


def ask(client: MemberClient, target: Target) -> Answer:
    return client.status(target, namespace="shop")


def test_an_honest_answer_is_read(client: MemberClient) -> None:
    """Flags, assignment (sorted) and the known member addresses come out of a 200."""
    with liar(status(HONEST)) as server:
        answer = ask(client, server.target())
    assert answer == Answer(
        "ok",
        leader=True,
        actives={"in-a": (0, 1), "orders-app-prefs-changelog": (0,)},
        standbys={"t": (2,)},
        member_urls=frozenset({"http://orders-app-0.orders-app.shop.svc.cluster.local:6065"}),
    )
    assert answer.running
    assert server.requests[0].startswith("GET /status/ HTTP/1.1\r\n")


def test_a_signal_is_a_post_without_trailing_slash(client: MemberClient) -> None:
    """The runtime answers 404 to the path with a slash."""
    with liar(says(response(b'{"status": "ok", "message": "Rebalance requested"}'))) as server:
        assert client.rebalance(server.target()) == Signalled("ok")
    assert server.requests[0].startswith("POST /signal/rebalance HTTP/1.1\r\n")


def test_an_ipv6_pod_is_asked(client: MemberClient) -> None:
    """Pod addresses may be IPv6."""
    try:
        with liar(status(HONEST), host="::1") as server:
            assert ask(client, server.target()).kind == "ok"
    except OSError:
        pytest.skip("no IPv6 here")


def test_500_means_starting(client: MemberClient) -> None:
    """The runtime says 500 until its consumer has started, to both questions."""
    with liar(says(response(b"oops", status="500 Internal Server Error", kind="text/plain"))) as server:
        assert ask(client, server.target()).kind == "starting"
        assert client.rebalance(server.target()).kind == "starting"


def test_a_closed_port_refuses(client: MemberClient) -> None:
    """For 5 to 6 s after its start a pod listens to nobody."""
    assert ask(client, closed_target()) == Answer("refused", "nobody listens on the port")


@pytest.mark.parametrize("ip", ["", "localhost", "10.0.0.1:80/x?", "fe80::1%eth0\r\nX: y"])
def test_what_is_no_address_is_not_asked(client: MemberClient, ip: str) -> None:
    """A pod without an IP, or with something else in its place, is refused without a connection."""
    assert ask(client, Target("u", "orders-app-0", ip, 6065)).kind in {"refused", "wrong"}


def _hold(server_holds: list[Liar]) -> Callable[[socket.socket], None]:
    def script(_: socket.socket) -> None:
        server_holds[0].over.wait(5)

    return script


def test_silence_times_out(hasty: MemberClient) -> None:
    """A frozen process accepts (its kernel does) and says nothing."""
    holds: list[Liar] = []
    with liar(_hold(holds)) as server:
        holds.append(server)
        began = time.monotonic()
        answer = ask(hasty, server.target())
        took = time.monotonic() - began
        server.over.set()
    assert answer == Answer("timeout", "no answer in time")
    assert took < 4 * SOON


@pytest.mark.parametrize(
    "prefix", [b"", b"HTTP/1.1 200 OK\r\nX: ", response(b" " * 1000)[:-990]], ids=["line", "header", "body"]
)
def test_a_slow_drip_times_out(hasty: MemberClient, prefix: bytes) -> None:
    """One byte at a time keeps every single read short; the sum is what is bounded."""
    holds: list[Liar] = []

    def drip(connection: socket.socket) -> None:
        connection.sendall(prefix)
        while not holds[0].over.wait(0.01):
            connection.sendall(b" ")

    with liar(drip) as server:
        holds.append(server)
        began = time.monotonic()
        answer = ask(hasty, server.target())
        took = time.monotonic() - began
        server.over.set()
    assert answer.kind in {"timeout", "wrong"}
    assert took < 4 * SOON


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = copy.deepcopy(HONEST)
    change(document)
    return response(json.dumps(document).encode())


LIES = {
    "html": response(b"<html>hello</html>", kind="text/html"),
    "html called json": response(b"<html>hello</html>"),
    "json called html": response(json.dumps(HONEST).encode(), kind="text/html"),
    "redirect": response(b"", status="302 Found", extra="Location: http://127.0.0.1:1/status/\r\n"),
    "redirect to nonsense": response(b"", status="301 Moved", extra="Location: http://[::bad\r\n"),
    "404": response(b"{}", status="404 Not Found"),
    "503": response(b"{}", status="503 Service Unavailable"),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "list": response(b"[]"),
    "null": response(b"null"),
    "empty": response(b""),
    "truncated json": response(json.dumps(HONEST).encode()[:-5]),
    "truncated body": response(json.dumps(HONEST).encode())[:-5],
    "truncated head": b"HTTP/1.1 200 OK\r\nContent-Ty",
    "nothing": b"",
    "not http": b"SSH-2.0-OpenSSH_9.6\r\n",
    "bad bytes": response(b"\xff\xfe\x00"),
    "deep": response(b"[" * 100_000),
    "gzip": response(gzip.compress(json.dumps(HONEST).encode()), extra="Content-Encoding: gzip\r\n"),
    "huge": response(b" " * (MAX_BODY + 1)),
    "huge headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
    "no flag": changed(lambda d: d.pop("recovering")),
    "text flag": changed(lambda d: d.update(leader="true")),
    "number flag": changed(lambda d: d.update(rebalancing=1)),
    "no assignment": changed(lambda d: d.pop("assignment")),
    "null assignment": changed(lambda d: d.update(assignment=None)),
    "no actives": changed(lambda d: d["assignment"].pop("actives")),
    "no standbys": changed(lambda d: d["assignment"].pop("standbys")),
    "list of actives": changed(lambda d: d["assignment"].update(actives=["in-a"])),
    "text partitions": changed(lambda d: d["assignment"]["actives"].update(x=["0"])),
    "boolean partitions": changed(lambda d: d["assignment"]["actives"].update(x=[True])),
    "negative partition": changed(lambda d: d["assignment"]["actives"].update(x=[-1])),
    "fractional partition": changed(lambda d: d["assignment"]["actives"].update(x=[0.5])),
    "monstrous topic": changed(lambda d: d["assignment"]["actives"].update({"x" * 250: [0]})),
    "too many partitions": changed(lambda d: d["assignment"]["actives"].update(x=list(range(20_001)))),
    "metadata list": changed(lambda d: d.update(table_metadata=[])),
    "too many members": changed(lambda d: d.update(table_metadata={f"http://{n}": {} for n in range(1001)})),
    "another app": changed(
        lambda d: d.update(table_metadata={"http://bills-app-0.bills-app.shop.svc.cluster.local:6065": {}})
    ),
    "another namespace": changed(
        lambda d: d.update(table_metadata={"http://orders-app-0.orders-app.test.svc.cluster.local:6065": {}})
    ),
    "another app's leader": changed(
        lambda d: d["assignment"].update(actives={"bills-app-assignor-leader": [0]})
    ),
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES)
def test_a_lie_is_wrong_with_a_short_reason(client: MemberClient, lie: bytes) -> None:
    """Nothing of an answer that is not a member's status is believed, and the reason stays fit for a condition."""
    with liar(says(lie)) as server:
        answer = ask(client, server.target())
        again = ask(client, server.target())
    assert answer.kind == "wrong"
    assert not answer.heard
    assert 0 < len(answer.reason) < 120
    assert answer == again, "equal faults must be equal answers, or every poll would wake a reconcile"


def test_a_redirect_is_not_followed(client: MemberClient) -> None:
    """A pod cannot send the controller elsewhere."""
    with liar(status(HONEST)) as elsewhere:
        port = elsewhere.target().port
        head = f"Location: http://127.0.0.1:{port}/status/\r\n"
        with liar(says(response(b"", status="307 Temporary Redirect", extra=head))) as server:
            assert ask(client, server.target()).kind == "wrong"
        assert elsewhere.requests == []


@pytest.mark.parametrize("extra", [{}, {"version": "99"}, {"table_metadata": {"http://10.1.2.3:6065": {}}}])
def test_what_a_newer_runtime_or_a_user_adds_is_accepted(client: MemberClient, extra: dict[str, Any]) -> None:
    """Unknown keys are ignored, and addresses that users chose themselves do not name another app."""
    with liar(status({**HONEST, **extra})) as server:
        assert ask(client, server.target()).kind == "ok"


def test_the_table_metadata_may_be_missing(client: MemberClient) -> None:
    """No decision needs it."""
    with liar(status({key: value for key, value in HONEST.items() if key != "table_metadata"})) as server:
        assert ask(client, server.target()).kind == "ok"


def test_the_own_leader_topic_is_not_foreign(client: MemberClient) -> None:
    """The leader reads `<app id>-assignor-leader`."""
    document = copy.deepcopy(HONEST)
    document["assignment"]["actives"]["orders-app-assignor-leader"] = [0]
    with liar(status(document)) as server:
        assert ask(client, server.target()).kind == "ok"


@pytest.mark.parametrize("body", [b'{"status": "error"}', b'"ok"', b"", b'{"message": "fine"}', b"ok"])
def test_a_signal_is_only_acknowledged_by_ok(client: MemberClient, body: bytes) -> None:
    """200 alone acknowledges nothing."""
    with liar(says(response(body))) as server:
        assert client.rebalance(server.target()).kind == "wrong"


def test_cookies_are_neither_kept_nor_sent(client: MemberClient) -> None:
    """What answers cannot store anything in the controller."""
    body = json.dumps(HONEST).encode()
    with liar(says(response(body, extra="Set-Cookie: a=b; Path=/\r\n"))) as server:
        ask(client, server.target())
        ask(client, server.target())
    assert "cookie" not in server.requests[1].lower()


def test_proxy_variables_are_ignored(client: MemberClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pods are asked directly, whatever the proxy of the cluster's egress is."""
    with liar(says(b"")) as proxy, liar(status(HONEST)) as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy.target().port}")
        fresh = MemberClient()
        assert ask(fresh, server.target()).kind == "ok"
        fresh.close()
    assert proxy.requests == []


def test_an_endless_body_costs_little_memory(client: MemberClient) -> None:
    """The stream is cut off at 1 MiB."""

    def flood(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        while True:
            connection.sendall(b" " * 65536)

    with liar(flood) as server:
        tracemalloc.start()
        answer = ask(client, server.target())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert answer == Answer("wrong", "the body is larger than 1 MiB")
    assert peak < 5 * MAX_BODY


_current: list[bytes] = []


@pytest.fixture(scope="module")
def scripted() -> Iterator[Liar]:
    with liar(lambda connection: connection.sendall(_current[0])) as server:
        yield server


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
_STATUS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("leader", "rebalancing", "recovering"), st.booleans() | _JSON),
        "assignment": st.fixed_dictionaries({}, optional={"actives": _JSON, "standbys": _JSON}) | _JSON,
        "table_metadata": _JSON,
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.one_of(
        st.binary(max_size=200),
        st.binary(max_size=100).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail + b"\r\n\r\n"),
        _STATUS.map(lambda document: response(json.dumps(document).encode())),
    )
)
def test_no_bytes_make_it_raise(scripted: Liar, client: MemberClient, data: bytes) -> None:
    """Any bytes at all end in an answer; only complete ones are believed."""
    _current[:] = [data]
    answer = ask(client, scripted.target())
    assert answer.kind in {"ok", "starting", "refused", "timeout", "wrong"}
    if answer.kind == "ok":
        assert all(isinstance(flag, bool) for flag in (answer.leader, answer.rebalancing, answer.recovering))
