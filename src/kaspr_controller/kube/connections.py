"""HTTP/1.1 connections to the API server: how they are opened, timed, kept and cut off.

`http1` speaks the protocol; this module gives it a socket whose every read and write obeys a deadline, so that a server
which sends one byte a second cannot hold a worker. The pool hands each connection to one thread at a time; only
`Connection.cut` may come from another thread. The invariant: a blocked reader is freed by `shutdown` of the socket,
never by `close` (closing a descriptor does not wake its reader, and the number may already belong to someone else).
"""

from __future__ import annotations

import base64
import contextlib
import io
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from kaspr_controller.kube import errors
from kaspr_controller.kube.http1 import Answer, request_bytes

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from typing import TypeAlias

    from _typeshed import WriteableBuffer

    TlsSource: TypeAlias = Callable[[], ssl.SSLContext | None]

CONNECT_SECONDS = 3.0
"""Longest time to connect, and again for the TLS handshake."""

IDLE_SECONDS = 60.0
"""Age at which an idle connection is not used again: the API server closes its own after 90 s."""

_BUFFER = 16 * 1024
_OK = 200

_SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    # A peer that vanished without a FIN is noticed after 30 s, also in the middle of a send (rule 20.3).
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 30),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 15),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 9),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 30_000),
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where connections go: host, port, path prefix, and how TLS is spoken there.

    Attributes:
        tls: called at each connect, so that a new CA file counts from the next connection; None means plain HTTP.
        server_name: the name to verify instead of `host`.
        proxy: `http://[user:password@]host:port` of a proxy that is asked to CONNECT.
    """

    host: str
    port: int
    prefix: str
    tls: TlsSource
    server_name: str | None = None
    proxy: str | None = None

    @classmethod
    def parse(
        cls, server: str, tls: TlsSource, *, server_name: str | None = None, proxy: str | None = None
    ) -> Endpoint:
        """The endpoint for a URL such as `https://10.96.0.1:443` or `https://rancher/k8s/clusters/c1`.

        Raises:
            ValueError: the URL, or the proxy's, has a scheme that is not spoken here.
        """
        url = urlsplit(server)
        if url.scheme not in {"http", "https"} or not url.hostname:
            raise ValueError(f"the server address {server!r} is no http(s) URL")
        if proxy and urlsplit(proxy).scheme != "http":
            raise ValueError(f"proxy-url {_without_password(proxy)!r}: only http:// proxies are supported")
        port = url.port or (443 if url.scheme == "https" else 80)
        source = tls if url.scheme == "https" else _plain
        return cls(url.hostname, port, url.path.rstrip("/"), source, server_name, proxy)

    @property
    def label(self) -> str:
        """`host:port`, with brackets around an IPv6 address; also the value of the metric label `host`."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class TimedSocket(io.RawIOBase):
    """A socket under a deadline for a whole exchange, or under a limit for the silence within a stream."""

    def __init__(self, sock: socket.socket, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._sock = sock
        self._monotonic = monotonic
        self._deadline = float("inf")
        self._silence: float | None = None
        self._armed = -1.0

    def finish_by(self, deadline: float) -> None:
        """Reads and writes end at this monotonic time."""
        self._deadline, self._silence = deadline, None

    def allow_silence(self, seconds: float) -> None:
        """From now on each single read may take this long, without an end to the whole."""
        self._silence = seconds

    def send(self, data: bytes) -> None:
        """Send it all before the deadline."""
        self._arm()
        self._sock.sendall(data)

    def readable(self) -> bool:
        """For the buffered reader."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read what there is; the first byte has to come in time."""
        self._arm()
        return self._sock.recv_into(buffer)

    def cut(self) -> None:
        """End all reading and writing now, from any thread."""
        # Past SSLSocket.shutdown, which drops the TLS state under the reader's feet.
        with contextlib.suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def hung_up(self) -> bool:
        """Whether there is something to read while nothing was asked: the end, or the complaint before it."""
        poller = select.poll()  # not select(): that one fails from descriptor 1024 on
        poller.register(self._sock.fileno(), select.POLLIN)
        return bool(poller.poll(0))

    def close(self) -> None:
        """Close the descriptor; by the thread that reads."""
        self._sock.close()
        super().close()

    def _arm(self) -> None:
        left = self._deadline - self._monotonic() if self._silence is None else self._silence
        if left <= 0:
            raise TimeoutError("the deadline of the exchange has passed")
        # Each settimeout is a system call; one that is at most a tenth too long will do.
        if not left <= self._armed <= left * 1.1:
            self._armed = left
            self._sock.settimeout(left)


class Connection:
    """One connection, opened at the first request; `used_at` is for the pool."""

    def __init__(self, endpoint: Endpoint, monotonic: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._monotonic = monotonic
        self._was_cut = threading.Event()
        self._wire: TimedSocket | None = None
        self._reader: io.BufferedReader | None = None
        self._answer: Answer | None = None
        self.used_at = 0.0

    def ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, deadline: float
    ) -> Answer:
        """Send one request and read the head of its answer; everything ends at the monotonic `deadline`.

        Raises:
            OSError: TimeoutError at the deadline, others when the connection breaks.
            errors.TransportError: `ConnectFailed`, `ConnectionLost`, `ProtocolError`.
        """
        wire, reader = self._wire, self._reader
        if wire is None or reader is None:
            wire, reader = self._connect()
        self._answer = None
        wire.finish_by(deadline)
        wire.send(request_bytes(method, self._endpoint.prefix + path, self._endpoint.label, headers, body))
        self._answer = Answer(reader)
        return self._answer

    def allow_silence(self, seconds: float) -> None:
        """For the body of a watch: no deadline, but an end to silence."""
        if self._wire:
            self._wire.allow_silence(seconds)

    def _connect(self) -> tuple[TimedSocket, io.BufferedReader]:
        """Open, tune and, for https, encrypt.

        Raises:
            errors.ConnectFailed: refused, unreachable, unknown name, failed handshake, or slower than 3 s.
        """
        try:
            wire = self._wire = TimedSocket(self._open(), self._monotonic)
        except OSError as error:
            word = type(error).__name__
            raise errors.ConnectFailed(
                f"cannot connect to {self._endpoint.label}: {str(error) or word}", reason=word
            ) from error
        # `cut` sets its flag before it looks for the socket, so one of the two sees the other.
        if self._was_cut.is_set():
            raise errors.ConnectFailed("the connection was stopped before it was opened")
        reader = self._reader = io.BufferedReader(wire, _BUFFER)
        return wire, reader

    def _open(self) -> socket.socket:
        endpoint = self._endpoint
        proxy = urlsplit(endpoint.proxy) if endpoint.proxy else None
        address = (proxy.hostname, proxy.port or 80) if proxy else (endpoint.host, endpoint.port)
        sock = socket.create_connection(address, timeout=CONNECT_SECONDS)
        try:
            for level, name, value in _SOCKET_OPTIONS:
                if hasattr(socket, name):
                    sock.setsockopt(level, getattr(socket, name), value)
            if endpoint.proxy:
                self._tunnel(sock, endpoint.proxy)
            context = endpoint.tls()
            if context is not None:
                sock = context.wrap_socket(sock, server_hostname=endpoint.server_name or endpoint.host)
        except BaseException:
            sock.close()
            raise
        return sock

    def _tunnel(self, sock: socket.socket, proxy: str) -> None:
        """Have the proxy connect to the server; nothing of ours is encrypted before that."""
        target = self._endpoint.label
        sock.sendall(request_bytes("CONNECT", target, target, _proxy_headers(proxy), None))
        # The buffer takes no byte too many: the server behind the proxy says nothing before we do.
        with sock.makefile("rb") as reader:
            answer = Answer(reader)
        if answer.status != _OK:
            raise errors.ConnectFailed(f"the proxy refused to connect to {target}: HTTP {answer.status}")

    def cut(self) -> None:
        """Free whoever is blocked on this connection; any thread, at any time, also before it is opened."""
        self._was_cut.set()
        if self._wire:
            self._wire.cut()

    def close(self) -> None:
        """Close the descriptor; by the thread that uses the connection."""
        if self._wire:
            self._wire.close()

    @property
    def reusable(self) -> bool:
        """Whether another request may follow."""
        return self._answer is not None and self._answer.reusable

    def hung_up(self) -> bool:
        """Whether the server ended this idle connection."""
        return self._wire is None or self._wire.hung_up()


class ConnectionPool:
    """Idle connections, last used first; those in use are known, so that `close` can end them too."""

    def __init__(self, endpoint: Endpoint, limit: int, monotonic: Callable[[], float]) -> None:
        self._endpoint = endpoint
        self._limit = limit
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._closed = False

    def take(self) -> Connection:
        """An idle connection that the server has not closed, else a fresh one."""
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
                if connection:
                    self._busy.add(connection)
            if connection is None:
                return self.fresh()
            if self._monotonic() - connection.used_at < IDLE_SECONDS and not connection.hung_up():
                return connection
            self.give_back(connection, keep=False)

    def fresh(self) -> Connection:
        """A new connection, not yet opened.

        Raises:
            errors.ConnectFailed: the pool is closed.
        """
        connection = Connection(self._endpoint, self._monotonic)
        with self._lock:
            if self._closed:
                raise errors.ConnectFailed("the connections to the API server are closed")
            self._busy.add(connection)
        return connection

    def give_back(self, connection: Connection, *, keep: bool) -> None:
        """The caller is done; `keep` only after a complete answer, else the next one would read its rest."""
        connection.used_at = self._monotonic()
        with self._lock:
            self._busy.discard(connection)
            keep = keep and not self._closed and len(self._idle) < self._limit
            if keep:
                self._idle.append(connection)
        if not keep:
            connection.close()

    def close(self) -> None:
        """Close the idle ones, cut those in use; their threads get an error at once."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            busy = list(self._busy)
        for connection in idle:
            connection.close()
        for connection in busy:
            connection.cut()


def _plain() -> None:
    return None


def _proxy_headers(proxy: str) -> dict[str, str]:
    url = urlsplit(proxy)
    if url.username is None:
        return {}
    pair = f"{unquote(url.username)}:{unquote(url.password or '')}".encode()
    return {"Proxy-Authorization": "Basic " + base64.b64encode(pair).decode()}


def _without_password(url: str) -> str:
    return url.replace(f":{urlsplit(url).password}@", ":***@")
