"""One small HTTP/1.1 server for any number of members, each on its own loopback address.

In: an address, a port and a function that answers requests. Out: an open listener; closing it refuses connections
and cuts open ones, as the end of a process does. Runs on the event loop of the simulator only.
Invariant: a port is open exactly while the member serves, so "connection refused" is real; no thread and no polling,
hundreds of listeners cost one file descriptor each.
"""

from __future__ import annotations

import http
from collections.abc import Callable

from hack.nodesim.answers import Response
from hack.nodesim.listening import Connection, Port

# Method, path and body of a request; None as answer means silence.
Respond = Callable[[str, str, bytes], Response | None]
MAX_HEAD = 64 * 1024


class HttpConnection(Connection):
    """One client connection; requests are answered in order."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(listener)
        self.listener = listener
        self.mute = False

    def data_received(self, data: bytes) -> None:
        """Answer every complete request in the buffer."""
        self.buffer += data
        while not self.mute and (request := self.next_request()):
            self.answer(*request)
        if len(self.buffer) > MAX_HEAD:
            self.transport.abort()

    def next_request(self) -> tuple[str, str, dict[str, str], bytes] | None:
        """Take one request off the buffer, or return None while it is incomplete."""
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length") or 0)
        if len(rest) < length:
            return None
        self.buffer = rest[length:]
        method, _, target = first.partition(" ")
        return method, target.partition(" ")[0], headers, rest[:length]

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        """Write the answer; silence keeps the connection open for ever."""
        response = self.listener.respond(method, path, body)
        if response is None:
            self.mute = True
            return
        close = headers.get("connection", "").lower() == "close"
        self.transport.write(head_of(response, close=close))
        if not response.body_follows:
            self.mute = True
            return
        if method != "HEAD":
            self.transport.write(response.body)
        if close:
            self.transport.close()


def head_of(response: Response, *, close: bool) -> bytes:
    """Return status line and headers."""
    lines = [
        f"HTTP/1.1 {response.status} {http.HTTPStatus(response.status).phrase}",
        f"Content-Type: {response.content_type}",
        f"Content-Length: {len(response.body)}",
        *(f"{name}: {value}" for name, value in response.headers),
        f"Connection: {'close' if close else 'keep-alive'}",
        "\r\n",
    ]
    return "\r\n".join(lines).encode("latin-1")


class Listener(Port):
    """An open port that speaks HTTP."""

    def __init__(self, address: str, port: int, respond: Respond) -> None:
        """Bind and listen at once; OSError when the address is in use."""
        super().__init__(address, port, lambda: HttpConnection(self))
        self.respond = respond
