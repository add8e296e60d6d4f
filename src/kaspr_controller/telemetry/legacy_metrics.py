"""The metrics of the old operator, by its names, for the dashboards that query them (contract 7.3).

They are set through the functions here, by the reconcilers and the workers, from any thread. Each function says when it
is called, and that is what ends the old defects M1 to M9: a gauge that rises also falls, a duration is that of the thing
it names, only what happened is counted, once, and `forget_app` removes every series of an app that is gone. Names of
apps are labels because the dashboards select by them (the exception to rule P2); nothing else adds such labels.

What it costs: a series of a counter 0.65 KiB, of a histogram 3.2 KiB. With the names of components and children an app of
five components would have 60 KiB, a thousand of them half of what the whole program may use. So these labels are there and
empty, and the length of writes, which is no matter of an app, has no names at all: 7 to 15 KiB an app.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Literal

from prometheus_client import Counter, Gauge, Histogram

from kaspr_controller.telemetry.metrics import REGISTRY

_APP = ("app_name", "namespace")
_MEMBER = ("app_name", "namespace", "member_id")
_COMPONENT = ("app_name", "component_name", "namespace")
_RECONCILE = (*_COMPONENT, "trigger_source", "result")
_REBALANCE = (*_APP, "trigger_reason", "result")
_RESOURCE = ("app_name", "component_name", "resource_name", "namespace", "resource_type")
_MINUTES = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_WAITS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0)
_CALLS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_RECONCILES = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


_all: list[Counter | Gauge | Histogram] = []
"""Every metric of this module: each has the labels `app_name` and `namespace`."""


def _counter(name: str, text: str, labels: tuple[str, ...]) -> Counter:
    metric = Counter(f"kasprop_{name}", text, labels, registry=REGISTRY)
    _all.append(metric)
    return metric


def _gauge(name: str, text: str, labels: tuple[str, ...]) -> Gauge:
    metric = Gauge(f"kasprop_{name}", text, labels, registry=REGISTRY)
    _all.append(metric)
    return metric


def _histogram(name: str, text: str, labels: tuple[str, ...], buckets: tuple[float, ...]) -> Histogram:
    metric = Histogram(f"kasprop_{name}", text, labels, buckets=buckets, registry=REGISTRY)
    _all.append(metric)
    return metric


_reconcile_seconds = _histogram(
    "reconcile_duration_seconds", "Length of a reconcile", _RECONCILE, _RECONCILES
)
_reconciles = _counter("reconcile_total", "Reconciles", _RECONCILE)
_reconcile_errors = _counter("reconcile_errors_total", "Reconciles that failed", (*_COMPONENT, "error_type"))
_queue_depth = _gauge("reconcile_queue_depth", "1 while a reconcile is waiting", _COMPONENT)
_queue_wait = _histogram("reconcile_queue_wait_seconds", "Time from ready to begun", _COMPONENT, _WAITS)
_rebalance_seconds = _histogram(
    "rebalance_duration_seconds", "Time from the signal until all members are calm", _REBALANCE, _MINUTES
)
_rebalances = _counter("rebalance_total", "Requested rebalances that ended", _REBALANCE)
_transitions = _counter(
    "member_state_transitions_total", "Changes of a member's state", (*_MEMBER, "from_state", "to_state")
)
_hung_detections = _counter("hung_members_detected_total", "Detections of a hung member", _MEMBER)
_hung_strikes = _gauge("hung_member_consecutive_detections", "Detections in a row, 0 when healthy", _MEMBER)
_hung_seconds = _gauge("hung_member_duration_seconds", "Time hung so far, 0 when healthy", _MEMBER)
_terminations = _counter("member_terminations_total", "Members that were restarted", (*_MEMBER, "reason"))
_sync_seconds = _histogram(
    "resource_sync_duration_seconds", "Length of a write", (*_RESOURCE, "operation", "result"), _CALLS
)
_syncs = _counter("resource_sync_total", "Writes of child objects", (*_RESOURCE, "operation", "result"))
_sync_errors = _counter("resource_sync_errors_total", "Failed writes", (*_RESOURCE, "error_type"))
_drifts = _counter(
    "resource_drift_detected_total", "Fields that others had changed", (*_RESOURCE, "drift_field")
)
_status_updates = _counter("status_updates_total", "Status fields that changed", (*_APP, "update_field"))
_install_seconds = _histogram("package_install_duration_seconds", "Length of an installation", _APP, _MINUTES)
_installs = _counter("package_install_total", "Installations that ended", (*_APP, "result"))
_install_errors = _counter("package_install_errors_total", "Installations that failed", (*_APP, "error_type"))
_auth = _gauge("package_auth_enabled", "1 when the package index needs credentials", _APP)
_custom_index = _gauge("package_custom_index_enabled", "1 when the package index is not the public one", _APP)
_cache_bytes = _gauge("package_cache_usage_bytes", "Space of the package cache", (*_APP, "type"))
_cache_percent = _gauge("package_cache_usage_percent", "Used space of the package cache", _APP)
_install_retries = _counter("package_install_retries_total", "Installations that were tried again", _APP)
_install_timeouts = _counter("package_install_timeouts_total", "Installations that took too long", _APP)

_lock = threading.Lock()
_hung: dict[tuple[str, str], dict[str, bool]] = {}
_installed: dict[tuple[str, str], dict[str, tuple[str, bool]]] = {}


def begin_app(namespace: str, app: str) -> None:
    """When an app is seen first: the series whose labels are known in advance start at 0 (rule P1)."""
    for result in ("success", "failure"):
        _rebalances.labels(app, namespace, "subscription_change", result)


def forget_app(namespace: str, app: str) -> None:
    """When an app is gone for good: no series of it remains, those of its components and members included (M7)."""
    for metric in _all:
        metric.remove_by_labels({"app_name": app, "namespace": namespace})
    with _lock:
        _hung.pop((namespace, app), None)
        _installed.pop((namespace, app), None)


def forget_member(namespace: str, app: str, member: str) -> None:
    """When a member is scaled away: its series go, those of the app stay."""
    labels = {"app_name": app, "namespace": namespace, "member_id": member}
    for metric in (_transitions, _hung_detections, _hung_strikes, _hung_seconds, _terminations):
        metric.remove_by_labels(labels)
    with _lock:
        _hung.get((namespace, app), {}).pop(member, None)
        _installed.get((namespace, app), {}).pop(member, None)


def queued(namespace: str, app: str, component: str = "") -> None:
    """When a key becomes ready in the queue."""
    _queue_depth.labels(app, component, namespace).set(1)


def begun(namespace: str, app: str, component: str = "", *, waited: float) -> None:
    """When a worker takes the key: the depth falls (M1); `waited` is the time in seconds since it was ready (M2)."""
    _queue_depth.labels(app, component, namespace).set(0)
    _queue_wait.labels(app, component, namespace).observe(waited)


def reconciled(
    namespace: str, app: str, component: str = "", *, trigger: str, seconds: float, error: str = ""
) -> None:
    """When a reconcile has ended; `error` is the reason of its failure, "" when it did its work."""
    labels = (app, component, namespace, trigger, "failure" if error else "success")
    _reconcile_seconds.labels(*labels).observe(seconds)
    _reconciles.labels(*labels).inc()
    if error:
        _reconcile_errors.labels(app, component, namespace, error).inc()


def rebalanced(namespace: str, app: str, *, reason: str, success: bool, seconds: float) -> None:
    """When a requested rebalance is over: all members calm again, or given up. `seconds` since the signal (M8)."""
    labels = (app, namespace, reason, "success" if success else "failure")
    _rebalances.labels(*labels).inc()
    _rebalance_seconds.labels(*labels).observe(seconds)


def member_changed(namespace: str, app: str, member: str, *, before: str, after: str) -> None:
    """When a member's judged state differs from that of the status before (M3); the caller compares."""
    _transitions.labels(app, namespace, member, before, after).inc()


def hung_now(namespace: str, app: str, hung: Mapping[str, float]) -> None:
    """Once a pass: every member that hangs now, with the seconds so far; the others are at 0 (M5).

    A detection is the beginning of it: there are no strikes, since time is what counts.
    """
    with _lock:
        known = _hung.get((namespace, app), {})
        if not known and not hung:
            return
        begun = [member for member in hung if not known.get(member)]
        _hung[namespace, app] = dict.fromkeys(known, False) | dict.fromkeys(hung, True)
        members = list(_hung[namespace, app])
    for member in begun:
        _hung_detections.labels(app, namespace, member).inc()
    for member in members:
        _hung_strikes.labels(app, namespace, member).set(member in hung)
        _hung_seconds.labels(app, namespace, member).set(hung.get(member, 0.0))


def member_terminated(namespace: str, app: str, member: str, *, reason: str) -> None:
    """After the API server has accepted the deletion of the pod, not before (M6)."""
    _terminations.labels(app, namespace, member, reason).inc()


def synced(
    namespace: str,
    app: str,
    *,
    resource: str,
    operation: Literal["create", "patch", "delete"],
    seconds: float | None = None,
    error: str = "",
) -> None:
    """After a write of a child object; `resource` is its type, `error` the reason when it failed (M3)."""
    result = "failure" if error else "success"
    if seconds is not None:
        _sync_seconds.labels("", "", "", "", resource, operation, result).observe(seconds)
    labels = (app, "", "", namespace, resource)
    _syncs.labels(*labels, operation, result).inc()
    if error:
        _sync_errors.labels(*labels, error).inc()


def drifted(namespace: str, app: str, *, resource: str, fields: Iterable[str]) -> None:
    """When fields of ours were found changed by somebody else; `fields` without list indices, to stay few."""
    for field in fields:
        _drifts.labels(app, "", "", namespace, resource, field).inc()


def status_changed(namespace: str, app: str, fields: Iterable[str]) -> None:
    """After a status write: the top-level fields whose value is another one now (M9)."""
    for field in fields:
        _status_updates.labels(app, namespace, field).inc()


def packages_configured(namespace: str, app: str, *, auth: bool, custom_index: bool) -> None:
    """Whenever the package spec is rendered (M3)."""
    _auth.labels(app, namespace).set(auth)
    _custom_index.labels(app, namespace).set(custom_index)


def packages_installed(
    namespace: str,
    app: str,
    *,
    member: str,
    attempt: str,
    seconds: float | None = None,
    error: Literal["", "timeout", "network", "invalid_package", "unknown"] = "",
) -> None:
    """Whenever an ended installation is seen; each is counted once (M4).

    Args:
        namespace: namespace of the app.
        app: name of the app.
        member: the member that installed.
        attempt: names this installation, for example pod UID and restart count of the init container.
        seconds: its length, None when unknown.
        error: why it failed, "" when it did not.
    """
    with _lock:
        seen = _installed.setdefault((namespace, app), {})
        last, failed = seen.get(member, ("", False))
        if last == attempt:
            return
        seen[member] = (attempt, bool(error))
    _installs.labels(app, namespace, "failure" if error else "success").inc()
    if failed:
        _install_retries.labels(app, namespace).inc()
    if error:
        _install_errors.labels(app, namespace, error).inc()
    if error == "timeout":
        _install_timeouts.labels(app, namespace).inc()
    if seconds is not None:
        _install_seconds.labels(app, namespace).observe(seconds)


def package_cache(namespace: str, app: str, *, total: int, used: int) -> None:
    """Whenever the size of the package cache is known, in bytes (M3)."""
    for kind, value in (("total", total), ("used", used), ("available", total - used)):
        _cache_bytes.labels(app, namespace, kind).set(value)
    _cache_percent.labels(app, namespace).set(100 * used / total if total else 0)
