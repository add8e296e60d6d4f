"""Web views: requests to the member's port that run a component's code.

In: method, path, body of a request. Out: a `Response`, or None where no web view has that path. Called by the member's server on
the event loop; code runs on one other thread, so that it may be asynchronous. Sources: contract 3.6 and C20.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hack.nodesim.answers import SERVER_ERROR, Response, as_json
from tests.e2e.member.pipeline import Context, Pipeline
from tests.e2e.member.scripts import function

LOG = logging.getLogger("member.webviews")
SECONDS = 10.0
PLACEHOLDER = re.compile(r"\{(\w+)(?::([^{}]+))?\}")


@dataclass(frozen=True, slots=True)
class Request:
    """What the first operation of a web view gets."""

    method: str
    path: str
    query: Mapping[str, str]
    match_info: Mapping[str, str]
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    async def text(self) -> str:
        """Return the body as text."""
        return self.body.decode()

    async def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class WebViews:
    """The routes of a member."""

    def __init__(self, entries: list[Mapping[str, Any]], context: Context) -> None:
        self.context = context
        self.routes = [(compiled(entry["request"]["path"]), entry) for entry in entries]
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, name="webviews", daemon=True).start()

    def answer(self, method: str, target: str, body: bytes) -> Response | None:
        """Answer a request, or return None where no web view has the path."""
        url = urllib.parse.urlsplit(target)
        paths = [(match, entry) for path, entry in self.routes if (match := path.fullmatch(url.path))]
        for match, entry in paths:
            if entry["request"]["method"].upper() == method:
                query = dict(urllib.parse.parse_qsl(url.query))
                request = Request(method, url.path, query, match.groupdict(), body)
                future = asyncio.run_coroutine_threadsafe(self.serve(entry, request), self.loop)
                return future.result(timeout=SECONDS)
        return as_json({"error": f"Method {method} not allowed."}, 405) if paths else None

    async def serve(self, entry: Mapping[str, Any], request: Request) -> Response:
        """Run a web view; its exceptions go through `onError`, else they are a 500."""
        outcome, failed = None, False
        try:
            outcome = await self.produced(entry, request)
        except Exception as error:  # whatever a user's code raises
            LOG.exception("web view %s crashed", entry["name"])
            words = {
                "operation": None,
                "message": str(error),
                "cause": type(error).__name__,
                "cause_object": error,
            }
            outcome, failed = words, True
        try:
            return respond(entry["response"] or {}, outcome, failed=failed)
        except LookupError:
            return SERVER_ERROR

    async def produced(self, entry: Mapping[str, Any], request: Request) -> Any:
        """Return the last value of the pipeline."""
        if entry["processors"] is None:
            return None
        pipeline = Pipeline(entry["processors"], self.context)
        values = await pipeline.run((request,), request.match_info)
        return values[-1]


def compiled(path: str) -> re.Pattern[str]:
    """Return the pattern of a path with `{name}` or `{name:regex}` in it."""
    pattern, begin = "", 0
    for found in PLACEHOLDER.finditer(path):
        pattern += re.escape(path[begin : found.start()]) + f"(?P<{found[1]}>{found[2] or '[^/]+'})"
        begin = found.end()
    return re.compile(pattern + re.escape(path[begin:]))


def respond(response: Mapping[str, Any], outcome: Any, *, failed: bool) -> Response:
    """Make the response of an outcome.

    Raises:
        LookupError: the view failed and says nothing about failures.
    """

    def selected(name: str, default: Any) -> Any:
        code = (response.get(name) or {}).get("on_error" if failed else "on_success")
        return function(code)(outcome) if code is not None else default

    if failed and (response.get("body_selector") or {}).get("on_error") is None:
        raise LookupError("no onError")
    content_type = response.get("content_type") or "text/plain"
    body = selected("body_selector", outcome)
    headers = selected("headers_selector", response.get("headers") or {})
    status = selected("status_code_selector", response.get("status_code") or 200)
    text = json.dumps(body, default=str) if content_type == "application/json" else str(body)
    data = body if isinstance(body, bytes) else text.encode()
    return Response(status, f"{content_type}; charset=utf-8", data, tuple(headers.items()))
