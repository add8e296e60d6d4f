"""The informer on its real thread, over a scripted source: store first, then handlers; nothing kills it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.engine.informer import Informer
from kaspr_controller.engine.store import Store
from kaspr_controller.kube import errors
from kaspr_controller.kube.kinds import Kind
from kaspr_controller.telemetry import metrics
from tests.fakes.clock import FakeClock
from tests.unit.engine.scripted import Script, event, pages
from tests.unit.engine.test_backoff import Edge
from tests.unit.engine.things import PART, key, thing, version

if TYPE_CHECKING:
    from kaspr_controller.engine.changes import Change


class Bench:
    """An informer whose source follows a script; `run` goes through all of it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.script = Script(self.clock.advance, block=True)
        self.store = Store(PART)
        self.informer = Informer(PART, self.script, self.store, clock=self.clock, rng=Edge(0.0))
        self.told: list[str] = []

    def record(self, change: Change) -> None:
        self.told.append(
            f"{version(change.old)}>{version(change.new)}{' initially' if change.initial else ''}"
        )

    def run(self) -> None:
        self.informer.start()
        assert self.script.finished.wait(5)
        self.informer.stop()
        assert self.informer.join(5)


def part(name: str, rv: int, **more: Any) -> dict[str, Any]:
    return thing(name, rv, kind=PART, **more)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_handlers_are_told_after_the_store(bench: Bench) -> None:
    """Section 2: store first, then notify; in order; with old, new and whether it is initial (C2)."""
    seen: list[tuple[str | None, str | None]] = []
    bench.informer.subscribe(bench.record, "record")
    bench.informer.subscribe(
        lambda change: seen.append((version(change.new), version(bench.store.get(change.key)))), "look"
    )
    bench.script.lists = [pages(part("a", 5), rv=10)]
    bench.script.watches = [[event("MODIFIED", part("a", 11)), event("DELETED", part("a", 12)), 300.0]]
    bench.run()
    assert bench.told == ["None>5 initially", "5>11", "12>None"]
    assert seen == [("5", "5"), ("11", "11"), (None, None)]


def test_synced_is_per_handler(bench: Bench) -> None:
    """C3: a handler is synced when it was told of the whole first list, the informer when all handlers are."""
    states: list[tuple[bool, bool, bool]] = []
    first = bench.informer.subscribe(bench.record, "first")

    def look(change: Change) -> None:
        states.append((bench.store.synced, first.synced, bench.informer.synced))

    second = bench.informer.subscribe(look, "second")
    bench.script.lists = [pages(part("a", 5), part("b", 6), rv=10)]
    assert not bench.informer.synced
    bench.run()
    assert states == [(True, False, False), (True, False, False)]
    assert (first.synced, second.synced, bench.informer.synced) == (True, True, True)


def test_an_empty_list_syncs_too(bench: Bench) -> None:
    """C3: a kind without objects does not hold the start."""
    subscription = bench.informer.subscribe(bench.record, "record")
    bench.script.lists = [pages(rv=10)]
    bench.run()
    assert subscription.synced


def test_a_handler_that_raises_costs_one_change(bench: Bench) -> None:
    """An exception is counted; other handlers, later changes and the thread go on."""

    def fail(change: Change) -> None:
        raise RuntimeError(change.key.name)

    counted = metrics.HANDLER_ERRORS.labels("Part", "fail")._value
    before = counted.get()
    bench.informer.subscribe(fail, "fail")
    bench.informer.subscribe(bench.record, "record")
    bench.script.lists = [pages(part("a", 5), rv=10)]
    bench.script.watches = [[event("MODIFIED", part("a", 11)), 300.0]]
    bench.run()
    assert bench.told == ["None>5 initially", "5>11"]
    assert counted.get() - before == 2
    assert bench.informer.view().restarts == 0


def test_a_relist_tells_what_was_missed(bench: Bench) -> None:
    """C2: what vanished during an outage is told as a deletion with the last known state."""
    bench.informer.subscribe(bench.record, "record")
    bench.script.lists = [pages(part("a", 5), part("b", 6), rv=10), pages(part("a", 15), rv=20)]
    bench.script.watches = [[errors.Expired("too old"), 1.0]]
    bench.run()
    assert bench.told[2:] == ["6>None", "5>15"]
    assert bench.store.keys() == [key("a", kind="Part")]


def test_bookmarks_reach_the_store(bench: Bench) -> None:
    """KEP-5647: the store's version moves with bookmarks, so that nobody waits for a quiet kind."""
    bench.script.lists = [pages(rv=10)]
    bench.script.watches = [[_bookmark(77), 300.0]]
    bench.run()
    assert bench.store.last_rv == "77"


def _bookmark(rv: int) -> Any:
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(rv)}})


def test_a_reflector_that_dies_is_replaced(bench: Bench) -> None:
    """W8: an undeclared exception costs a pause and a list from the last version, is counted, and shows in the view."""
    counted = metrics.REFLECTOR_RESTARTS.labels("Part")._value
    before = counted.get()
    bench.informer.subscribe(bench.record, "record")
    bench.script.lists = [pages(part("a", 5), rv=10), [ValueError("a bug")], pages(part("a", 15), rv=20)]
    bench.script.watches = [[_bookmark(12), RuntimeError("another bug")]]
    bench.run()
    assert bench.script.requests[:4] == [("list", "0"), ("watch", "10"), ("list", "12"), ("list", "12")]
    assert bench.told == ["None>5 initially", "5>15"]
    assert counted.get() - before == 2
    assert bench.informer.view().restarts == 2
    assert bench.clock.slept == pytest.approx([0.8, 1.6])


def test_restarts_are_counted_over_ten_minutes(bench: Bench) -> None:
    """W8: readiness looks at restarts within 10 minutes; older ones no longer count."""
    bench.script.lists = [[RuntimeError("a bug")], pages(rv=10)]
    bench.run()
    assert bench.informer.view().restarts == 1
    bench.clock.advance(600)
    assert bench.informer.view().restarts == 0


def test_stop_frees_a_pause() -> None:
    """X3: an informer that backs off ends at once."""
    clock = FakeClock(jump=False)
    script = Script(clock.advance)
    script.lists = [[errors.ConnectFailed("refused")]]
    informer = Informer(PART, script, Store(PART), clock=clock, rng=Edge(0.0))
    informer.start()
    clock.await_sleepers(until=clock.monotonic() + 0.8)
    informer.stop()
    assert informer.join(5)


def test_stop_frees_a_watch(bench: Bench) -> None:
    """X2: a thread that sits in a read ends when the stream is stopped from outside."""
    reading = threading.Event()

    def block() -> None:
        reading.set()
        assert bench.script.streams[0].stopped.wait(5)

    bench.script.lists = [pages(rv=10)]
    bench.script.watches = [[block]]
    bench.informer.start()
    assert reading.wait(5)
    bench.informer.stop()
    assert bench.informer.join(5)


def test_join_before_start() -> None:
    """A stop before the start is a stop."""
    bench = Bench()
    bench.informer.stop()
    assert bench.informer.join(0)


def test_subscribe_comes_before_start(bench: Bench) -> None:
    """A handler that came later would miss the first list; the message says what to do."""
    bench.run()
    with pytest.raises(RuntimeError, match="subscribe late to informer-parts before it starts"):
        bench.informer.subscribe(bench.record, "late")


def test_view(bench: Bench) -> None:
    """O1: alive, synced, silence and the last error, for the health checks."""
    view = bench.informer.view()
    assert (view.kind, view.alive, view.synced, view.silence, view.last_error) == (
        "Part",
        False,
        False,
        0,
        "",
    )
    alive: list[bool] = []
    bench.script.lists = [[errors.Forbidden("no", reason="Forbidden")], pages(rv=10)]
    bench.script.watches = [[lambda: alive.append(bench.informer.view().alive), 300.0]]
    bench.run()
    bench.clock.advance(50)
    view = bench.informer.view()
    assert (alive, view.alive, view.synced, view.silence, view.last_error) == (
        [True],
        False,
        True,
        50,
        "Forbidden: no",
    )
    silence = metrics.REGISTRY.get_sample_value("kaspr_reflector_silence_seconds", {"kind": "Part"})
    assert silence == 50


def test_threads_have_names_and_do_not_hold_the_exit() -> None:
    """X1: `<role>-<kind>`, with the namespace where there is one; daemon, because a list may hang in the network."""
    script = Script(FakeClock().advance)
    informer = Informer(PART, script, Store(PART), clock=FakeClock(), rng=Edge(0.0), namespace="team")
    assert informer.name == informer._thread.name == "informer-parts-team"
    assert informer._thread.daemon


def test_counters_begin_at_zero() -> None:
    """P1: the first restart of a reflector is a step from 0 to 1, which a rate sees."""
    kind = Kind("example.com", "v1", "Fresh", "freshes")
    Informer(kind, Script(lambda _seconds: None), Store(kind), clock=FakeClock(), rng=Edge(0.0))
    for name in ("lists", "watches", "restarts"):
        assert metrics.REGISTRY.get_sample_value(f"kaspr_reflector_{name}_total", {"kind": "Fresh"}) == 0.0
