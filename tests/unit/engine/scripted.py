"""A source of lists and watches that does what a test wrote down, and remembers what it was asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from kaspr_controller.kube.kinds import Kind, Raw
from kaspr_controller.kube.listing import Page
from kaspr_controller.kube.watching import WatchEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Step = WatchEvent | Exception | float | Callable[[], None]


class Asked(NamedTuple):
    """One request: `list` or `watch`, from which version, with what else."""

    verb: str
    version: str
    more: dict[str, Any]


def event(type_: str, obj: Raw) -> WatchEvent:
    return WatchEvent(type_, obj, obj["metadata"]["resourceVersion"])


def bookmark(version: int | str) -> WatchEvent:
    return WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": str(version)}}, str(version))


def pages(*objects: Raw, rv: int | str = 10, size: int = 500) -> list[Page]:
    items = list(objects)
    chunks = [items[start : start + size] for start in range(0, len(items), size)] or [[]]
    return [Page(chunk, str(rv)) for chunk in chunks]


class Script:
    """Answers in order. A watch beyond the script sets `finished`; with `block` it then stays open until it is stopped.

    A list is pages or errors; a watch is a sequence of steps: an event, an error, seconds that pass, or something to call.
    """

    def __init__(self, advance: Callable[[float], None], *, block: bool = False) -> None:
        self.lists: list[Sequence[Page | Exception]] = []
        self.watches: list[Sequence[Step]] = []
        self.asked: list[Asked] = []
        self.streams: list[ScriptedStream] = []
        self.finished = threading.Event()
        self._advance = advance
        self._block = block

    @property
    def requests(self) -> list[tuple[str, str]]:
        return [(asked.verb, asked.version) for asked in self.asked]

    def list_pages(
        self, kind: Kind, namespace: str | None = None, *, resource_version: str = "", **more: Any
    ) -> Iterator[Page]:
        self.asked.append(Asked("list", resource_version, {"kind": kind, "namespace": namespace, **more}))
        if not self.lists:
            self.finished.set()
            return
        for step in self.lists.pop(0):
            if isinstance(step, Exception):
                raise step
            yield step

    def watch(
        self, kind: Kind, namespace: str | None = None, *, resource_version: str, **more: Any
    ) -> ScriptedStream:
        self.asked.append(Asked("watch", resource_version, {"kind": kind, "namespace": namespace, **more}))
        stream = ScriptedStream(self.watches.pop(0) if self.watches else [self._end], self._advance)
        self.streams.append(stream)
        return stream

    def _end(self) -> None:
        self.finished.set()
        if self._block:
            self.streams[-1].stopped.wait(5)


class ScriptedStream:
    """One watch."""

    def __init__(self, steps: Sequence[Step], advance: Callable[[float], None]) -> None:
        self._steps = steps
        self._advance = advance
        self.stopped = threading.Event()

    def __iter__(self) -> Iterator[WatchEvent]:
        for step in self._steps:
            if self.stopped.is_set():
                return
            if isinstance(step, Exception):
                raise step
            if isinstance(step, WatchEvent):
                yield step
            elif isinstance(step, float):
                self._advance(step)
            else:
                step()

    def stop(self) -> None:
        self.stopped.set()
