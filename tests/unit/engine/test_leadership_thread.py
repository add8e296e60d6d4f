"""The elector on its own thread: it acquires, gives back, and ends when the lease is lost (rules X1, L5)."""

from __future__ import annotations

import threading

from kaspr_controller.engine.leadership import Elector, Fence
from kaspr_controller.kube.leasing import LeaseRecord
from kaspr_controller.telemetry import metrics
from tests.fakes.clock import FakeClock
from tests.unit.engine.electorate import Lease, Link
from tests.unit.engine.test_backoff import Edge


class TestThread:
    def make(self) -> tuple[Elector, Lease, FakeClock, Fence, list[int]]:
        clock, lease, lost = FakeClock(jump=False), Lease(), list[int]()
        fence = Fence(clock)
        elector = Elector(
            Link(lease, clock),
            "a",
            fence,
            clock=clock,
            rng=Edge(0.0),
            lost=lambda: lost.append(1),
            name="thread",
        )
        return elector, lease, clock, fence, lost

    def test_start_lead_stop(self) -> None:
        """X1: acquires on its thread, and gives the lease back when stopped, at once."""
        elector, lease, clock, fence, lost = self.make()
        elector.start()
        clock.await_sleepers()
        assert (elector.ready, lease.holder, elector.alive) == (True, "a", True)
        assert metrics.REGISTRY.get_sample_value("leader_election_master_status", {"name": "thread"}) == 1
        fence.check()
        elector.stop()
        assert elector.join(5)
        assert (elector.ready, lease.holder, lost) == (False, "", [])
        assert metrics.REGISTRY.get_sample_value("leader_election_master_status", {"name": "thread"}) == 0

    def test_a_standby_stops(self) -> None:
        """A standby leaves the lease alone."""
        elector, lease, clock, _, lost = self.make()
        lease.store(LeaseRecord("other", 15, None, None, 0))
        elector.start()
        clock.await_sleepers()
        elector.stop()
        assert elector.join(5)
        assert (lease.holder, lease.writes, lost) == ("other", 1, [])

    def test_lost_ends_the_thread(self) -> None:
        """Rule of the bar: no re-election in the process; `lost` is told once, and nothing is written any more."""
        elector, lease, clock, _, lost = self.make()
        elector.start()
        clock.await_sleepers()
        lease.store(LeaseRecord("intruder", 15, None, None, 1))
        clock.advance(2)
        assert elector.join(5)
        assert (lost, lease.holder) == ([1], "intruder")

    def test_stop_before_start(self) -> None:
        """An elector that never ran ends at once."""
        elector, *_ = self.make()
        elector.stop()
        assert elector.join(0)


def test_a_lease_is_held_by_one_of_many_threads() -> None:
    """Real threads that start together: exactly one leads."""
    clock, lease, lock = FakeClock(jump=False), Lease(), threading.Lock()

    class Locked(Link):
        def create(self, record: LeaseRecord) -> LeaseRecord:
            with lock:
                return super().create(record)

    electors = [
        Elector(
            Locked(lease, clock),
            f"p{number}",
            Fence(clock),
            clock=clock,
            rng=Edge(0.0),
            lost=lambda: None,
            name="many",
        )
        for number in range(5)
    ]
    for elector in electors:
        elector.start()
    clock.await_sleepers(5)
    assert sum(elector.ready for elector in electors) == 1
    for elector in electors:
        elector.stop()
    assert all(elector.join(5) for elector in electors)
