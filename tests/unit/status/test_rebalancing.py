"""A rebalance that is needed happens, once, when it can do no harm; and it is never forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspr_controller.status.actions import AcknowledgeRebalance, Decision, SignalRebalance
from kaspr_controller.status.judging import Judged, State
from kaspr_controller.status.rebalancing import Facts, Policy, Rebalance, decide, digest_of, read, write
from kaspr_controller.status.rollout import Rollout
from tests.unit.status.members import group, judged, pod

NOW = 1_700_000_000.0
OLD, NEW = "orders", "orders,returns"
COMPLETE = Rollout(exists=True, observed=True, desired=3, updated=3, ready=3, total=3, complete=True)
ROLLING = replace(COMPLETE, updated=1, complete=False)
TRACKED = Rebalance(fingerprint=digest_of(OLD))
PENDING = Rebalance(digest_of(NEW), "Pending", requested_at=NOW - 5, reason="SubscriptionsChanged")
MANUAL = Rebalance(digest_of(NEW), "Pending", forced=True, manual=True, requested_at=NOW - 5)
SENT = replace(PENDING, state="Signalled", attempts=1, last_attempt_at=NOW - 10)


def three(
    text: str = NEW, *, states: Sequence[State] = ("calm", "calm", "calm"), **more: Any
) -> list[Judged]:
    return [
        judged(number, state, pod=pod(number, subscriptions=text), leader=number == 1, **more)
        for number, state in enumerate(states)
    ]


def facts(
    members: list[Judged] | None = None, *, unread: tuple[str, ...] = ("returns",), **more: Any
) -> Facts:
    seen = group(*(three() if members is None else members), unread=unread)
    given_ = {"rendered": NEW, "rollout": COMPLETE, "desired": 3, "group": seen}
    return Facts(**{**given_, **more})


def signals(decision: Decision[Rebalance]) -> list[str]:
    return [action.pod_name for action in decision.actions if isinstance(action, SignalRebalance)]


def test_an_untracked_app_is_taken_over_without_a_rebalance() -> None:
    """D43, take-over: never tracked is no change; what is rendered becomes the baseline."""
    found = decide(Policy(), Rebalance(), facts(), now=NOW)
    assert (found.part, found.actions) == (Rebalance(fingerprint=digest_of(NEW)), ())
    assert found.requeue_after is None


def test_a_pending_request_of_the_predecessor_is_carried_on() -> None:
    """Take-over: the old status says `rebalanceRequired`; its promise is kept."""
    found = decide(Policy(), Rebalance(), facts(inherited=True), now=NOW)
    assert signals(found) == ["demo-app-1"]


def test_the_first_topic_of_an_app_that_was_tracked_empty_is_a_change() -> None:
    """D43: never tracked and tracked with nothing are two things."""
    found = decide(Policy(), Rebalance(fingerprint=digest_of("")), facts(), now=NOW)
    assert found.part.required
    assert signals(found) == ["demo-app-1"]


@pytest.mark.parametrize("part", [Rebalance(), Rebalance(fingerprint=digest_of(NEW))], ids=["unseen", "seen"])
def test_an_app_that_changed_before_its_first_status_is_told_by_its_pods(part: Rebalance) -> None:
    """First statuses wait for seconds; a pod that was started meanwhile carries what it was started with."""
    outrun = [*three(OLD)[:1], *three(NEW)[1:]]
    found = decide(Policy(), part, facts(outrun, rollout=ROLLING), now=NOW)
    assert (found.part.state, signals(found)) == ("Pending", [])
    later = decide(Policy(), found.part, facts(), now=NOW + 60)
    assert signals(later) == ["demo-app-1"]
    untold = [replace(each, pod=replace(each.pod, subscriptions=None)) for each in outrun]
    assert not decide(Policy(), part, facts(untold, rollout=ROLLING), now=NOW).part.required


@pytest.mark.parametrize(
    ("members", "rollout", "sent"),
    [
        (three(OLD), COMPLETE, 0),
        (three(OLD)[:2] + three(NEW)[2:], ROLLING, 0),
        (three(NEW), ROLLING, 0),
        (three(NEW), COMPLETE, 1),
    ],
)
def test_no_signal_before_the_rollout_that_carries_the_change(
    members: list[Judged], rollout: Rollout, sent: int
) -> None:
    """D41: rollout not started, half-way, not ready, done: 0, 0, 0, 1 rebalance."""
    found = decide(Policy(), TRACKED, facts(members, rollout=rollout), now=NOW)
    assert found.part.required
    assert len(signals(found)) == sent


def test_a_deferred_rebalance_stays_until_it_happened() -> None:
    """D40: seen at the start of a slow rollout, it survives the rollout, a restart and every pass in between."""
    part, sent = TRACKED, 0
    passes = [facts(three(OLD), rollout=ROLLING)] * 10 + [facts()] * 2
    for number, each in enumerate(passes):
        decision = decide(Policy(), part, each, now=NOW + number)
        part, sent = read(write(decision.part)), sent + len(signals(decision))
        assert part.required
    assert sent == 1
    done = decide(Policy(), part, facts(unread=()), now=NOW + 30)
    assert (done.part.state, done.part.reason, done.actions) == ("Done", "Rejoined", ())


def test_a_complete_assignment_needs_no_signal() -> None:
    """Goodbyes and joining members rebalance by themselves: what is read already is not asked for."""
    found = decide(Policy(), PENDING, facts(unread=()), now=NOW)
    assert (found.part.state, found.part.reason, found.actions) == ("Done", "AssignmentsComplete", ())


def test_only_a_rejoin_fulfils_a_change_that_no_assignment_shows() -> None:
    """D44: other marks than topics changed (a table became global): covered before and after, one signal all the same."""
    before, after = "orders,t:global=false", "orders,t:global=true"
    part = Rebalance(fingerprint=digest_of(before))
    rendered: dict[str, Any] = {"rendered": after, "unread": ()}
    pending = decide(Policy(), part, facts(three(before), rollout=ROLLING, **rendered), now=NOW)
    sent = decide(Policy(), pending.part, facts(three(after), **rendered), now=NOW + 60)
    assert signals(sent) == ["demo-app-1"]
    waiting = decide(Policy(), sent.part, facts(three(after), **rendered), now=NOW + 70)
    assert (waiting.part.state, signals(waiting)) == ("Signalled", [])
    states: tuple[State, ...] = ("rebalancing", "calm", "rebalancing")
    moving = decide(
        Policy(), waiting.part, facts(three(after, states=states, age=3.0), **rendered), now=NOW + 75
    )
    assert moving.part.state == "Rejoining"
    done = decide(Policy(), moving.part, facts(three(after), **rendered), now=NOW + 90)
    assert done.part.state == "Done"


@pytest.mark.parametrize(
    ("given_", "reason"),
    [
        (facts(asked=False), "MembersNotAsked"),
        (facts(desired=0), "ScaledToZero"),
        (facts(rollout=ROLLING), "RolloutInProgress"),
        (facts(three(OLD)), "RolloutInProgress"),
        (facts(ghosts=("demo-app-3",), ghosts_for=90.0), "GhostsInGroup"),
        (facts(three()[:2]), "MembersNotCalm"),
        (facts([three()[0], three()[2]], desired=2, rollout=replace(COMPLETE, desired=2)), "MembersNotCalm"),
        (facts([*three()[:2], replace(three()[2], speaking=False)]), "MembersNotCalm"),
        (facts([replace(each, leader=False) for each in three()]), "NoLeader"),
        (facts(paused=True), "Paused"),
        (facts(leading=False), "NotLeading"),
        *(
            (facts(three(states=("calm", "calm", state), age=20.0)), "MembersNotCalm")
            for state in (
                "starting",
                "not-begun",
                "rebalancing",
                "recovering",
                "zombie",
                "hung",
                "frozen",
                "silent",
            )
        ),
    ],
)
def test_every_reason_to_wait_has_a_name_and_none_forgets(given_: Facts, reason: str) -> None:
    """D40, D42, C4, T2: the signal waits, the request stays, the condition says for what."""
    found = decide(Policy(), PENDING, given_, now=NOW)
    assert found.part.required
    assert found.actions == ()
    assert [refusal.reason for refusal in found.refused] == [reason]
    assert [verdict.reason for verdict in found.verdicts] in ([reason], [])


@pytest.mark.parametrize("state", ["frozen", "silent", "lying", "alien", "cut-off"])
def test_a_member_whose_seat_is_gone_does_not_hold_the_others_up(state: State) -> None:
    """C11: after the session timeout and its margin a seat has been given away; the rest of the app goes on."""
    for age, sent in ((140.0, []), (160.0, ["demo-app-1"])):
        members = three(states=("calm", "calm", state))
        members[2] = replace(members[2], age=age)
        assert signals(decide(Policy(), PENDING, facts(members), now=NOW)) == sent


def test_what_the_others_read_already_needs_no_signal() -> None:
    """A frozen member lost its seat and its partitions; once that is certain the assignment of the rest counts."""
    members = three(states=("calm", "calm", "frozen"))
    for age, state in ((140.0, "Pending"), (160.0, "Done")):
        members[2] = replace(members[2], age=age)
        found = decide(Policy(), PENDING, facts(members, unread=()), now=NOW)
        assert (found.part.state, found.actions) == (state, ())


def test_retries_back_off_and_never_end() -> None:
    """D46, D40: 200 but ignored (R13) is asked again after 30, 60, 120 ... seconds, at most an hour apart."""
    part, times = PENDING, []
    for second in range(0, 40_000, 5):
        found = decide(Policy(), part, facts(), now=NOW + second)
        part = found.part
        if signals(found):
            times.append(second)
    pauses = [after - before for before, after in pairwise(times)]
    assert pauses == [30, 60, 120, 240, 480, 960, 1920] + [3600] * 10
    assert part.required


def test_a_clock_that_is_set_back_delays_by_one_pause_at_most() -> None:
    """Wall clocks jump: an attempt that lies in the future counts as one of now."""
    late = replace(SENT, last_attempt_at=NOW + 90_000)
    assert (decide(Policy(), late, facts(), now=NOW).requeue_after or 0) <= 30


def test_two_that_say_they_lead_take_turns() -> None:
    """R13, contradicting peers: one of them is late or wrong, so the next attempt asks the other."""
    members = [replace(each, leader=True) for each in three()]
    found = [
        signals(
            decide(Policy(), replace(SENT, attempts=attempts, last_attempt_at=None), facts(members), now=NOW)
        )
        for attempts in range(3)
    ]
    assert found == [["demo-app-0"], ["demo-app-1"], ["demo-app-2"]]


def test_switched_off_it_stays_pending_and_a_manual_request_passes() -> None:
    """Overrides: the annotation and the setting stop our own signals, not the user's."""
    off = decide(Policy(enabled=False), PENDING, facts(), now=NOW)
    assert (off.part.required, off.actions, off.refused[0].reason) == (True, (), "Disabled")
    assert signals(decide(Policy(enabled=False), MANUAL, facts(), now=NOW)) == ["demo-app-1"]


def test_dynamic_members_need_no_help() -> None:
    """C5: without static membership every restart is a rebalance; the baseline moves silently."""
    found = decide(Policy(static=False), TRACKED, facts(three(OLD)), now=NOW)
    assert found.part == Rebalance(fingerprint=digest_of(NEW))


@pytest.mark.parametrize("value", ["false", "False", " no ", "0", "off", ""])
def test_an_annotation_that_says_no_is_no_request(value: str) -> None:
    """D46b: `false` is ignored."""
    found = decide(Policy(), Rebalance(digest_of(NEW)), facts(annotation=value, unread=()), now=NOW)
    assert (found.part.state, found.actions) == ("Idle", ())


def test_a_manual_request_is_acknowledged_once_and_then_carried_out() -> None:
    """D46a: stored, annotation removed, then sent when a leader answers; the result stands in the status."""
    idle, headless = Rebalance(digest_of(NEW)), [replace(each, leader=False) for each in three()]
    first = decide(Policy(), idle, facts(headless, annotation="true", unread=()), now=NOW)
    assert first.actions == (AcknowledgeRebalance(),)
    # Killed between the two writes: the annotation is still there, and is no second request.
    again = decide(Policy(), read(write(first.part)), facts(headless, annotation="true"), now=NOW + 5)
    assert (again.part, again.actions) == (first.part, (AcknowledgeRebalance(),))
    waiting = decide(Policy(), again.part, facts(headless, unread=()), now=NOW + 10)
    assert (waiting.actions, waiting.refused[0].reason) == ((), "NoLeader")
    sent = decide(Policy(), waiting.part, facts(unread=()), now=NOW + 60)
    assert signals(sent) == ["demo-app-1"]
    done = decide(Policy(), sent.part, facts(three(changed=5.0), unread=()), now=NOW + 80)
    assert (done.part.state, done.part.reason) == ("Done", "Rejoined")


def test_a_manual_request_that_cannot_be_carried_out_expires_with_its_reason() -> None:
    """D46: tried until done or expired."""
    part = MANUAL
    for second in (0.0, 1000.0, 1900.0):
        part = decide(Policy(), part, facts(rollout=ROLLING), now=NOW + second).part
    assert (part.state, part.reason, part.required) == ("Expired", "RolloutInProgress", False)


def test_a_change_during_a_manual_request_keeps_both() -> None:
    """One rejoin fulfils both, but only a complete assignment ends them."""
    part = replace(MANUAL, fingerprint=digest_of(OLD))
    found = decide(Policy(), part, facts(three(OLD), rollout=ROLLING), now=NOW)
    assert (found.part.forced, found.part.manual, found.part.required) == (True, False, True)


def test_a_manual_request_is_not_held_by_a_topic_that_cannot_be_read() -> None:
    """D46: asked for, done, whatever the topics are."""
    moving = replace(MANUAL, state="Rejoining", attempts=1, last_attempt_at=NOW - 20)
    assert decide(Policy(), moving, facts(unread=("absent",)), now=NOW).part.state == "Done"
    auto = replace(moving, manual=False)
    assert decide(Policy(), auto, facts(unread=("absent",)), now=NOW).part.required


@pytest.mark.parametrize("raw", [None, "x", [], {"state": "Odd"}, {"attempts": "3"}, {"requestedAt": 5}])
def test_a_part_that_is_not_understood_starts_nothing(raw: Any) -> None:
    """Somebody edited the status by hand: as if never tracked."""
    assert read(raw) == Rebalance()


TIMES = st.none() | st.integers(0, 2**32).map(float)


@given(
    st.builds(
        Rebalance,
        fingerprint=st.none() | st.text("0123456789abcdef", min_size=16, max_size=16),
        state=st.sampled_from(["Idle", "Pending", "Signalled", "Rejoining", "Done", "Expired"]),
        forced=st.booleans(),
        manual=st.booleans(),
        requested_at=TIMES,
        attempts=st.integers(0, 99),
        last_attempt_at=TIMES,
        reason=st.sampled_from(["", "NoLeader"]),
    )
)
def test_the_part_survives_being_written(part: Rebalance) -> None:
    """Restart at any point: what was decided is read back as it was."""
    assert read(write(part)) == part
