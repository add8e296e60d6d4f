"""The journal keeps the last lines about a key, and not more than it may."""

from __future__ import annotations

from datetime import timedelta

from kaspr_controller.engine.journal import Journal
from tests.fakes.clock import EPOCH, FakeClock
from tests.unit.engine.things import key


def test_lines_come_back_in_order_with_their_times() -> None:
    """O2: what happened, oldest first."""
    clock = FakeClock()
    journal = Journal(clock)
    journal.write(key("a"), "one")
    clock.advance(5)
    journal.write(key("a"), "two")
    assert journal.read(key("a")) == [(EPOCH, "one"), (EPOCH + timedelta(seconds=5), "two")]
    assert journal.read(key("b")) == []


def test_twenty_lines_a_key() -> None:
    """O2: the last twenty."""
    journal = Journal(FakeClock())
    for number in range(50):
        journal.write(key("a"), str(number))
    assert [line.text for line in journal.read(key("a"))] == [str(number) for number in range(30, 50)]


def test_quiet_keys_are_forgotten_first() -> None:
    """Memory is bounded: the key that nothing was written about for longest goes."""
    journal = Journal(FakeClock(), keys=2)
    for name in "aba":
        journal.write(key(name), "x")
    journal.write(key("c"), "x")
    assert [len(journal.read(key(name))) for name in "abc"] == [2, 0, 1]
