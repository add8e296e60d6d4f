"""The old dashboards keep working, without the nine defects that made them lie (M1 to M9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kaspr_controller.telemetry import legacy_metrics as legacy
from kaspr_controller.telemetry.metrics import REGISTRY

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMESPACE, APP = "shop", "orders"


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    yield
    legacy.forget_app(NAMESPACE, APP)
    legacy.forget_app(NAMESPACE, "bills")


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"kasprop_{name}", {"app_name": APP, "namespace": NAMESPACE, **labels})


def series(app: str = APP) -> list[str]:
    return [
        sample.name
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.labels.get("app_name") == app and sample.labels.get("namespace") == NAMESPACE
    ]


def test_queue_depth_falls_and_wait_is_the_wait() -> None:
    """M1 and M2: what was begun is no longer waiting, and the wait is the one that was measured."""
    legacy.queued(NAMESPACE, APP)
    assert value("reconcile_queue_depth", component_name="") == 1
    legacy.begun(NAMESPACE, APP, waited=0.2)
    assert value("reconcile_queue_depth", component_name="") == 0
    assert value("reconcile_queue_wait_seconds_sum", component_name="") == pytest.approx(0.2)


def test_reconciles_and_their_errors() -> None:
    """A failure is counted in the total and by its type."""
    legacy.reconciled(NAMESPACE, APP, trigger="queue", seconds=0.3)
    legacy.reconciled(NAMESPACE, APP, trigger="queue", seconds=0.1, error="Conflict")
    labels = {"component_name": "", "trigger_source": "queue"}
    assert value("reconcile_total", **labels, result="success") == 1
    assert value("reconcile_total", **labels, result="failure") == 1
    assert value("reconcile_duration_seconds_sum", **labels, result="success") == pytest.approx(0.3)
    assert value("reconcile_errors_total", component_name="", error_type="Conflict") == 1


def test_series_known_in_advance_start_at_zero() -> None:
    """P1: the first rebalance is an increase, not a new series that `rate` cannot see."""
    legacy.begin_app(NAMESPACE, APP)
    reason = "subscription_change"
    assert value("rebalance_total", trigger_reason=reason, result="success") == 0
    legacy.rebalanced(NAMESPACE, APP, reason=reason, success=True, seconds=19)
    assert value("rebalance_total", trigger_reason=reason, result="success") == 1
    assert value("rebalance_duration_seconds_sum", trigger_reason=reason, result="success") == 19


def test_what_the_old_operator_never_set_is_set() -> None:
    """M3: transitions, sync errors, package configuration and package cache."""
    legacy.member_changed(NAMESPACE, APP, "0", before="rebalancing", after="running")
    legacy.synced(NAMESPACE, APP, resource="service", operation="patch", seconds=0.01, error="Forbidden")
    legacy.packages_configured(NAMESPACE, APP, auth=True, custom_index=False)
    legacy.package_cache(NAMESPACE, APP, total=200, used=50)
    states = {"member_id": "0", "from_state": "rebalancing", "to_state": "running"}
    assert value("member_state_transitions_total", **states) == 1
    resource = {"component_name": "", "resource_name": "", "resource_type": "service"}
    assert value("resource_sync_errors_total", **resource, error_type="Forbidden") == 1
    assert value("resource_sync_total", **resource, operation="patch", result="failure") == 1
    assert value("package_auth_enabled") == 1
    assert value("package_custom_index_enabled") == 0
    assert value("package_cache_usage_bytes", type="available") == 150
    assert value("package_cache_usage_percent") == 25


def test_an_installation_counts_once_however_often_it_is_seen() -> None:
    """M4: idle passes over a ready app do not raise the counters; a try after a failure is a retry."""
    for _ in range(5):
        legacy.packages_installed(NAMESPACE, APP, member="0", attempt="uid-1/0", error="timeout")
    assert value("package_install_total", result="failure") == 1
    assert value("package_install_timeouts_total") == 1
    assert value("package_install_errors_total", error_type="timeout") == 1
    for _ in range(5):
        legacy.packages_installed(NAMESPACE, APP, member="0", attempt="uid-1/1", seconds=12)
    assert value("package_install_total", result="success") == 1
    assert value("package_install_retries_total") == 1
    assert value("package_install_duration_seconds_sum") == 12
    legacy.packages_installed(NAMESPACE, APP, member="0", attempt="uid-2/0", seconds=12)
    assert value("package_install_retries_total") == 1, "a new pod after a success is no retry"


def test_hung_gauges_fall_with_the_recovery() -> None:
    """M5: a member that recovers by itself goes back to 0."""
    legacy.hung_now(NAMESPACE, APP, {"1": 300.0})
    legacy.hung_now(NAMESPACE, APP, {"1": 330.0})
    assert value("hung_member_consecutive_detections", member_id="1") == 1
    assert value("hung_member_duration_seconds", member_id="1") == 330
    legacy.hung_now(NAMESPACE, APP, {})
    assert value("hung_member_consecutive_detections", member_id="1") == 0
    assert value("hung_member_duration_seconds", member_id="1") == 0
    assert value("hung_members_detected_total", member_id="1") == 1
    legacy.hung_now(NAMESPACE, APP, {"1": 5.0})
    assert value("hung_members_detected_total", member_id="1") == 2


def test_terminations_and_status_fields() -> None:
    """M6 and M9: one call is one accepted deletion, and only the named fields count."""
    legacy.member_terminated(NAMESPACE, APP, "2", reason="hung")
    legacy.status_changed(NAMESPACE, APP, ["conditions", "members"])
    legacy.status_changed(NAMESPACE, APP, [])
    assert value("member_terminations_total", member_id="2", reason="hung") == 1
    assert value("status_updates_total", update_field="conditions") == 1


def fill(app: str) -> None:
    legacy.begin_app(NAMESPACE, app)
    legacy.queued(NAMESPACE, app, "prices")
    legacy.begun(NAMESPACE, app, "prices", waited=1)
    legacy.reconciled(NAMESPACE, app, "prices", trigger="timer", seconds=1, error="x")
    legacy.rebalanced(NAMESPACE, app, reason="manual", success=False, seconds=1)
    legacy.member_changed(NAMESPACE, app, "0", before="a", after="b")
    legacy.hung_now(NAMESPACE, app, {"0": 1.0})
    legacy.member_terminated(NAMESPACE, app, "0", reason="hung")
    legacy.synced(NAMESPACE, app, resource="service", operation="create", seconds=1, error="x")
    legacy.drifted(NAMESPACE, app, resource="service", fields=["spec.ports"])
    legacy.status_changed(NAMESPACE, app, ["members"])
    legacy.packages_installed(NAMESPACE, app, member="0", attempt="1", error="timeout")
    legacy.packages_installed(NAMESPACE, app, member="0", attempt="2", seconds=1)
    legacy.package_cache(NAMESPACE, app, total=1, used=1)


def test_every_series_of_a_deleted_app_is_gone() -> None:
    """M7: no leak, and no other app loses anything."""
    fill("bills")
    before = series("bills")
    fill(APP)
    assert {name.removesuffix("_bucket") for name in series()} >= {
        name.removesuffix("_bucket") for name in before
    }
    touched = {name for name in series() if name.startswith("kasprop_")}
    assert len(touched) > 25, "every metric of the module was set"
    legacy.forget_app(NAMESPACE, APP)
    assert series() == []
    assert series("bills") == before


def test_a_member_that_is_scaled_away_takes_its_series_along() -> None:
    """And comes back at nothing, not at what its predecessor had."""
    fill(APP)
    legacy.forget_member(NAMESPACE, APP, "0")
    assert value("hung_member_consecutive_detections", member_id="0") is None
    assert value("member_terminations_total", member_id="0", reason="hung") is None
    assert value("package_install_total", result="success") == 1
    legacy.hung_now(NAMESPACE, APP, {})
    assert value("hung_member_consecutive_detections", member_id="0") is None
