"""Loopback addresses for pods: each simulator takes one 127.x.0.0/16 for itself.

In: nothing. Out: fresh addresses. Called when a pod's sandbox is made; event loop thread only.
Invariant: two simulators on one machine never share a network, because each holds the listening socket of its first
address; an address is not used again before 65 000 others were.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hack.nodesim.server import Listener, Respond

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTROL_PORT = 10250  # where a kubelet listens
NETWORKS = range(16, 255)


class Network:
    """A claimed 127.x.0.0/16; its first address carries the control server."""

    def __init__(self, respond: Respond) -> None:
        self.number, self.control = self.claim(respond)
        self.fresh = self.addresses()

    @staticmethod
    def claim(respond: Respond) -> tuple[int, Listener]:
        """Take the first network nobody holds, beginning at a place that differs between processes."""
        offset = os.getpid() % len(NETWORKS)
        for number in [*NETWORKS[offset:], *NETWORKS[:offset]]:
            try:
                return number, Listener(f"127.{number}.0.1", CONTROL_PORT, respond)
            except OSError:
                continue
        raise OSError("all loopback networks are taken")

    @property
    def host(self) -> str:
        """Return the address of the node itself."""
        return f"127.{self.number}.0.1"

    def addresses(self) -> Iterator[str]:
        """Yield pod addresses, round and round."""
        while True:
            for third in range(1, 255):
                for fourth in range(1, 255):
                    yield f"127.{self.number}.{third}.{fourth}"
