"""A loopback server that says exactly what a test wants said, byte by byte, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from kaspr_controller.members.targets import Target

Script = Callable[[socket.socket], None]

HONEST: dict[str, Any] = {
    "leader": True,
    "rebalancing": False,
    "recovering": False,
    "assignment": {"actives": {"in-a": [1, 0], "orders-app-prefs-changelog": [0]}, "standbys": {"t": [2]}},
    "table_metadata": {"http://orders-app-0.orders-app.shop.svc.cluster.local:6065": {"t": [0]}},
}


def response(
    body: bytes, *, status: str = "200 OK", kind: str = "application/json; charset=utf-8", extra: str = ""
) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def says(data: bytes) -> Script:
    """Send these bytes and hang up."""
    return lambda connection: connection.sendall(data)


def status(document: Any) -> Script:
    return says(response(json.dumps(document).encode()))


class Liar:
    """One listening port; `requests` are the request heads in the order of arrival."""

    def __init__(self, script: Script, host: str = "127.0.0.1") -> None:
        self.script = script
        self.requests: list[str] = []
        self.over = threading.Event()
        self._socket = socket.create_server((host, 0))
        self._host = host
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def target(self, uid: str = "uid-0", name: str = "orders-app-0") -> Target:
        return Target(uid, name, self._host, self._socket.getsockname()[1])

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                thread = threading.Thread(target=self._talk, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            head = b""
            while b"\r\n\r\n" not in head and (data := connection.recv(4096)):
                head += data
            self.requests.append(head.decode())
            self.script(connection)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass

    def close(self) -> None:
        self.over.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(5)


@contextlib.contextmanager
def liar(script: Script, host: str = "127.0.0.1") -> Iterator[Liar]:
    server = Liar(script, host)
    try:
        yield server
    finally:
        server.close()


def closed_target() -> Target:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as port:
        return Target("uid-0", "orders-app-0", "127.0.0.1", port.getsockname()[1])
