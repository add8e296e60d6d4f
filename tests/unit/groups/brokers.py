"""Brokers for unit tests: the simulated groups' wire on a thread of its own, and ports that only pretend."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from hack.nodesim.wire import Groups, KafkaListener, WireGroup
from kaspr_controller.groups.address import Credentials, GroupAddress, Listener, group_address
from kaspr_controller.kube.kinds import ObjectKey

APP = ObjectKey("KasprApp", "shop", "orders")
NOBODY = Credentials()


class Told:
    """Groups as a test sets them; remembers what was removed."""

    def __init__(self, **groups: WireGroup) -> None:
        self.groups = groups
        self.forbidden: set[str] = set()
        self.removed: list[tuple[str, str]] = []

    def look(self, group: str) -> WireGroup | None:
        self._enter(group)
        return self.groups.get(group)

    def remove(self, group: str, instance_id: str) -> bool:
        self._enter(group)
        self.removed.append((group, instance_id))
        known = self.groups.get(group)
        return known is not None and instance_id in {member.instance_id for member in known.members}

    def _enter(self, group: str) -> None:
        if group in self.forbidden:
            raise PermissionError(group)


@contextlib.contextmanager
def serving(groups: Groups) -> Iterator[KafkaListener]:
    """A listener on loopback."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def opened() -> KafkaListener:
        return KafkaListener("127.0.0.1", 0, groups)

    async def closed() -> None:
        broker.close()

    broker = asyncio.run_coroutine_threadsafe(opened(), loop).result(5)
    try:
        yield broker
    finally:
        asyncio.run_coroutine_threadsafe(closed(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


@contextlib.contextmanager
def pretending(script: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port on which each connection is handed to a script, in order; connections stay open until the end."""
    opened: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    opened.append(connection)
                    script(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            for connection in opened:
                connection.close()


def at(*ports: int, group: str = "orders", tls: bool = False, username: str | None = None) -> GroupAddress:
    """The address of a group on loopback."""
    servers = ",".join(f"127.0.0.1:{port}" for port in ports)
    return group_address(servers, group, tls=tls, username=username)


def listener(name: str = "one") -> Listener:
    """A listener that nobody is at."""
    return Listener((f"{name}:9092",), None, tls=False)
