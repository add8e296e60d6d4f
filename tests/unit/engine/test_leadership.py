"""Leader election: rules L1 to L5, with several electors, one lease, and clocks that nobody may trust."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaspr_controller.engine.leadership import Fence, Timing
from kaspr_controller.kube import errors
from kaspr_controller.kube.leasing import LeaseRecord
from kaspr_controller.telemetry import metrics
from tests.fakes.clock import EPOCH, FakeClock
from tests.unit.engine.electorate import World
from tests.unit.engine.test_backoff import Edge
from tests.unit.engine.things import seeded


@pytest.fixture
def world() -> World:
    return World()


class TestAcquire:
    def test_the_first_creates_the_lease(self, world: World) -> None:
        """A fresh cluster has none: whoever comes first creates it; the other waits."""
        a, b = world.processes
        a.step()
        b.step()
        assert (a.elector.ready, b.elector.ready, world.lease.holder) == (True, False, "a")
        assert (a.writes, b.writes) == (True, False)
        assert world.lease.record == LeaseRecord("a", 15, EPOCH, EPOCH, 0, {"resourceVersion": "1"})

    def test_two_create_at_once(self, world: World) -> None:
        """AlreadyExists is a lost race, not an error."""
        a, b = world.processes
        b.link.meanwhile["create"] = a.step
        b.step()
        assert (a.elector.ready, b.elector.ready) == (True, False)

    def test_two_take_over_at_once(self) -> None:
        """Conflict on the update: exactly one gets a lease that ran out."""
        world = World(3)
        a, b, c = world.processes
        world.run(5)
        a.next = None
        b.link.meanwhile["update"] = c.step
        world.clock.advance(20)
        b.step()
        assert (b.elector.ready, c.elector.ready, world.lease.holder) == (False, True, "c")

    def test_a_free_lease_is_taken_at_once(self, world: World) -> None:
        """An empty holder needs no waiting; the transition is counted, labels of others are kept."""
        world.lease.store(LeaseRecord("", 1, None, None, 4, {"labels": {"team": "x"}}))
        world.processes[0].step()
        record = world.lease.record
        assert record is not None
        assert (record.holder, record.transitions, record.metadata["labels"]) == ("a", 5, {"team": "x"})
        assert record.duration_seconds == 15

    def test_pauses_are_jittered(self, world: World) -> None:
        """L1: tries to acquire are [2, 4.4) s apart, so that standbys do not move in step."""
        a, b = world.processes
        a.step()
        assert b.step() == 2.0
        b.elector._rng = Edge(0.99999)
        assert b.step() == pytest.approx(4.4, abs=1e-3)

    def test_the_server_away_at_start(self, world: World) -> None:
        """Without a server nobody leads; the tries go on."""
        a, _ = world.processes
        a.link.fail = errors.ConnectFailed("refused")
        assert [a.step() for _ in range(50)] == [2.0] * 50
        assert not a.writes
        assert a.lost == 0
        a.link.fail = None
        a.step()
        assert a.writes


class TestRenew:
    def test_the_fast_path_does_not_read(self, world: World) -> None:
        """L1: while the own record stands, a renewal is one update every 2 s."""
        a, _ = world.processes
        world.processes.pop()
        world.run(60)
        assert a.link.calls[:2] == ["get", "create"]
        assert set(a.link.calls[2:]) == {"update"}
        assert len(a.link.calls) == 2 + 30
        assert world.lease.record is not None
        assert world.lease.record.transitions == 0
        assert world.lease.record.acquire_time == EPOCH

    def test_a_lost_answer(self, world: World) -> None:
        """The update arrived, its answer did not: the slow path finds our own record and goes on."""
        a, b = world.processes
        world.run(4)
        a.link.lose_answers = 1
        slow = metrics.LEADER_SLOWPATH.labels("test")._value
        before = slow.get()
        world.run(30)
        assert (a.elector.ready, a.lost, b.elector.ready) == (True, 0, False)
        assert slow.get() - before == 1

    def test_somebody_labels_the_lease(self, world: World) -> None:
        """A conflict that is no rival costs one read."""
        a, _ = world.processes
        world.run(4)
        assert world.lease.record is not None
        world.lease.store(replace(world.lease.record, metadata={"labels": {"x": "y"}}))
        world.run(10)
        assert (a.elector.ready, a.lost) == (True, 0)
        assert world.lease.record.metadata["labels"] == {"x": "y"}

    def test_somebody_deletes_the_lease(self, world: World) -> None:
        """The leader creates it anew before anybody else does, or loses it."""
        a, b = world.processes
        world.run(4)
        world.lease.record = None
        a.step()
        assert (a.elector.ready, world.lease.holder) == (True, "a")
        world.run(60)
        assert (a.lost, b.elector.ready) == (0, False)

    def test_short_outages_do_not_cost_the_lease(self, world: World) -> None:
        """L1: eight seconds of failures are survived."""
        a, b = world.processes
        world.run(4)
        a.link.fail = b.link.fail = errors.ServerError("500")
        world.run(8)
        a.link.fail = b.link.fail = None
        world.run(30)
        assert (a.elector.ready, a.lost, b.elector.ready) == (True, 0, False)

    def test_a_slow_server(self, world: World) -> None:
        """Requests that take 4 s leave less of the deadline; the renewals follow each other without a gap."""
        a, _ = world.processes
        world.processes.pop()
        world.run(4)
        a.link.delay = 4.0
        world.run(100)
        assert (a.elector.ready, a.lost) == (True, 0)

    def test_an_answer_after_the_deadline_opens_nothing(self, world: World) -> None:
        """L4: the fence counts from before the request; an answer that took 11 s proves nothing about now."""
        a, _ = world.processes
        world.run(4)
        a.link.delay = 11.0
        assert a.step() == 0.0
        assert not a.writes
        a.link.delay = 0.0
        a.step()
        assert a.writes


class TestLoss:
    def test_a_crash(self, world: World) -> None:
        """L5: after a crash the next one leads within 20 s: 15 s of lease and at most one pause."""
        a, b = world.processes
        world.run(7)
        a.next = None
        began = world.clock.monotonic()
        while not b.elector.ready:
            world.run(0.1)
        assert 13 <= world.clock.monotonic() - began <= 20

    def test_the_partitioned_leader_stops_before_the_next_begins(self, world: World) -> None:
        """Bar 11: no write after 10 s, `lost` called once, the next one begins after 15 s at the earliest."""
        a, b = world.processes
        world.run(4)
        a.link.fail = errors.Timeout("no answer")
        world.run(9.9 - 2)
        assert a.writes
        world.run(2.2)
        assert (a.writes, a.lost, a.next, b.elector.ready) == (False, 1, None, False)
        world.run(15)
        assert (b.elector.ready, world.lease.holder, a.lost) == (True, "b", 1)

    def test_the_loss_is_noticed_on_time(self, world: World) -> None:
        """The last pause is cut to what is left of the deadline: `lost` comes at 10 s, not at the next full try."""
        a, _ = world.processes
        world.processes.pop()
        a.step()
        renewed = world.clock.monotonic()
        a.link.fail = errors.ServerError("500")
        world.clock.advance(1.0)
        while (pause := a.step()) is not None:
            world.clock.advance(pause)
        assert world.clock.monotonic() - renewed == pytest.approx(10.0)
        assert a.lost == 1

    def test_a_frozen_leader(self, world: World) -> None:
        """L4: a process that was stopped for a minute wakes up, does not write one byte, and ends."""
        a, b = world.processes
        world.run(4)
        thawed, a.next = a.next, None
        world.run(60)
        assert b.elector.ready
        assert not a.writes
        a.next = thawed
        world.run(5)
        assert (a.lost, a.writes, b.elector.ready) == (1, False, True)

    def test_a_rival_ends_it_at_once(self, world: World) -> None:
        """Somebody else in the record means lost, however much of the deadline is left."""
        a, _ = world.processes
        world.run(4)
        world.lease.store(LeaseRecord("intruder", 15, None, None, 1))
        assert a.step() is None
        assert (a.lost, a.writes, a.elector.ready, a.elector.holder) == (1, False, False, "intruder")


class TestClocks:
    @pytest.mark.parametrize("skew", [-86_400, 86_400])
    def test_wall_clocks_do_not_matter(self, world: World, skew: float) -> None:
        """L2: with a wall clock that is a day wrong, nobody takes a lease that is renewed, nor waits for a dead one."""
        a, b = world.processes
        world.run(4)
        b.clock.shift(skew)
        world.run(60)
        assert (a.elector.ready, b.elector.ready) == (True, False)
        a.next = None
        world.run(20)
        assert b.elector.ready

    def test_a_record_from_the_future(self, world: World) -> None:
        """L2: the times in the record are not looked at."""
        world.lease.store(LeaseRecord("ghost", 15, EPOCH.replace(year=2999), EPOCH.replace(year=2999), 0))
        world.processes.pop()
        world.run(14.9)
        assert not world.processes[0].elector.ready
        world.run(5)
        assert world.processes[0].elector.ready

    def test_a_longer_lease_of_the_holder_is_respected(self, world: World) -> None:
        """A holder that was configured with 60 s is waited for 60 s."""
        world.lease.store(LeaseRecord("other", 60, None, None, 0))
        world.processes.pop()
        world.run(59)
        assert not world.processes[0].elector.ready
        world.run(5)
        assert world.processes[0].elector.ready


class TestRelease:
    def test_the_next_one_leads_within_five_seconds(self, world: World) -> None:
        """L5: the released record has no holder and a duration of one second."""
        a, b = world.processes
        world.run(4)
        a.elector.release()
        a.next = None
        assert (world.lease.holder, a.writes) == ("", False)
        assert world.lease.record is not None
        assert world.lease.record.duration_seconds == 1
        world.run(4.4)
        assert b.elector.ready

    def test_a_conflict_is_tried_again(self, world: World) -> None:
        """A label in between does not keep the lease."""
        a, _ = world.processes
        world.run(4)
        assert world.lease.record is not None
        world.lease.store(replace(world.lease.record, metadata={}))
        a.elector.release()
        assert world.lease.holder == ""

    def test_what_is_not_ours_is_not_released(self, world: World) -> None:
        """Neither that of a rival, nor anything by a standby."""
        a, b = world.processes
        world.run(4)
        b.elector.release()
        assert world.lease.holder == "a"
        world.lease.store(LeaseRecord("intruder", 15, None, None, 1))
        a.elector.release()
        assert world.lease.holder == "intruder"

    def test_a_release_that_fails_is_given_up(self, world: World) -> None:
        """X3: without a server the exit does not wait; the lease expires by itself."""
        a, _ = world.processes
        world.run(4)
        a.link.fail = errors.ConnectFailed("refused")
        calls = len(a.link.calls)
        a.elector.release()
        assert len(a.link.calls) - calls == 1
        assert not a.writes


def test_the_fence_says_how_long_a_write_may_take() -> None:
    """L4: a write that passes in the last moment ends before another process may act, five seconds later."""
    clock = FakeClock()
    fence = Fence(clock, margin=5.0)
    fence.open_until(clock.monotonic() + 10)
    assert fence.admit() == 15.0
    clock.advance(9)
    assert fence.admit() == 6.0
    clock.advance(1)
    with pytest.raises(errors.NotLeading):
        fence.admit()


def test_fence_is_closed_until_opened() -> None:
    """L4: a process that never led writes nothing; the refusal says what happened."""
    clock = FakeClock()
    fence = Fence(clock)
    with pytest.raises(errors.NotLeading, match="does not hold the lease"):
        fence.check()
    fence.open_until(clock.monotonic() + 10)
    clock.advance(9.999)
    fence.check()
    clock.advance(0.001)
    with pytest.raises(errors.NotLeading):
        fence.check()


@pytest.mark.parametrize(
    "bad", [{"lease": 10.0}, {"renew_deadline": 2.0}, {"retry": 0.0}, {"renew_deadline": 16.0}]
)
def test_timing_refuses_what_is_unsafe(bad: dict[str, Any]) -> None:
    """Section 13: lease > renew > jitter * retry must hold; the message says so."""
    with pytest.raises(ValueError, match="two processes may lead at once"):
        Timing(**bad)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_never_two_writers(seed: int) -> None:
    """Bar 11: whatever fails, lags, freezes or crashes: at no moment may two processes write."""
    rng = seeded(seed)
    world = World(3)
    for process in world.processes:
        process.elector._rng = rng
    for _ in range(60):
        process = rng.choice(world.processes)
        match rng.randrange(6):
            case 0:
                process.link.fail = rng.choice([None, errors.ServerError("500"), errors.Timeout("slow")])
            case 1:
                process.link.delay = rng.choice([0.0, 0.0, 0.5, 4.0])
            case 2:
                process.link.lose_answers = rng.randrange(3)
            case 3 if process.next is not None:
                process.next += rng.choice([1.0, 12.0, 40.0])  # frozen
            case 4:
                process.elector.release()
            case _:
                process.clock.shift(rng.uniform(-1e5, 1e5))
        world.run(rng.uniform(0, 12))
