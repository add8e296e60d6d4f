"""An open port on the event loop of the simulator, and the connections that came through it.

In: an address, a port, and what speaks on each connection. Out: a port that is open from the first moment on and is closed
together with its connections, as the end of a process does it. Event loop thread only.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast


class Port:
    """A port that is open until it is closed; it accepts as soon as the event loop gets to it."""

    def __init__(self, address: str, port: int, speak: Callable[[], Connection]) -> None:
        """Bind and listen at once, so that the very next connection succeeds.

        Raises:
            OSError: the address is in use.
        """
        self.speak = speak
        self.connections: set[asyncio.Transport] = set()
        self.socket = socket.create_server((address, port))
        self.socket.setblocking(False)
        self.server: asyncio.Server | None = None
        self.opening = asyncio.get_running_loop().create_task(self.serve())

    async def serve(self) -> None:
        """Accept connections on the bound socket."""
        self.server = await asyncio.get_running_loop().create_server(self.speak, sock=self.socket)

    def close(self) -> None:
        """Refuse new connections and cut those that are open."""
        self.opening.cancel()
        if self.server is not None:
            self.server.close()
        self.socket.close()
        for transport in list(self.connections):
            transport.abort()


class Connection(asyncio.Protocol):
    """One client connection, known to its port so that closing the port cuts it."""

    transport: asyncio.Transport

    def __init__(self, port: Port) -> None:
        self.port = port
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self.transport = cast("asyncio.Transport", transport)
        self.port.connections.add(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Forget the transport."""
        self.port.connections.discard(self.transport)
