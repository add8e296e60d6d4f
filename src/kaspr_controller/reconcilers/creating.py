"""Why can a pod not be created? Its StatefulSet's status does not say; Events of the StatefulSet's controller do.

In: the workload of an app, and the pods that it asks for and that are not there. Out: `Trouble` with the server's words (a
quota, an admission policy), None while nobody knows better. Called by the app's worker. One list of the workload's Events a
minute while pods are missing, none while they are there; what is kept, per app, saves requests and may be lost.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from kaspr_controller.engine.clock import Clock
from kaspr_controller.kube.errors import ApiError
from kaspr_controller.kube.kinds import EVENT, Kind, ObjectKey, Raw
from kaspr_controller.kube.listing import Page
from kaspr_controller.status.conditions import bounded
from kaspr_controller.status.pods import Trouble

INTERVAL_SECONDS = 60.0
"""Pods may be missing for this long before somebody asks, and it is the time between two questions about one app."""
PACE_SECONDS = 2.0
"""Between two questions of all apps: in a burst pods are late because the StatefulSet controller is busy, not refused."""
_WORDS = 300


class Lists(Protocol):
    """The one request of this module."""

    def list_pages(self, kind: Kind, namespace: str | None = None, *, field_selector: str) -> Iterator[Page]:
        """Objects of a kind."""
        ...


@dataclass(frozen=True, slots=True)
class _Look:
    """Which incarnation of the workload lacks pods, when to ask, and what the last answer was."""

    uid: str
    ask_at: float
    trouble: Trouble | None = None


class Creating:
    """Asks why pods are missing. Thread-safe as long as one app is looked at by one thread at a time.

    Args:
        lists: the API server.
        clock: monotonic seconds.
        factor: on `INTERVAL_SECONDS`; a simulated cluster lives faster.
    """

    def __init__(self, lists: Lists, clock: Clock, *, factor: float = 1.0) -> None:
        self._lists = lists
        self._clock = clock
        self._interval = INTERVAL_SECONDS * factor
        self._looks: dict[ObjectKey, _Look] = {}
        self._free_at = float("-inf")

    def look(self, app: ObjectKey, workload: Raw | None, missing: Collection[str]) -> Trouble | None:
        """What keeps the missing pods (names) of the workload from being created, as far as is known."""
        if workload is None or not missing:
            self.forget(app)
            return None
        uid, now = str(workload["metadata"]["uid"]), self._clock.monotonic()
        look = self._looks.get(app)
        if look is None or look.uid != uid:
            look = _Look(uid, now + self._interval)
        elif now >= look.ask_at:
            look = replace(look, ask_at=now + self._interval)
            if now >= self._free_at:
                self._free_at = now + PACE_SECONDS
                look = replace(look, trouble=self._ask(app.namespace, uid, missing))
        self._looks[app] = look
        return look.trouble

    def after(self, app: ObjectKey) -> float | None:
        """Seconds until the next look; None when no pod of the app is missing."""
        look = self._looks.get(app)
        return None if look is None else max(0.0, look.ask_at - self._clock.monotonic())

    def forget(self, app: ObjectKey) -> None:
        """The app is gone, or has its pods."""
        self._looks.pop(app, None)

    def _ask(self, namespace: str, uid: str, missing: Collection[str]) -> Trouble | None:
        about = f"regarding.uid={uid},reason=FailedCreate"
        try:
            pages = self._lists.list_pages(EVENT, namespace, field_selector=about)
            return newest_refusal((event for page in pages for event in page.items), missing)
        except ApiError:
            return None  # whoever may not list Events is told that pods are missing, not why


def newest_refusal(events: Iterable[Raw], missing: Collection[str]) -> Trouble | None:
    """What the newest of these Events says about one of the missing pods, without the frame around the server's words."""
    fitting = [event for event in events if any(name in _note(event) for name in missing)]
    if not fitting:
        return None
    note = _note(max(fitting, key=_last_seen))
    words = note.rpartition("failed error: ")[2]
    reason = "QuotaExceeded" if "exceeded quota" in words else "PodsRefused"
    return Trouble(reason, bounded(words, _WORDS))


def _note(event: Raw) -> str:
    return str(event.get("note", ""))


def _last_seen(event: Raw) -> str:
    """RFC 3339, which sorts; events of the old API and of the new one keep it in different fields."""
    series: dict[str, Any] = event.get("series") or {}
    told = (series.get("lastObservedTime"), event.get("deprecatedLastTimestamp"), event.get("eventTime"))
    return next((str(each) for each in told if each), "")
