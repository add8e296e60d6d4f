"""What a page gets and what it gives: the small vocabulary between the listener and the views.

A view is a function from `Request` to `Page`. It runs on a thread of the listener, reads what it was handed and changes
nothing; `Routes` picks it by the longest matching prefix, so `/readyz` also serves `/readyz/cache`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

TEXT = "text/plain; charset=utf-8"
JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        method: `GET` (also for `HEAD`) or `PUT`.
        path: decoded path without the query.
        rest: segments of the path after the prefix of the view.
        query: query parameter -> its values in order; `?verbose` has one empty value.
        headers: lower-case name -> value.
        body: of a `PUT`.
    """

    method: str
    path: str
    rest: tuple[str, ...] = ()
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Page:
    """One answer. Never cached: it is the state of this moment."""

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)


View: TypeAlias = Callable[[Request], Page]


def text(body: str, status: HTTPStatus = HTTPStatus.OK) -> Page:
    """A page of plain text."""
    return Page(body.encode(), status)


def as_json(value: Any, status: HTTPStatus = HTTPStatus.OK) -> Page:
    """A page of JSON for people: indented, and tolerant of values that JSON does not have."""
    return Page((json.dumps(value, indent=2, default=str) + "\n").encode(), status, JSON)


def not_found(what: str) -> Page:
    """404 with what there is none of."""
    return text(f"not found: {what}\n", HTTPStatus.NOT_FOUND)


@dataclass(frozen=True, slots=True)
class Routes:
    """Views by prefix.

    Attributes:
        views: prefix such as `/readyz` -> its view.
        writable: prefixes that also take `PUT`.
    """

    views: Mapping[str, View]
    writable: frozenset[str] = frozenset()

    def answer(self, request: Request) -> Page:
        """The page of the view with the longest matching prefix; 404 with the list of prefixes, 405 for other methods."""
        segments = tuple(part for part in request.path.split("/") if part)
        for length in range(len(segments), 0, -1):
            prefix = "/" + "/".join(segments[:length])
            view = self.views.get(prefix)
            if view is not None:
                return self._call(view, prefix, request, segments[length:])
        status = HTTPStatus.NOT_FOUND if segments else HTTPStatus.OK
        return text("".join(f"{prefix}\n" for prefix in sorted(self.views)), status)

    def _call(self, view: View, prefix: str, request: Request, rest: tuple[str, ...]) -> Page:
        allowed = "GET, HEAD, PUT" if prefix in self.writable else "GET, HEAD"
        if request.method not in allowed.split(", "):
            return Page(b"method not allowed\n", HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": allowed})
        return view(Request(request.method, request.path, rest, request.query, request.headers, request.body))
