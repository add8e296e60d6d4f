"""The memories of a process: learned no-ops, settled objects and contended objects."""

from __future__ import annotations

import threading
from dataclasses import replace

from kaspr_controller.converge.contention import Contention
from kaspr_controller.converge.covering import Difference
from kaspr_controller.converge.learned import LearnedNoOps
from kaspr_controller.converge.settled import Settled
from kaspr_controller.kube.kinds import ObjectKey
from tests.fakes.clock import FakeClock
from tests.unit.converge.objects import owner

_KEY = ObjectKey("ConfigMap", "shop", "a")
_FOUND = [Difference(("data", "x"), "LOUD")]


def test_only_the_same_incarnation_intent_and_values_are_known() -> None:
    """S3: the key of the memory is the whole proof."""
    learned = LearnedNoOps(FakeClock())
    learned.learn("u", "h", _FOUND)
    assert learned.knows("u", "h", _FOUND)
    assert not learned.knows("u2", "h", _FOUND)
    assert not learned.knows("u", "h2", _FOUND)
    assert not learned.knows("u", "h", [Difference(("data", "x"), "other")])
    assert not learned.knows("u", "h", [Difference(("data", "y"), "LOUD")])
    assert not learned.knows("u", "h", [*_FOUND, Difference(("data", "y"), None)])
    assert not learned.knows("u", "h", [])


def test_what_is_used_lives_on_and_what_is_not_expires() -> None:
    """S3: thirty minutes after its last use an entry is tried again."""
    clock = FakeClock()
    learned = LearnedNoOps(clock)
    learned.learn("u", "h", _FOUND)
    for _ in range(3):
        clock.advance(1799.0)
        assert learned.knows("u", "h", _FOUND)
    clock.advance(1801.0)
    assert not learned.knows("u", "h", _FOUND)
    assert len(learned) == 0


def test_the_least_recently_used_goes_first() -> None:
    """S3: bounded."""
    learned = LearnedNoOps(FakeClock(), capacity=2)
    learned.learn("a", "h", _FOUND)
    learned.learn("b", "h", _FOUND)
    assert learned.knows("a", "h", _FOUND)
    learned.learn("c", "h", _FOUND)
    assert [learned.knows(uid, "h", _FOUND) for uid in "abc"] == [True, False, True]


def test_no_value_is_kept() -> None:
    """A live value may be a secret: only a digest stays in memory."""
    learned = LearnedNoOps(FakeClock())
    learned.learn("u", "h", [Difference(("data", "x"), "hunter2")])
    assert "hunter2" not in repr(vars(learned))


def test_a_settled_object_is_so_for_one_version_intent_and_owner() -> None:
    """An answer is not given again as soon as anything that it depends on is another one."""
    settled, mine = Settled(), owner("shop")
    settled.note("u", "7", "h", mine)
    assert settled.holds("u", "7", "h", owner("shop"))
    assert not settled.holds("u2", "7", "h", mine)
    assert not settled.holds("u", "8", "h", mine)
    assert not settled.holds("u", "7", "h2", mine)
    assert not settled.holds("u", "7", "h", replace(mine, uid="another"))
    assert not settled.holds("u", "7", "h", replace(mine, also=frozenset({"component"})))
    settled.note("u", "8", "h", mine)
    assert not settled.holds("u", "7", "h", mine)


def test_settled_objects_are_bounded() -> None:
    """What was not asked for longest goes first; it is merely compared again."""
    settled, mine = Settled(capacity=2), owner("shop")
    settled.note("a", "1", "h", mine)
    settled.note("b", "1", "h", mine)
    assert settled.holds("a", "1", "h", mine)
    settled.note("c", "1", "h", mine)
    assert len(settled) == 2
    assert [settled.holds(uid, "1", "h", mine) for uid in "abc"] == [True, False, True]


def test_many_threads_share_a_memory() -> None:
    """Workers learn and ask at the same time; the bound holds."""
    learned = LearnedNoOps(FakeClock(), capacity=50)

    def work(number: int) -> None:
        for turn in range(200):
            learned.learn(f"{number}-{turn}", "h", _FOUND)
            learned.knows(f"{number}-{turn // 2}", "h", _FOUND)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    assert len(learned) == 50


def test_slow_changes_are_no_contention() -> None:
    """S4: eleven seconds apart is a user at work."""
    clock = FakeClock()
    contention = Contention(clock)
    for _ in range(5):
        contention.changed(_KEY, "h", ("data.x",))
        assert contention.rest(_KEY, "h") is None
        clock.advance(10.1)


def test_two_quick_changes_rest_for_a_minute_and_end_by_themselves() -> None:
    """S4: paths and remaining time are told; another object and another intent are not concerned."""
    clock = FakeClock()
    contention = Contention(clock)
    contention.changed(_KEY, "h", ("data.x", "data.y"))
    clock.advance(10.0)
    contention.changed(_KEY, "h", ("data.z", "data.x"))
    rest = contention.rest(_KEY, "h")
    assert rest is not None
    assert (rest.paths, rest.seconds) == (("data.x",), 60.0)
    assert contention.rest(_KEY, "other") is None
    assert contention.rest(_KEY._replace(name="b"), "h") is None
    clock.advance(60.0)
    assert contention.rest(_KEY, "h") is None


def test_another_intent_ends_the_rest() -> None:
    """S4: after a user's change the old contention says nothing."""
    contention = Contention(FakeClock())
    contention.changed(_KEY, "h", ("data.x",))
    contention.changed(_KEY, "h", ("data.x",))
    contention.changed(_KEY, "new", ("data.x",))
    assert contention.rest(_KEY, "h") is None
    assert contention.rest(_KEY, "new") is None


def test_one_field_after_another_is_no_contention() -> None:
    """S4: a person who tries out fields by hand fights nobody, however quick; each of them is repaired."""
    contention = Contention(FakeClock())
    for number in range(20):
        contention.changed(_KEY, "h", (f"data.{number}",))
        assert contention.rest(_KEY, "h") is None


def test_rivals_who_take_turns_are_noticed() -> None:
    """S4: two rivals with a field each, alternating, are a fight too."""
    clock = FakeClock()
    contention = Contention(clock)
    for path in ("data.x", "data.y", "data.x"):
        assert contention.rest(_KEY, "h") is None
        contention.changed(_KEY, "h", (path,))
        clock.advance(2.0)
    rest = contention.rest(_KEY, "h")
    assert rest is not None
    assert rest.paths == ("data.x",)
