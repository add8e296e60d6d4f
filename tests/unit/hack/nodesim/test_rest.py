"""The tiny API client loses no event."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from hack.nodesim.rest import Api, ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

Answer = httpx.Response | Exception


def obj(uid: str, version: int) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "name": uid, "resourceVersion": str(version)}}


def listed(version: int, *items: dict[str, Any], token: str = "") -> httpx.Response:
    metadata = {"resourceVersion": str(version), "continue": token}
    return httpx.Response(200, json={"metadata": metadata, "items": list(items)})


def watched(*events: tuple[str, dict[str, Any]]) -> httpx.Response:
    return httpx.Response(200, text="".join(json.dumps({"type": k, "object": o}) + "\n" for k, o in events))


def failed(status: int, reason: str = "") -> httpx.Response:
    return httpx.Response(status, json={"reason": reason, "message": "no"})


class Server:
    """Answers from a list, one after the other; after the last one it falls silent."""

    def __init__(self, path: Path, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx.Request] = []
        self.drained = asyncio.Event()
        kubeconfig = path / "kubeconfig"
        cluster = {"server": "http://server", "insecure-skip-tls-verify": True}
        config = {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": "t"}}],
        }
        kubeconfig.write_text(json.dumps(config))
        self.api = Api(kubeconfig)
        self.api.http._transport = httpx.MockTransport(self.answer)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if not self.answers:
            self.drained.set()
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hack.nodesim.rest.RETRY_SECONDS", 0)


def followed(path: Path, *answers: Answer) -> tuple[list[tuple[str, str]], list[httpx.Request]]:
    """Follow until the answers are used up; return the events and the requests."""
    events: list[tuple[str, str]] = []

    async def scenario() -> list[httpx.Request]:
        server = Server(path, *answers)
        synced = asyncio.Event()
        follow = server.api.follow(
            "/pods", lambda kind, one: events.append((kind, one["metadata"]["uid"])), synced
        )
        task = asyncio.create_task(follow)
        await asyncio.wait_for(server.drained.wait(), 5)
        assert synced.is_set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await server.api.close()
        return server.requests

    return events, asyncio.run(scenario())


def test_a_watch_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    """The version of the last event or bookmark is asked for next."""
    bookmark = {"metadata": {"resourceVersion": "9"}}
    events, requests = followed(
        tmp_path,
        listed(5, obj("a", 1), token="more"),
        listed(5, obj("b", 2)),
        watched(("MODIFIED", obj("a", 7)), ("BOOKMARK", bookmark)),
        watched(("DELETED", obj("a", 10))),
    )
    assert events == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert [request.url.params.get("resourceVersion") for request in requests[2:]] == ["5", "9", "10"]


@pytest.mark.parametrize(
    "gone", [failed(410, "Expired"), watched(("ERROR", {"code": 410, "reason": "Expired"}))]
)
def test_an_expired_version_lists_again(tmp_path: Path, gone: httpx.Response) -> None:
    """What vanished meanwhile is delivered as deleted, what is there as modified."""
    events, _ = followed(
        tmp_path, listed(5, obj("a", 1), obj("b", 2)), gone, listed(20, obj("b", 15), obj("c", 16))
    )
    assert events == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a"), ("MODIFIED", "b"), ("ADDED", "c")]


def test_a_broken_connection_lists_again(tmp_path: Path) -> None:
    """An API server that was away costs nothing but time."""
    events, _ = followed(
        tmp_path,
        httpx.ConnectError("away"),
        listed(5, obj("a", 1)),
        httpx.ReadError("cut"),
        failed(500),
        listed(6),
    )
    assert events == [("ADDED", "a"), ("DELETED", "a")]


def test_requests_are_repeated_while_the_server_is_away(tmp_path: Path) -> None:
    """A kubelet goes on until it is heard."""

    async def scenario() -> None:
        server = Server(
            tmp_path, httpx.ConnectError("away"), failed(429), httpx.Response(200, json=obj("a", 1))
        )
        assert (await server.api.patch("/x", {}))["metadata"]["uid"] == "a"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("call", "answer", "result"),
    [
        (lambda api: api.find("/x"), failed(404, "NotFound"), None),
        (lambda api: api.create("/x", {"a": 1}, exists_ok=True), failed(409, "AlreadyExists"), {"a": 1}),
        (lambda api: api.delete("/x"), failed(404, "NotFound"), None),
        (lambda api: api.delete("/x"), failed(409, "Conflict"), None),
    ],
)
def test_expected_refusals(
    tmp_path: Path, call: Callable[[Api], Any], answer: httpx.Response, result: object
) -> None:
    """Gone, there already, replaced: what a kubelet takes for an answer."""

    async def scenario() -> object:
        return await call(Server(tmp_path, answer).api)

    assert asyncio.run(scenario()) == result


def test_other_refusals_are_errors(tmp_path: Path) -> None:
    """With status and reason."""

    async def scenario() -> None:
        await Server(tmp_path, failed(422, "Invalid")).api.create("/x", {})

    with pytest.raises(ApiError, match="422 Invalid: no"):
        asyncio.run(scenario())


def test_requests_that_nobody_waits_for_any_more_take_no_connection_with_them(tmp_path: Path) -> None:
    """A pod's worker is cancelled at any moment; that once cost the node a connection each, until no pod started."""
    serving: list[asyncio.Task[Any] | None] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.append(asyncio.current_task())
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async def scenario() -> Mapping[str, Any]:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        api = Server(tmp_path).api
        api.http = httpx.AsyncClient(
            base_url=f"http://{host}:{port}",
            timeout=httpx.Timeout(5.0, pool=0.1),
            limits=httpx.Limits(max_connections=4),
        )
        for turns in range(60):
            many = [asyncio.create_task(api.get("/pods")) for _ in range(6)]
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in many:
                task.cancel()
            await asyncio.gather(*many, return_exceptions=True)
        found = await asyncio.wait_for(api.get("/pods"), 5)
        await api.close()
        server.close()
        await asyncio.wait_for(asyncio.gather(*(task for task in serving if task)), 5)
        return found

    assert asyncio.run(scenario()) == {}
