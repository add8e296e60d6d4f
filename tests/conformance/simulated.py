"""The world of the conformance cases, with the simulated group and a clock that is moved by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hack.nodesim.assignor import Assignment
from hack.nodesim.group import Group, JoinRequest, Topics
from tests.conformance.group_cases import PARTITIONS, Held
from tests.unit.hack.nodesim.scheduler import FakeScheduler

STEP = 0.1


@dataclass(eq=False)
class Process:
    """A consumer that does what its group says."""

    group: Group
    request: JoinRequest
    given: list[Held] = field(default_factory=list)
    was_fenced: bool = False
    frozen: bool = False

    def join(self) -> None:
        if not self.was_fenced:
            self.group.join(self, self.request)

    rebalance_needed = evicted = join

    def fenced(self) -> None:
        self.was_fenced = True

    def assigned(self, assignment: Assignment) -> None:
        self.given.append(dict(assignment.actives))


class SimulatedWorld:
    """Members of a `Group`."""

    session = 120.0
    soon = 10.0
    moment = 6.0

    def __init__(self) -> None:
        self.scheduler = FakeScheduler()
        self.group = Group("g", Topics(counts=dict(PARTITIONS)), self.scheduler)
        self.processes: dict[str, list[Process]] = {}

    def start(self, name: str, *topics: str) -> None:
        request = JoinRequest(name, f"http://{name}", frozenset(topics), self.session, heartbeat=3.0)
        process = Process(self.group, request)
        self.processes.setdefault(name, []).append(process)
        process.join()

    def stop(self, name: str) -> None:
        self.group.fell_silent(self.processes[name][-1])

    def freeze(self, name: str) -> None:
        self.group.fell_silent(self.processes[name][-1])

    def thaw(self, name: str) -> None:
        self.group.woke_up(self.processes[name][-1])

    def goodbye(self, name: str) -> bool:
        return self.group.remove_member(name)

    def given(self, name: str) -> list[Held]:
        return list(self.processes[name][-1].given)

    def fenced(self, name: str) -> bool:
        return any(process.was_fenced for process in self.processes[name])

    def seats(self) -> dict[str, Held]:
        return {
            key: dict(seat.assignment.actives) if seat.assignment else {}
            for key, seat in self.group.seats.items()
        }

    def rebalancing(self) -> bool:
        return self.group.rebalancing

    def within(self, seconds: float, condition: Callable[[], bool]) -> float:
        begin = self.scheduler.now
        while not condition():
            assert self.scheduler.now - begin <= seconds, f"not within {seconds} s: {self.seats()}"
            self.scheduler.advance(STEP)
        return self.scheduler.now - begin

    def spend(self, seconds: float) -> None:
        self.scheduler.advance(seconds)
