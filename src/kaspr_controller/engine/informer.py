"""One kind under observation: a thread that keeps a store fresh and tells handlers what changed.

In: lists and watches of a `Source`. Out: a filled `Store`, and a `Change` for every subscribed handler, first the store,
then the handlers, all on the informer's thread. Handlers are subscribed before the start and only map and enqueue. A
reflector that fails in an undeclared way is replaced by a new one, which lists again (rule W8): an informer that died
unnoticed would leave an operator that looks healthy and does nothing. The invariant: a handler that raises costs one
change, never the thread.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from kaspr_controller.engine import threads
from kaspr_controller.engine.backoff import Doubling
from kaspr_controller.engine.reflector import BACKOFF_BASE, BACKOFF_CAP, BACKOFF_RESET, Reflector
from kaspr_controller.kube.listing import Selection
from kaspr_controller.telemetry import metrics
from kaspr_controller.telemetry.logs import get_logger

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from kaspr_controller.engine.changes import Change
    from kaspr_controller.engine.clock import Clock
    from kaspr_controller.engine.reflector import Source
    from kaspr_controller.engine.store import EventType, Staged, Store
    from kaspr_controller.kube.kinds import Kind, Raw
    from kaspr_controller.kube.watching import WatchEvent

RESTARTS_WINDOW = 600.0
"""Seconds over which restarts are counted for readiness."""

log = get_logger("engine.informer")


class Subscription:
    """One handler of an informer.

    Attributes:
        name: for metrics and logs.
    """

    def __init__(self, name: str, handler: Callable[[Change], None], kind: str) -> None:
        self.name = name
        self._handler = handler
        self._kind = kind
        self._synced = threading.Event()

    @property
    def synced(self) -> bool:
        """Whether this handler was told everything of the first list (rule C3)."""
        return self._synced.is_set()

    def tell(self, changes: list[Change]) -> None:
        """Call the handler for each change; on the informer's thread."""
        for change in changes:
            try:
                self._handler(change)
            except Exception:
                metrics.HANDLER_ERRORS.labels(self._kind, self.name).inc()
                log.exception("a handler failed", handler=self.name, object=str(change.key))

    def complete(self) -> None:
        """The first list was told."""
        self._synced.set()


@dataclass(frozen=True, slots=True)
class InformerView:
    """What health checks and the debug page see.

    Attributes:
        alive: whether the thread runs.
        synced: whether store and all handlers have the first list.
        restarts: of the reflector, within the last 10 minutes.
        silence: seconds since anything came.
        unanswered: the same, refusals of the server included.
        last_error: of the last failed list or watch, "" if none did.
    """

    kind: str
    alive: bool
    synced: bool
    restarts: int
    silence: float
    unanswered: float
    last_error: str


class Informer:
    """See the module; a `Runnable`.

    Args:
        kind: of the objects.
        source: the API client.
        store: filled by this informer alone.
        clock: pauses and ages.
        rng: jitter.
        namespace: None watches all namespaces.
        label_selector: what the server filters by (rule M1: only this makes a cache smaller).
        field_selector: likewise.
    """

    def __init__(  # noqa: PLR0913  # the selection is part of what it is
        self,
        kind: Kind,
        source: Source,
        store: Store,
        *,
        clock: Clock,
        rng: random.Random,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
    ) -> None:
        self.kind = kind
        self.store = store
        self.name = f"informer-{kind.plural}" + (f"-{namespace}" if namespace else "")
        self._selection = Selection(kind, namespace, label_selector, field_selector)
        self._source = source
        self._clock = clock
        self._rng = rng
        self._stop = threading.Event()
        self._subscriptions: list[Subscription] = []  # fixed once the thread runs
        self._restarts: deque[float] = deque(maxlen=100)  # times; appended by the thread, read by any
        self._reflector = self._make_reflector()  # replaced by the thread only
        # Daemon, unlike all other threads: a list that hangs in the network must not hold the exit of the process.
        self._thread = threads.make(self.name, self._run, daemon=True)
        for counter in (metrics.REFLECTOR_LISTS, metrics.REFLECTOR_WATCHES, metrics.REFLECTOR_RESTARTS):
            counter.labels(
                kind.kind
            )  # from 0 on (rule P1): a rate does not see the step that brings a series about
        silence = metrics.REFLECTOR_SILENCE.labels(kind.kind + (f"/{namespace}" if namespace else ""))
        silence.set_function(lambda: self._clock.monotonic() - self._reflector.heard_at)

    def subscribe(self, handler: Callable[[Change], None], name: str) -> Subscription:
        """Have a handler told of every change from the first list on.

        Raises:
            RuntimeError: the informer runs already, so the handler would miss the first list.
        """
        if self._thread.ident is not None:
            raise RuntimeError(f"subscribe {name} to {self.name} before it starts")
        subscription = Subscription(name, handler, self.kind.kind)
        self._subscriptions.append(subscription)
        return subscription

    # Runnable.

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end: frees it from a watch and from pauses. Returns at once."""
        self._stop.set()
        self._reflector.interrupt()

    def join(self, timeout: float) -> bool:
        """Wait for the end of the thread; whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(timeout)
        return not self._thread.is_alive()

    # Views.

    @property
    def synced(self) -> bool:
        """Whether the store has the first list and every handler was told of it."""
        return self.store.synced and all(subscription.synced for subscription in self._subscriptions)

    def view(self) -> InformerView:
        """How it fares."""
        now = self._clock.monotonic()
        return InformerView(
            kind=self.kind.kind,
            alive=self._thread.is_alive(),
            synced=self.synced,
            restarts=sum(at > now - RESTARTS_WINDOW for at in list(self._restarts)),
            silence=now - self._reflector.heard_at,
            unanswered=now - self._reflector.answered_at,
            last_error=self._reflector.last_error,
        )

    # The thread.

    def _run(self) -> None:
        backoff = Doubling(self._rng, self._clock, base=BACKOFF_BASE, cap=BACKOFF_CAP, reset=BACKOFF_RESET)
        while not self._stop.is_set():
            try:
                self._reflector.run()
            except Exception:
                metrics.REFLECTOR_RESTARTS.labels(self.kind.kind).inc()
                self._restarts.append(self._clock.monotonic())
                log.exception("a reflector died and is replaced", kind=self.kind.kind)
                self._clock.wait(self._stop, backoff.next())
                self._reflector = self._make_reflector()

    def _make_reflector(self) -> Reflector:
        return Reflector(
            self._selection, self._source, _Feed(self), clock=self._clock, rng=self._rng, stop=self._stop
        )

    def tell(self, changes: list[Change]) -> None:
        """Tell all handlers; on the informer's thread."""
        for subscription in self._subscriptions:
            subscription.tell(changes)

    def complete(self) -> None:
        """A list was told; on the informer's thread."""
        for subscription in self._subscriptions:
            subscription.complete()


class _Feed:
    """The sink of the reflector: into the store, then to the handlers."""

    def __init__(self, informer: Informer) -> None:
        self._informer = informer
        self._store = informer.store

    @property
    def last_rv(self) -> str:
        return self._store.last_rv

    def stage(self) -> _ToldBatch:
        return _ToldBatch(self._informer, self._store.stage())

    def event(self, event: WatchEvent) -> None:
        self._informer.tell(self._store.apply(cast("EventType", event.type), event.object))

    def bookmark(self, version: str) -> None:
        self._store.bookmark(version)


class _ToldBatch:
    """A staged list whose commit is told."""

    def __init__(self, informer: Informer, staged: Staged) -> None:
        self._informer = informer
        self._staged = staged

    def add(self, obj: Raw) -> None:
        self._staged.add(obj)

    def commit(self, version: str) -> None:
        self._informer.tell(self._staged.commit(version))
        self._informer.complete()
