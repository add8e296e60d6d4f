"""One list, then watches: keeps a sink told about the objects of one kind, whatever the network does.

In: pages and events from a `Source` (the API client). Out: a committed list, events and bookmarks to a `Sink` (the
informer). Runs on one informer thread; `interrupt` comes from any other. `step` is one list or one watch with the pause
after a failure, so the loop is trivial and each row of the error tables is a test. The invariant: the resource version
only moves to what the sink has taken, so that a resumed watch passes nothing over, and a list asks for nothing older
than what was seen (rule W1: first "0", then the last version, and "" only when that fails).

After a watch (rule W2)             next                              pause
    it ended                        watch from the last version       none
    it ended within 1 s, empty      the same                          backoff
    silent for 75 s                 the same                          none; backoff from the second in a row
    cut off, torn line              the same                          none; backoff if it was short and empty
    429, no connection, timeout     the same, never a list            backoff
    410                             list from the last version        none; backoff if nothing came since the last list
    404                             list: the kind may be gone        backoff
    any other error                 watch; every fifth in a row: list backoff

After a list
    it came                         watch from its version            none
    410, version too large          list ""; then that in one page    none; then backoff
    any other error                 the same list                     backoff
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from kaspr_controller.engine.backoff import Doubling
from kaspr_controller.kube import errors
from kaspr_controller.telemetry import metrics
from kaspr_controller.telemetry.logs import get_logger

if TYPE_CHECKING:
    import random
    import threading
    from collections.abc import Callable, Iterator

    from kaspr_controller.engine.clock import Clock
    from kaspr_controller.kube.kinds import Kind, Raw
    from kaspr_controller.kube.listing import Page, Selection
    from kaspr_controller.kube.watching import WatchEvent

# Rule 3 of the bar: 0.22 requests a second for each watch when the server is down.
BACKOFF_BASE = 0.8
BACKOFF_CAP = 30.0
BACKOFF_RESET = 120.0
WATCH_SECONDS = (290, 580)
"""Range of `timeoutSeconds`: random, so that the watches of a fleet do not all come back in one moment (rule W3)."""
SHORT_WATCH = 1.0
"""A watch that ends sooner without an event is an error: a proxy that answers 200 and closes would make us spin."""
LIST_AFTER = 5
"""Errors in a row after which a list is tried instead: perhaps only the watch of this kind is broken."""
SLOW_LIST = 10.0
PAGE_SIZE = 500

log = get_logger("engine.reflector")


class Stream(Protocol):
    """A watch under way."""

    def __iter__(self) -> Iterator[WatchEvent]:
        """The events; raises errors.ApiError."""
        ...

    def stop(self) -> None:
        """End the iteration now; any thread, any time."""
        ...


class Source(Protocol):
    """The part of the API client that this module uses."""

    def list_pages(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str = "",
        label_selector: str | None = None,
        field_selector: str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Iterator[Page]:
        """The objects, page by page."""
        ...

    def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: int,
    ) -> Stream:
        """The events after a resource version."""
        ...


class Batch(Protocol):
    """A list that is being received."""

    def add(self, obj: Raw) -> None:
        """Take in one object; may raise anything, which costs that object only."""
        ...

    def commit(self, version: str) -> object:
        """The list is complete."""
        ...


class Sink(Protocol):
    """Who is told."""

    @property
    def last_rv(self) -> str:
        """The resource version of what it has; "" when it has nothing."""
        ...

    def stage(self) -> Batch:
        """A list begins; without a commit it never was."""
        ...

    def event(self, event: WatchEvent) -> None:
        """An object was added, modified or deleted; may raise anything, which costs that event only."""
        ...

    def bookmark(self, version: str) -> None:
        """Everything up to this version was told."""
        ...


class _Next(NamedTuple):
    """What to do after a failed watch."""

    relist: bool
    pause: bool


class Reflector:
    """See the module.

    Args:
        selection: which objects.
        source: where from.
        sink: where to.
        clock: pauses and ages.
        rng: jitter.
        stop: ends `run`, and every pause.
    """

    def __init__(
        self,
        selection: Selection,
        source: Source,
        sink: Sink,
        *,
        clock: Clock,
        rng: random.Random,
        stop: threading.Event,
    ) -> None:
        self._selection = selection
        self._source = source
        self._sink = sink
        self._clock = clock
        self._rng = rng
        self._stop = stop
        self._backoff = Doubling(rng, clock, base=BACKOFF_BASE, cap=BACKOFF_CAP, reset=BACKOFF_RESET)
        self._kind = selection.kind.kind
        self._stream: Stream | None = None  # written by the reflector's thread, read by `interrupt`
        self._version = sink.last_rv
        self._listed = False
        self._newest = False  # the next list asks for "", because the last version is refused
        self._whole = False  # the next list comes in one page, because the tokens expire
        self._fruitless = False  # nothing has come since the last list
        self._silent = False  # the last watch ended by silence
        self._failures = 0  # watches in a row that failed
        self.heard_at = clock.monotonic()
        """When anything came last: a page, an event, a bookmark, or the regular end of a watch."""
        self.answered_at = self.heard_at
        """The same, refusals included: a watch that is forbidden is not dead, and no restart would mend it."""
        self.last_error = ""

    def run(self) -> None:
        """List and watch until stopped."""
        while not self._stop.is_set():
            self.step()

    def step(self) -> None:
        """One list or one watch, and the pause if it failed."""
        try:
            if self._listed:
                self._watch()
            else:
                self._list()
        except errors.ApiError as error:
            if self._stop.is_set():
                return
            self._note(error)
            pause = self._watch_failed(error) if self._listed else self._list_failed(error)
            if pause:
                self._clock.wait(self._stop, self._backoff.next(error.retry_after))

    def interrupt(self) -> None:
        """Free the thread from the watch it reads, after `stop` was set; any thread."""
        stream = self._stream
        if stream:
            stream.stop()

    # Lists.

    def _list(self) -> None:
        began = self._clock.monotonic()
        metrics.REFLECTOR_LISTS.labels(self._kind).inc()
        batch, version = self._sink.stage(), ""
        pages = self._source.list_pages(
            self._selection.kind,
            self._selection.namespace,
            resource_version="" if self._newest else self._version or "0",
            label_selector=self._selection.label_selector,
            field_selector=self._selection.field_selector,
            page_size=0 if self._whole else PAGE_SIZE,
        )
        for page in pages:
            for obj in page.items:
                self._safely(lambda obj=obj: batch.add(obj), obj)  # type: ignore[misc]
            version = page.resource_version
            self._heard()
            if self._stop.is_set():
                return
        if not version:
            # Committing this would empty the store, and the watch would begin nowhere.
            raise errors.ProtocolError("the list has no resource version")
        batch.commit(version)
        self._version = version
        self._listed, self._newest, self._whole, self._fruitless = True, False, False, True
        seconds = self._clock.monotonic() - began
        if seconds > SLOW_LIST:
            log.warning("a list took long", kind=self._kind, seconds=round(seconds, 1))

    def _list_failed(self, error: errors.ApiError) -> bool:
        """Choose the next list; gives whether to pause before it."""
        if not isinstance(error, errors.Gone | errors.ResourceVersionTooLarge):
            return True
        if not self._newest:
            self._newest = True
            return False
        # With "", only the token of a later page can expire.
        pause, self._whole = self._whole, True
        return pause

    # Watches.

    def _watch(self) -> None:
        began, events = self._clock.monotonic(), 0
        metrics.REFLECTOR_WATCHES.labels(self._kind).inc()
        stream = self._source.watch(
            self._selection.kind,
            self._selection.namespace,
            resource_version=self._version,
            label_selector=self._selection.label_selector,
            field_selector=self._selection.field_selector,
            timeout_seconds=self._rng.randint(*WATCH_SECONDS),
        )
        self._stream = stream
        try:
            # A stop that came before the line above has found no stream.
            if self._stop.is_set():
                return
            for event in stream:
                self._take(event)
                events += 1
        except errors.TransportError as error:
            if isinstance(error, errors.IdleTimeout) or not self._lived(began, events):
                raise
            # A proxy that cuts long connections is ordinary; resume at once.
            self._note(error)
            self._failures = 0
            return
        finally:
            self._stream = None
            stream.stop()
        if not self._lived(began, events) and not self._stop.is_set():
            raise ShortWatch("the watch ended at once and brought nothing")
        self._failures, self._silent = 0, False
        self._heard()

    def _lived(self, began: float, events: int) -> bool:
        return events > 0 or self._clock.monotonic() - began >= SHORT_WATCH

    def _take(self, event: WatchEvent) -> None:
        metrics.REFLECTOR_EVENTS.labels(self._kind, event.type).inc()
        if event.type == "BOOKMARK":
            self._sink.bookmark(event.resource_version)
        else:
            self._safely(lambda: self._sink.event(event), event.object)
        self._version = event.resource_version
        self._failures, self._silent, self._fruitless = 0, False, False
        self._heard()

    def _watch_failed(self, error: errors.ApiError) -> bool:
        """Choose between watch and list; gives whether to pause before."""
        chosen = self._after_watch(error)
        if chosen.relist:
            self._listed = False
        return chosen.pause

    def _after_watch(self, error: errors.ApiError) -> _Next:
        if isinstance(error, errors.Gone):
            return _Next(relist=True, pause=self._fruitless)
        if isinstance(error, errors.IdleTimeout):
            again, self._silent = self._silent, True
            return _Next(relist=False, pause=again)
        if isinstance(error, errors.NotFound):
            return _Next(relist=True, pause=True)
        if isinstance(error, errors.TooManyRequests | errors.ConnectFailed | errors.Timeout):
            # The server is away or busy: a list would be many times the work, and brings nothing that is missed.
            return _Next(relist=False, pause=True)
        self._failures += 1
        return _Next(relist=self._failures % LIST_AFTER == 0, pause=True)

    # Both.

    def _heard(self) -> None:
        self.heard_at = self.answered_at = self._clock.monotonic()

    def _note(self, error: errors.ApiError) -> None:
        self.last_error = f"{error.reason}: {error.message}"
        if error.status:
            self.answered_at = self._clock.monotonic()
        metrics.REFLECTOR_ERRORS.labels(self._kind, type(error).__name__).inc()
        log.info("a list or watch failed", kind=self._kind, error=self.last_error, request=error.request)

    def _safely(self, take: Callable[[], None], obj: Raw) -> None:
        """One object that the sink cannot take must not keep all others away."""
        try:
            take()
        except Exception:
            metrics.REFLECTOR_ERRORS.labels(self._kind, "object").inc()
            name = (obj.get("metadata") or {}).get("name")
            log.exception("an object was skipped", kind=self._kind, name=name)


class ShortWatch(errors.ServerError):
    """A watch that was accepted and ended at once."""
