"""Carry out what was decided about members: the few requests of this program that somebody feels.

In: actions whose decision stands in the status by now. Out: requests, each with an Event. Called by the app's worker.
Every action passes the fence first: a process that has lost its lease does nothing. An action that fails is not tried
again here: the decision of a later pass sees that it had no effect.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from kaspr_controller.api import labels
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.engine.clock import Clock
from kaspr_controller.kube.errors import ApiError, NotFound, NotLeading
from kaspr_controller.kube.kinds import POD, Kind, ObjectKey, Raw
from kaspr_controller.members.client import Signalled
from kaspr_controller.members.targets import Target
from kaspr_controller.reconcilers import kinds, metering, observing
from kaspr_controller.reconcilers.deciding import Decided
from kaspr_controller.reconcilers.loading import Stores
from kaspr_controller.reconcilers.reporting import EventSink
from kaspr_controller.reconcilers.seating import Seatings
from kaspr_controller.status.actions import (
    AcknowledgeRebalance,
    Action,
    DeletePod,
    SayGoodbye,
    SignalRebalance,
)
from kaspr_controller.telemetry import legacy_metrics
from kaspr_controller.telemetry.logs import get_logger

TURN_SECONDS = 10.0
"""Time between members of different apps that are replaced on purpose: a fault of ours must not empty a cluster."""

log = get_logger("reconcilers.acting")


class Signals(Protocol):
    """The one request to a member."""

    def rebalance(self, target: Target) -> Signalled:
        """Ask it to rejoin its group."""
        ...


class Requests(Protocol):
    """The requests to the API server."""

    def get(self, kind: Kind, namespace: str, name: str) -> Raw:
        """One object, read live."""
        ...

    def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete this incarnation."""
        ...

    def patch_merge(self, kind: Kind, namespace: str, name: str, patch: Raw) -> Raw:
        """A JSON merge patch."""
        ...


class Turns:
    """Whose turn it is to lose a member. Thread-safe."""

    def __init__(self, clock: Clock, *, length: float = TURN_SECONDS) -> None:
        self._clock = clock
        self._length = length
        self._lock = threading.Lock()
        self._last: tuple[ObjectKey | None, float] = (None, float("-inf"))

    def after(self, app: ObjectKey) -> float:
        """Seconds until another app's turn is over; 0 when it is this app's."""
        with self._lock:
            holder, since = self._last
        if holder == app:
            return 0.0
        return max(0.0, since + self._length - self._clock.monotonic())

    def take(self, app: ObjectKey) -> None:
        """This app has just lost a member."""
        with self._lock:
            self._last = (app, self._clock.monotonic())


class Acting:
    """Carries out actions; keeps nothing between passes.

    Args:
        stores: the caches.
        requests: the API server.
        signals: asks a member; None when members are not asked.
        seatings: says goodbyes; None when Kafka is never asked.
        events: where Events go.
        turns: noted after each deletion.
        fence: raises when this process must not act.
    """

    def __init__(  # noqa: PLR0913  # every tool is handed in
        self,
        *,
        stores: Stores,
        requests: Requests,
        signals: Signals | None,
        seatings: Seatings | None,
        events: EventSink,
        turns: Turns,
        fence: Callable[[], None] = lambda: None,
    ) -> None:
        self._stores = stores
        self._requests = requests
        self._signals = signals
        self._seatings = seatings
        self._events = events
        self._turns = turns
        self._fence = fence

    def carry_out(self, key: ObjectKey, raw: Raw, app: KasprApp, decided: Decided) -> None:
        """The actions in their order, and what is to be counted.

        Raises:
            errors.NotLeading: this process must not act any more.
        """
        if decided.finished is not None:
            _count(key, *decided.finished)
        metering.installed(key, decided.installs)
        for action in decided.actions:
            self._fence()
            self._one(key, raw, app, action)

    def _one(self, key: ObjectKey, raw: Raw, app: KasprApp, action: Action) -> None:
        if isinstance(action, SignalRebalance):
            self._signal(key, raw, action)
        elif isinstance(action, AcknowledgeRebalance):
            self._acknowledge(key, raw)
        elif isinstance(action, DeletePod):
            self._delete(key, raw, action)
        elif isinstance(action, SayGoodbye):
            self._goodbye(key, raw, app, action)

    def forget(self, key: ObjectKey) -> None:
        """The app is gone."""
        if self._seatings is not None:
            self._seatings.forget(key)

    def _signal(self, app: ObjectKey, raw: Raw, action: SignalRebalance) -> None:
        pods = [pod for pod in observing.pods(self._stores, app) if pod["metadata"]["uid"] == action.pod_uid]
        targets = observing.targets(pods)
        if targets and self._signals is not None:
            answer = self._signals.rebalance(targets[0])
        else:
            answer = Signalled("refused", "its pod is gone")
        log.info("rebalance signalled", app=str(app), member=action.pod_name, answer=answer.kind)
        note = f"Asked {action.pod_name} for a rebalance (attempt {action.attempt})"
        if answer.kind == "ok":
            self._tell(raw, "RebalanceRequested", "Rebalance", note)
        else:
            note = f"{note}: {answer.reason or answer.kind}; it is tried again"
            self._tell(raw, "RebalanceRequestFailed", "Rebalance", note, warning=True)

    def _acknowledge(self, app: ObjectKey, raw: Raw) -> None:
        meta = raw["metadata"]
        # The UID keeps us from editing a namesake that was created meanwhile.
        patch = {"metadata": {"uid": meta["uid"], "annotations": {labels.REBALANCE: None}}}
        try:
            answer = self._requests.patch_merge(kinds.APP, app.namespace, app.name, patch)
        except NotFound:
            return
        self._stores[app.kind].overlay(answer)

    def _delete(self, app: ObjectKey, raw: Raw, action: DeletePod) -> None:
        """After a fresh read: the cache may show a pod that is another one by now (D50)."""
        try:
            live = self._requests.get(POD, app.namespace, action.name)
            if live["metadata"]["uid"] != action.uid or "deletionTimestamp" in live["metadata"]:
                return
            self._requests.delete(POD, app.namespace, action.name, uid=action.uid)
        except NotLeading:
            raise
        except NotFound:
            return
        except ApiError as error:
            log.warning("member not replaced", app=str(app), member=action.name, reason=error.reason)
            note = f"Pod {action.name} ({action.why}) could not be deleted: {error}; it is tried again"
            self._tell(raw, "MemberReplacementFailed", "ReplaceMember", note, warning=True)
            return
        self._turns.take(app)
        log.info("member replaced", app=str(app), member=action.name, uid=action.uid, why=action.why)
        number = action.name.rpartition("-")[2]
        legacy_metrics.member_terminated(app.namespace, app.name, number, reason=action.why)
        note = f"Deleted pod {action.name}: the member was {action.why}, only a new process ends that"
        self._tell(raw, "MemberReplaced", "ReplaceMember", note, warning=True)

    def _goodbye(self, key: ObjectKey, raw: Raw, app: KasprApp, action: SayGoodbye) -> None:
        if self._seatings is None:
            return
        self._seatings.say(key, app, action)
        log.info("goodbye", app=str(key), seat=action.instance_id, gone=action.gone_uid, why=action.why)
        note = f"Saying goodbye to Kafka for {action.instance_id} ({action.why}), whose pod is gone"
        self._tell(raw, "SayingGoodbye", "Goodbye", note)

    def _tell(self, raw: Raw, reason: str, action: str, note: str, *, warning: bool = False) -> None:
        kind = "Warning" if warning else "Normal"
        self._events.emit(raw, type=kind, reason=reason, action=action, note=note)


def _count(app: ObjectKey, manual: bool, success: bool, seconds: float) -> None:  # noqa: FBT001  # parts of one value
    """A rebalance that has come to its end, for the dashboards of the predecessor."""
    reason = "manual" if manual else "subscription_change"
    legacy_metrics.rebalanced(app.namespace, app.name, reason=reason, success=success, seconds=seconds)
