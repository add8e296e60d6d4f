"""Nobody is killed on one look, twice for one fault, or while the rest of the app is not well."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspr_controller.status.actions import Decision, DeletePod
from kaspr_controller.status.judging import Judged, State
from kaspr_controller.status.recovering import Facts, Kill, Recovery, decide, read, write
from kaspr_controller.status.rollout import Rollout
from kaspr_controller.status.suspecting import Policy, Suspect
from tests.unit.status.members import group, judged, pod

NOW = 1_700_000_000.0


def rollout(members: int, **more: Any) -> Rollout:
    given_ = {"exists": True, "observed": True, "desired": members, "updated": members, "total": members}
    return Rollout(**{**given_, "ready": members, "complete": True, **more})


def facts(*members: Judged, desired: int = 0, **more: Any) -> Facts:
    count = desired or len(members)
    return Facts(**{"group": group(*members), "rollout": rollout(count), "desired": count, **more})


def ill(ordinal: int, state: State = "frozen", *, uid: str = "", age: float = 400.0, **more: Any) -> Judged:
    return judged(ordinal, state, pod=pod(ordinal, uid=uid or f"u{ordinal}"), age=age, **more)


def case(ordinal: int, kind: str = "frozen", *, strikes: int = 3, since: float = 400.0) -> Suspect:
    """A case of a member that was last struck 40 s ago."""
    name, uid = f"demo-app-{ordinal}", f"u{ordinal}"
    return Suspect(uid, name, kind, NOW - since, NOW - 40, strikes, NOW - 40 if strikes else None)


def killed(decision: Decision[Recovery]) -> list[str]:
    return [action.name for action in decision.actions if isinstance(action, DeletePod)]


def run(each: Facts, *, seconds: int, step: int = 2, policy: Policy | None = None) -> list[int]:
    """Pass after pass over members whose ages go on; the seconds at which somebody was killed."""
    part, times = Recovery(), []
    for second in range(0, seconds, step):
        members = [
            replace(member, age=member.age + second) if not member.calm else member
            for member in each.group.members
        ]
        found = decide(policy or Policy(), part, replace(each, group=group(*members)), now=NOW + second)
        part = read(write(found.part))
        times += [second] * len(killed(found))
    return times


@pytest.mark.parametrize(
    ("state", "age", "goodbyes", "first"),
    [
        ("frozen", 30.0, True, 60),
        ("zombie", 61.0, True, 60),
        ("zombie", 61.0, False, 150),
        ("hung", 160.0, True, 202),
    ],
)
def test_three_strikes_half_a_minute_apart(state: State, age: float, first: int, *, goodbyes: bool) -> None:
    """Hung: threshold and confirmation; zombie without Kafka: session timeout + 30 s first (real-runtime 4.4)."""
    assert run(facts(judged(0), ill(1, state, age=age), goodbyes=goodbyes), seconds=300)[0] == first


@pytest.mark.parametrize(
    "state", ["calm", "rebalancing", "recovering", "cut-off", "silent", "alien", "lying"]
)
def test_nobody_else_is_ever_killed(state: State) -> None:
    """C10, C11, R13, R14: no state that a member gets out of, or that is not its own fault, is struck."""
    assert run(facts(judged(0), ill(1, state)), seconds=2000) == []


def test_many_passes_are_no_strikes() -> None:
    """D53: twenty annotation edits in five seconds do not advance anything."""
    part = Recovery((case(1, strikes=1),))
    for tenth in range(20):
        part = decide(Policy(), part, facts(judged(0), ill(1)), now=NOW - 35 + tenth / 4).part
    assert part.suspects[0].strikes == 1


def test_a_strike_needs_a_newer_answer() -> None:
    """B3: the same old observation is not counted again."""
    stale = ill(1, answered=70.0)
    assert decide(Policy(), Recovery((case(1, strikes=2),)), facts(judged(0), stale), now=NOW).actions == ()


def test_a_confirmed_suspect_is_deleted_by_uid_and_stored_first() -> None:
    """D50: the action carries the UID; the part that is stored before it carries the kill."""
    found = decide(Policy(), Recovery((case(1),)), facts(judged(0), ill(1)), now=NOW)
    assert found.actions == (DeletePod("u1", "demo-app-1", "frozen"),)
    assert found.part.kills == (Kill("u1", "demo-app-1", "frozen", NOW, NOW),)
    assert found.verdicts[0].reason == "Replacing"


def test_strikes_belong_to_a_pod_not_to_a_name() -> None:
    """D50: u2 took the place of u1 before the decision; it starts with a clean slate."""
    found = decide(Policy(), Recovery((case(1),)), facts(judged(0), ill(1, uid="u2")), now=NOW)
    assert found.actions == ()
    assert [(each.uid, each.strikes) for each in found.part.suspects] == [("u2", 1)]


def test_whoever_is_fine_again_is_no_suspect() -> None:
    """The reset: calm, restoring or a new process ends the case."""
    for state in ("calm", "recovering", "starting", "cut-off"):
        found = decide(Policy(), Recovery((case(1, strikes=2),)), facts(judged(0), judged(1, state)), now=NOW)
        assert found.part.suspects == ()


@pytest.mark.parametrize(
    ("given_", "reason"),
    [
        (facts(judged(0), ill(1), rollout=rollout(2, updated=1)), "RolloutInProgress"),
        (facts(judged(0), ill(1), rollout=rollout(2, observed=False)), "RolloutInProgress"),
        (facts(judged(0), ill(1), faulty=True), "AppInError"),
        (facts(judged(0), ill(1), judged(2, "starting")), "MembersNotCalm"),
        (facts(judged(0), ill(1), judged(2, "rebalancing")), "MembersNotCalm"),
        (facts(judged(0), ill(1), desired=3), "MembersNotCalm"),
        (facts(ill(0), ill(1)), "NobodyAnswers"),
        (facts(ill(1), judged(0, "silent")), "NobodyAnswers"),
        (facts(ill(1), judged(0, speaking=False)), "NobodyAnswers"),
        (facts(judged(0), ill(1), slot_after=40.0), "SlotTaken"),
    ],
)
def test_every_reason_to_wait_has_a_name(given_: Facts, reason: str) -> None:
    """D49, D51, section 4.4: outside rollouts, app well, somebody answers, our turn; the refusal is a reason."""
    found = decide(Policy(), Recovery((case(1),)), given_, now=NOW)
    assert found.actions == ()
    assert [refusal.reason for refusal in found.refused] == [reason]
    assert [(verdict.type, verdict.reason) for verdict in found.verdicts] == [("HungMembers", reason)]


def test_switched_off_nothing_is_counted() -> None:
    """The annotation or the setting: no strikes are in store for the day it is switched on."""
    found = decide(Policy(enabled=False), Recovery((case(1),)), facts(judged(0), ill(1)), now=NOW)
    assert (found.part, found.actions, found.refused[0].reason) == (Recovery(), (), "Disabled")


@pytest.mark.parametrize("hand", [{"paused": True}, {"leading": False}])
def test_paused_or_not_leading_nothing_moves(hand: dict[str, bool]) -> None:
    """Hands off: not even the part."""
    part = Recovery((case(1),))
    found = decide(Policy(), part, facts(judged(0), ill(1), **hand), now=NOW)
    assert (found.part, found.actions) == (part, ())


def test_a_rollout_wipes_the_slate() -> None:
    """D51: what was counted before a rollout says nothing about the pods after it."""
    given_ = facts(judged(0), ill(1), rollout=rollout(2, updated=1))
    assert decide(Policy(), Recovery((case(1),)), given_, now=NOW).part.suspects == ()


@pytest.mark.parametrize(("members", "budget"), [(3, 1), (9, 1), (20, 2), (49, 4), (200, 5)])
def test_the_budget(members: int, budget: int) -> None:
    """B4: one or 10 % of the members in five minutes, five in one pass; oldest first (D49)."""
    sick = min(8, members - 1)
    cases = tuple(case(number, since=400.0 + number) for number in range(sick))
    everybody = [
        ill(number, age=400.0 + number) if number < sick else judged(number) for number in range(members)
    ]
    found = decide(Policy(), Recovery(cases), facts(*everybody), now=NOW)
    assert killed(found) == [f"demo-app-{number}" for number in range(sick - 1, sick - 1 - budget, -1)]


def test_eight_hung_members_are_served_in_turn() -> None:
    """D49: never more than the budget in flight, next when the previous is calm again, nobody starves."""
    states: dict[int, State] = {number: "frozen" if number < 8 else "calm" for number in range(30)}
    uids = {number: f"u{number}" for number in range(30)}
    back: dict[int, int] = {}
    part, served = Recovery(), []
    for second in range(0, 2400, 5):
        for number, when in list(back.items()):
            if second >= when:
                states[number] = "calm"
                del back[number]
        members = [ill(n, states[n], uid=uids[n], age=100.0 + second) for n in range(30)]
        found = decide(Policy(), part, facts(*members), now=NOW + second)
        part = read(write(found.part))
        for name in killed(found):
            number = int(name.rpartition("-")[2])
            states[number], uids[number], back[number] = "starting", f"v{number}", second + 60
            served.append(number)
        assert len(back) <= 3
    assert sorted(served) == list(range(8))


def test_the_gate_stays_shut_until_the_replacement_is_calm() -> None:
    """D49: a replacement that does not come up stops further kills, however much time passes."""
    part = Recovery((case(1),), (Kill("u2", "demo-app-2", "frozen", NOW - 900, NOW - 900),))
    for state in ("starting", "rebalancing"):
        third = ill(2, state, uid="v2")
        assert decide(Policy(), part, facts(judged(0), ill(1), third), now=NOW).actions == ()
    assert killed(decide(Policy(), part, facts(judged(0), ill(1), ill(2, "calm", uid="v2")), now=NOW)) == [
        "demo-app-1"
    ]


def test_a_kill_that_never_happened_is_asked_for_again() -> None:
    """Killed between the status and the delete: same UID, not charged twice; a member that got well is spared."""
    part = Recovery((case(1),), (Kill("u1", "demo-app-1", "frozen", NOW - 100, NOW - 100),))
    again = decide(Policy(), part, facts(judged(0), ill(1)), now=NOW)
    assert killed(again) == ["demo-app-1"]
    assert again.part.kills == (Kill("u1", "demo-app-1", "frozen", NOW - 100, NOW),)
    assert decide(Policy(), again.part, facts(judged(0), ill(1)), now=NOW + 10).actions == ()
    assert decide(Policy(), part, facts(judged(0), judged(1)), now=NOW).actions == ()


def test_a_short_restart_of_the_controller_costs_one_strike() -> None:
    """Rebuilt from the safe side: the case goes on, but this process must confirm it itself."""
    watched = ill(1, age=20.0, watched=20.0)
    found = decide(Policy(), Recovery((case(1),)), facts(judged(0), watched), now=NOW)
    assert found.part.suspects[0].strikes == 3
    assert found.part.suspects[0].struck_at == NOW
    sooner = replace(case(1), proven_at=NOW - 25, struck_at=NOW - 25)
    found = decide(Policy(), Recovery((sooner,)), facts(judged(0), watched), now=NOW)
    assert (found.part.suspects[0].strikes, found.actions) == (2, ())


def test_after_a_long_absence_everything_starts_anew() -> None:
    """What happened while nobody looked is never held against a member."""
    old = replace(case(1), proven_at=NOW - 600, struck_at=NOW - 600)
    found = decide(Policy(), Recovery((old,)), facts(judged(0), ill(1, age=20.0, watched=20.0)), now=NOW)
    assert found.part.suspects[0].strikes == 1
    assert found.part.suspects[0].since == NOW - 20


def test_a_new_spell_in_the_same_process_is_a_new_case() -> None:
    """D55: the clock belongs to one spell; a member that was fine in between is not struck for the old one."""
    found = decide(
        Policy(), Recovery((case(1, "hung", strikes=2),)), facts(judged(0), ill(1, "hung", age=20.0)), now=NOW
    )
    assert [(each.strikes, each.since) for each in found.part.suspects] == [(0, NOW - 20)]


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_clock_that_jumps_kills_nobody(jump: float) -> None:
    """Wall clocks jump; whoever watched the whole spell goes by its own."""
    part, member = Recovery(), ill(1, "hung", age=200.0)
    for second in range(0, 20, 2):
        part = decide(
            Policy(), part, facts(judged(0), replace(member, age=200.0 + second)), now=NOW + second
        ).part
    after = facts(judged(0), replace(member, age=222.0))
    found = decide(Policy(), part, after, now=NOW + 22 + jump)
    assert (found.actions, [each.strikes for each in found.part.suspects]) == ((), [0])


def test_a_clock_that_is_set_back_does_not_refill_the_budget() -> None:
    """Kills that lie ahead count as of now."""
    part = Recovery((case(1),), (Kill("u2", "demo-app-2", "frozen", NOW + 3600, NOW + 3600),))
    found = decide(Policy(), part, facts(judged(0), ill(1), judged(2)), now=NOW)
    assert (found.actions, found.refused[0].reason) == ((), "BudgetSpent")


@pytest.mark.parametrize("raw", [None, 7, {"suspects": [{"strikes": 3}], "kills": [{}]}, {"suspects": "x"}])
def test_a_part_that_is_not_understood_accuses_nobody(raw: Any) -> None:
    """Somebody edited the status by hand."""
    assert read(raw) == Recovery()


STAMPS = st.integers(1, 2**32).map(float)


@given(
    st.lists(
        st.builds(
            Suspect,
            uid=st.text(min_size=1, max_size=5),
            name=st.text(min_size=1, max_size=5),
            kind=st.sampled_from(["zombie", "hung", "frozen"]),
            since=STAMPS,
            proven_at=STAMPS,
            strikes=st.integers(0, 3),
            struck_at=STAMPS,
        ),
        max_size=3,
    ),
    st.lists(
        st.builds(Kill, uid=st.just("u"), name=st.just("n"), why=st.just("hung"), at=STAMPS, asked_at=STAMPS),
        max_size=3,
    ),
)
def test_the_part_survives_being_written(suspects: list[Suspect], kills: list[Kill]) -> None:
    """Restart at any point: what was counted is read back as it was."""
    part = Recovery(tuple(suspects), tuple(kills))
    assert read(write(part)) == part
