"""The member's HTTP answers are the runtime's."""

from __future__ import annotations

import json

import pytest

from hack.nodesim.answers import answer
from hack.nodesim.behaviour import LIES, BadScript, Behaviour, parse
from tests.unit.hack.nodesim.crew import Crew, reads

HOST = "http://x-app-0.x-app.ns.svc.cluster.local:6065"


def test_the_status_document() -> None:
    """Contract 6.2: exactly these fields."""
    crew = Crew(partitions=2)
    member = crew.running(1, reads("in", tables=("t",)))[0]
    response = answer(member, "GET", "/status/")
    assert response is not None
    assert (response.status, response.content_type) == (200, "application/json; charset=utf-8")
    assert json.loads(response.body) == {
        "leader": True,
        "rebalancing": False,
        "recovering": False,
        "assignment": {
            "actives": {"in": [0, 1], "x-app-assignor-leader": [0], "x-app-t-changelog": [0, 1, 2]},
            "standbys": {},
        },
        "table_metadata": {HOST: {"x-app-t-changelog": [0, 1, 2]}},
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "body"),
    [
        ("GET", "/status/?x=1", 200, None),
        ("GET", "/status", 404, b"404: Not Found"),
        ("POST", "/status/", 405, b'{"error": "Method POST not allowed."}'),
        ("POST", "/signal/rebalance", 200, b'{"status": "ok", "message": "Rebalance requested"}'),
        ("POST", "/signal/rebalance/", 404, b"404: Not Found"),
        ("GET", "/signal/rebalance", 405, b'{"error": "Method GET not allowed."}'),
        ("GET", "/", 200, b'{"status": "OK"}'),
        ("GET", "/metrics", 200, None),
        ("GET", "/table/", 200, b"[]"),
        ("GET", "/router/", 200, b"{}"),
        ("GET", "/nowhere", 404, b"404: Not Found"),
    ],
)
def test_routes(method: str, path: str, status: int, body: bytes | None) -> None:
    """T40: the status with its slash, the signal without; wrong methods are told."""
    crew = Crew()
    response = answer(crew.running(1, reads("in"))[0], method, path)
    assert response is not None
    assert response.status == status
    assert body is None or response.body == body


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/status/", 500), ("POST", "/signal/rebalance", 500),
                                                        ("GET", "/", 200)])  # fmt: skip
def test_before_the_consumer_started(method: str, path: str, status: int) -> None:
    """T40: 500 means starting; `/` answers as soon as the server listens."""
    crew = Crew()
    member = crew.start(0, reads("in"))
    crew.advance(3.6)
    response = answer(member, method, path)
    assert response is not None
    assert response.status == status


def test_the_metrics_path_is_a_setting() -> None:
    """K_WEB_METRICS_BASE_PATH is put before /metrics."""
    crew = Crew()
    member = crew.start(0, reads("in"), K_WEB_METRICS_BASE_PATH="/deep")
    crew.advance(30)
    response = answer(member, "GET", "/deep/metrics")
    assert response is not None
    assert b"kaspr_rebalancing 0" in response.body


@pytest.mark.parametrize("kind", sorted(LIES))
def test_each_lie_differs_from_the_truth(kind: str) -> None:
    """A member that lies answers something else than an honest one in the same state."""
    crew = Crew()
    leader, follower = sorted(crew.running(2, reads("in")), key=lambda member: not member.leader)
    liar = follower if kind == "leader" else leader
    if kind == "calm":
        liar.signal_rebalance()
    truth = answer(liar, "GET", "/status/")
    liar.behave(parse(f"lying={kind}"))
    assert answer(liar, "GET", "/status/") != truth


def test_scripts() -> None:
    """Words, flags and numbers; empty text is an ordinary member."""
    assert parse("") == Behaviour()
    assert parse(" slow=2.5, hung,cut-off , crash=42, init-fails=1,lying=html") == Behaviour(
        slow=2.5, hung=True, cut_off=True, crash=42, init_fails=1, lying="html"
    )


@pytest.mark.parametrize("text", ["hangs", "hung=1", "slow", "slow=fast", "crash=1.5", "lying=more", "lying"])
def test_a_misspelled_script_is_an_error(text: str) -> None:
    """A script that is not understood would test nothing."""
    with pytest.raises(BadScript):
        parse(text)
