"""Brokers of the simulated node that real Kafka clients can talk to, one a namespace.

In: the node and a namespace. Out: an open port, whose address apps of that namespace name as their bootstrap servers;
behind it are the groups that their members form. Called by `simulator` on the event loop thread. Imported late: most
tests have no such client, and the library takes 70 ms.
Invariant: a broker sees only the groups of apps that name it, so two tests in two namespaces never meet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hack.nodesim.wire import PORT, KafkaListener, WireGroup, WireMember

if TYPE_CHECKING:
    from hack.nodesim.group import Group, Seat
    from hack.nodesim.node import Node


class SimulatedBroker:
    """The groups behind one port; `denied` takes every permission away."""

    def __init__(self, find: Callable[[str], Group | None], changed: Callable[[], None]) -> None:
        self.find = find
        self.changed = changed
        self.denied = False

    def look(self, group: str) -> WireGroup | None:
        """Return a group as a broker describes it."""
        found = self.group(group)
        if found is None:
            return None
        state = "PreparingRebalance" if found.rebalancing else "Stable" if found.seats else "Empty"
        return WireGroup(state, tuple(member(seat) for seat in found.seats.values()))

    def remove(self, group: str, instance_id: str) -> bool:
        """Take a seat away."""
        found = self.group(group)
        removed = found is not None and found.remove_member(instance_id)
        self.changed()
        return removed

    def group(self, name: str) -> Group | None:
        """Return a group; PermissionError while everything is denied."""
        if self.denied:
            raise PermissionError(name)
        return self.find(name)


def member(seat: Seat) -> WireMember:
    """Return a seat as the protocol shows it."""
    request = seat.request
    return WireMember(
        instance_id=request.instance_id or "",
        client_id=request.url,
        topics=tuple(sorted(request.subscription)),
        assignment=dict(seat.assignment.actives) if seat.assignment else {},
    )


def open_broker(node: Node, namespace: str) -> tuple[SimulatedBroker, KafkaListener]:
    """Open a port on an address of its own."""
    host = next(node.network.fresh)
    bootstrap = f"{host}:{PORT}"
    broker = SimulatedBroker(lambda app_id: node.groups.get((namespace, bootstrap, app_id)), node.notify)
    return broker, KafkaListener(host, PORT, broker)
