"""What a member answers over HTTP, byte for byte as the runtime's web routes.

In: a member, method and path. Out: a `Response`, or None when the process stands still and nothing will come.
Called by `server` for real requests and by `probes` for the kubelet's. Pure but for the rebalance signal.
Source: the runtime's routes (status with slash, signal without), the 500 before its consumer started, T40.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hack.nodesim.member import BEFORE_THE_CONSUMER, Member, Phase

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer; `body_follows` False announces a body that never comes."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    body_follows: bool = True


def as_json(value: Any, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(status, JSON, json.dumps(value).encode())


NOT_FOUND = Response(404, TEXT, b"404: Not Found")
SERVER_ERROR = Response(500, TEXT, b"500 Internal Server Error\n\nServer got itself in trouble")


def answer(member: Member, method: str, path: str) -> Response | None:
    """Return the answer to one request, or None for one that is never answered."""
    if member.frozen or member.phase is Phase.ENDED:
        return None
    path = path.partition("?")[0]
    routes: dict[str, tuple[str, Callable[[Member], Response]]] = {
        "/": ("GET", lambda _: as_json({"status": "OK"})),
        "/status/": ("GET", status),
        "/signal/rebalance": ("POST", signal),
        member.settings.metrics_path: ("GET", metrics),
        "/router/": ("GET", lambda _: as_json({})),
        "/table/": ("GET", lambda one: as_json([table.name for table in one.program.app.tables])),
    }
    if path not in routes:
        return NOT_FOUND
    allowed, route = routes[path]
    if method != allowed and not (method == "HEAD" and allowed == "GET"):
        return as_json({"error": f"Method {method} not allowed."}, 405)
    return route(member)


def status_document(member: Member) -> dict[str, Any]:
    """Return the body of `/status/`: what the process believes, which is not always the truth (C10)."""
    held = member.assignment

    def lists(partitions: Mapping[str, tuple[int, ...]] | None) -> dict[str, list[int]]:
        return {topic: list(numbers) for topic, numbers in (partitions or {}).items()}

    return {
        "leader": member.leader,
        "rebalancing": member.rebalancing,
        "recovering": member.recovering,
        "assignment": {
            "actives": lists(held.actives if held else None),
            "standbys": lists(held.standbys if held else None),
        },
        "table_metadata": {
            url: lists(topics) for url, topics in (held.table_metadata if held else {}).items()
        },
    }


def status(member: Member) -> Response:
    """Answer `/status/`."""
    if member.phase in BEFORE_THE_CONSUMER:
        return SERVER_ERROR
    document = status_document(member)
    if member.behaviour.lying is not None:
        return lie(member.behaviour.lying, document)
    return as_json(document)


def lie(kind: str, document: dict[str, Any]) -> Response:
    """Return a wrong answer of one class (see `behaviour.LIES`)."""
    assignment = document["assignment"]
    lies: dict[str, Callable[[], Response]] = {
        "leader": lambda: as_json(document | {"leader": True}),
        "calm": lambda: as_json(document | {"rebalancing": False, "recovering": False}),
        "empty": lambda: as_json(document | {"assignment": {"actives": {}, "standbys": {}}}),
        "greedy": lambda: as_json(
            document | {"assignment": assignment | {"actives": assignment["actives"] | {"nobody-knows": [0]}}}
        ),
        "garbage": lambda: Response(200, JSON, b'{"leader": tru'),
        "types": lambda: as_json({"leader": "yes", "rebalancing": None, "assignment": {"actives": [1]}}),
        "list": lambda: as_json([document]),
        "huge": lambda: as_json(document | {"padding": "x" * (8 * MIB)}),
        "html": lambda: Response(200, "text/html", b"<html><body>welcome</body></html>"),
        "slow-body": lambda: Response(200, JSON, b"x" * 100, body_follows=False),
        "error": lambda: SERVER_ERROR,
        "redirect": lambda: Response(302, TEXT, b"", (("Location", "http://127.0.0.1:1/status/"),)),
    }
    return lies[kind]()


def signal(member: Member) -> Response:
    """Answer the rebalance signal: always ok once the consumer runs, whether or not anything comes of it (C1)."""
    if member.phase in BEFORE_THE_CONSUMER:
        return SERVER_ERROR
    member.signal_rebalance()
    return as_json({"status": "ok", "message": "Rebalance requested"})


def metrics(member: Member) -> Response:
    """Answer with a few Prometheus lines."""
    held = member.assignment.actives if member.assignment else {}
    lines = [
        "# TYPE kaspr_assignment_partitions gauge",
        *(
            f'kaspr_assignment_partitions{{topic="{topic}"}} {len(numbers)}'
            for topic, numbers in held.items()
        ),
        "# TYPE kaspr_rebalancing gauge",
        f"kaspr_rebalancing {int(member.rebalancing)}",
    ]
    return Response(200, "text/plain; version=0.0.4; charset=utf-8", "\n".join([*lines, ""]).encode())
