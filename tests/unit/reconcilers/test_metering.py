"""The numbers that dashboards of the existing operator show, fed by what really happened, and gone with their app."""

from __future__ import annotations

import pytest

from kaspr_controller.engine.results import DONE, Result, Transient, Wait
from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.reconcilers.metering import metered
from kaspr_controller.telemetry.metrics import REGISTRY
from tests.fakes.clock import FakeClock
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP
from tests.unit.reconcilers.world import WORKLOAD, World

ITS = {"app_name": "orders", "namespace": "shop"}
NAMELESS = {"component_name": "", "resource_name": ""}


@pytest.fixture(autouse=True)
def _clean() -> None:
    """Every test begins without series of the app: they live as long as the process."""
    forget()


def forget() -> None:
    world = World()
    world.reconcile(APP)


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"kasprop_{name}", {**ITS, **labels}) or 0.0


def series() -> list[str]:
    return [
        sample.name
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.labels.items() >= ITS.items()
    ]


def started() -> World:
    world = World()
    world.start(resources.app(replicas=2), resources.agent("a"))
    return world


def test_writes_are_counted_by_type_and_operation() -> None:
    """Contract 7.3: both Services apart, and no names of children."""
    started()
    for type_, count in (("service", 1), ("headless_service", 1), ("config_map", 2), ("stateful_set", 1)):
        labels = {**NAMELESS, "resource_type": type_, "operation": "create", "result": "success"}
        assert value("resource_sync_total", **labels) == count, type_


def test_drift_is_what_somebody_else_changed() -> None:
    """D: an edit of ours is no drift, an edit of a stranger is, by the field."""
    world = started()
    world.user(resources.app(replicas=3), resources.agent("a", "clicks"))
    world.settle()
    labels = {**NAMELESS, "resource_type": "stateful_set", "drift_field": "spec.template"}
    assert value("resource_drift_detected_total", **labels) == 0
    path = ("spec", "template", "spec", "serviceAccountName")
    world.cluster.edit(WORKLOAD, *path, to="other", manager="admission-bot")
    world.settle()
    assert value("resource_drift_detected_total", **labels) == 1


def test_status_fields_are_counted_when_they_change() -> None:
    """M9: the first status is no change, an idle hour neither."""
    world = started()
    before = value("status_updates_total", update_field="conditions")
    world.settle(3600.0)
    assert value("status_updates_total", update_field="conditions") == before
    world.user(resources.app(replicas=3))
    world.settle()
    assert value("status_updates_total", update_field="availableMembers") >= 1


def test_no_series_outlives_its_app() -> None:
    """M7: whatever was counted; the last pass, which finds the app gone, counts nothing."""
    world = started()
    assert series()
    world.remove(resources.app())
    world.watch()
    assert metered(world.reconcile, world.clock)(APP) is DONE
    assert series() == []


def test_a_pass_that_fails_is_counted_by_its_reason() -> None:
    """Waiting is no failure; the time is that of the pass."""
    clock = FakeClock()
    ends: list[Result | Exception] = [
        Result(requeue_after=1.0),
        Wait("Quota", "later", after=1.0),
        Transient("ServerError", "x"),
    ]

    def reconcile(key: ObjectKey) -> Result:
        del key
        clock.advance(0.5)
        end = ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end

    run = metered(reconcile, clock)
    run(APP)
    for kind in (Wait, Transient):
        with pytest.raises(kind):
            run(APP)
    labels = {"component_name": "", "trigger_source": "queue"}
    assert value("reconcile_total", **labels, result="success") == 2
    assert value("reconcile_total", **labels, result="failure") == 1
    assert value("reconcile_errors_total", component_name="", error_type="ServerError") == 1
    assert value("reconcile_duration_seconds_sum", **labels, result="success") == pytest.approx(1.0)
