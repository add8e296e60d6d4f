"""The reflector: rules W1 to W4 and W7, one test for each row of its tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.engine.reflector import Reflector
from kaspr_controller.kube import errors
from kaspr_controller.kube.listing import Selection
from kaspr_controller.telemetry import metrics
from tests.fakes.clock import FakeClock
from tests.unit.engine.scripted import Script, bookmark, event, pages
from tests.unit.engine.test_backoff import Edge
from tests.unit.engine.things import PART, thing

if TYPE_CHECKING:
    from kaspr_controller.kube.kinds import Raw
    from kaspr_controller.kube.watching import WatchEvent

REFUSED = errors.ConnectFailed("refused")
EXPIRED = errors.Expired("too old resource version", status=410)
GONE = errors.Gone("gone", status=410)
TOO_LARGE = errors.ResourceVersionTooLarge("not there yet", status=504)
BUSY = errors.TooManyRequests("busy", status=429)
BROKEN = errors.ServerError("internal", status=500)
SILENT = errors.IdleTimeout("silent")
CUT = errors.ConnectionLost("cut")


class Record:
    """A sink that remembers what it was told."""

    def __init__(self, last_rv: str = "") -> None:
        self.last_rv = last_rv
        self.told: list[str] = []
        self.poison: set[str] = set()

    def stage(self) -> Batch:
        return Batch(self)

    def event(self, event: WatchEvent) -> None:
        name = event.object["metadata"]["name"]
        if name in self.poison:
            raise KeyError(name)
        self.told.append(f"{event.type} {name}@{event.resource_version}")

    def bookmark(self, version: str) -> None:
        self.told.append(f"bookmark@{version}")


class Batch:
    """A list under way."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.names: list[str] = []

    def add(self, obj: Raw) -> None:
        name = obj["metadata"]["name"]
        if name in self.record.poison:
            raise KeyError(name)
        self.names.append(name)

    def commit(self, version: str) -> None:
        self.record.told.append(f"list@{version}: {' '.join(self.names)}".rstrip())


class Bench:
    """A reflector whose jitter is zero, on a clock that jumps over pauses."""

    def __init__(self, last_rv: str = "", **selection: Any) -> None:
        self.clock = FakeClock()
        self.script = Script(self.clock.advance)
        self.sink = Record(last_rv)
        self.reflector = Reflector(
            Selection(PART, **selection),
            self.script,
            self.sink,
            clock=self.clock,
            rng=Edge(0.0),
            stop=self.script.finished,
        )

    def run(self) -> None:
        """Until the script is used up; its last, unanswered request is not counted."""
        self.reflector.run()
        self.script.asked.pop()

    def listed(self) -> None:
        self.script.lists.append(pages(rv=10))
        self.reflector.step()
        self.script.asked.clear()


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def watching() -> Bench:
    """A reflector that has listed at version 10."""
    bench = Bench()
    bench.listed()
    return bench


class TestOrdinaryLife:
    def test_list_then_watch_then_watch_on(self, bench: Bench) -> None:
        """W1: the first list takes any cached state ("0"), the watch starts at its version, the next where it ended."""
        bench.script.lists = [pages(thing("a"), thing("b"), rv=10)]
        bench.script.watches = [
            [event("ADDED", thing("c", 11)), event("MODIFIED", thing("a", 12)), 300.0],
            [event("DELETED", thing("a", 13)), 300.0],
        ]
        bench.run()
        assert bench.script.requests == [("list", "0"), ("watch", "10"), ("watch", "12")]
        assert bench.sink.told == ["list@10: a b", "ADDED c@11", "MODIFIED a@12", "DELETED a@13"]
        assert bench.clock.slept == []

    def test_bookmarks_move_the_version(self, watching: Bench) -> None:
        """W1: every event advances the version, bookmarks included, so a quiet kind does not expire."""
        watching.script.watches = [[bookmark(500), 300.0], [300.0]]
        watching.run()
        assert watching.script.requests == [("watch", "10"), ("watch", "500")]
        assert watching.sink.told[-1] == "bookmark@500"

    def test_zero_lists_per_ordinary_disconnect(self, watching: Bench) -> None:
        """Bar 1: a hundred watches that end as they should cost no list and no pause."""
        watching.script.watches = [[400.0] for _ in range(100)]
        watching.run()
        assert {verb for verb, _ in watching.script.requests} == {"watch"}
        assert watching.clock.slept == []

    def test_who_knows_something_lists_from_there(self) -> None:
        """W1: a reflector that replaces another lists "not older than" what the store has: time never runs back."""
        bench = Bench(last_rv="77")
        bench.script.lists = [pages(rv=80)]
        bench.run()
        assert bench.script.requests == [("list", "77")]

    def test_what_is_asked_for(self) -> None:
        """W3, W4: pages of 500; timeoutSeconds within 290 to 580; the selection on every request."""
        bench = Bench(namespace="ns", label_selector="a=b", field_selector="c=d")
        bench.script.lists = [pages(rv=10)]
        bench.script.watches = [[400.0]]
        bench.run()
        selection = {"kind": PART, "namespace": "ns", "label_selector": "a=b", "field_selector": "c=d"}
        listed, watched = (asked.more for asked in bench.script.asked)
        assert listed == {**selection, "page_size": 500}
        assert 290 <= watched.pop("timeout_seconds") <= 580
        assert watched == selection

    def test_pages_are_one_list(self, bench: Bench) -> None:
        """W4: pages are added as they come and committed once."""
        bench.script.lists = [pages(*(thing(f"n{number}") for number in range(5)), rv=10, size=2)]
        bench.run()
        assert bench.sink.told == ["list@10: n0 n1 n2 n3 n4"]


class TestListErrors:
    @pytest.mark.parametrize("error", [EXPIRED, GONE, TOO_LARGE])
    def test_full_list_if_the_version_is_refused(self, error: Exception) -> None:
        """W1: "0 -> last -> empty": when the last version is refused, the newest state is listed, at once."""
        bench = Bench(last_rv="77")
        bench.script.lists = [[error], pages(rv=100)]
        bench.script.watches = [[400.0]]
        bench.run()
        assert bench.script.requests == [("list", "77"), ("list", ""), ("watch", "100")]
        assert bench.clock.slept == []

    def test_the_refused_version_is_forgotten_only_once(self) -> None:
        """After the full list, the next list starts from the new version again."""
        bench = Bench(last_rv="77")
        bench.script.lists = [[EXPIRED], pages(rv=100), pages(rv=120)]
        bench.script.watches = [[bookmark(110), EXPIRED]]
        bench.run()
        assert bench.script.requests == [("list", "77"), ("list", ""), ("watch", "100"), ("list", "110")]

    def test_a_token_that_expires_leads_to_one_page(self, bench: Bench) -> None:
        """W4: a continue token that expires on page 2 throws the pages away; the list comes again whole."""
        first = pages(thing("a"), rv=10)[0]
        bench.script.lists = [[EXPIRED], [first, EXPIRED], pages(thing("b"), rv=11)]
        bench.run()
        assert bench.script.requests == [("list", "0"), ("list", ""), ("list", "")]
        assert [asked.more["page_size"] for asked in bench.script.asked] == [500, 500, 0]
        assert bench.sink.told == ["list@11: b"]
        assert bench.clock.slept == []

    def test_even_that_may_fail(self, bench: Bench) -> None:
        """A server that calls everything expired is asked with a backoff, not in a loop."""
        bench.script.lists = [[EXPIRED] for _ in range(5)]
        bench.run()
        assert bench.clock.slept == pytest.approx([0.8, 1.6, 3.2])

    @pytest.mark.parametrize(
        "error", [REFUSED, BUSY, BROKEN, CUT, errors.Forbidden("no"), errors.NotFound("no CRD")]
    )
    def test_any_other_error_backs_off(self, bench: Bench, error: Exception) -> None:
        """W2: the same list again after 0.8, 1.6, 3.2 s... A missing CRD is waited for like anything else."""
        bench.script.lists = [[error], [error], [error], pages(rv=10)]
        bench.run()
        assert bench.script.requests == [("list", "0")] * 4
        assert bench.clock.slept == pytest.approx([0.8, 1.6, 3.2])
        assert bench.sink.told == ["list@10:"]

    def test_retry_after_is_a_floor(self, bench: Bench) -> None:
        """W7: the server's wish is obeyed."""
        bench.script.lists = [[errors.TooManyRequests("busy", retry_after=17.0)]]
        bench.run()
        assert bench.clock.slept == [17.0]

    def test_a_broken_list_changes_nothing(self, bench: Bench) -> None:
        """W4: pages of a list that broke off never reach the sink."""
        bench.script.lists = [[pages(thing("a"))[0], CUT]]
        bench.run()
        assert bench.sink.told == []

    @pytest.mark.parametrize("answer", [[], pages(thing("a"), rv="")])
    def test_a_list_without_a_version_is_an_error(self, bench: Bench, answer: Any) -> None:
        """An answer that is no list must not empty the store."""
        bench.script.lists = [answer]
        bench.reflector.step()
        assert bench.sink.told == []
        assert len(bench.clock.slept) == 1


class TestPoison:
    def test_one_object_does_not_keep_the_others_away(self, bench: Bench) -> None:
        """An object that the sink cannot take is skipped, in a list and in a watch, and counted."""
        bench.sink.poison = {"bad"}
        counted = metrics.REFLECTOR_ERRORS.labels("Part", "object")
        before = counted._value.get()
        bench.script.lists = [pages(thing("a"), thing("bad"), thing("b"), rv=10)]
        bench.script.watches = [
            [event("MODIFIED", thing("bad", 11)), event("ADDED", thing("c", 12)), 400.0],
            [400.0],
        ]
        bench.run()
        assert bench.sink.told == ["list@10: a b", "ADDED c@12"]
        assert bench.script.requests[-1] == ("watch", "12")
        assert counted._value.get() - before == 2


class TestStop:
    def test_stop_during_a_watch(self, watching: Bench) -> None:
        """X3: `interrupt` ends the stream that is being read; nothing is asked for afterwards."""

        def stop() -> None:
            watching.script.finished.set()
            watching.reflector.interrupt()

        watching.script.watches = [
            [event("ADDED", thing("a", 11)), stop, event("ADDED", thing("b", 12))],
            [400.0],
        ]
        watching.reflector.run()
        assert watching.sink.told[1:] == ["ADDED a@11"]
        assert watching.script.requests == [("watch", "10")]

    def test_stop_before_the_stream_is_known(self, watching: Bench) -> None:
        """A stop that falls between the request and the reading ends the watch all the same."""
        watching.script.watches = [[event("ADDED", thing("a", 11))]]
        original = watching.script.watch

        def watch(*args: Any, **kwargs: Any) -> Any:
            watching.script.finished.set()
            return original(*args, **kwargs)

        watching.script.watch = watch  # type: ignore[method-assign]
        watching.reflector.run()
        assert watching.sink.told == ["list@10:"]
        assert watching.script.streams[0].stopped.is_set()

    def test_stop_between_pages(self, bench: Bench) -> None:
        """A stop does not wait for the rest of a long list."""
        first, second = pages(thing("a"), thing("b"), size=1)
        bench.script.lists = [[first, second]]
        bench.script.finished.set()
        bench.reflector.step()
        assert bench.sink.told == []

    def test_an_error_after_stop_is_no_error(self, watching: Bench) -> None:
        """The connection that `stop` cut may complain; nobody pauses for that."""
        watching.script.watches = [[watching.script.finished.set, BROKEN]]
        watching.reflector.step()
        assert watching.clock.slept == []
        assert watching.reflector.last_error == ""


class TestSigns:
    def test_heard_at_follows_what_comes(self, watching: Bench) -> None:
        """O1: pages, events, bookmarks and regular ends count as signs of life; failures do not."""
        at = [watching.reflector.heard_at - watching.clock.monotonic()]
        watching.script.watches = [[50.0, bookmark(11), 30.0, SILENT], [REFUSED], [400.0]]
        for _ in range(3):
            watching.reflector.step()
            at.append(round(watching.clock.monotonic() - watching.reflector.heard_at, 3))
        assert at == [0, 30.0, 30.8, 0]

    def test_a_refusal_is_an_answer(self, watching: Bench) -> None:
        """O1: who is refused is not hung; a server that is away does not answer."""
        listed = watching.clock.monotonic()
        watching.script.watches = [[REFUSED], [errors.Forbidden("no", status=403)]]
        watching.reflector.step()
        assert watching.reflector.answered_at == listed
        asked = watching.clock.monotonic()
        watching.reflector.step()
        assert (watching.reflector.heard_at, watching.reflector.answered_at) == (listed, asked)
        assert asked > listed

    def test_the_last_error_is_kept(self, watching: Bench) -> None:
        """O2: the debug page shows why a watch does not come about."""
        watching.script.watches = [[errors.Forbidden("things is forbidden", reason="Forbidden")]]
        watching.run()
        assert watching.reflector.last_error == "Forbidden: things is forbidden"

    def test_a_slow_list_is_told(self, bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
        """A list over 10 s is logged: it is the first sign of an API server in trouble."""

        class Slow(list[Any]):
            def __iter__(self) -> Any:
                bench.clock.advance(11)
                return super().__iter__()

        bench.script.lists = [Slow(pages(rv=10))]
        bench.reflector.step()
        assert "a list took long" in capsys.readouterr().out
