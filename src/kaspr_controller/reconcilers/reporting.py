"""Report: write a status when it differs, and tell about it once.

In: a custom resource as it was read, and its new status. Out: one server-side apply on `/status`, or nothing. The answer
goes into the store at once, so the next pass compares with it. Events are sent only on transitions and only after the
write succeeded (rule V1); they are never the only place where something is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kaspr_controller.kube.errors import NotFound
from kaspr_controller.kube.kinds import Kind, ObjectKey, Raw, key_of
from kaspr_controller.reconcilers import metering
from kaspr_controller.reconcilers.holding import Hold
from kaspr_controller.reconcilers.kinds import APP
from kaspr_controller.reconcilers.loading import Stores
from kaspr_controller.status import reasons
from kaspr_controller.status.conditions import find
from kaspr_controller.telemetry import metrics

_KNOWN = frozenset(
    {
        "app", "availableMembers", "conditions", "configMap", "farewell", "hash", "kasprVersion", "leftTable",
        "linkedResources", "members", "observedGeneration", "pythonPackages", "rebalance", "rebalanceRequired",
        "rebalancingMembers", "recovery", "replicas", "rightTable", "rollout", "rolloutInProgress", "selector",
    }
)  # fmt: skip
"""Status fields that this program writes. Others, like the bookkeeping of the predecessor, are not its business."""

_TYPES = frozenset(
    {
        "Accepted",
        "ComponentsAccepted",
        "HungMembers",
        "Paused",
        "Progressing",
        "PythonPackagesReady",
        "Ready",
        "RebalancePending",
        "Reconciling",
        "RolloutStuck",
        "SeatsAbandoned",
        "Stalled",
        "StorageResizing",
        "Warnings",
    }
)
"""The same for conditions. What is once applied and later left out is removed, so a stranger's is never sent."""


class StatusApi(Protocol):
    """The one request of this module."""

    def apply(self, obj: Raw, *, kind: Kind | None = None, subresource: str | None = None) -> Raw:
        """A server-side apply."""
        ...


class EventSink(Protocol):
    """Where Events go; never blocks."""

    def emit(self, regarding: Raw, *, type: str, reason: str, action: str, note: str) -> None:  # noqa: A002
        """Queue one Event."""
        ...


class Reporter:
    """Writes statuses of all our kinds. Thread-safe: it keeps nothing.

    Args:
        client: for the writes.
        stores: the caches.
        events: where Events go.
        hold: tells which first statuses can wait; None writes all at once.
        later: has an object looked at again after some seconds, for what was held back.
    """

    def __init__(
        self,
        *,
        client: StatusApi,
        stores: Stores,
        events: EventSink,
        hold: Hold | None = None,
        later: Callable[[ObjectKey, float], None] = lambda _key, _seconds: None,
    ) -> None:
        self._client = client
        self._stores = stores
        self._events = events
        self._hold = hold
        self._later = later

    def report(self, raw: Raw, status: Mapping[str, Any], kind: Kind) -> bool:
        """Write `status` if it differs from what `raw` carries; True when something was written."""
        old, status = raw.get("status") or {}, _ours(status)
        if _ours(old) == status or self._held_back(raw, old, status):
            return False
        meta = raw["metadata"]
        body = {
            "apiVersion": kind.api_version,
            "kind": kind.kind,
            # The UID keeps us from reporting about a namesake that was created meanwhile.
            "metadata": {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]},
            "status": status,
        }
        try:
            answer = self._client.apply(body, kind=kind, subresource="status")
        except NotFound:
            return False  # deleted meanwhile: there is nobody left to tell
        self._stores[kind.kind].overlay(answer)
        metrics.STATUS_WRITES.labels(kind.kind).inc()
        if kind == APP:
            metering.status_written(kind.key(meta["namespace"], meta["name"]), _ours(old), status)
        self._tell(raw, old, status)
        return True

    def _held_back(self, raw: Raw, old: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
        """Whether the status waits; then its object is looked at again in time."""
        if self._hold is None:
            return False
        key = key_of(raw)
        wait = self._hold.remaining(key, raw["metadata"]["uid"], old, status)
        if wait > 0:
            self._later(key, wait)
        return wait > 0

    def _tell(self, raw: Raw, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        """One Event for each condition that flipped or, while it is bad, has another reason."""
        failing = (find(new, "Ready") or {}).get("reason") == reasons.ERROR
        told: set[str] = set()
        for condition in sorted(new.get("conditions", ()), key=_weight):
            before = find(old, condition["type"])
            if condition["reason"] not in told and _worth_telling(before, condition, failing=failing):
                told.add(
                    condition["reason"]
                )  # `Accepted`, `Ready` and `Stalled` often flip for one and the same reason
                good = _is_good(condition)
                self._events.emit(
                    raw,
                    type="Normal" if good else "Warning",
                    reason=condition["reason"],
                    action=condition["type"],
                    note=condition["message"] or condition["reason"],
                )


def _ours(status: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a status that this program writes, in one spelling."""
    ours = {name: value for name, value in status.items() if name in _KNOWN}
    if "conditions" in ours:
        conditions = [item for item in ours["conditions"] if item["type"] in _TYPES]
        ours["conditions"] = sorted(conditions, key=lambda item: str(item["type"]))
    return ours


def _weight(condition: Mapping[str, Any]) -> int:
    """What says most comes first."""
    return _FIRST.index(condition["type"]) if condition["type"] in _FIRST else len(_FIRST)


_FIRST = ("Stalled", "Ready")
_TOLD = ("Ready", "Stalled", "Accepted", "ComponentsAccepted", "Paused")


def _worth_telling(before: Mapping[str, Any] | None, now: Mapping[str, Any], *, failing: bool) -> bool:
    if now["type"] == "Reconciling":
        # On an ordinary day it follows the rollout; when an object cannot be written, its reason is the news (D19).
        return failing and (before is None or before["reason"] != now["reason"])
    if now["type"] not in _TOLD:
        return False
    if before is None:
        # The first status of a healthy object is no news; the first one of a broken object is. What is abnormal is
        # absent until it holds, so for that every appearance is a first one.
        return bool(
            now["type"] in ("Stalled", "Paused")
            or (now["type"] == "ComponentsAccepted" and now["status"] == "False")
        )
    flipped = before["status"] != now["status"]
    return bool(flipped or (now["type"] == "Stalled" and before["reason"] != now["reason"]))


_ON_ITS_WAY = frozenset(
    {
        reasons.NOT_READY,
        reasons.SCALED_TO_ZERO,
        reasons.ROLLOUT_IN_PROGRESS,
        reasons.WAITING_FOR_CONTENT,
        reasons.PAUSED_EDITED,
    }
)
"""Reasons of `Ready=False` that are part of an ordinary day: nobody has to look at them."""


def _is_good(condition: Mapping[str, Any]) -> bool:
    if condition["type"] in ("Stalled", "Reconciling"):
        return bool(condition["status"] != "True")
    if condition["type"] == "Paused":
        return True
    return bool(condition["status"] == "True" or condition["reason"] in _ON_ITS_WAY)
