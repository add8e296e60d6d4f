"""What the reflector does after a failed watch: rule W2, one test for each row of its table."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.kube import errors
from tests.unit.engine.scripted import bookmark, event, pages
from tests.unit.engine.test_reflector import BROKEN, BUSY, CUT, EXPIRED, REFUSED, SILENT, Bench
from tests.unit.engine.things import thing


@pytest.fixture
def watching() -> Bench:
    """A reflector that has listed at version 10."""
    bench = Bench()
    bench.listed()
    return bench


class TestWatchErrors:
    @pytest.mark.parametrize("error", [BUSY, REFUSED, errors.Timeout("no answer")])
    def test_no_relist_when_the_server_is_away(self, watching: Bench, error: Exception) -> None:
        """W2: refused connections, timeouts and 429 keep the version, however many; bar 13: 0.25 requests a second."""
        watching.script.watches = [[error] for _ in range(50)]
        watching.run()
        assert watching.script.requests == [("watch", "10")] * 50
        assert watching.clock.slept[:7] == pytest.approx([0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0])
        assert set(watching.clock.slept[6:]) == {30.0}

    def test_expired_lists_from_the_last_version_first(self, watching: Bench) -> None:
        """W1: on a 410 of the watch, the last version is tried before "": no quorum read without need."""
        watching.script.watches = [[bookmark(50), EXPIRED]]
        watching.script.lists = [pages(rv=60)]
        watching.run()
        assert watching.script.requests == [("watch", "10"), ("list", "50")]
        assert watching.clock.slept == []

    def test_expired_over_and_over_backs_off(self, watching: Bench) -> None:
        """A watch that is refused right after each list must not spin."""
        watching.script.watches = [[bookmark(11), EXPIRED], [EXPIRED], [EXPIRED], [EXPIRED]]
        watching.script.lists = [pages(rv=60) for _ in range(4)]
        watching.run()
        assert watching.clock.slept == pytest.approx([0.8, 1.6, 3.2])

    def test_a_very_short_watch_is_an_error(self, watching: Bench) -> None:
        """W2: a server or proxy that answers 200 and closes is asked with a backoff, and listed after five times."""
        watching.script.watches = [[] for _ in range(6)]
        watching.script.lists = [pages(rv=20)]
        watching.run()
        assert watching.script.requests == [("watch", "10")] * 5 + [("list", "10"), ("watch", "20")]
        assert watching.clock.slept[:3] == pytest.approx([0.8, 1.6, 3.2])

    @pytest.mark.parametrize("steps", [[event("ADDED", thing("a", 11))], [1.0]])
    def test_a_short_watch_with_an_event_or_a_second_is_none(self, watching: Bench, steps: list[Any]) -> None:
        """W2: within 1 s *and* with 0 events."""
        watching.script.watches = [steps]
        watching.run()
        assert watching.clock.slept == []

    def test_silence_is_no_error_at_first(self, watching: Bench) -> None:
        """W3: after 75 s of silence the watch resumes at once; only the second in a row backs off."""
        watching.script.watches = [
            [75.0, SILENT],
            [bookmark(11), 75.0, SILENT],
            [75.0, SILENT],
            [75.0, SILENT],
            [400.0],
        ]
        watching.run()
        assert watching.script.requests == [("watch", "10"), ("watch", "10"), *[("watch", "11")] * 3]
        assert watching.clock.slept == pytest.approx([0.8, 1.6])

    def test_silence_after_a_regular_end_is_the_first_again(self, watching: Bench) -> None:
        """W3: "two in a row" means without a watch in between that went well."""
        watching.script.watches = [[75.0, SILENT], [400.0], [75.0, SILENT], [400.0]]
        watching.run()
        assert watching.clock.slept == []

    @pytest.mark.parametrize("error", [CUT, errors.ProtocolError("torn line")])
    def test_a_cut_connection_resumes_at_once(self, watching: Bench, error: Exception) -> None:
        """W2: a proxy that cuts every minute costs neither lists nor pauses; nothing is passed over."""
        watching.script.watches = [[event("ADDED", thing("a", 11)), error], [60.0, error], [400.0]]
        watching.run()
        assert watching.script.requests == [("watch", "10"), ("watch", "11"), ("watch", "11")]
        assert watching.clock.slept == []

    def test_a_connection_cut_at_once_backs_off(self, watching: Bench) -> None:
        """W2: without life in between it is an error like others, and the fifth leads to a list."""
        watching.script.watches = [[CUT] for _ in range(5)]
        watching.script.lists = [pages(rv=20)]
        watching.run()
        assert watching.script.requests == [("watch", "10")] * 5 + [("list", "10")]
        assert len(watching.clock.slept) == 5

    @pytest.mark.parametrize("error", [BROKEN, errors.Unauthorized("who?"), errors.Forbidden("no")])
    def test_other_errors_watch_again_and_list_the_fifth_time(
        self, watching: Bench, error: Exception
    ) -> None:
        """W2: an internal error keeps the version for a bounded number of tries, each after a pause."""
        watching.script.watches = [[error] for _ in range(10)]
        watching.script.lists = [pages(rv=10), pages(rv=10)]
        watching.run()
        five = [("watch", "10")] * 5
        assert watching.script.requests == [*five, ("list", "10"), *five, ("list", "10")]
        assert len(watching.clock.slept) == 10

    def test_errors_with_life_in_between_do_not_add_up(self, watching: Bench) -> None:
        """Only errors in a row lead to a list; an event in between makes the next the first."""
        watching.script.watches = [
            [BROKEN],
            [BROKEN],
            [BROKEN],
            [BROKEN],
            [bookmark(11), BROKEN],
            [BROKEN],
            [BROKEN],
        ]
        watching.run()
        assert ("list", "11") not in watching.script.requests

    def test_a_kind_that_is_gone_is_listed(self, watching: Bench) -> None:
        """W2: 404 means the CRD was deleted; the list will tell when it is back."""
        watching.script.watches = [[errors.NotFound("no such kind", status=404)]]
        watching.script.lists = [pages(rv=20)]
        watching.run()
        assert watching.script.requests == [("watch", "10"), ("list", "10")]
        assert watching.clock.slept == pytest.approx([0.8])

    def test_backoff_resets_after_two_quiet_minutes(self, watching: Bench) -> None:
        """Rule 3: after 120 s without a failure the next pause is the first."""
        watching.script.watches = [[REFUSED], [REFUSED], [REFUSED], [200.0], [REFUSED]]
        watching.run()
        assert watching.clock.slept == pytest.approx([0.8, 1.6, 3.2, 0.8])

    def test_server_down_for_an_hour(self, watching: Bench) -> None:
        """Bar 13: within an hour without a server at most 0.25 requests a second, here far fewer."""
        watching.script.watches = [[REFUSED] for _ in range(1000)]
        start = watching.clock.monotonic()
        while watching.clock.monotonic() - start < 3600:
            watching.reflector.step()
        assert len(watching.script.asked) <= 0.25 * 3600
