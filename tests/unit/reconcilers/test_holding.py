"""First statuses that say nothing yet wait; everything else is written at once (decision record 0007)."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.kube.kinds import Kind, ObjectKey, Raw
from kaspr_controller.reconcilers import kinds
from kaspr_controller.reconcilers.caches import make_stores
from kaspr_controller.reconcilers.holding import (
    APP_SECONDS,
    COMPONENT_SECONDS,
    LIMIT,
    MISSING_SECONDS,
    Hold,
)
from kaspr_controller.reconcilers.reporting import Reporter
from tests.fakes.clock import FakeClock

AGENT = ObjectKey("KasprAgent", "shop", "enrich")
APP = ObjectKey("KasprApp", "shop", "orders")


def status(ready: str, reason: str, **conditions: str) -> dict[str, Any]:
    found = [{"type": "Ready", "status": ready, "reason": reason, "message": ""}]
    found += [
        {"type": name, "status": value, "reason": reason, "message": ""} for name, value in conditions.items()
    ]
    return {"conditions": found}


ROLLING = status("False", "RolloutInProgress", Accepted="True", Reconciling="True")
MISSING = status("False", "AppNotFound", Reconciling="True")
READY = status("True", "Applied", Accepted="True")
BROKEN = status("False", "InvalidSpec", Accepted="False", Stalled="True")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.mark.parametrize(
    ("key", "new", "seconds"),
    [(AGENT, ROLLING, COMPONENT_SECONDS), (AGENT, MISSING, MISSING_SECONDS), (APP, ROLLING, APP_SECONDS)],
)
def test_what_is_on_its_way_waits_from_its_first_look_on(
    clock: FakeClock, key: ObjectKey, new: dict[str, Any], seconds: float
) -> None:
    """Later looks do not begin the wait anew, and after it the status is written."""
    hold = Hold(clock)
    assert hold.remaining(key, "u", {}, new) == seconds
    clock.advance(seconds - 0.5)
    assert hold.remaining(key, "u", {}, new) == pytest.approx(0.5)
    clock.advance(0.5)
    assert hold.remaining(key, "u", {}, new) == 0


@pytest.mark.parametrize("new", [READY, BROKEN, {**ROLLING, "rebalance": {"state": "Pending"}}])
def test_news_does_not_wait(clock: FakeClock, new: dict[str, Any]) -> None:
    """Ready, an error, and a decision about members that is acted on once it is stored."""
    assert Hold(clock).remaining(AGENT, "u", {}, new) == 0


@pytest.mark.parametrize("old", [READY, BROKEN, ROLLING])
def test_what_a_user_was_told_is_corrected_at_once(clock: FakeClock, old: dict[str, Any]) -> None:
    """Only an object of which nothing was said yet may be silent a little longer."""
    assert Hold(clock).remaining(AGENT, "u", old, ROLLING) == 0


def test_components_let_children_go_first_but_not_for_ever(clock: FakeClock) -> None:
    """In a burst of apps, what makes them run is written before what tells about it."""
    hold = Hold(clock, busy=lambda: True)
    waited = 0.0
    while wait := hold.remaining(AGENT, "u", {}, ROLLING):
        clock.advance(wait)
        waited += wait
    assert COMPONENT_SECONDS < waited <= LIMIT


def test_a_namesake_waits_for_itself(clock: FakeClock) -> None:
    """An object that was deleted while held leaves nothing to its successor."""
    hold = Hold(clock)
    hold.remaining(AGENT, "first", {}, ROLLING)
    clock.advance(COMPONENT_SECONDS)
    assert hold.remaining(AGENT, "second", {}, ROLLING) == COMPONENT_SECONDS


class _Api:
    def __init__(self) -> None:
        self.written: list[Any] = []

    def apply(self, obj: Raw, *, kind: Kind | None = None, subresource: str | None = None) -> Raw:
        self.written.append(obj["status"])
        return {**obj, "metadata": {**obj["metadata"], "resourceVersion": "2"}}

    def emit(self, regarding: Raw, **_event: str) -> None:
        """No Event is of interest here."""


def test_what_is_held_back_is_looked_at_again_in_time(clock: FakeClock) -> None:
    """Nothing else may ever wake the object: the reporter itself sees to it that its status comes."""
    api, later = _Api(), list[tuple[ObjectKey, float]]()
    reporter = Reporter(
        client=api,
        stores=make_stores(),
        events=api,
        hold=Hold(clock),
        later=lambda key, seconds: later.append((key, seconds)),
    )
    raw = {
        "apiVersion": "kaspr.io/v1alpha1",
        "kind": "KasprAgent",
        "metadata": {"name": "enrich", "namespace": "shop", "uid": "u", "resourceVersion": "1"},
    }
    kind = next(kind for kind in kinds.COMPONENTS if kind.kind == "KasprAgent")
    assert not reporter.report(raw, ROLLING, kind)
    assert (api.written, later) == ([], [(AGENT, COMPONENT_SECONDS)])
    clock.advance(later[0][1])
    assert reporter.report(raw, ROLLING, kind)
    assert len(api.written) == 1
