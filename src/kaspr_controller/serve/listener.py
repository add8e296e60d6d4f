"""A small HTTP server: bounded in threads, in time and in what it reads.

It serves the kubelet's probes, a metrics scraper and a person with a debug question, so a handful of threads is plenty;
a connection beyond them is told to come back, and one that lasts too long is cut (a peer that sends a byte now and then
would keep the probes out otherwise). One request a connection. `start` listens and fails loudly when it cannot, `stop`
closes within 0.2 s: views are short, and nobody waits for a half-sent request. Idle it wakes up once a second.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote, urlsplit

from kaspr_controller.serve.pages import Page, Request, text
from kaspr_controller.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from kaspr_controller.serve.pages import Routes

THREADS = 16
READ_SECONDS = 5.0
"""Silence in the middle of a request."""
CONNECTION_SECONDS = 10.0
"""A connection in all; the default time-out of a scrape."""
_LOOK_SECONDS = 1.0
_MAX_BODY = 64 * 1024
_BUSY = b"HTTP/1.0 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"

_log = get_logger("serve")


class Listener:
    """One address with its routes.

    Args:
        name: of its threads, and in the log.
        address: IPv4 or IPv6 address to bind.
        port: TCP port, 0 takes any free one.
        routes: the pages.
        monotonic: the clock of the time limits, in seconds.
    """

    def __init__(
        self,
        name: str,
        address: str,
        port: int,
        routes: Routes,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._address = (address, port)
        self._routes = routes
        self._monotonic = monotonic
        self._stopping = False
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that is listened on; only after `start`."""
        if self._server is None:
            raise RuntimeError(f"{self.name} does not listen yet")
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Listen and serve on threads of its own.

        Raises:
            OSError: the address cannot be bound; the message names it.
        """
        try:
            self._server = _Server(self._address, self._routes, self.name, self._monotonic)
        except OSError as error:
            where = f"{self._address[0]} port {self._address[1]}"
            raise OSError(error.errno, f"{self.name} cannot listen on {where}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._accept, args=(self._server,), name=f"serve-{self.name}")
        self._thread.start()
        _log.info("listening", server=self.name, address=self._address[0], port=self.port)

    def stop(self) -> None:
        """Close the port. Requests in hand are left to finish, but not waited for."""
        self._stopping = True
        if self._server is not None:
            # Closing would not wake the thread that waits on the port. Where shutting down does not either (not on
            # Linux), it looks up by itself soon.
            with contextlib.suppress(OSError):
                self._server.socket.shutdown(socket.SHUT_RDWR)

    def join(self, timeout: float | None = None) -> bool:
        """Whether the accepting thread has ended within `timeout` seconds."""
        if self._thread is not None:
            self._thread.join(timeout)
        return self._thread is None or not self._thread.is_alive()

    def _accept(self, server: _Server) -> None:
        with server:
            while not self._stopping:
                server.handle_request()
                server.cut(self._monotonic() - CONNECTION_SECONDS)


class _Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64
    timeout = _LOOK_SECONDS

    def __init__(
        self, address: tuple[str, int], routes: Routes, name: str, monotonic: Callable[[], float]
    ) -> None:
        self.routes = routes
        self.label = name
        self._monotonic = monotonic
        self._open: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer looks its own name up in DNS, which can take seconds in a pod and serves nobody here.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.label, self.server_address[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            free = len(self._open) < THREADS
            if free:
                self._open[request] = self._monotonic()
        if free:
            super().process_request(request, client_address)
        else:
            with contextlib.suppress(OSError):
                request.sendall(_BUSY)
            self.shutdown_request(request)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def cut(self, before: float) -> None:
        """End the connections that began before this moment: their threads see the end of the stream."""
        with self._lock:
            overdue = [request for request, began in self._open.items() if began < before]
        for request in overdue:
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the interface's
        # A peer that went away. Faults of views are caught and answered in the handler.
        _log.debug("connection failed", server=self.label, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = READ_SECONDS
    server_version = "kaspr-controller"
    sys_version = ""

    def do_GET(self) -> None:
        self._send(self._page())

    do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the interface's

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the interface's
        """Probes come every few seconds; nobody reads lines about them."""

    def _page(self) -> Page:
        try:
            url = urlsplit(self.path)
            query = parse_qs(url.query, keep_blank_values=True, max_num_fields=64)
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            return text("bad request\n", HTTPStatus.BAD_REQUEST)
        if not 0 <= length <= _MAX_BODY:
            return text("the body is too large\n", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        request = Request(
            method="GET" if self.command == "HEAD" else self.command,
            path=unquote(url.path),
            query=query,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length) if self.command == "PUT" else b"",
        )
        try:
            return self.server.routes.answer(request)
        except Exception:  # noqa: BLE001 - logged whole
            # A fault in a page must not look like a fault of the controller: the probe pages catch their own.
            _log.exception("page failed", server=self.server.label, path=url.path)
            return text("internal server error\n", HTTPStatus.INTERNAL_SERVER_ERROR)

    def _send(self, page: Page) -> None:
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        for name, value in page.headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page.body)
