"""Meter: what a pass and a status write mean in the metrics of the existing operator (contract 7.3).

In: reconciles with their end, statuses before and after, members as they are judged. Out: numbers by the old names. Called by
workers; keeps nothing, the metrics are the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeAlias

from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.engine.clock import Clock
from kaspr_controller.engine.results import DONE, Result
from kaspr_controller.engine.settling import settle
from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.status.judging import SUSPECT, Group
from kaspr_controller.status.packaging import Install
from kaspr_controller.telemetry import legacy_metrics

_Fault: TypeAlias = Literal["timeout", "network", "invalid_package", "unknown"]
_FAULTS: Mapping[str, _Fault] = {
    "timeout": "timeout",
    "network": "network",
    "package_not_found": "invalid_package",
    "hash_mismatch": "invalid_package",
}
"""The old words for the categories of the installer; there is none for credentials."""
_SOURCE = "queue"
"""`trigger_source` of the passes over apps; there are no timers."""


def metered(reconcile: Callable[[ObjectKey], Result], clock: Clock) -> Callable[[ObjectKey], Result]:
    """The passes over apps, counted and timed; waiting for something is no failure."""

    def run(key: ObjectKey) -> Result:
        began, reason = clock.monotonic(), ""
        try:
            result = reconcile(key)
        except Exception as error:
            if settle(error).result == "error":
                reason = str(getattr(error, "reason", type(error).__name__))
            _ended(key, clock.monotonic() - began, reason)
            raise
        if result is not DONE:  # the app is gone, and so are its series
            _ended(key, clock.monotonic() - began, "")
        return result

    return run


def _ended(key: ObjectKey, seconds: float, error: str) -> None:
    legacy_metrics.reconciled(key.namespace, key.name, trigger=_SOURCE, seconds=seconds, error=error)


def status_written(app: ObjectKey, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """After a status of an app was written: what is another one now, and which members changed their state."""
    if not old:
        legacy_metrics.begin_app(app.namespace, app.name)
        return
    changed = [field for field in {**old, **new} if old.get(field) != new.get(field)]
    legacy_metrics.status_changed(app.namespace, app.name, changed)
    before, after = _states(old), _states(new)
    for member, state in after.items():
        if member in before and before[member] != state:
            legacy_metrics.member_changed(app.namespace, app.name, "", before=before[member], after=state)
    for member in before.keys() - after.keys():
        legacy_metrics.forget_member(app.namespace, app.name, member)


def _states(status: Mapping[str, Any]) -> dict[str, str]:
    return {str(member["id"]): _state(member) for member in status.get("members") or ()}


def _state(member: Mapping[str, Any]) -> str:
    if member.get("recovering"):
        return "recovering"
    return "rebalancing" if member.get("rebalancing") else "running" if "rebalancing" in member else "unknown"


def judged(key: ObjectKey, app: KasprApp, group: Group) -> None:
    """Once a pass: who hangs, and how the packages of the app are configured."""
    hung = {str(member.pod.ordinal): member.age for member in group.members if member.state in SUSPECT}
    legacy_metrics.hung_now(key.namespace, key.name, hung)
    packages = app.spec.python_packages
    if packages is not None:
        legacy_metrics.packages_configured(
            key.namespace,
            key.name,
            auth=packages.credentials is not None,
            custom_index=packages.index_url is not None,
        )


def installed(key: ObjectKey, installs: Iterable[Install]) -> None:
    """Once a pass: the installations of packages that have ended; who found a finished set has installed nothing."""
    for each in installs:
        if each.ended and (each.own or each.state == "failed"):
            legacy_metrics.packages_installed(
                key.namespace,
                key.name,
                member=each.pod.rpartition("-")[2],
                attempt=each.ended,
                seconds=each.seconds,
                error=_FAULTS.get(each.category, "unknown") if each.state == "failed" else "",
            )
