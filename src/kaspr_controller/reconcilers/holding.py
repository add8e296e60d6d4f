"""Hold: the first status of an object waits for news that is worth a write (decision record 0007).

In: the status that an object has and the new one. Out: seconds to wait, 0 for now. Asked by `reporting` on worker threads.
What is held back says only that things are on their way, about an object of which nothing was said before: no error, no
Ready, nothing that takes back what a user was told, no decision about members that must be stored before it is acted on.
The invariant: nothing is held for longer than `LIMIT`, however busy the program is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from kaspr_controller.engine.clock import Clock
from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.reconcilers import kinds
from kaspr_controller.status import reasons
from kaspr_controller.status.conditions import find

APP_SECONDS = 3.0
"""For an app: its components are quiet, and its workload stands, two seconds after it appeared."""
MISSING_SECONDS = 2.0
"""For a component whose app is not there: files that are applied together come in the order of their names."""
COMPONENT_SECONDS = 10.0
"""For a component that can be used and is being rolled out: the time in which a pod starts."""
LIMIT = 120.0
"""Longest wait while apps wait for their children to be written, who come first: with a thousand apps at once and a server on
two cores that takes a minute and a half, and two minutes with the statuses in between."""
_LOOK_AGAIN = 10.0
_REMEMBERED = 10_000

_DECISIONS = ("farewell", "recovery")
"""Parts of a status that are acted on later. How far a rollout may go is not among them: it is read off the workload."""


class Hold:
    """Knows since when the status of an object is held back.

    Args:
        clock: for the waits.
        busy: whether apps wait for their children to be written.
    """

    def __init__(self, clock: Clock, busy: Callable[[], bool] = lambda: False) -> None:
        self._clock = clock
        self._busy = busy
        self._lock = threading.Lock()
        self._since: dict[tuple[ObjectKey, str], float] = {}  # by UID too: a namesake is another object

    def remaining(self, key: ObjectKey, uid: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
        """Seconds to hold the new status of an object back; 0 writes it, or its successor, now."""
        incarnation = (key, uid)
        wait = 0.0
        if not old.get("conditions") and _can_wait(new):
            with self._lock:
                if len(self._since) > _REMEMBERED:
                    self._since.clear()  # objects that went while held; the others wait a little longer
                since = self._since.setdefault(incarnation, self._clock.monotonic())
            waited = self._clock.monotonic() - since
            wait = _patience(key, new) - waited
            if wait <= 0 and waited < LIMIT and self._busy():
                wait = _LOOK_AGAIN
        if wait > 0:
            return wait
        with self._lock:
            self._since.pop(incarnation, None)
        return 0.0


def _can_wait(status: Mapping[str, Any]) -> bool:
    """Whether a status says no more than that things are on their way."""
    if find(status, "Reconciling") is None or find(status, "Stalled") is not None:
        return False
    decided = status.get("rebalance", {}).get("state", "Idle") != "Idle"
    return not decided and not any(name in status for name in _DECISIONS)


def _patience(key: ObjectKey, status: Mapping[str, Any]) -> float:
    if key.kind == kinds.APP.kind:
        return APP_SECONDS
    ready = find(status, "Ready")
    missing = ready is not None and ready["reason"] == reasons.APP_NOT_FOUND
    return MISSING_SECONDS if missing else COMPONENT_SECONDS
