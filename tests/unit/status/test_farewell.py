"""A goodbye is said for seats that nobody will come back to as before, and for nobody who is alive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspr_controller.status.actions import Decision, SayGoodbye
from kaspr_controller.status.farewell import (
    Facts,
    Farewells,
    Holder,
    Owed,
    Policy,
    decide,
    ghosts,
    ghosts_for,
    read,
    write,
)
from kaspr_controller.status.judging import Group, Judged, Seats, State
from kaspr_controller.status.rebalancing import digest_of
from tests.unit.status.members import judged, pod

NOW = 1_700_000_000.0
OLD, NEW = "orders", "orders,returns"
OWED = Owed("demo-app-2", "u2", "subscriptions-changed", NOW)


def member(
    ordinal: int, state: State = "calm", *, uid: str = "", text: str | None = NEW, **more: Any
) -> Judged:
    running_for = more.pop("running_for", 1000.0)
    of = pod(
        ordinal,
        uid=uid or f"u{ordinal}",
        subscriptions=text,
        running_for=running_for,
        running=more.pop("running", True),
        deleting=state == "leaving",
    )
    return judged(ordinal, state, pod=of, **more)


def facts(*members: Judged, desired: int = 3, seats: Seats | None = None, **more: Any) -> Facts:
    return Facts(
        **{"group": Group(tuple(members), (), (), seats), "desired": desired, "rendered": NEW, **more}
    )


def holding(*members: Judged) -> Farewells:
    return decide(Policy(), Farewells(), facts(*members), now=NOW - 60).part


def byes(decision: Decision[Farewells]) -> list[tuple[str, str, str]]:
    return [
        (action.instance_id, action.gone_uid, action.why)
        for action in decision.actions
        if isinstance(action, SayGoodbye)
    ]


THREE = holding(member(0), member(1), member(2))
THREE_OLD = holding(member(0, text=OLD), member(1, text=OLD), member(2, text=OLD))


def test_scaled_down_members_are_taken_leave_of_when_they_are_gone() -> None:
    """C4: 3 to 1; while the pod still exists nothing is said, the moment it is gone the goodbye is."""
    leaving = facts(member(0), member(1, "leaving"), member(2, "leaving"), desired=1)
    waiting = decide(Policy(), THREE, leaving, now=NOW)
    assert (waiting.actions, waiting.part.owed) == ((), ())
    found = decide(Policy(), waiting.part, facts(member(0), desired=1), now=NOW + 5)
    assert byes(found) == [("demo-app-1", "u1", "scaled-down"), ("demo-app-2", "u2", "scaled-down")]


def test_a_plain_restart_keeps_its_seat() -> None:
    """Static membership: who comes back as before takes its partitions back without a rebalance."""
    assert decide(Policy(), THREE, facts(member(0), member(1)), now=NOW).part.owed == ()


def test_a_pod_that_is_away_when_the_app_is_scaled_down_is_not_forgotten() -> None:
    """C4: evicted, and no longer wanted before its successor was made: the seat is still there."""
    away = read(write(decide(Policy(), THREE, facts(member(0), member(1)), now=NOW).part))
    found = decide(Policy(), away, facts(member(0), member(1), desired=2), now=NOW + 20)
    assert byes(found) == [("demo-app-2", "u2", "scaled-down")]
    assert found.part.owed[0].since == NOW
    later = decide(Policy(), away, facts(member(0), member(1)), now=NOW + 151)
    assert [holder.name for holder in later.part.holders] == ["demo-app-0", "demo-app-1"]


def test_changed_subscriptions_end_the_old_seat() -> None:
    """C1, section 3: the old pod is gone, its replacement not there yet."""
    found = decide(Policy(), THREE_OLD, facts(member(0, text=OLD), member(1, text=OLD)), now=NOW)
    assert byes(found) == [("demo-app-2", "u2", "subscriptions-changed")]


def test_a_pod_that_never_said_what_it_read_gets_no_goodbye() -> None:
    """Take-over: pods of the predecessor carry no annotation; not knowing is no reason."""
    mute = holding(member(0), member(1), member(2, text=None))
    assert decide(Policy(), mute, facts(member(0), member(1)), now=NOW).part.owed == ()


@pytest.mark.parametrize(("why", "said"), [("zombie", True), ("frozen", True), ("hung", False)])
def test_members_that_were_replaced(why: str, *, said: bool) -> None:
    """Zombies and frozen ones leave a dead seat; a hung one comes back to its own."""
    found = decide(Policy(), THREE, facts(member(0), member(1), killed={"u2": why}), now=NOW)
    assert byes(found) == ([("demo-app-2", "u2", why)] if said else [])


SUCCESSORS = [
    (member(2, "starting", uid="v2", running=False, watched=None), "said"),
    (member(2, "starting", uid="v2", running_for=4.0, watched=None), "said"),
    (member(2, "starting", uid="v2", running_for=20.0, watched=4.0), "said"),
    (member(2, "not-begun", uid="v2"), "said"),
    (member(2, "rebalancing", uid="v2", assigned=False, age=3.0), "said"),
    (member(2, "rebalancing", uid="v2", assigned=False, age=30.0), "waits"),
    (member(2, "starting", uid="v2", running_for=20.0, watched=None), "waits"),
    (member(2, "silent", uid="v2", watched=None), "waits"),
    (member(2, "silent", uid="v2"), "waits"),
    (member(2, "lying", uid="v2"), "waits"),
    (member(2, "leaving", uid="v2"), "waits"),
    (member(2, "calm", uid="v2"), "dropped"),
    (member(2, "recovering", uid="v2"), "dropped"),
    (member(2, "rebalancing", uid="v2", assigned=True), "dropped"),
    (member(2, "zombie", uid="v2"), "dropped"),
    (member(2, "cut-off", uid="v2"), "dropped"),
]


@pytest.mark.parametrize(("successor", "outcome"), SUCCESSORS)
def test_never_for_a_name_whose_new_pod_may_have_joined(successor: Judged, outcome: str) -> None:
    """Section 3: said too late it evicts the replacement. Not knowing is not enough to say it."""
    found = decide(Policy(), replace(THREE, owed=(OWED,)), facts(member(0), member(1), successor), now=NOW)
    assert bool(byes(found)) == (outcome == "said")
    assert bool(found.part.owed) == (outcome != "dropped")


@pytest.mark.parametrize("hand", [{"paused": True}, {"leading": False}, {"complete": False}])
def test_hands_off(hand: dict[str, Any]) -> None:
    """Paused, not leading, or a list of pods that may be partial (D03): nobody is gone."""
    found = decide(Policy(), THREE, facts(**hand), now=NOW)
    assert (found.part, found.actions) == (THREE, ())


def test_a_restart_in_between_forgets_nobody() -> None:
    """Show 7: the holders stand in the status, so a pod that went while nobody looked is noticed as gone."""
    stored = read(write(THREE_OLD))
    found = decide(Policy(), stored, facts(member(0, text=OLD), member(1, text=OLD)), now=NOW)
    assert byes(found) == [("demo-app-2", "u2", "subscriptions-changed")]
    # Killed before it was said: the debt stands, and is said after the pause.
    stored = read(write(found.part))
    again = facts(member(0, text=OLD), member(1, text=OLD))
    assert byes(decide(Policy(), stored, again, now=NOW + 2)) == []
    assert len(byes(decide(Policy(), stored, again, now=NOW + 6))) == 1


def test_a_goodbye_that_was_said_is_over() -> None:
    """Success, or a group that shows no such seat: said once."""
    part = replace(THREE, owed=(replace(OWED, attempts=1, last_at=NOW),))
    two = (member(0), member(1))
    done = facts(*two, done=frozenset({("demo-app-2", "u2")}))
    assert decide(Policy(), part, done, now=NOW + 1).part.owed == ()
    seats = Seats(stable=True, instances=frozenset({"demo-app-0", "demo-app-1"}))
    seen = facts(*two, seats=seats, viewed_at=NOW + 0.5)
    assert decide(Policy(), part, seen, now=NOW + 1).part.owed == ()
    before = facts(*two, seats=seats, viewed_at=NOW - 1)
    assert decide(Policy(), part, before, now=NOW + 1).part.owed != ()


def test_attempts_back_off_and_end_with_the_session() -> None:
    """Kafka refuses or is away: 5, 10, 20, 40 s later again, until the seat has run out by itself."""
    part, times = replace(THREE, owed=(OWED,)), []
    for second in range(300):
        found = decide(Policy(), part, facts(member(0), member(1)), now=NOW + second)
        part = read(write(found.part))
        times += [second] * len(byes(found))
    assert times == [0, 5, 15, 35, 75]
    assert part.owed == ()


def test_the_budget_is_kept() -> None:
    """40 to 3: ten at once, fifty a minute, nobody forgotten."""
    everybody = [member(number) for number in range(40)]
    part, counts = holding(*everybody), []
    for second in range(5):
        found = decide(Policy(), part, facts(*everybody[:3], desired=3), now=NOW + second)
        part = found.part
        counts.append(len(byes(found)))
    assert counts == [10, 10, 10, 7, 0]
    tight = decide(Policy(budget=4), holding(*everybody), facts(*everybody[:3], desired=3), now=NOW)
    assert len(byes(tight)) == 4
    assert tight.refused[0].reason == "BudgetSpent"


@pytest.mark.parametrize(("access", "reason"), [("off", "GoodbyesOff"), ("failing", "KafkaNotReachable")])
def test_without_access_the_cost_is_said(access: Any, reason: str) -> None:
    """Section 4.3, 4.5: nothing is said to Kafka, the condition names who is missed for how long, then it is over."""
    given_ = facts(member(0), desired=1, access=access, access_reason="no route")
    found = decide(Policy(), THREE, given_, now=NOW)
    assert found.actions == ()
    assert (found.verdicts[0].type, found.verdicts[0].reason) == ("SeatsAbandoned", reason)
    assert "read by nobody for up to 150 s" in found.verdicts[0].message
    later = decide(Policy(), found.part, given_, now=NOW + 151)
    assert (later.part.owed, later.verdicts) == ((), ())


def test_without_access_changed_subscriptions_cost_a_replacement() -> None:
    """Section 4.3: the slower way is named where a member comes back to its old assignment."""
    joining = member(2, "starting", uid="v2", running_for=3.0)
    given_ = facts(member(0, text=OLD), member(1, text=OLD), joining, access="off")
    found = decide(Policy(), THREE_OLD, given_, now=NOW)
    assert "replaced once more, after 150 s" in found.verdicts[0].message


def test_dynamic_members_have_no_seats() -> None:
    """C5: they leave by themselves; what was noted is forgotten."""
    assert decide(Policy(static=False), THREE, facts(), now=NOW).part == Farewells()


def test_ghosts_are_what_is_owed_and_what_kafka_shows() -> None:
    """C4: no rebalance while these sit in the group."""
    part = replace(THREE, owed=(OWED,))
    two = Group((member(0), member(1)))
    assert ghosts(part, two) == ("demo-app-2",)
    assert ghosts_for(Policy(), part, now=NOW + 50) == 100.0
    shown = replace(two, seats=Seats(stable=True, instances=frozenset({"demo-app-0", "demo-app-7"})))
    assert ghosts(THREE, shown) == ("demo-app-7",)
    assert (ghosts(THREE, two), ghosts_for(Policy(), THREE, now=NOW)) == ((), None)


@pytest.mark.parametrize("raw", [None, 3, {"holders": [{"name": 5}], "owed": [{"name": "x"}], "said": ["y"]}])
def test_a_part_that_is_not_understood_says_nothing(raw: Any) -> None:
    """Somebody edited the status by hand: a goodbye less, never one too many."""
    assert read(raw) == Farewells()


TEXT = st.text("abc-0", min_size=1, max_size=5)
STAMPS = st.integers(1, 2**32).map(float)


@given(
    st.builds(
        Farewells,
        holders=st.lists(
            st.builds(Holder, TEXT, TEXT, st.just("") | TEXT, st.none() | STAMPS), max_size=3
        ).map(tuple),
        owed=st.lists(
            st.builds(Owed, TEXT, TEXT, TEXT, STAMPS, st.integers(0, 9), st.none() | STAMPS), max_size=3
        ).map(tuple),
        said=st.lists(STAMPS, max_size=3).map(tuple),
    )
)
def test_the_part_survives_being_written(part: Farewells) -> None:
    """Restart at any point."""
    assert read(write(part)) == part


def test_the_same_digest_as_the_rebalance() -> None:
    """Both compare what runs with what is rendered: one digest."""
    assert THREE.holders[0].fingerprint == digest_of(NEW)


def test_one_seat_has_one_debt() -> None:
    """A pod that goes twice in a row owes one goodbye, for the newest of them."""
    second = replace(THREE_OLD, owed=(replace(OWED, gone_uid="t2", attempts=3, last_at=NOW),))
    found = decide(Policy(), second, facts(member(0, text=OLD), member(1, text=OLD)), now=NOW + 1)
    assert byes(found) == [("demo-app-2", "u2", "subscriptions-changed")]
    assert len(found.part.owed) == 1
