"""HTTP over one fresh connection whose every byte counts against one deadline.

`httpx` bounds each read, not their sum: a member (or whatever has its address) that sends one byte every second would
hold a polling thread for hours, in the headers already. Here each socket operation gets the smaller of its own limit and
the time left. Called by `client` on the polling threads; no state is shared between requests, nothing is kept alive:
a pod's address may be another pod's at the next poll.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpcore
import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

# The runtime's status fits into far less; h11's own limit on the headers is 100 KiB.
_SIZES = 16 * 1024


class DeadlineTransport(httpx.BaseTransport):
    """Plain HTTP/1.1; the time limit of the whole exchange is the request extension `total`, in seconds."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request on a connection of its own.

        Raises:
            httpx.TransportError: as by httpx's own transport; a passed deadline is a `httpx.TimeoutException`.
        """
        backend = _Backend(self._monotonic, self._monotonic() + float(request.extensions["total"]))
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        connection = httpcore.HTTPConnection(url.origin, network_backend=backend)
        question = httpcore.Request(
            request.method,
            url,
            headers=request.headers.raw,
            content=request.read(),
            extensions={"timeout": request.extensions["timeout"]},
        )
        try:
            response = connection.handle_request(question)
        except Exception as error:
            connection.close()
            raise _translate(error) from error
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response, connection))


class _Body(httpx.SyncByteStream):
    def __init__(self, response: httpcore.Response, connection: httpcore.HTTPConnection) -> None:
        self._response = response
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._response.iter_stream()
        except Exception as error:
            raise _translate(error) from error

    def close(self) -> None:
        # Not the response: closing it first would put an unread connection back for reuse.
        self._connection.close()


class _Backend(httpcore.NetworkBackend):
    def __init__(self, monotonic: Callable[[], float], deadline: float) -> None:
        self._inner = httpcore.SyncBackend()
        self._monotonic = monotonic
        self._deadline = deadline

    def left(self, limit: float | None) -> float:
        left = self._deadline - self._monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout("the time for this question is used up")
        return left if limit is None else min(left, limit)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._inner.connect_tcp(host, port, self.left(timeout), local_address, socket_options)
        return _Stream(stream, self)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, backend: _Backend) -> None:
        self._inner = inner
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(min(max_bytes, _SIZES), self._backend.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._backend.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def _translate(error: Exception) -> Exception:
    """The httpx error of the same name, so that callers know one family of errors."""
    if isinstance(error, httpcore.TimeoutException):
        return httpx.ReadTimeout(str(error))
    if isinstance(error, httpcore.ConnectError):
        return httpx.ConnectError(str(error))
    if isinstance(error, httpcore.NetworkError):
        return httpx.ReadError(str(error))
    if isinstance(error, httpcore.ProtocolError):
        return httpx.RemoteProtocolError(str(error))
    return error
