"""The facade of this room: every request of the program goes through one `Client`, from any thread.

Comes in: kinds, names, objects as plain JSON. Goes out: objects without managedFields, or an error of `errors.py`. Each
call passes the breaker, the rate limiter, for writes the fence (rule L4, asked last, directly before the bytes leave), and
is repeated as `retrying.py` says. The leader's lease and the Events have modules of their own. The invariant: no call
outlives its time, be it its own, its reconcile's or that of the process.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from kaspr_controller.kube import applying, deleting, errors, listing, retrying, watching, writing
from kaspr_controller.kube.decoding import decode, strip
from kaspr_controller.kube.kinds import built_in
from kaspr_controller.kube.limiting import Breaker, RateLimiter
from kaspr_controller.kube.retrying import Effort, Retrier
from kaspr_controller.kube.timing import Deadlines
from kaspr_controller.kube.transport import Request, Response
from kaspr_controller.telemetry import metrics
from kaspr_controller.telemetry.logs import get_logger

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence

    from kaspr_controller.kube.kinds import Kind, Raw
    from kaspr_controller.kube.listing import Page
    from kaspr_controller.kube.timing import Clock
    from kaspr_controller.kube.transport import Transport
    from kaspr_controller.kube.watching import WatchStream

_ERROR = 400
_COUNTED_TIMEOUT = 1.0
_WARNINGS_KEPT = 256
_VERSION = Request("get", "GET", "/version")

log = get_logger("kube.client")


class Client:
    """A thread-safe client of one API server.

    Args:
        transport: the network.
        clock: monotonic seconds and the wait for backoffs.
        rng: jitter.
        fence: called before each write; raises errors.NotLeading when this process must not write, else gives the
            seconds within which the write has to end. None: no fence.
        limiter: a rate limiter; None means 50 requests per second, bursts of 100.
        field_validation: of applies: `Warn` in production, `Strict` in tests (rule S4).
    """

    def __init__(
        self,
        transport: Transport,
        *,
        clock: Clock,
        rng: random.Random,
        fence: Callable[[], float] | None = None,
        limiter: RateLimiter | None = None,
        field_validation: str = "Warn",
    ) -> None:
        self._transport = transport
        self._fence = fence
        self._limiter = limiter or RateLimiter(clock)
        self._breaker = Breaker(clock)
        self._deadlines = Deadlines(clock)
        self._closed = threading.Event()
        self._stopping = threading.Event()
        self._retrier = Retrier(clock, rng, self._stopping)
        self._field_validation = field_validation
        self._warned: set[str] = set()

    # Reading.

    def get(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        timeout: float | None = None,
        managed_fields: bool = False,
    ) -> Raw:
        """One object as the server has it now.

        `timeout` is in seconds for the whole call, repetitions included. `metadata.managedFields` are left out unless
        asked for.

        Raises:
            errors.NotFound: there is none.
            errors.ApiError: anything else.
        """
        request = listing.one(kind, namespace, name, managed_fields=managed_fields)
        obj = decode(self._call(request, retrying.GET, timeout).body, request=str(request))
        return obj if managed_fields else strip(obj)

    def list_pages(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str = "",
        label_selector: str | None = None,
        field_selector: str | None = None,
        page_size: int = listing.PAGE_SIZE,
    ) -> Iterator[Page]:
        """The objects of a kind, page by page; all pages carry the resource version from which to watch on.

        `resource_version` "" means the newest state, "0" any cached one, "N" one not older; the latter two come as one
        page. `page_size` 0 asks for one page too, the way out when the tokens of a long list keep expiring.

        Raises:
            errors.Expired: the continue token is too old: throw the pages away and list again.
            errors.ResourceVersionTooLarge: list again with "".
        """
        selection = listing.Selection(kind, namespace, label_selector, field_selector)
        token = ""
        while True:
            request = listing.page(selection, resource_version=resource_version, size=page_size, token=token)
            answer = self._call(request, retrying.LIST, None)
            page, token = listing.parse_page(answer.body, kind, request)
            del answer  # the bytes of a page are not kept while its objects are worked on
            yield page
            if not token:
                return

    def names(
        self, kind: Kind, namespace: str, *, label_selector: str, limit: int
    ) -> tuple[frozenset[str], bool]:
        """Names of at most `limit` objects as they are now, and whether these are all."""
        request = listing.names(listing.Selection(kind, namespace, label_selector), limit=limit)
        return listing.parse_names(self._call(request, retrying.LIST, None).body, request)

    def watch(  # noqa: PLR0913 (the parameters of the API)
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        label_selector: str | None = None,
        field_selector: str | None = None,
        timeout_seconds: int,
        idle_seconds: float = watching.IDLE_SECONDS,
    ) -> WatchStream:
        """The events after `resource_version`; the request goes out, and may fail, when the stream is iterated.

        Neither limited nor repeated here: the informer has its own backoff.
        """
        selection = listing.Selection(kind, namespace, label_selector, field_selector)
        request = watching.request(
            selection, resource_version=resource_version, timeout_seconds=timeout_seconds
        )
        stream = self._transport.stream(request, timeout=watching.OPEN_SECONDS, idle=idle_seconds)

        def observe(send: Callable[[], Response]) -> Response:
            return self._observe(request, send, watching.OPEN_SECONDS)

        return watching.WatchStream(kind, stream, observe, resource_version=resource_version)

    def version(self, *, timeout: float | None = None) -> Raw:
        """The server's version: `major`, `minor`, `gitVersion`..."""
        return decode(self._call(_VERSION, retrying.GET, timeout).body)

    # Writing.

    def apply(  # noqa: PLR0913 (the parameters of the API)
        self,
        obj: Raw,
        *,
        kind: Kind | None = None,
        subresource: str | None = None,
        dry_run: bool = False,
        force: bool = True,
        field_manager: str = applying.FIELD_MANAGER,
        field_validation: str | None = None,
        timeout: float | None = None,
    ) -> Raw:
        """Server-side apply of exactly what `obj` holds; the object as stored afterwards.

        `kind` is needed for custom resources; built-in kinds are known. `subresource` is `status` or `scale`. With
        `dry_run` the server answers as if, but stores nothing.

        Raises:
            errors.Invalid: it breaks a rule of its kind, or changes an immutable field.
            errors.Malformed: unknown fields, or a key twice in a list.
            errors.ApplyConflict: without force, another manager owns a field.
            errors.UidMismatch: `metadata.uid` was set and that incarnation is gone.
            errors.NotLeading: the fence refused.
        """
        request = applying.apply(
            obj,
            kind or built_in(obj),
            subresource=subresource,
            field_manager=field_manager,
            field_validation=field_validation or self._field_validation,
            force=force,
            dry_run=dry_run,
        )
        return self._write(request, retrying.APPLY, timeout)

    def create(
        self, obj: Raw, kind: Kind | None = None, *, subresource: str | None = None, retries: bool = True
    ) -> Raw:
        """Create an object, or post to a subresource (`eviction`, `token`).

        Raises:
            errors.AlreadyExists: the name is taken.
        """
        request = writing.create(obj, kind or built_in(obj), subresource)
        return self._write(request, retrying.WRITE if retries else retrying.ONCE)

    def replace(self, obj: Raw, kind: Kind | None = None, *, subresource: str | None = None) -> Raw:
        """Store `obj` as a whole. Raises errors.Conflict when it changed since its resource version."""
        return self._write(writing.replace(obj, kind or built_in(obj), subresource), retrying.WRITE)

    def patch_json(
        self, kind: Kind, namespace: str, name: str, ops: Sequence[Raw], *, subresource: str | None = None
    ) -> Raw:
        """A JSON patch. Raises errors.Invalid when a `test` fails."""
        return self._write(writing.patch_json(kind, namespace, name, ops, subresource), retrying.WRITE)

    def patch_merge(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        patch: Raw,
        *,
        subresource: str | None = None,
        retries: bool = True,
    ) -> Raw:
        """A merge patch: null removes a field, a list replaces a list."""
        request = writing.patch_merge(kind, namespace, name, patch, subresource)
        return self._write(request, retrying.APPLY if retries else retrying.ONCE)

    def delete(  # noqa: PLR0913 (the parameters of the API)
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str,
        resource_version: str | None = None,
        propagation: str = "Background",
        grace_seconds: int | None = None,
    ) -> None:
        """Delete the incarnation `uid`, and only as of `resource_version` if that is given.

        Raises:
            errors.NotFound: it is gone already (also when a repeated request finds its own work done).
            errors.Conflict: another incarnation, or it changed: read again and decide again.
        """
        request = deleting.delete(
            kind,
            namespace,
            name,
            uid=uid,
            resource_version=resource_version,
            propagation=propagation,
            grace_seconds=grace_seconds,
        )
        self._call(request, retrying.DELETE, None, fenced=True)

    # Life.

    @property
    def available(self) -> bool:
        """Whether the server answers: False after ten failures in a row, until one request is answered (rule A3)."""
        return self._breaker.available

    def budget(self, seconds: float) -> AbstractContextManager[None]:
        """Within the block, all calls of this thread together have `seconds`."""
        return self._deadlines.budget(seconds)

    def finish_within(self, seconds: float) -> None:
        """The process is about to stop: no call that begins now lasts longer, nothing is repeated any more (rule X3).

        Waits for a repetition end at once with the error at hand; an exchange under way keeps its own limit.
        """
        self._deadlines.finish_within(seconds)
        self._stopping.set()

    def close(self) -> None:
        """End everything at once: waits, exchanges, watches."""
        self._closed.set()
        self._stopping.set()
        self._transport.close()

    # One call.

    def _write(self, request: Request, effort: Effort, timeout: float | None = None) -> Raw:
        answer = self._call(request, effort, timeout, fenced=True)
        return strip(decode(answer.body, request=str(request)))

    def _call(
        self, request: Request, effort: Effort, timeout: float | None, *, fenced: bool = False
    ) -> Response:
        deadline = self._deadlines.start(effort.attempts * effort.seconds if timeout is None else timeout)

        def left() -> float:
            return self._deadlines.left(deadline)

        def attempt() -> Response:
            self._breaker.admit()
            self._limiter.take(left(), self._closed)
            seconds = min(effort.seconds, left())
            if seconds <= 0:
                raise errors.Timeout("no time was left for the request; nothing was sent")
            if fenced and self._fence:
                # The bytes may leave seconds later, after a slow handshake or a fresh token: not after our time is up.
                seconds = min(seconds, self._fence())
            return self._observe(request, lambda: self._transport.send(request, timeout=seconds), seconds)

        def on_retry(error: errors.ApiError) -> None:
            code = str(error.status or error.reason)
            metrics.REQUEST_RETRIES.labels(code, request.verb, self._transport.host).inc()

        return self._retrier.call(attempt, effort, left, on_retry)

    def _observe(self, request: Request, send: Callable[[], Response], seconds: float) -> Response:
        """Send, tell breaker and limiter what came of it, and turn a refusal into an error."""
        try:
            response = send()
        except errors.TransportError as error:
            # A caller that had hardly any time left says nothing about the server.
            if not isinstance(error, errors.Timeout) or seconds >= _COUNTED_TIMEOUT:
                self._breaker.failed()
            raise
        self._breaker.answered()
        if response.warnings:
            self._warn(request, response.warnings)
        if response.status < _ERROR:
            return response
        refusal = errors.from_response(
            response.status, response.body, retry_after=response.retry_after, request=str(request)
        )
        if isinstance(refusal, errors.TooManyRequests):
            self._limiter.slow_down()
        raise refusal

    def _warn(self, request: Request, warnings: tuple[str, ...]) -> None:
        """The server's warnings (deprecated versions, unknown fields), each once."""
        for warning in warnings:
            if warning not in self._warned and len(self._warned) < _WARNINGS_KEPT:
                self._warned.add(warning)
                log.warning("the API server warns", warning=errors.bounded(warning), request=str(request))
