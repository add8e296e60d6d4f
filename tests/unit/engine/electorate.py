"""Several electors, one lease, one clock: the world in which leader election is tested."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kaspr_controller.engine.leadership import Elector, Fence
from kaspr_controller.kube import errors
from kaspr_controller.kube.leasing import LeaseRecord
from tests.fakes.clock import FakeClock
from tests.unit.engine.test_backoff import Edge

if TYPE_CHECKING:
    import random
    from collections.abc import Callable


class Lease:
    """The lease on the server: one record, guarded by its resource version."""

    def __init__(self) -> None:
        self.record: LeaseRecord | None = None
        self.rv = 0
        self.writes = 0

    def store(self, record: LeaseRecord) -> LeaseRecord:
        self.rv += 1
        self.writes += 1
        self.record = replace(record, metadata={**record.metadata, "resourceVersion": str(self.rv)})
        return self.record

    @property
    def holder(self) -> str:
        return self.record.holder if self.record else ""


class Link:
    """One process's connection to the lease, with everything that can go wrong on it."""

    def __init__(self, lease: Lease, clock: FakeClock) -> None:
        self.lease = lease
        self.clock = clock
        self.calls: list[str] = []
        self.delay = 0.0
        self.fail: errors.ApiError | None = None
        self.lose_answers = 0
        self.meanwhile: dict[str, Callable[[], object]] = {}

    def get(self) -> LeaseRecord:
        self._travel("get")
        if self.lease.record is None:
            raise errors.NotFound("no lease", status=404)
        return self.lease.record

    def create(self, record: LeaseRecord) -> LeaseRecord:
        self._travel("create")
        if self.lease.record is not None:
            raise errors.AlreadyExists("exists", status=409)
        return self._answer(self.lease.store(record))

    def update(self, record: LeaseRecord) -> LeaseRecord:
        self._travel("update")
        if self.lease.record is None or record.resource_version != self.lease.record.resource_version:
            raise errors.Conflict("changed", status=409)
        return self._answer(self.lease.store(record))

    def _travel(self, call: str) -> None:
        self.calls.append(call)
        self.clock.advance(self.delay)
        self.meanwhile.pop(call, int)()
        if self.fail:
            raise self.fail

    def _answer(self, record: LeaseRecord) -> LeaseRecord:
        if self.lose_answers:
            self.lose_answers -= 1
            raise errors.ConnectionLost("the answer was lost")
        return record


class Process:
    """An elector that is stepped by the test, on its own wall clock but the common monotonic time."""

    def __init__(self, name: str, lease: Lease, clock: FakeClock, rng: random.Random | None = None) -> None:
        self.name = name
        self.clock = clock
        self.link = Link(lease, clock)
        self.lost = 0
        self.fence = Fence(clock)
        self.elector = Elector(
            self.link, name, self.fence, clock=clock, rng=rng or Edge(0.0), lost=self.lose, name="test"
        )
        self.next: float | None = clock.monotonic()

    def lose(self) -> None:
        self.lost += 1

    def step(self) -> float | None:
        pause = self.elector.step()
        self.next = None if pause is None else self.clock.monotonic() + pause
        return pause

    @property
    def writes(self) -> bool:
        try:
            self.fence.check()
        except errors.NotLeading:
            return False
        return True


class World:
    """Several processes, stepped in the order of their times."""

    def __init__(self, count: int = 2) -> None:
        self.clock = FakeClock()
        self.lease = Lease()
        self.processes = [Process(name, self.lease, self.clock) for name in "abc"[:count]]

    def run(self, seconds: float) -> None:
        end = self.clock.monotonic() + seconds
        while True:
            waiting = [
                (process.next, process.name, process)
                for process in self.processes
                if process.next is not None
            ]
            if not waiting or min(waiting)[0] > end:
                break
            moment, _, process = min(waiting)
            self.clock.advance(max(0.0, moment - self.clock.monotonic()))
            process.step()
            assert sum(process.writes for process in self.processes) <= 1
        self.clock.advance(max(0.0, end - self.clock.monotonic()))
