"""A member's process with what surrounds it: its open port and the kubelet's probes of it.

In: a program, an address, a container spec. Out: callbacks when readiness turns and when the process has ended.
Called by the pod workers, on the event loop. Invariant: the port is open exactly while the member serves, and an
ended process leaves neither port nor timer behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hack.nodesim.answers import Response, answer
from hack.nodesim.member import Callbacks, Member, Program
from hack.nodesim.probes import Probe, satisfied
from hack.nodesim.server import Listener

if TYPE_CHECKING:
    from hack.nodesim.behaviour import Behaviour
    from hack.nodesim.environment import Raw
    from hack.nodesim.group import Group
    from hack.nodesim.timings import Scheduler, Timings

KILLED = 137


@dataclass(frozen=True, slots=True)
class Listeners:
    """What the owner of a process wants to hear."""

    ready: Callable[[bool], None]  # the readiness probe turned
    ended: Callable[[int, str], None]  # exit code, last words
    changed: Callable[[], None]  # anything a test may wait for


class Process:
    """One run of a member's container."""

    def __init__(  # noqa: PLR0913  # the parts of a process
        self,
        name: str,
        address: str,
        container: Raw,
        program: Program,
        group: Group | None,
        *,
        scheduler: Scheduler,
        timings: Timings,
        on: Listeners,
    ) -> None:
        self.address = address
        self.on = on
        self.scheduler = scheduler
        self.listener: Listener | None = None
        callbacks = Callbacks(changed=self.changed, ended=self.ended)
        self.member = Member(name, program, group, scheduler, timings, callbacks)
        self.probes: list[Probe] = []
        if container.get("readinessProbe"):
            self.readiness = self.probe(
                container["readinessProbe"], container, timings, self.readiness_turned
            )
            self.probes.append(self.readiness)
        if container.get("livenessProbe"):
            turned = self.liveness_turned
            self.probes.append(
                self.probe(container["livenessProbe"], container, timings, turned, passing=True)
            )

    def probe(
        self,
        spec: Raw,
        container: Raw,
        timings: Timings,
        turned: Callable[[], None],
        *,
        passing: bool = False,
    ) -> Probe:
        """Return a probe of this process."""

        def attempt() -> bool:
            return satisfied(spec, container, self.member)

        return Probe(spec, attempt, self.scheduler, timings, turned, passing=passing)

    def start(self, behaviour: Behaviour) -> None:
        """Start the process."""
        self.member.start(behaviour)
        self.changed(self.member)

    def stop(self, *, kill: bool) -> None:
        """End the process and say nothing; a killed one does not even say goodbye to its group."""
        self.member.stop(kill=kill)
        self.close()

    def kill(self, words: str) -> None:
        """End the process as SIGKILL does; the owner hears of it."""
        self.member.end(KILLED, words)

    def readiness_turned(self) -> None:
        """Pass the turn on."""
        self.on.ready(self.readiness.passing)

    def liveness_turned(self) -> None:
        """Kill what does not live."""
        self.kill("killed by its liveness probe")

    def changed(self, member: Member) -> None:
        """Open or close the port and look at the probes."""
        if member.serves and self.listener is None:
            try:
                self.listener = Listener(self.address, member.settings.web_port, self.respond)
            except OSError as error:
                words = f"OSError: {error}"
                self.scheduler.call_later(0, lambda: member.end(1, words))
        elif not member.serves:
            self.close_port()
        for probe in self.probes:
            probe.check()
        self.on.changed()

    def ended(self, member: Member, code: int, words: str) -> None:
        """Clean up behind a process that ended by itself."""
        del member
        self.close()
        self.on.ended(code, words)

    def respond(self, method: str, path: str, body: bytes) -> Response | None:
        """Answer a request to the port; no route of a member reads a body."""
        del body
        return answer(self.member, method, path)

    def close_port(self) -> None:
        """Refuse connections from now on."""
        if self.listener is not None:
            self.listener.close()
            self.listener = None

    def close(self) -> None:
        """Leave nothing behind."""
        self.close_port()
        for probe in self.probes:
            probe.stop()
        self.probes = []
