"""All parts of the engine together, on the real clock: a change becomes a reconcile, a stop ends everything at once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from kaspr_controller.engine.clock import SystemClock
from kaspr_controller.engine.informer import Informer
from kaspr_controller.engine.leadership import Elector, Fence
from kaspr_controller.engine.lifecycle import Group, Lifecycle, Runnable
from kaspr_controller.engine.pausing import Door
from kaspr_controller.engine.priorities import USER
from kaspr_controller.engine.results import DONE, Result
from kaspr_controller.engine.store import Store
from kaspr_controller.engine.threads import Loop
from kaspr_controller.engine.triggers import Trigger, TriggerTable
from kaspr_controller.engine.workers import Workers
from kaspr_controller.engine.workqueue import WorkQueue
from tests.fakes.clock import FakeClock
from tests.unit.engine.electorate import Lease, Link
from tests.unit.engine.scripted import Script, event, pages
from tests.unit.engine.things import THING, key, seeded, thing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kaspr_controller.engine.changes import Change
    from kaspr_controller.kube.kinds import ObjectKey


def always(change: Change) -> bool:
    return change.after is not None


def itself(change: Change, stores: object) -> Iterable[ObjectKey]:
    return (change.key,)


class Controller:
    """A controller of things: it reads each one and asks the fence, as a write would."""

    def __init__(self) -> None:
        clock, rng = SystemClock(), seeded(1)
        self.script = Script(FakeClock().advance, block=True)
        self.store, self.lease, self.fence = Store(THING), Lease(), Fence(clock)
        self.queue = WorkQueue("whole", clock, rng)
        self.informer = Informer(THING, self.script, self.store, clock=clock, rng=rng)
        table = TriggerTable([Trigger(THING, always, itself, USER)], stores={}, queue=self.queue)
        self.informer.subscribe(table.handle, "triggers")
        self.elector = Elector(
            Link(self.lease, FakeClock()),
            "me",
            self.fence,
            clock=clock,
            rng=rng,
            lost=lambda: self.life.abort("lost"),
        )
        door = Door(clock, lambda: True, self.queue.__len__)
        self.workers = Workers("whole", self.queue, self.reconcile, 2, clock=clock, door=door)
        self.seen: set[tuple[str, str]] = set()
        self.holder_at_end: list[str] = []
        self.complete = threading.Event()
        sender: Runnable = Loop(
            "events",
            lambda stop: self.holder_at_end.append(self.lease.holder if stop.wait(5) else "?"),
            time.monotonic,
        )
        self.life = Lifecycle(
            [
                Group("events", (sender,)),
                Group("caches", (self.informer,), ready=lambda: self.informer.synced, patience=5),
                Group("election", (self.elector,), ready=lambda: self.elector.ready),
                Group("workers", (self.workers,), grace=5),
            ],
            clock=clock,
        )

    def reconcile(self, one: ObjectKey) -> Result:
        obj = self.store.get(one)
        self.fence.check()
        self.seen.add((one.name, obj["metadata"]["resourceVersion"] if obj else "gone"))
        if ("a", "11") in self.seen and ("b", "6") in self.seen:
            self.complete.set()
        return DONE


def test_from_change_to_reconcile_to_exit() -> None:
    """Lists and events become runs of the leader; SIGTERM to exit takes less than half a second when idle (X3)."""
    controller, times = Controller(), list[float]()
    controller.script.lists = [pages(thing("a", 5), thing("b", 6), rv=10)]
    controller.script.watches = [[event("MODIFIED", thing("a", 11)), 400.0]]

    def stop() -> None:
        assert controller.complete.wait(5)
        times.append(time.monotonic())
        controller.life.request_stop("test")

    stopper = threading.Thread(target=stop)
    stopper.start()
    assert controller.life.run() == 0
    times.append(time.monotonic())
    stopper.join(5)
    assert controller.complete.is_set()
    assert controller.store.keys() == [key("a"), key("b")]
    assert times[1] - times[0] < 0.5
    assert controller.holder_at_end == [""], "the lease was given back before the last part was stopped"
