"""A listener on a free port of the loopback address, and a plain way to ask it."""

from __future__ import annotations

import contextlib
import http.client
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kaspr_controller.serve.listener import Listener


@dataclass(frozen=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        return self.body.decode()


class Asker:
    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, path: str, method: str = "GET", **options: Any) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            connection.request(method, path, **options)
            response = connection.getresponse()
            return Reply(response.status, response.read(), dict(response.getheaders()))


@contextlib.contextmanager
def running(listener: Listener) -> Iterator[Asker]:
    listener.start()
    try:
        yield Asker(listener.port)
    finally:
        listener.stop()
        assert listener.join(5)
