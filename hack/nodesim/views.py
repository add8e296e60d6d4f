"""What a simulator shows of itself: frozen snapshots, safe to read on any thread.

Made by `simulator` on the event loop thread, read by tests, the demo and the control endpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from hack.nodesim.answers import status_document
from hack.nodesim.group import Group
from hack.nodesim.pod_worker import PodWorker

Partitions = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class MemberView:
    """A running member; `status` is what it would answer at `/status/` if it answered."""

    namespace: str
    pod: str
    uid: str
    app_id: str
    url: str  # where it listens, not its canonical URL
    phase: str
    frozen: bool
    cut_off: bool
    restarts: int
    status: Mapping[str, Any]
    subscription: frozenset[str]

    @property
    def calm(self) -> bool:
        """Whether it processes messages: nothing going on, something assigned, awake and with its brokers."""
        going_on = self.status["rebalancing"] or self.status["recovering"] or self.frozen or self.cut_off
        return self.phase == "calm" and not going_on and bool(self.actives)

    @property
    def actives(self) -> dict[str, list[int]]:
        """Return topic -> partitions it was given."""
        return dict(self.status["assignment"]["actives"])

    def as_json(self) -> dict[str, Any]:
        """Return it for the control endpoint."""
        return asdict(self) | {"subscription": sorted(self.subscription), "calm": self.calm}


@dataclass(frozen=True, slots=True)
class GroupView:
    """A consumer group as its broker sees it."""

    namespace: str
    bootstrap: str
    app_id: str
    generation: int  # raised by each rebalance
    rebalancing: bool
    members: Mapping[str, Partitions]  # instance id -> partitions it holds, ghosts included
    ghosts: tuple[str, ...]  # members from which no heartbeats come
    unread: Partitions  # partitions nobody alive owns

    def as_json(self) -> dict[str, Any]:
        """Return it for the control endpoint."""
        return asdict(self)


def member_view(worker: PodWorker) -> MemberView | None:
    """Return the member of a pod, or None while it has none that could be seen."""
    if worker.process is None or worker.process.member.program.settings is None:
        return None
    member, settings = worker.process.member, worker.process.member.settings
    return MemberView(
        namespace=worker.namespace,
        pod=worker.name,
        uid=worker.uid,
        app_id=settings.app_id,
        url=f"http://{worker.state.pod_ip}:{settings.web_port}",
        phase=member.phase.value,
        frozen=member.frozen,
        cut_off=member.cut_off,
        restarts=max(one.restarts for one in worker.state.containers),
        status=status_document(member),
        subscription=member.request().subscription,
    )


def group_view(key: tuple[str, str, str], group: Group) -> GroupView:
    """Return a group."""
    namespace, bootstrap, app_id = key
    return GroupView(
        namespace=namespace,
        bootstrap=bootstrap,
        app_id=app_id,
        generation=group.generation,
        rebalancing=group.rebalancing,
        members={
            name: dict(seat.assignment.actives) if seat.assignment else {}
            for name, seat in group.seats.items()
        },
        ghosts=tuple(group.ghosts()),
        unread=group.unread(),
    )
