"""A server on a real socket that answers exactly what a test tells it to, wrong answers included.

A test hands behaviours to `ApiServer.script` (one per request, in order) or `ApiServer.always`; a behaviour is a function
that gets an `Exchange` and writes to the wire. Accepted connections are counted, requests are recorded. Every behaviour
runs on the thread of its connection; a behaviour that blocks waits on `Exchange.released`, which `stop` sets, so that no
thread outlives its test.
"""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias
from urllib.parse import parse_qs, urlsplit

from kaspr_controller.kube.credentials import Anonymous, Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from kaspr_controller.kube.connections import TlsSource
    from kaspr_controller.kube.credentials import AuthProvider

    Behaviour: TypeAlias = Callable[["Exchange"], None]

CERTIFICATES = Path(__file__).parent / "certificates"
TIMEOUT = 5.0


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came in; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    def json(self) -> Any:
        return json.loads(self.body)


class Exchange:
    """One request and the wire to answer on."""

    def __init__(self, request: Received, sock: socket.socket, released: threading.Event) -> None:
        self.request = request
        self.released = released
        self._sock = sock
        self.open = True

    def raw(self, data: bytes) -> None:
        """These bytes, nothing around them."""
        self._sock.sendall(data)

    def answer(self, status: int, value: Any, **headers: str) -> None:
        """A complete answer; underscores in header names become dashes."""
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.raw(head(status, Content_Length=str(len(body)), **headers) + body)

    def status(self, code: int, reason: str = "", message: str = "", **headers: str) -> None:
        """A refusal with a `Status` body."""
        self.answer(code, status(code, reason, message), **headers)

    def begin_stream(self) -> None:
        """The head of a chunked answer."""
        self.raw(head(200, Transfer_Encoding="chunked"))

    def chunk(self, data: bytes) -> None:
        self.raw(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def line(self, value: Any) -> None:
        """One watch event in a chunk of its own."""
        self.chunk(json.dumps(value).encode() + b"\n")

    def end_stream(self) -> None:
        """The clean end of a chunked answer."""
        self.raw(b"0\r\n\r\n")

    def hang(self) -> None:
        """Say nothing until the test ends."""
        self.released.wait(TIMEOUT)

    def drop(self) -> None:
        """End the connection without a word."""
        self.open = False


def head(status: int, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Whatever", "Content-Type: application/json"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


def status(
    code: int, reason: str = "", message: str = "", causes: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """A `Status` as the API server words it."""
    details = {"details": {"causes": causes}} if causes else {}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
        **details,
    }


def answers(value: Any, code: int = 200, **headers: str) -> Behaviour:
    """Answer this."""
    return lambda exchange: exchange.answer(code, value, **headers)


def refuses(code: int, reason: str = "", message: str = "", **headers: str) -> Behaviour:
    """Answer a `Status`."""
    return lambda exchange: exchange.status(code, reason, message, **headers)


def streams(*events: Any, clean: bool = True) -> Behaviour:
    """Send watch events, then end as a server does (clean) or as a cut cable does."""

    def behave(exchange: Exchange) -> None:
        exchange.begin_stream()
        for event in events:
            exchange.line(event)
        if clean:
            exchange.end_stream()
        else:
            exchange.drop()

    return behave


def drops(exchange: Exchange) -> None:
    """Read the request and hang up."""
    exchange.drop()


def hangs(exchange: Exchange) -> None:
    """Read the request and never answer."""
    exchange.hang()
    exchange.drop()


class ApiServer:
    """The server; use it in a `with` statement."""

    def __init__(self, *, certificate: str | None = None) -> None:
        """`certificate` names a file of tests/fakes/certificates (`server-one.pem`); None means plain HTTP."""
        self.requests: list[Received] = []
        self.connections = 0
        self.released = threading.Event()
        self.tls = _context(certificate) if certificate else None
        self._scheme = "https" if certificate else "http"
        self._script: queue.SimpleQueue[Behaviour] = queue.SimpleQueue()
        self._always: Behaviour = refuses(500, "Unscripted", "the test did not expect this request")
        self._lock = threading.Lock()
        self._socks: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def cluster(self, *, auth: AuthProvider | None = None, tls: TlsSource = lambda: None) -> Cluster:
        """Credentials for this server."""
        return Cluster(self.url, "default", auth or Anonymous(), tls, "test")

    def script(self, *behaviours: Behaviour) -> None:
        """The next requests are answered so, in this order, on whichever connection they come."""
        for behaviour in behaviours:
            self._script.put(behaviour)

    def always(self, behaviour: Behaviour) -> None:
        """What happens once the script is through."""
        self._always = behaviour

    def cut_connections(self) -> None:
        """End all connections, as a restarting API server does; the listener stays."""
        with self._lock:
            socks = list(self._socks)
        for sock in socks:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._spawn(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End everything and wait for the threads; may be called twice."""
        self.released.set()
        with contextlib.suppress(OSError):
            # Closing alone would not wake the thread in accept().
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_connections()
        for thread in self._threads:
            thread.join(TIMEOUT)
            assert not thread.is_alive(), f"{thread.name} is stuck"

    def _spawn(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, name=f"fake-{target.__name__}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._spawn(self._serve, sock)

    def _serve(self, sock: socket.socket) -> None:
        sock.settimeout(TIMEOUT)
        # Every way a client can leave is fine here; what it got is judged in the test.
        try:
            with contextlib.suppress(OSError, ValueError):
                if self.tls:
                    sock = self.tls.wrap_socket(sock, server_side=True)
                with self._lock:
                    self._socks.add(sock)
                # `stop` sets the flag before it looks for sockets, so one of the two sees the other.
                if not self.released.is_set():
                    self._converse(sock)
        finally:
            with self._lock:
                self._socks.discard(sock)
            sock.close()

    def _converse(self, sock: socket.socket) -> None:
        with sock.makefile("rb") as reader:
            while (request := _read(reader)) is not None:
                with self._lock:
                    self.requests.append(request)
                try:
                    behaviour = self._script.get_nowait()
                except queue.Empty:
                    behaviour = self._always
                exchange = Exchange(request, sock, self.released)
                behaviour(exchange)
                if not exchange.open:
                    return


def _read(reader: Any) -> Received | None:
    first = reader.readline()
    if not first:
        return None
    method, target, _ = first.decode().split(" ")
    headers = {}
    while (line := reader.readline().strip()) != b"":
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    return Received(method, target, headers, reader.read(int(headers.get("content-length", "0"))))


def _context(certificate: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / certificate)
    return context
