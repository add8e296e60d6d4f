"""One Kaspr process: from its start through joining and recovery to calm, and all the ways it goes wrong.

In: a `Program` (settings and definitions as mounted, or why they crash), a group, a scheduler, a behaviour. Out: the
phase and flags behind `/status/`, and callbacks when something changes and when the process ends.
Called by the kubelet's pod workers, the group and the HTTP server, all on the scheduler's thread.
Invariant: the status order and the durations of C9, the zombie of C1, the kept assignment of C10, exit code 42 of T4.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from hack.nodesim.assignor import Assignment
from hack.nodesim.behaviour import Behaviour
from hack.nodesim.definitions import LoadedApp, StartupCrash, leader_topic
from hack.nodesim.group import Group, JoinRequest
from hack.nodesim.settings import Settings
from hack.nodesim.timings import Scheduler, Timer, Timings

ASSIGNMENT_MISMATCH = 42


class Phase(enum.Enum):
    """Where a process stands; the order of the first seven is the order of a start (C9)."""

    STARTING = "starting"  # connection refused
    ERROR = "error"  # 500: listens, the consumer has not started
    IDLE = "idle"  # 200, all flags false, no assignment: not begun, not running
    JOINING = "joining"  # rebalancing; before the first assignment without one
    RESTORING = "restoring"  # rebalancing with assignment, leader already true
    RECOVERING = "recovering"  # rebalancing and recovering
    CALM = "calm"
    ZOMBIE = "zombie"  # rebalancing for ever, assignment empty, no heartbeats (C1)
    ENDED = "ended"


BEFORE_THE_CONSUMER = {Phase.STARTING, Phase.ERROR}
REBALANCING = {Phase.JOINING, Phase.RESTORING, Phase.RECOVERING, Phase.ZOMBIE}


@dataclass(frozen=True, slots=True)
class Program:
    """What a process was started with: settings and app, or the crash they end in."""

    settings: Settings | None
    app: LoadedApp
    crash: StartupCrash | None = None


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What the owner of a process wants to hear."""

    changed: Callable[[Member], None]  # phase, flags or `serves` changed
    ended: Callable[[Member, int, str], None]  # exit code, last words of the log


class Member:
    """A process; a restarted container is a new one."""

    def __init__(
        self,
        name: str,
        program: Program,
        group: Group | None,
        scheduler: Scheduler,
        timings: Timings,
        on: Callbacks,
    ) -> None:
        self.name = name
        self.program = program
        self.group = group
        self.scheduler = scheduler
        self.timings = timings
        self.on = on
        self.behaviour = Behaviour()
        self.phase = Phase.STARTING
        self.assignment: Assignment | None = None
        self.frozen = False
        self.cut_off = False
        self.known = False  # the group has heard of this process
        self.timer: Timer | None = None
        self.crash_timer: Timer | None = None
        self.postponed: Callable[[], None] | None = None

    # What /status/ is made of

    @property
    def settings(self) -> Settings:
        """Return the settings; only a program that crashes has none, and it never gets here."""
        if self.program.settings is None:
            raise LookupError(f"{self.name} has no settings")
        return self.program.settings

    @property
    def serves(self) -> bool:
        """Whether the port is open."""
        return self.phase not in {Phase.STARTING, Phase.ENDED} and not self.behaviour.refuses

    @property
    def rebalancing(self) -> bool:
        """Whether the member says so; one without brokers does, whatever it had (C10)."""
        return self.phase in REBALANCING or (self.cut_off and self.phase is Phase.CALM)

    @property
    def recovering(self) -> bool:
        """Whether tables are being rebuilt."""
        return self.phase is Phase.RECOVERING

    @property
    def leader(self) -> bool:
        """Whether the last known assignment has partition 0 of the leader topic."""
        held = self.assignment.actives if self.assignment else {}
        return 0 in held.get(leader_topic(self.settings.app_id), ())

    def request(self) -> JoinRequest:
        """Return what the member says when it joins."""
        settings, app = self.settings, self.program.app
        return JoinRequest(
            instance_id=settings.instance_id,
            url=settings.url,
            subscription=app.subscription(settings.app_id, scheduler=settings.scheduler),
            session_timeout=self.timings.scaled(settings.session_timeout),
            heartbeat=self.timings.scaled(settings.heartbeat_interval),
            changelogs=app.changelogs(settings.app_id, scheduler=settings.scheduler),
            global_changelogs=app.global_changelogs(settings.app_id),
        )

    # The start

    def start(self, behaviour: Behaviour) -> None:
        """Start the process."""
        self.behaviour = behaviour
        self.cut_off = behaviour.cut_off
        self.later(behaviour.start_delay + self.timings.importing * behaviour.slow, self.imported)
        self.arm_crash()
        if behaviour.frozen:
            self.freeze()

    def imported(self) -> None:
        """Imports and build are done: listen, or end where the build ended."""
        crash = self.program.crash
        if crash is None and self.behaviour.crash is not None:
            crash = StartupCrash("simulated crash", self.behaviour.crash)
        if crash is not None:
            self.end(crash.exit_code, crash.message)
            return
        self.enter(Phase.ERROR)
        self.later(self.timings.server_error * self.behaviour.slow, self.consumer_started)

    def consumer_started(self) -> None:
        """Answer 200, with nothing in it yet."""
        self.enter(Phase.IDLE)
        self.later(self.timings.idle * self.behaviour.slow, self.wait_to_join)

    def wait_to_join(self) -> None:
        """Sit through the fixed wait."""
        self.enter(Phase.JOINING)
        self.later(self.timings.join_wait * self.behaviour.slow, self.join)

    def join(self) -> None:
        """Ask the group for partitions; without brokers nobody hears it."""
        if self.phase is not Phase.JOINING:
            self.enter(Phase.JOINING)
        if self.group is None or self.cut_off:
            return
        settings = self.settings
        wanted = self.program.app.partitions(settings.app_id, settings.topic_partitions)
        for topic, count in wanted.items():
            self.group.topics.ensure(topic, count)
        self.known = True
        self.group.join(self, self.request())

    # What the group says

    def assigned(self, assignment: Assignment) -> None:
        """Take the assignment, or stumble over an old one."""
        if self.phase is Phase.ENDED:
            return
        request = self.request()
        if assignment.url != request.url:
            self.end(ASSIGNMENT_MISMATCH, f"AssertionError: {assignment.url} != {request.url}")
        elif assignment.topics <= request.subscription:
            self.assignment = assignment
            self.restore()
        else:
            self.die_inside()

    def die_inside(self) -> None:
        """Become a zombie: the coordinator task ended on an unsubscribed topic, the process lives on (C1)."""
        self.cancel_timer()
        self.assignment = None
        if self.group is not None:
            self.group.fell_silent(self)
        self.enter(Phase.ZOMBIE)

    def restore(self) -> None:
        """Sit through the recovery delay; a hung member never leaves it."""
        self.enter(Phase.RESTORING)
        self.cancel_timer()
        if not self.behaviour.hung:
            self.later(self.settings.recovery_delay * self.behaviour.slow, self.recover)

    def recover(self) -> None:
        """Read the changelogs, if there are any."""
        held = self.assignment.actives if self.assignment else {}
        if self.request().changelogs & set(held):
            self.enter(Phase.RECOVERING)
            self.later(self.timings.recovering * self.behaviour.slow, self.calm)
        else:
            self.calm()

    def calm(self) -> None:
        """Process messages."""
        self.enter(Phase.CALM)

    def rebalance_needed(self) -> None:
        """Give up the partitions and join again; `/status/` goes on showing the last assignment."""
        if self.coordinates():
            self.cancel_timer()
            self.join()

    evicted = rebalance_needed

    def fenced(self) -> None:
        """End: another process has the instance id now."""
        self.end(1, "FencedInstanceIdError")

    def coordinates(self) -> bool:
        """Whether the coordinator task lives and has begun."""
        return (
            self.phase in {Phase.JOINING, Phase.RESTORING, Phase.RECOVERING, Phase.CALM} and not self.frozen
        )

    # What happens to it

    def signal_rebalance(self) -> None:
        """Join again because somebody asked (`POST /signal/rebalance`); a zombie says ok and does nothing (C1)."""
        if self.coordinates() and self.phase is not Phase.JOINING and not self.cut_off:
            self.rebalance_needed()

    def freeze(self) -> None:
        """Stand still (SIGSTOP): no answers, no heartbeats (C11)."""
        if not self.frozen and self.phase is not Phase.ENDED:
            self.frozen = True
            self.fall_silent()
            self.on.changed(self)

    def thaw(self) -> None:
        """Go on (SIGCONT) with whatever was due."""
        if not self.frozen:
            return
        self.frozen = False
        phase, due, self.postponed = self.phase, self.postponed, None
        if self.group is not None and self.known and self.coordinates() and not self.cut_off:
            self.group.woke_up(self)
        # What was due belongs to the state before: a member that had to join again has new plans.
        if due is not None and self.phase is phase and self.timer is None:
            due()
        self.on.changed(self)

    def lose_brokers(self) -> None:
        """Be cut off: the last assignment and leadership stay in `/status/` (C10)."""
        if not self.cut_off and self.phase is not Phase.ENDED:
            self.cut_off = True
            self.fall_silent()
            self.on.changed(self)

    def find_brokers(self) -> None:
        """Reach the brokers again and join anew."""
        self.cut_off = False
        if not (self.phase is Phase.JOINING and self.timer is not None):  # else the fixed wait still runs
            self.rebalance_needed()
        self.on.changed(self)

    def fall_silent(self) -> None:
        """Send no more heartbeats."""
        if self.group is not None:
            self.group.fell_silent(self)

    def behave(self, behaviour: Behaviour) -> None:
        """Change the script while the process runs."""
        before, self.behaviour = self.behaviour, behaviour
        if behaviour.frozen != before.frozen:
            (self.freeze if behaviour.frozen else self.thaw)()
        if behaviour.cut_off != before.cut_off:
            (self.lose_brokers if behaviour.cut_off else self.find_brokers)()
        if behaviour.hung != before.hung and self.phase in {Phase.RESTORING, Phase.RECOVERING, Phase.CALM}:
            self.restore()
        if behaviour.crash_after != before.crash_after:
            self.arm_crash()
        self.on.changed(self)

    def stop(self, *, kill: bool = False) -> None:
        """End on SIGTERM, or at once; a static member says no goodbye either way (C4, C5)."""
        if self.phase is Phase.ENDED:
            return
        graceful = not kill and not self.frozen and not self.cut_off
        self.finish(
            leave=graceful and self.program.settings is not None and self.settings.instance_id is None
        )

    def end(self, exit_code: int, words: str) -> None:
        """End by itself."""
        if self.phase is not Phase.ENDED:
            self.finish(leave=False)
            self.on.ended(self, exit_code, words)

    def finish(self, *, leave: bool) -> None:
        """Stop all timers and leave the group, or leave a ghost in it."""
        self.cancel_timer()
        if self.crash_timer is not None:
            self.crash_timer.cancel()
        self.phase = Phase.ENDED
        if self.group is not None:
            (self.group.leave if leave else self.group.fell_silent)(self)
        self.on.changed(self)

    # Time

    def enter(self, phase: Phase) -> None:
        """Change the phase and say so."""
        self.phase = phase
        self.on.changed(self)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Do something after so many real seconds; a frozen process does it when it wakes."""

        def due() -> None:
            self.timer = None
            if self.frozen:
                self.postponed = action
            else:
                action()

        self.cancel_timer()
        self.timer = self.scheduler.call_later(self.timings.scaled(seconds), due)

    def cancel_timer(self) -> None:
        """Forget what was due."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        self.postponed = None

    def arm_crash(self) -> None:
        """Set or clear the scripted crash."""
        if self.crash_timer is not None:
            self.crash_timer.cancel()
            self.crash_timer = None
        if self.behaviour.crash_after is not None:
            seconds = self.timings.scaled(self.behaviour.crash_after)
            self.crash_timer = self.scheduler.call_later(seconds, lambda: self.end(1, "simulated crash"))
