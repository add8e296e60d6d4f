"""The leader's lease: read, create, update, over a connection that nothing else uses (rule L3).

Comes in: a record; goes out: the record as stored, with the resource version that guards the next update. Called by the
elector's thread only. No retries, no limiter, no breaker, no fence: the elector repeats every two seconds by itself, and a
hung request or a throttled queue must not cost the lease. Who leads is decided by the elector, not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from kaspr_controller.kube import errors, listing, writing
from kaspr_controller.kube.decoding import decode, strip
from kaspr_controller.kube.kinds import LEASE
from kaspr_controller.kube.timing import micro_time

if TYPE_CHECKING:
    from kaspr_controller.kube.kinds import Raw
    from kaspr_controller.kube.transport import Request, Transport

_ERROR = 400


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """Who holds the lease, as written by the holder.

    Attributes:
        holder: identity; "" when released.
        duration_seconds: how long others wait after the last change that they saw.
        acquire_time: since when the holder holds it.
        renew_time: last renewal. Both by the holder's clock: for people, never for decisions (rule L2).
        transitions: how often the holder changed.
        metadata: as stored, labels of others included; empty before the first create.
    """

    holder: str
    duration_seconds: int
    acquire_time: datetime | None
    renew_time: datetime | None
    transitions: int
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def resource_version(self) -> str:
        """The version that an update must still find; "" before the first create."""
        return str(self.metadata.get("resourceVersion", ""))


class LeaseClient:
    """Reads and writes one lease.

    Args:
        transport: one of its own, with a single connection.
        namespace: where the lease is.
        name: its name.
        renew_deadline: seconds; each request may take half of it, one second at least.
    """

    def __init__(self, transport: Transport, namespace: str, name: str, *, renew_deadline: float) -> None:
        self._transport = transport
        self._namespace = namespace
        self._name = name
        self._timeout = max(1.0, renew_deadline / 2)

    def get(self) -> LeaseRecord:
        """The record. Raises errors.NotFound before the first create, other errors.ApiError on failure."""
        return self._send(listing.one(LEASE, self._namespace, self._name, managed_fields=False))

    def create(self, record: LeaseRecord) -> LeaseRecord:
        """Create the lease. Raises errors.AlreadyExists when somebody was faster."""
        return self._send(writing.create(self._lease(record), LEASE, None))

    def update(self, record: LeaseRecord) -> LeaseRecord:
        """Store the record over the version it was read with. Raises errors.Conflict when somebody was faster."""
        return self._send(writing.replace(self._lease(record), LEASE, None))

    def close(self) -> None:
        """Cut the connection; a request under way fails at once."""
        self._transport.close()

    def _lease(self, record: LeaseRecord) -> Raw:
        spec = {
            "holderIdentity": record.holder,
            "leaseDurationSeconds": record.duration_seconds,
            "acquireTime": micro_time(record.acquire_time) if record.acquire_time else None,
            "renewTime": micro_time(record.renew_time) if record.renew_time else None,
            "leaseTransitions": record.transitions,
        }
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {**record.metadata, "namespace": self._namespace, "name": self._name},
            "spec": spec,
        }

    def _send(self, request: Request) -> LeaseRecord:
        answer = self._transport.send(request, timeout=self._timeout)
        if answer.status >= _ERROR:
            raise errors.from_response(
                answer.status, answer.body, retry_after=answer.retry_after, request=str(request)
            )
        return _record(strip(decode(answer.body, request=str(request))))


def _record(lease: Raw) -> LeaseRecord:
    spec = lease.get("spec") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        duration_seconds=spec.get("leaseDurationSeconds") or 0,
        acquire_time=_time(spec.get("acquireTime")),
        renew_time=_time(spec.get("renewTime")),
        transitions=spec.get("leaseTransitions") or 0,
        metadata=lease.get("metadata") or {},
    )


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
