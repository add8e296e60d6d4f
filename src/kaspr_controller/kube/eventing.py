"""Kubernetes Events: told by any thread, sent by one (rules V1 and V2).

`EventSink.emit` puts a line into a bounded queue and returns; `run` is the sender's thread, which the program owns. What
repeats within six minutes becomes a series on the Event that exists, and each object has a budget, so that a loop in a
reconcile cannot fill etcd. An Event is a courtesy: whatever goes wrong drops it and counts the loss, nobody waits for it.
Invariant: `emit` never blocks and never raises; the series and budgets belong to the sender's thread alone.
"""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from kaspr_controller.kube import errors
from kaspr_controller.kube.kinds import EVENT
from kaspr_controller.kube.timing import micro_time
from kaspr_controller.telemetry import metrics
from kaspr_controller.telemetry.logs import get_logger

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from datetime import datetime

    from kaspr_controller.kube.client import Client
    from kaspr_controller.kube.kinds import Raw
    from kaspr_controller.kube.timing import Clock

V = TypeVar("V")

QUEUE_SIZE = 1000
OBJECT_BURST = 25.0
OBJECT_REFILL_SECONDS = 300.0
SERIES_QUIET_SECONDS = 360.0
SERIES_REFRESH_SECONDS = 1800.0
SEND_SECONDS = 2.0
"""One Event may take this long: a stop waits for the one in hand, and for `FLUSH_SECONDS` more for the rest."""
FLUSH_SECONDS = 2.0
REMEMBERED = 4096
_TICK_SECONDS = 0.5
_SWEEP_SECONDS = 60.0
_NOTE_BYTES = 1024
_WORD_LIMIT = 128
_NAME_LIMIT = 253

log = get_logger("kube.events")


class _Told(NamedTuple):
    """One call of `emit`."""

    regarding: Raw
    type: str
    reason: str
    action: str
    note: str
    at: datetime


@dataclass(slots=True)
class _Series:
    """An Event that exists, and how often it was told since."""

    namespace: str
    name: str
    last: datetime
    heard_at: float
    written_at: float
    count: int = 1
    written: int = 1


@dataclass(slots=True)
class _Budget:
    tokens: float
    at: float


class EventSink:
    """Takes Events from everybody and sends them from one thread.

    Args:
        client: the client.
        clock: wall clock for the Events, monotonic for the limits.
        rng: for names.
        controller: `reportingController`.
        instance: `reportingInstance`, the pod's name.
    """

    def __init__(
        self,
        client: Client,
        *,
        clock: Clock,
        rng: random.Random,
        controller: str = "kaspr-controller",
        instance: str,
    ) -> None:
        self._client = client
        self._clock = clock
        self._rng = rng
        self._controller = controller[:_WORD_LIMIT]
        self._instance = instance[:_WORD_LIMIT]
        self._queue: queue.Queue[_Told] = queue.Queue(QUEUE_SIZE)
        self._wake = threading.Event()
        self._series: OrderedDict[tuple[str, ...], _Series] = OrderedDict()
        self._budgets: OrderedDict[str, _Budget] = OrderedDict()
        self._swept_at = clock.monotonic()

    def emit(
        self,
        regarding: Raw,
        *,
        type: str,  # noqa: A002 (the field's name)
        reason: str,
        action: str,
        note: str,
    ) -> None:
        """Queue an Event about `regarding`, an object with its kind, apiVersion, name and UID.

        `type` is `Normal` or `Warning`, `reason` and `action` are fixed CamelCase words, `note` is a sentence; it is
        cut at 1024 bytes.
        """
        try:
            self._queue.put_nowait(_Told(regarding, type, reason, action, note, self._clock.now()))
        except queue.Full:
            metrics.EVENT_DROPS.labels("queue-full").inc()
        self._wake.set()

    def run(self, stop: threading.Event) -> None:
        """Send until `stop` is set, then for at most two seconds more what is still queued."""
        while not stop.is_set():
            self._clock.wait(self._wake, _TICK_SECONDS)
            self._wake.clear()
            self.send_queued(stop)
        with self._client.budget(FLUSH_SECONDS):
            self.send_queued()

    def wake(self) -> None:
        """Have `run` look up now: somebody set its `stop`."""
        self._wake.set()

    def send_queued(self, stop: threading.Event | None = None) -> None:
        """Send what is queued now, until `stop` is set; on the sender's thread."""
        while stop is None or not stop.is_set():
            try:
                told = self._queue.get_nowait()
            except queue.Empty:
                break
            self._attempt(told.reason, self._tell, told)
        if self._clock.monotonic() - self._swept_at >= _SWEEP_SECONDS:
            self._swept_at = self._clock.monotonic()
            self._close_quiet_series()

    def _tell(self, told: _Told) -> None:
        now = self._clock.monotonic()
        subject = _subject(told.regarding)
        key = (subject, told.type, told.reason, told.action, told.note)
        series = self._series.get(key)
        if series and now - series.heard_at < SERIES_QUIET_SECONDS:
            series.count, series.last, series.heard_at = series.count + 1, told.at, now
            self._series.move_to_end(key)
            # The second occurrence makes the series visible; later ones wait for its refresh or its end.
            due = series.written == 1 or now - series.written_at >= SERIES_REFRESH_SECONDS
            if not due or self._write_series(series):
                return
        if not self._affords(subject, now):
            metrics.EVENT_DROPS.labels("object-limit").inc()
            return
        event = self._event(told)
        self._client.create(event, EVENT, retries=False)
        metrics.EVENTS_SENT.labels(told.reason).inc()
        meta = event["metadata"]
        fresh = _Series(meta["namespace"], meta["name"], told.at, now, now)
        _remember(self._series, key, fresh)

    def _write_series(self, series: _Series) -> bool:
        """Write count and time; False when the Event is gone, expired or deleted."""
        patch = {"series": {"count": series.count, "lastObservedTime": micro_time(series.last)}}
        series.written, series.written_at = series.count, self._clock.monotonic()
        try:
            self._client.patch_merge(EVENT, series.namespace, series.name, patch, retries=False)
        except errors.NotFound:
            return False
        return True

    def _close_quiet_series(self) -> None:
        now = self._clock.monotonic()
        quiet = [key for key, series in self._series.items() if now - series.heard_at >= SERIES_QUIET_SECONDS]
        for key in quiet:
            series = self._series.pop(key)
            if series.count > series.written:
                self._attempt(key[2], self._write_series, series)

    def _attempt(self, reason: str, send: Callable[[V], object], what: V) -> None:
        try:
            with self._client.budget(SEND_SECONDS):
                send(what)
        except errors.ApiError as error:
            metrics.EVENT_DROPS.labels("error").inc()
            log.info("an Event was not sent", reason=reason, error=error.message)
        except Exception:
            # An uncaught exception ends the process (rule X4), and no courtesy is worth that.
            metrics.EVENT_DROPS.labels("error").inc()
            log.exception("an Event could not be made", reason=reason)

    def _affords(self, subject: str, now: float) -> bool:
        budget = self._budgets.pop(subject, None) or _Budget(OBJECT_BURST, now)
        tokens = min(OBJECT_BURST, budget.tokens + (now - budget.at) / OBJECT_REFILL_SECONDS)
        affords = tokens >= 1.0
        _remember(self._budgets, subject, _Budget(tokens - affords, now))
        return affords

    def _event(self, told: _Told) -> dict[str, Any]:
        meta = told.regarding["metadata"]
        suffix = f".{self._rng.getrandbits(64):016x}"
        # Events about cluster-wide objects live in `default`, as the API demands.
        namespace = meta.get("namespace") or "default"
        regarding = {"apiVersion": told.regarding["apiVersion"], "kind": told.regarding["kind"]}
        for name in ("namespace", "name", "uid", "resourceVersion"):
            if meta.get(name):
                regarding[name] = meta[name]
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {
                "namespace": namespace,
                "name": meta["name"][: _NAME_LIMIT - len(suffix)].rstrip(".-") + suffix,
            },
            "eventTime": micro_time(told.at),
            "type": told.type,
            "reason": told.reason[:_WORD_LIMIT],
            "action": told.action[:_WORD_LIMIT],
            "note": _cut(told.note),
            "regarding": regarding,
            "reportingController": self._controller,
            "reportingInstance": self._instance,
        }


def _subject(regarding: Raw) -> str:
    meta = regarding["metadata"]
    return str(meta.get("uid") or f"{regarding['kind']}/{meta.get('namespace', '')}/{meta['name']}")


def _cut(note: str) -> str:
    """At most 1024 bytes of UTF-8, which is how the server counts."""
    data = note.encode()
    if len(data) <= _NOTE_BYTES:
        return note
    return data[: _NOTE_BYTES - len("…".encode())].decode(errors="ignore") + "…"


def _remember(memory: OrderedDict[Any, V], key: Any, value: V) -> None:
    memory[key] = value
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
