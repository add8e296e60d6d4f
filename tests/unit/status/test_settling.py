"""The first pod waits for its definitions (real-runtime C2)."""

from __future__ import annotations

from datetime import UTC, datetime

from kaspr_controller.status.settling import wait_before_first_pod

NOW = datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)


def wait(*created: str, seen_for: float = 1.0) -> float:
    return wait_before_first_pod(created, now=NOW, seen_for=seen_for, quiet=2.0, limit=15.0)


def test_it_waits_until_nothing_was_added_for_a_moment() -> None:
    """C2: the newest of app and components decides."""
    assert wait("2026-01-01T00:00:00Z", "2026-01-01T00:00:08Z") == 1.0
    assert wait("2026-01-01T00:00:00Z", "2026-01-01T00:00:07Z") == 0.0


def test_whole_seconds_do_not_shorten_the_wait() -> None:
    """A timestamp is cut: an object of 09.9 says 09, and at 10.0 it is a tenth of a second old, not a whole one."""
    assert wait("2026-01-01T00:00:09Z") == 2.0


def test_an_old_app_is_not_delayed() -> None:
    """A controller that starts beside an app from yesterday goes at once."""
    assert wait("2025-12-31T00:00:00Z") == 0.0


def test_the_wait_is_bounded_by_our_own_clock() -> None:
    """A server clock that is an hour ahead delays the app by the limit, no longer."""
    assert wait("2026-01-01T01:00:00Z", seen_for=0.0) == 2.0
    assert wait("2026-01-01T01:00:00Z", seen_for=14.5) == 0.5
    assert wait("2026-01-01T01:00:00Z", seen_for=15.0) == 0.0


def test_a_stream_of_additions_ends_at_the_limit() -> None:
    """Someone who adds a component every second still gets pods."""
    assert wait("2026-01-01T00:00:10Z", seen_for=15.0) == 0.0
