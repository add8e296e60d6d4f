"""Requests out, answers in, over persistent HTTP/1.1 connections to one API server.

A `Request` carries a path and bytes and comes back as a `Response` of any status: one attempt, except that a 401 is
answered once with fresh credentials. Called by the client on any thread; each connection belongs to one thread at a
time. Watches get a connection of their own and can be stopped from any thread. Retries, limits and the meaning of a
status are other modules' work. Why no library does this: docs/design/0002-transport.md.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from kaspr_controller.kube import errors
from kaspr_controller.kube.connections import Connection, ConnectionPool, Endpoint
from kaspr_controller.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kaspr_controller.kube.credentials import AuthProvider, Cluster
    from kaspr_controller.kube.http1 import Answer

IDLE_CONNECTIONS = 16
"""Idle connections kept: eight workers, the informers' lists and the Event sender, with some air."""

_OK = 200
_UNAUTHORIZED = 401
_ERROR = 400
_NO_ANSWER = "<error>"


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        verb: `get`, `list`, `watch`, `apply`...: the value of the metric label.
        path: absolute path with its query, already quoted.
    """

    verb: str
    method: str
    path: str
    body: bytes | None = None
    content_type: str = "application/json"
    accept: str = "application/json"

    def __str__(self) -> str:
        return f"{self.method} {self.path.partition('?')[0]}"


@dataclass(frozen=True, slots=True)
class Response:
    """One answer of any status, with the only headers that are used here."""

    status: int
    body: bytes
    retry_after: str | None = None
    warnings: tuple[str, ...] = ()


class ByteStream(Protocol):
    """A response body that goes on for minutes."""

    def open(self) -> Response:
        """Send the request; the answer has a body only when its status is not 200."""
        ...

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes; ends with the server's clean end or after `stop`."""
        ...

    def stop(self) -> None:
        """Free the reader now; any thread, any time, more than once."""
        ...

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        ...


class Transport(Protocol):
    """What the client needs of a network."""

    @property
    def host(self) -> str:
        """`host:port`, for metrics."""
        ...

    def send(self, request: Request, *, timeout: float) -> Response:
        """One exchange within `timeout` seconds. Raises errors.TransportError when there is no answer."""
        ...

    def stream(self, request: Request, *, timeout: float, idle: float) -> ByteStream:
        """A stream that its reader opens, within `timeout` seconds; `idle` seconds without a byte end it."""
        ...

    def close(self) -> None:
        """End everything at once: idle connections, exchanges under way, streams."""
        ...


class HttpTransport:
    """`Transport` over a pool of connections."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        idle_connections: int = IDLE_CONNECTIONS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        endpoint = Endpoint.parse(
            cluster.server, cluster.tls, server_name=cluster.server_name, proxy=cluster.proxy
        )
        self._pool = ConnectionPool(endpoint, idle_connections, monotonic)
        self._auth = cluster.auth
        self._meter = _Meter(endpoint.label, monotonic)

    @property
    def host(self) -> str:
        """`host:port`, the value of the metric label."""
        return self._meter.host

    def send(self, request: Request, *, timeout: float) -> Response:
        """One exchange on a pooled connection, connecting included in `timeout` (seconds).

        Raises:
            errors.TransportError: `ConnectFailed`, `ConnectionLost`, `Timeout` or `ProtocolError`.
        """
        began = self._meter.now()
        deadline = began + timeout
        try:
            headers = self._auth.headers()
            response = self._exchange(request, headers, deadline)
            if response.status == _UNAUTHORIZED and self._auth.refresh(headers):
                response = self._exchange(request, self._auth.headers(), deadline)
        except (OSError, errors.TransportError) as error:
            self._meter.count(request, _NO_ANSWER, began)
            raise _failure(error, request, timeout) from error
        self._meter.count(request, str(response.status), began)
        return response

    def stream(self, request: Request, *, timeout: float, idle: float) -> HttpStream:
        """A stream on a connection of its own, opened when it is first read."""
        return HttpStream(self._pool, self._auth, self._meter, request, timeout=timeout, idle=idle)

    def close(self) -> None:
        """Cut all connections; later calls fail with `ConnectFailed`."""
        self._pool.close()

    def _exchange(self, request: Request, auth: Mapping[str, str], deadline: float) -> Response:
        connection = self._pool.take()
        keep = False
        try:
            response = _finish(_begin(connection, request, auth, deadline))
            keep = connection.reusable
        finally:
            self._pool.give_back(connection, keep=keep)
        return response


class HttpStream:
    """A watch on its own connection; read by one thread, stopped by any."""

    def __init__(
        self,
        pool: ConnectionPool,
        auth: AuthProvider,
        meter: _Meter,
        request: Request,
        *,
        timeout: float,
        idle: float,
    ) -> None:
        self._pool = pool
        self._auth = auth
        self._meter = meter
        self._request = request
        self._timeout = timeout
        self._idle = idle
        self._connection: Connection | None = None
        self._answer: Answer | None = None
        self._stopped = threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped.is_set()

    def open(self) -> Response:
        """Send the request; a body is read only from a refusal.

        Raises:
            errors.TransportError: no answer in time, or stopped meanwhile.
        """
        began = self._meter.now()
        deadline = began + self._timeout
        try:
            headers = self._auth.headers()
            response = self._open(headers, deadline)
            if response.status == _UNAUTHORIZED and self._auth.refresh(headers):
                response = self._open(self._auth.headers(), deadline)
        except (OSError, errors.TransportError) as error:
            self._meter.count(self._request, _NO_ANSWER, began)
            self._release()
            raise _failure(error, self._request, self._timeout) from error
        except BaseException:
            # A request that cannot be written (a line break in a token): its connection is open already.
            self._release()
            raise
        self._meter.count(self._request, str(response.status), began)
        return response

    def _open(self, auth: Mapping[str, str], deadline: float) -> Response:
        connection = self._connection = self._pool.fresh()
        # `stop` sets its flag before it looks for the connection, so one of the two sees the other.
        if self.stopped:
            raise errors.ConnectFailed("the stream was stopped before it was opened")
        answer = _begin(connection, self._request, auth, deadline)
        if answer.status != _OK:
            response = _finish(answer)
            self._release()
            return response
        connection.allow_silence(self._idle)
        self._answer = answer
        return Response(answer.status, b"")

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes.

        Raises:
            errors.IdleTimeout: silence for longer than allowed.
            errors.ConnectionLost: the end came without its mark.
        """
        if self._answer is None:
            return
        try:
            while piece := self._answer.read_piece():
                yield piece
        except (OSError, errors.TransportError) as error:
            if self.stopped:
                return
            if isinstance(error, TimeoutError):
                silence = f"silent for {self._idle:g} s"
                raise errors.IdleTimeout(silence, request=str(self._request)) from error
            raise _failure(error, self._request, self._timeout) from error
        finally:
            self._release()

    def stop(self) -> None:
        """Free the reader now; safe from any thread, at any time, more than once."""
        self._stopped.set()
        connection = self._connection
        if connection:
            connection.cut()

    def _release(self) -> None:
        """Close what `stop` merely cuts; by the reading thread only."""
        self._answer = None
        connection, self._connection = self._connection, None
        if connection:
            self._pool.give_back(connection, keep=False)


class _Meter:
    """Counts requests under controller-runtime's names."""

    def __init__(self, host: str, monotonic: Callable[[], float]) -> None:
        self.host = host
        self.now = monotonic
        # Finding a labelled child costs more than counting with it.
        self._counter = lru_cache(maxsize=256)(
            lambda code, method: metrics.REQUESTS.labels(code, method, host)
        )
        self._histogram = lru_cache(maxsize=64)(lambda verb: metrics.REQUEST_SECONDS.labels(verb, host))

    def count(self, request: Request, code: str, began: float) -> None:
        self._counter(code, request.method).inc()
        self._histogram(request.verb).observe(self.now() - began)


def _begin(connection: Connection, request: Request, auth: Mapping[str, str], deadline: float) -> Answer:
    headers = {"Accept": request.accept, "User-Agent": "kaspr-controller", **auth}
    if request.body is not None:
        headers["Content-Type"] = request.content_type
    return connection.ask(request.method, request.path, request.body, headers, deadline=deadline)


def _finish(answer: Answer) -> Response:
    retry_after = answer.header("retry-after") if answer.status >= _ERROR else None
    return Response(answer.status, answer.read(), retry_after, tuple(answer.headers.get("warning", ())))


def _failure(error: Exception, request: Request, timeout: float) -> errors.TransportError:
    """Our error for what sockets raise."""
    if not isinstance(error, errors.TransportError):
        error = _translate(error, timeout)
    error.request = str(request)
    return error


def _translate(error: Exception, timeout: float) -> errors.TransportError:
    if isinstance(error, TimeoutError):
        return errors.Timeout(f"no complete answer within {timeout:g} s")
    word = type(error).__name__
    return errors.ConnectionLost(f"the connection broke: {str(error) or word}", reason=word)
