"""/debug/*: what the threads do, what is queued, what is cached, why something was decided (rule O2).

For a person on `kubectl port-forward`; it listens on 127.0.0.1 only and is off unless asked for. Everything comes from
read-only views that wiring hands in. Keys and versions are shown, contents of objects never: they may hold secrets. The
one thing that can be set here is the log level of this process.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol, TypeAlias

from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.serve.pages import Page, Request, Routes, View, as_json, not_found, text

LOOPBACK = "127.0.0.1"
Versions: TypeAlias = Callable[[], Iterable[tuple[str, str]]]
"""Key and resourceVersion of each cached object of a kind."""


class LogLevel(Protocol):
    """The log level of the process."""

    def get(self) -> str:
        """The level in force."""
        ...

    def set(self, level: str) -> None:
        """Put another one in force.

        Raises:
            ValueError: there is no such level.
        """
        ...


@dataclass(frozen=True, slots=True)
class DebugViews:
    """What the debug pages show.

    Attributes:
        queues: name -> a snapshot of that queue: anything JSON can say.
        caches: kind -> key and resourceVersion of its objects.
        why: key -> the last triggers and decisions about it, oldest first; empty when nothing is known.
        log_level: None where it cannot be changed.
    """

    queues: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    caches: Mapping[str, Versions] = field(default_factory=dict)
    why: Callable[[ObjectKey], Sequence[Mapping[str, Any]]] = lambda _key: ()
    log_level: LogLevel | None = None


def debug_routes(views: DebugViews) -> Routes:
    """The pages below /debug."""
    pages: dict[str, View] = {
        "/debug/threads": lambda _request: text(stacks()),
        "/debug/queue": lambda _request: as_json(
            {name: view() for name, view in sorted(views.queues.items())}
        ),
        "/debug/cache": lambda request: _cache(views.caches, request),
        "/debug/why": lambda request: _why(views, request),
    }
    level = views.log_level
    if level is not None:
        pages["/debug/loglevel"] = lambda request: _log_level(level, request)
    return Routes(pages, writable=frozenset({"/debug/loglevel"}))


def stacks() -> str:
    """The stack of every thread, the way a traceback shows it."""
    names = {thread.ident: thread for thread in threading.enumerate()}
    parts: list[str] = []
    for ident, frame in sorted(sys._current_frames().items()):  # noqa: SLF001 - the documented way
        thread = names.get(ident)
        head = f"{thread.name}{' (daemon)' if thread.daemon else ''}" if thread else "unknown"
        parts.append(f"--- {head} {ident}\n{''.join(traceback.format_stack(frame))}")
    return "\n".join(parts)


def _cache(caches: Mapping[str, Versions], request: Request) -> Page:
    if not request.rest:
        return as_json({kind: sum(1 for _ in versions()) for kind, versions in sorted(caches.items())})
    kind = "/".join(request.rest)
    if kind not in caches:
        return not_found(f"kind {kind}; there are {', '.join(sorted(caches))}")
    return as_json(dict(sorted(caches[kind]())))


def _why(views: DebugViews, request: Request) -> Page:
    match request.rest:
        case (kind, namespace, name):
            key = ObjectKey(kind, namespace, name)
        case (kind, name):
            key = ObjectKey(kind, "", name)
        case _:
            return text("ask for /debug/why/<kind>/<namespace>/<name>\n", HTTPStatus.BAD_REQUEST)
    decisions = views.why(key)
    return as_json(list(decisions)) if decisions else not_found(f"decisions about {key}")


def _log_level(level: LogLevel, request: Request) -> Page:
    if request.method == "PUT":
        try:
            level.set(request.body.decode("utf-8", "replace").strip())
        except ValueError as error:
            return text(f"{error}\n", HTTPStatus.BAD_REQUEST)
    return text(f"{level.get()}\n")
