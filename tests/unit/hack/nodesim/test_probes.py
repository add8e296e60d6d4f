"""Probes turn when a kubelet that asks each period would have seen it."""

from __future__ import annotations

from typing import Any

import pytest

from hack.nodesim.probes import Probe, satisfied
from hack.nodesim.timings import Timings
from tests.unit.hack.nodesim.crew import Crew, reads
from tests.unit.hack.nodesim.scheduler import FakeScheduler

CONTAINER = {"name": "kaspr", "ports": [{"name": "http", "containerPort": 6065}]}


class Watched:
    """A probe of something that is fine or not."""

    def __init__(self, *, passing: bool = False, **spec: Any) -> None:
        self.clock = FakeScheduler()
        self.fine = False
        self.turns: list[tuple[float, bool]] = []
        self.probe = Probe(
            spec, lambda: self.fine, self.clock, Timings(scale=1.0), self.turned, passing=passing
        )

    def turned(self) -> None:
        self.turns.append((self.clock.now, self.probe.passing))

    def becomes(self, *, fine: bool, after: float) -> None:
        self.clock.advance(after)
        self.fine = fine
        self.probe.check()


def test_success_is_seen_at_the_next_period() -> None:
    """Initial delay 5, period 10: fine at 7 is seen at 15."""
    watched = Watched(initialDelaySeconds=5, periodSeconds=10)
    watched.becomes(fine=True, after=7)
    watched.clock.advance(60)
    assert watched.turns == [(15.0, True)]


def test_success_before_the_initial_delay_waits_for_it() -> None:
    """Nobody asks earlier."""
    watched = Watched(initialDelaySeconds=30, periodSeconds=10, successThreshold=2)
    watched.becomes(fine=True, after=1)
    watched.clock.advance(60)
    assert watched.turns == [(40.0, True)]


def test_failure_needs_its_threshold() -> None:
    """Three failed attempts, 10 s apart."""
    watched = Watched(passing=True, periodSeconds=10)
    watched.becomes(fine=False, after=5)
    watched.clock.advance(60)
    assert watched.turns == [(30.0, False)]


def test_a_short_fit_turns_nothing() -> None:
    """Fine again before the threshold."""
    watched = Watched(passing=True, periodSeconds=10)
    watched.becomes(fine=False, after=5)
    watched.becomes(fine=True, after=15)
    watched.clock.advance(60)
    assert watched.turns == []


@pytest.mark.parametrize(
    ("probe", "when", "fine"),
    [
        ({"httpGet": {"path": "/status/", "port": 6065}}, 2.0, False),
        ({"httpGet": {"path": "/status/", "port": 6065}}, 3.6, False),
        ({"httpGet": {"path": "/status/", "port": "http"}}, 4.1, True),
        ({"httpGet": {"path": "/", "port": "http"}}, 3.6, True),
        ({"httpGet": {"path": "/", "port": 7000}}, 30.0, False),
        ({"httpGet": {"path": "/nowhere", "port": 6065}}, 30.0, False),
        ({"tcpSocket": {"port": 6065}}, 2.0, False),
        ({"tcpSocket": {"port": 6065}}, 3.6, True),
        ({"exec": {"command": ["true"]}}, 1.0, True),
    ],
)
def test_probes_see_what_a_request_would(probe: dict[str, Any], when: float, *, fine: bool) -> None:
    """C9: refused, then 500, then 200."""
    crew = Crew()
    member = crew.start(0, reads("in"))
    crew.advance(when)
    assert satisfied(probe, CONTAINER, member) is fine


def test_a_frozen_member_fails_its_http_probe_but_takes_connections() -> None:
    """C11: the kernel still accepts for a stopped process."""
    crew = Crew()
    member = crew.running(1, reads("in"))[0]
    member.freeze()
    assert not satisfied({"httpGet": {"path": "/", "port": 6065}}, CONTAINER, member)
    assert satisfied({"tcpSocket": {"port": 6065}}, CONTAINER, member)
