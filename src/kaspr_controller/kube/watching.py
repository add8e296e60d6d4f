"""A watch: bytes of one long answer in, events out.

The informer's thread iterates a `WatchStream`; `stop` comes from any other. The request goes out with the first `next`, so
a stop works at every moment. Each event, bookmarks included, moves `resource_version`, from where the next watch resumes
after an ordinary end, an idle timeout or a lost connection. The invariant: an event is never passed over in silence; what
cannot be read ends the stream, so that the same event comes again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kaspr_controller.kube import errors
from kaspr_controller.kube.addressing import collection_path
from kaspr_controller.kube.decoding import LEAN_JSON, decode, strip
from kaspr_controller.kube.transport import Request
from kaspr_controller.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from kaspr_controller.kube.kinds import Kind, Raw
    from kaspr_controller.kube.listing import Selection
    from kaspr_controller.kube.transport import ByteStream, Response

IDLE_SECONDS = 75.0
"""Longest silence: bookmarks come every minute (rule W3)."""

OPEN_SECONDS = 10.0

BOOKMARK = "BOOKMARK"
_TYPES = frozenset({"ADDED", "MODIFIED", "DELETED", BOOKMARK})

log = get_logger("kube.watch")


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One event.

    Attributes:
        type: ADDED, MODIFIED, DELETED or BOOKMARK.
        object: the object without managedFields; of a bookmark only kind and resource version are there.
        resource_version: that of the object.
    """

    type: str
    object: Raw
    resource_version: str


class WatchStream:
    """The events of one watch, until the server ends it, `stop`, or an error.

    Iterating raises:
        errors.Expired: the resource version is too old, as an answer or in the middle: list again.
        errors.IdleTimeout: silence; resume from `resource_version`.
        errors.ConnectionLost: cut off, also within an event; resume.
        errors.ProtocolError: a line that is no event; resume.
        errors.ApiError: any other refusal.
    """

    def __init__(
        self,
        kind: Kind,
        stream: ByteStream,
        observe: Callable[[Callable[[], Response]], Response],
        *,
        resource_version: str,
    ) -> None:
        self.kind = kind
        self.resource_version = resource_version
        self._stream = stream
        self._observe = observe

    def __iter__(self) -> Iterator[WatchEvent]:
        """Send the request and yield events; once only."""
        try:
            yield from self._events()
        except errors.TransportError:
            # A stop cuts the connection wherever it is, even within an event.
            if not self._stream.stopped:
                raise

    def _events(self) -> Iterator[WatchEvent]:
        self._observe(self._stream.open)
        for line in split_lines(self._stream.chunks()):
            event = self._event(line)
            if event is not None:
                self.resource_version = event.resource_version
                yield event

    def stop(self) -> None:
        """End the iteration now, without an error; any thread, any time, more than once."""
        self._stream.stop()

    def _event(self, line: bytes) -> WatchEvent | None:
        value = decode(line, request=f"watch {self.kind.plural}")
        type_, obj = value.get("type"), value.get("object")
        if type_ == "ERROR" and isinstance(obj, dict):
            raise errors.from_status(obj, request=f"watch {self.kind.plural}")
        if type_ not in _TYPES or not isinstance(obj, dict) or obj.get("kind") != self.kind.kind:
            log.error("skipped a watch event of an unknown form", kind=self.kind.kind, type=type_)
            return None
        version = (obj.get("metadata") or {}).get("resourceVersion")
        if not version:
            log.error("skipped a watch event without a resource version", kind=self.kind.kind, type=type_)
            return None
        return WatchEvent(type_, strip(obj), version)


def request(selection: Selection, *, resource_version: str, timeout_seconds: int) -> Request:
    """The GET of a watch with bookmarks, which the server ends after `timeout_seconds`."""
    query: dict[str, Any] = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": str(timeout_seconds),
        **selection.query(),
    }
    if resource_version:
        query["resourceVersion"] = resource_version
    path = collection_path(selection.kind, selection.namespace, query=query)
    return Request("watch", "GET", path, accept=LEAN_JSON)


def split_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Lines without their newline, empty ones left out; a line may span any number of chunks.

    Raises:
        errors.ConnectionLost: the bytes end within a line.
    """
    tail: list[bytes] = []
    for chunk in chunks:
        if b"\n" not in chunk:
            tail.append(chunk)  # joined once, at its newline: an object of 1.5 MB comes in many chunks
            continue
        lines = chunk.split(b"\n")
        lines[0] = b"".join([*tail, lines[0]])
        last = lines.pop()
        tail = [last] if last else []
        yield from filter(None, lines)
    if any(tail):
        raise errors.ConnectionLost("the watch ended within an event")
