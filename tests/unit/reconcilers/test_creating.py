"""Pods that cannot be created: who is asked, how often, and what is made of the answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from kaspr_controller.kube.errors import Forbidden
from kaspr_controller.kube.kinds import Kind, ObjectKey
from kaspr_controller.kube.listing import Page
from kaspr_controller.reconcilers.creating import INTERVAL_SECONDS, Creating, newest_refusal
from kaspr_controller.status.pods import Trouble
from tests.fakes.clock import FakeClock

APP = ObjectKey("KasprApp", "shop", "orders")
OTHER = ObjectKey("KasprApp", "shop", "clicks")
QUOTA = 'pods "orders-app-1" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1'
REFUSED = Trouble("QuotaExceeded", QUOTA)


def workload(uid: str = "w") -> dict[str, Any]:
    return {"metadata": {"name": "orders-app", "namespace": "shop", "uid": uid}}


def event(words: str, *, pod: str = "orders-app-1", **times: Any) -> dict[str, Any]:
    note = f"create Pod {pod} in StatefulSet orders-app failed error: {words}"
    return {"note": note, **(times or {"eventTime": "2026-01-02T03:04:05Z"})}


class Server:
    """Lists Events; `asked` counts how often."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.events = list(events)
        self.asked: list[str] = []
        self.fault: Exception | None = None

    def list_pages(self, kind: Kind, namespace: str | None = None, *, field_selector: str) -> Iterator[Page]:
        assert (kind.plural, namespace) == ("events", "shop")
        self.asked.append(field_selector)
        if self.fault is not None:
            raise self.fault
        yield Page([*self.events], "1")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_asks_once_a_minute_while_pods_are_missing(clock: FakeClock) -> None:
    """A pod that comes within a minute costs no request; one that does not costs one a minute."""
    server = Server(event(QUOTA))
    creating = Creating(server, clock)
    assert creating.look(APP, workload(), {"orders-app-1"}) is None
    assert creating.after(APP) == INTERVAL_SECONDS
    clock.advance(INTERVAL_SECONDS - 1)
    assert creating.look(APP, workload(), {"orders-app-1"}) is None
    assert server.asked == []
    clock.advance(1)
    for _ in range(3):
        assert creating.look(APP, workload(), {"orders-app-1"}) == REFUSED
    assert server.asked == ["regarding.uid=w,reason=FailedCreate"]
    clock.advance(INTERVAL_SECONDS)
    server.events.clear()
    assert creating.look(APP, workload(), {"orders-app-1"}) is None
    assert len(server.asked) == 2


def test_pods_that_are_there_end_the_asking(clock: FakeClock) -> None:
    """What was known of a shortage is no news once it is over, nor of another incarnation."""
    server = Server(event(QUOTA))
    creating = Creating(server, clock)
    creating.look(APP, workload(), {"orders-app-1"})
    clock.advance(INTERVAL_SECONDS)
    assert creating.look(APP, workload(), {"orders-app-1"}) == REFUSED
    assert creating.look(APP, workload("new"), {"orders-app-1"}) is None
    assert creating.look(APP, workload("new"), ()) is None
    assert creating.after(APP) is None
    creating.look(APP, workload(), {"orders-app-1"})
    assert creating.look(APP, None, {"orders-app-1"}) is None
    assert creating.after(APP) is None


def test_apps_take_turns(clock: FakeClock) -> None:
    """In a burst the pods of many apps are late together, and nobody refuses them."""
    server = Server(event(QUOTA))
    creating = Creating(server, clock)
    for app in (APP, OTHER):
        creating.look(app, workload(), {"orders-app-1"})
    clock.advance(INTERVAL_SECONDS)
    assert creating.look(APP, workload(), {"orders-app-1"}) == REFUSED
    assert creating.look(OTHER, workload(), {"orders-app-1"}) is None
    assert len(server.asked) == 1
    clock.advance(INTERVAL_SECONDS)
    assert creating.look(OTHER, workload(), {"orders-app-1"}) == REFUSED


def test_without_the_right_nothing_is_known(clock: FakeClock) -> None:
    """Who may not list Events is told that pods are missing, which others see without them."""
    server = Server()
    server.fault = Forbidden("no")
    creating = Creating(server, clock)
    creating.look(APP, workload(), {"orders-app-1"})
    clock.advance(INTERVAL_SECONDS)
    assert creating.look(APP, workload(), {"orders-app-1"}) is None


def test_the_newest_word_about_a_missing_pod_counts() -> None:
    """Both kinds of Events; an old one about a pod that is there by now is none."""
    old = event("old", deprecatedLastTimestamp="2026-01-02T03:04:05Z", eventTime=None)
    new = event(
        'admission webhook "x" denied the request', series={"lastObservedTime": "2026-01-02T04:00:00Z"}
    )
    other = event("other", pod="orders-app-0", eventTime="2026-01-03T00:00:00Z")
    found = newest_refusal([other, new, old], {"orders-app-1"})
    assert found == Trouble("PodsRefused", 'admission webhook "x" denied the request')
    assert newest_refusal([other], {"orders-app-1"}) is None
    assert newest_refusal([{}], {"orders-app-1"}) is None
    long = newest_refusal([event("x" * 9000)], {"orders-app-1"})
    assert long is not None
    assert len(long.message) <= 300
