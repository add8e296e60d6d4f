"""The work queue against a model: random operations, and real threads that never hold one key twice."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kaspr_controller.engine.clock import SystemClock
from kaspr_controller.engine.priorities import INITIAL, OWNED, USER
from kaspr_controller.engine.workqueue import WorkQueue
from kaspr_controller.kube.kinds import ObjectKey
from tests.fakes.clock import FakeClock
from tests.unit.engine.things import key, seeded

KEYS = st.sampled_from([key(name) for name in "abcde"])
PRIORITIES = st.sampled_from([USER, OWNED, INITIAL])
FLOOR, AGEING = 1.0, 60.0


class Model(RuleBasedStateMachine):
    """Per key: the moment from which it must be handed out, as the rules say, and who holds it."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.queue = WorkQueue("model", self.clock, seeded(1), floor=FLOOR, ageing=AGEING)
        self.wanted: dict[ObjectKey, float] = {}  # key -> ready at, whoever asked
        self.held: dict[ObjectKey, int] = {}
        self.again: dict[ObjectKey, int] = {}
        self.planned: dict[ObjectKey, int] = {}  # priority of looks that were planned for keys in hand
        self.started: dict[ObjectKey, float] = {}

    def want(self, one: ObjectKey, at: float) -> None:
        self.wanted[one] = min(at, self.wanted.get(one, at))

    def floor(self, one: ObjectKey, priority: int) -> float:
        now = self.clock.monotonic()
        return max(now, self.started.get(one, -9e9) + FLOOR) if priority < USER else now

    @rule(one=KEYS, priority=PRIORITIES)
    def add(self, one: ObjectKey, priority: int) -> None:
        self.queue.add(one, priority)
        if one in self.held:
            # A planned look becomes part of the run that follows; its priority is not lost by that.
            among = (priority, self.again.get(one, priority), self.planned.get(one, priority))
            self.again[one] = max(among)
        else:
            self.want(one, self.floor(one, priority))

    @rule(one=KEYS, seconds=st.sampled_from([0.05, 0.5, 2.0, 90.0]), priority=PRIORITIES)
    def add_after(self, one: ObjectKey, seconds: float, priority: int) -> None:
        self.queue.add_after(one, seconds, priority)
        if one in self.held and one in self.again:
            self.again[one] = max(priority, self.again[one])
        else:
            self.want(one, self.clock.monotonic() + seconds)
            if one in self.held:
                self.planned[one] = max(priority, self.planned.get(one, priority))

    @rule(seconds=st.sampled_from([0.01, 0.3, 1.0, 5.0, 61.0]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def get(self) -> None:
        now = self.clock.monotonic()
        taken = self.queue.get(0)
        if taken is None:
            late = [one for one, at in self.wanted.items() if at < now - 1e-6 and one not in self.held]
            assert not late, f"{late} should have been handed out"
            return
        assert taken not in self.held, "one key in two hands"
        assert self.wanted.pop(taken) <= now + 1e-6, "handed out before its time"
        self.held[taken] = 1
        self.planned.pop(taken, None)
        self.started[taken] = now

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(sorted(self.held)))
        self.queue.done(one)
        del self.held[one]
        # A planned look that came due in hand, or an add in hand, makes one more run.
        if one in self.again:
            self.wanted[one] = self.floor(one, self.again.pop(one))

    @invariant()
    def structures_agree(self) -> None:
        self.queue.check()


# Plans that come due while a key is in hand are the queue's own business; the model only bounds when they show.
Model.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestModel = Model.TestCase


class Randomly:
    """Random operations on a queue, with the two facts that must hold: who is in hand, and who is owed a start."""

    def __init__(self) -> None:
        self.rng, self.clock = seeded(7), FakeClock()
        self.queue = WorkQueue("random", self.clock, seeded(8))
        self.keys = [key(f"k{number}") for number in range(40)]
        self.held: set[ObjectKey] = set()
        self.owed: set[ObjectKey] = set()
        self.starts: Counter[ObjectKey] = Counter()

    def step(self) -> None:
        choices = (
            self.add,
            self.plan,
            self.start,
            self.end,
            lambda: self.clock.advance(self.rng.random() / 2),
        )
        self.rng.choices(choices, weights=(3, 1, 3, 2, 1))[0]()

    def add(self) -> None:
        one = self.rng.choice(self.keys)
        self.queue.add(one, self.rng.choice([USER, OWNED, INITIAL]))
        self.owed.add(one)

    def plan(self) -> None:
        one = self.rng.choice(self.keys)
        self.queue.add_after(one, self.rng.random() * 3, self.rng.choice([USER, OWNED]))
        self.owed.add(one)

    def start(self) -> None:
        taken = self.queue.get(0)
        if taken:
            assert taken not in self.held
            assert taken in self.owed, "started without anybody asking"
            self.held.add(taken)
            self.owed.discard(taken)
            self.starts[taken] += 1

    def end(self) -> None:
        if not self.held:
            return
        one = self.rng.choice(sorted(self.held))
        self.held.discard(one)
        if self.rng.random() < 0.2:
            self.queue.add_rate_limited(one)
            self.owed.add(one)
        else:
            self.queue.forget(one)
        self.queue.done(one)


def test_a_hundred_thousand_random_operations() -> None:
    """Rule 4 of the bar: never two hands on a key, no start that nobody asked for, and nobody who asked is left out."""
    world = Randomly()
    for step in range(100_000):
        world.step()
        if step % 1000 == 0:
            world.queue.check()
    for one in world.held:
        world.queue.done(one)
    while world.owed:
        taken = world.queue.get(400)
        assert taken is not None, f"{world.owed} were never started"
        world.owed.discard(taken)
        world.queue.done(taken)
    assert world.queue.get(0) is None
    assert min(world.starts.values()) > 100
    world.queue.check()


@pytest.mark.parametrize("workers", [1, 4])
def test_real_threads(workers: int) -> None:
    """Q1 on real threads and the real clock: no key in two hands, every key that was added runs afterwards."""
    queue = WorkQueue("threads", SystemClock(), seeded(1), floor=0.001)
    keys = [key(f"k{number}") for number in range(20)]
    hands: Counter[ObjectKey] = Counter()
    last_run: dict[ObjectKey, int] = {}
    version: Counter[ObjectKey] = Counter()
    faults: list[ObjectKey] = []

    def work() -> None:
        while (one := queue.get()) is not None:
            hands[one] += 1
            if hands[one] != 1:
                faults.append(one)
            last_run[one] = version[one]
            hands[one] -= 1
            queue.done(one)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for number in range(3000):
        one = keys[number % len(keys)]
        version[one] += 1
        queue.add(one)
    assert queue.shutdown(drain=True, timeout=5)
    for thread in threads:
        thread.join(5)
    assert not faults
    assert last_run == dict(version)
