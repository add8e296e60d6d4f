"""Health checks: pure functions, each with what it accepts and what it refuses (rule O1)."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.engine import health
from kaspr_controller.engine.health import Check
from kaspr_controller.engine.informer import InformerView
from kaspr_controller.engine.workers import Running
from tests.unit.engine.things import key


def informer(kind: str = "Pod", **more: Any) -> InformerView:
    usual: dict[str, Any] = {"alive": True, "synced": True, "restarts": 0, "silence": 5.0, "last_error": ""}
    seen = {**usual, **more}
    return InformerView(kind=kind, **{"unanswered": seen["silence"], **seen})


def test_threads() -> None:
    """O1: every thread that was started runs."""
    assert health.threads_alive({"elector": True}) == Check("threads", ok=True)
    assert health.threads_alive({"b": False, "elector": True, "a": False}) == Check(
        "threads", ok=False, message="not running: a, b"
    )


@pytest.mark.parametrize(("seconds", "ok"), [(119.0, True), (120.0, True), (120.1, False)])
def test_stuck_workers(seconds: float, ok: bool) -> None:  # noqa: FBT001
    """R3, O1: a run over 120 s."""
    check = health.workers_move([Running(key("a"), 1, 3.0, "x"), Running(key("b"), 2, seconds, "y")])
    assert check.ok is ok
    assert check.message == ("" if ok else "stuck: Thing/ns/b for 120 s")


def test_no_runs() -> None:
    """Idle workers are healthy."""
    assert health.workers_move([]).ok


def test_a_silent_watch_among_others() -> None:
    """O1: silent for over 10 minutes while another watch hears something."""
    views = [informer("Pod", silence=20.0), informer("Secret", silence=601.0, last_error="Timeout: no")]
    assert health.watches_hear(views) == Check(
        "watches", ok=False, message="silent: Secret for 601 s (Timeout: no)"
    )
    assert health.watches_hear([informer(silence=600.0), informer(silence=20.0)]).ok


def test_a_watch_that_is_refused_is_not_dead() -> None:
    """A right that was taken away: a restart would end in a process that never gets ready."""
    views = [informer("Pod"), informer("Table", silence=5000.0, unanswered=30.0, last_error="Forbidden: no")]
    assert health.watches_hear(views).ok


def test_when_all_are_silent_the_server_is_away() -> None:
    """A3: liveness never depends on the API server."""
    assert health.watches_hear([informer(silence=5000.0), informer(silence=3600.0)]).ok
    assert health.watches_hear([]).ok


def test_readiness_ends_after_ten_minutes_without_a_server() -> None:
    """A3: ready for 10 minutes of an outage, then not; a dead watch alone does not unready us."""
    assert health.caches_fresh([informer(silence=599.0), informer(silence=700.0)]).ok
    assert health.caches_fresh([informer(silence=601.0), informer(silence=700.0)]) == Check(
        "api-server", ok=False, message="nothing heard for 601 s"
    )
    assert health.caches_fresh([]).ok


@pytest.mark.parametrize(
    ("leading", "left", "ok"),
    [(True, 8.0, True), (True, -9.0, True), (True, -11.0, False), (False, float("-inf"), True)],
)
def test_lease(leading: bool, left: float, ok: bool) -> None:  # noqa: FBT001
    """O1: leading with a renewal that is long overdue means that the elector hangs."""
    assert health.lease_fresh(leading=leading, left=left).ok is ok


def test_caches_synced() -> None:
    """O1: readyz = caches synced."""
    assert health.caches_synced([informer(), informer()]).ok
    assert health.caches_synced(
        [informer("B", synced=False), informer("A", synced=False), informer("C")]
    ) == Check("caches", ok=False, message="not synced: A, B")
    missing = informer("A", synced=False, last_error="Forbidden: cannot list")
    assert health.caches_synced([missing]).message == "not synced: A (Forbidden: cannot list)"


@pytest.mark.parametrize(("restarts", "ok"), [(2, True), (3, False)])
def test_restless_reflectors(restarts: int, ok: bool) -> None:  # noqa: FBT001
    """W8: three restarts in ten minutes show in readyz."""
    check = health.reflectors_stable([informer("Pod", restarts=restarts)])
    assert check.ok is ok
    assert ("Pod 3 times" in check.message) is not ok
