"""The kubelet's probes, without polling: a member says when it changes, a probe then knows when it would flip.

In: a probe of the pod spec and a member. Out: `passing` and a callback when it turns. Called by the pod workers on
the scheduler's thread. Invariant: success is seen at the next period after the initial delay, failure only after
`failureThreshold` periods, as a kubelet that asks each `periodSeconds` would.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from hack.nodesim.answers import answer
from hack.nodesim.environment import Raw
from hack.nodesim.member import Member, Phase
from hack.nodesim.timings import Scheduler, Timer, Timings

OK = range(200, 400)


def satisfied(probe: Raw, container: Raw, member: Member | None) -> bool:
    """Return what one attempt of a probe would find now; `exec` and `grpc` only see whether the process lives."""
    if member is None:
        return True
    for kind in ("httpGet", "tcpSocket"):
        if probe.get(kind):
            open_ = member.serves and port_of(probe[kind]["port"], container) == member.settings.web_port
            if kind == "tcpSocket" or not open_:
                return open_
            response = answer(member, "GET", probe[kind].get("path") or "/")
            return response is not None and response.body_follows and response.status in OK
    return member.phase is not Phase.ENDED and not member.frozen


def port_of(port: int | str, container: Raw) -> int | None:
    """Return the number behind a port, which may be a name of the container's ports."""
    if isinstance(port, int):
        return port
    named = {entry.get("name"): entry["containerPort"] for entry in container.get("ports") or ()}
    return named.get(port) or (int(port) if port.isdecimal() else None)


class Probe:
    """One probe of one running container."""

    def __init__(  # spec, what it asks, the clock, what follows
        self,
        spec: Raw,
        attempt: Callable[[], bool],
        scheduler: Scheduler,
        timings: Timings,
        on_turn: Callable[[], None],
        *,
        passing: bool = False,
    ) -> None:
        self.attempt = attempt
        self.scheduler = scheduler
        self.on_turn = on_turn
        self.period = timings.scaled(spec.get("periodSeconds") or 10)
        self.begins = scheduler.time() + timings.scaled(spec.get("initialDelaySeconds") or 0)
        self.successes = spec.get("successThreshold") or 1
        self.failures = spec.get("failureThreshold") or 3
        self.passing = passing
        self.timer: Timer | None = None

    def check(self) -> None:
        """Look again, because something changed."""
        if self.attempt() == self.passing:
            self.stop()
        elif self.timer is None:
            self.timer = self.scheduler.call_later(self.delay(), self.turn)

    def delay(self) -> float:
        """Return when enough attempts in a row would have had the other result."""
        now = self.scheduler.time()
        missed = math.ceil(max(0.0, now - self.begins) / self.period)
        attempts = self.failures if self.passing else self.successes
        return self.begins + (missed + attempts - 1) * self.period - now

    def turn(self) -> None:
        """Flip, unless it was a short fit."""
        self.timer = None
        if self.attempt() != self.passing:
            self.passing = not self.passing
            self.on_turn()

    def stop(self) -> None:
        """Forget what was to come."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
