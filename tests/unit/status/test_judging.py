"""Every member is judged by what it said and what its peers show, never by what was not heard."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from kaspr_controller.status.judging import Seats, State, judge
from kaspr_controller.status.observations import Answer
from tests.unit.status.members import (
    ALIEN,
    CALM,
    EMPTY,
    JOINING,
    LEADER,
    RECOVERING,
    REFUSED,
    STARTING,
    TIMEOUT,
    WRONG,
    ZOMBIE,
    Spell,
    group_of,
    history,
    pod,
)


def states(*spells: Sequence[Spell], seats: Seats | None = None) -> list[State]:
    return [member.state for member in group_of(*spells, seats=seats).members]


def seated(*ordinals: int, stable: bool = True) -> Seats:
    return Seats(stable, frozenset(f"demo-app-{each}" for each in ordinals))


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        (STARTING, "starting"),
        (EMPTY, "not-begun"),
        (ZOMBIE, "rebalancing"),
        (JOINING, "rebalancing"),
        (RECOVERING, "recovering"),
        (CALM, "calm"),
        (ALIEN, "alien"),
        (WRONG, "lying"),
    ],
)
def test_the_order_of_a_start(answer: Answer, state: State) -> None:
    """C9: 500, empty 200, rebalancing without and with assignment, recovering, calm; nothing is concluded early."""
    assert states([(answer, 10)]) == [state]


def test_a_refusing_port_is_a_start_while_the_container_is_young() -> None:
    """C9: the first 5 to 6 s; afterwards nothing is known, and the kubelet sees to processes that are gone."""
    for age, state in ((5.0, "starting"), (500.0, "silent")):
        seen = {"u0": history((REFUSED, 4), until=50.0)}
        assert judge([pod(running_for=age)], seen, topics=(), now=50.0).members[0].state == state


def test_pods_that_do_not_run_or_leave_are_not_asked_for_their_word() -> None:
    """The kubelet's word comes first: an old answer of a pod that is being deleted counts for nothing."""
    seen = {"u0": history((CALM, 60), until=50.0), "u1": history((CALM, 60), until=50.0)}
    found = judge([pod(0, running=False), pod(1, deleting=True)], seen, topics=("orders",), now=50.0)
    assert [member.state for member in found.members] == ["starting", "leaving"]
    assert not found.covered


def test_an_unheard_pod_is_silent_and_coverage_unknown() -> None:
    """After a restart of the controller nothing is known: no topic is called unread, nobody suspected."""
    found = group_of([], [])
    assert [member.state for member in found.members] == ["silent", "silent"]
    assert found.unread is None


def test_an_old_answer_does_not_speak_for_the_present() -> None:
    """B3: facts older than two polls are refused, a calm one and a suspicious one alike."""
    for answer in (CALM, ZOMBIE, JOINING):
        seen = {"u0": history((answer, 900), until=100.0), "u1": history((LEADER, 900), until=300.0)}
        found = judge([pod(0), pod(1)], seen, topics=(), now=300.0)
        assert [member.state for member in found.members] == ["silent", "calm"]


def test_a_zombie_next_to_a_calm_peer() -> None:
    """C1: a rebalance stops all members, so beside a calm one there is none; after a start's time it is a zombie."""
    assert states([(ZOMBIE, 50)], [(LEADER, 200)]) == ["rebalancing", "calm"]
    assert states([(ZOMBIE, 70)], [(LEADER, 200)]) == ["zombie", "calm"]


def test_a_lone_zombie_takes_a_session_timeout_to_tell() -> None:
    """C1, C4: alone it may wait for its own ghost (measured: 118 s), unless Kafka says that the group is stable."""
    assert states([(ZOMBIE, 140)]) == ["rebalancing"]
    assert states([(ZOMBIE, 160)]) == ["zombie"]
    assert states([(ZOMBIE, 70)], seats=seated(0)) == ["zombie"]
    assert states([(ZOMBIE, 70)], seats=seated(0, stable=False)) == ["rebalancing"]


def test_a_member_without_brokers_is_cut_off_not_hung() -> None:
    """C10: it keeps what it had and says rebalancing; when its session has ended peers have its partitions."""
    took_over = Answer("ok", leader=True, actives={"orders": (0, 1)})
    assert states([(JOINING, 900)], [(took_over, 700)]) == ["cut-off", "calm"]
    assert states([(JOINING, 900)], [(LEADER, 900)], seats=seated(1)) == ["cut-off", "calm"]
    assert states([(JOINING, 900)], [(JOINING, 900)]) == ["cut-off", "cut-off"]


def test_a_member_that_keeps_its_seat_and_does_not_get_on_is_hung() -> None:
    """C10, D47: the session timeout is long over, a peer is calm, and nobody was given its partitions."""
    assert states([(JOINING, 140)], [(LEADER, 900)]) == ["rebalancing", "calm"]
    assert states([(JOINING, 160)], [(LEADER, 900)]) == ["hung", "calm"]
    assert states([(JOINING, 140)], seats=seated(0)) == ["rebalancing"], (
        "one without brokers has its seat as long"
    )
    assert states([(JOINING, 160)], seats=seated(0)) == ["hung"]


def test_a_flapping_leader_does_not_hide_a_hung_member() -> None:
    """D55: the clock belongs to rebalancing, not to the whole answer."""
    flap = Answer("ok", leader=True, rebalancing=True, actives={"orders": (0,)})
    spells = [(JOINING, 40.0), (flap, 40.0), (JOINING, 40.0), (flap, 40.0)]
    assert states(spells, [(Answer("ok", actives={"orders": (1,)}), 900)]) == ["hung", "calm"]


def test_silence_does_not_stop_the_clock_of_a_hung_member() -> None:
    """D47: rebalancing for 250 s, then silent; two time-outs later it is still the hung member that it was."""
    found = group_of([(JOINING, 250), (TIMEOUT, 2)], [(LEADER, 900)])
    assert found.members[0].state == "hung"
    assert found.members[0].age > 250


def test_a_zombie_that_has_fallen_silent_speaks_for_nobody() -> None:
    """Section 4.4: it is still what it was, but when nobody answers nobody is touched."""
    found = group_of([(ZOMBIE, 200), (TIMEOUT, 20)], [(LEADER, 60), (TIMEOUT, 20)])
    assert [(member.state, member.speaking) for member in found.members] == [
        ("zombie", False),
        ("silent", False),
    ]


def test_a_frozen_member_needs_a_peer_that_answers() -> None:
    """C11: silent for N polls while another member answers the same poller; if nobody answers nobody is frozen."""
    assert states([(CALM, 60), (TIMEOUT, 20)], [(LEADER, 900)]) == ["silent", "calm"]
    assert states([(CALM, 60), (TIMEOUT, 40)], [(LEADER, 900)]) == ["frozen", "calm"]
    assert states([(CALM, 60), (TIMEOUT, 40)], [(LEADER, 60), (TIMEOUT, 40)]) == ["silent", "silent"]
    assert states([(CALM, 60), (TIMEOUT, 900)]) == ["silent"]


def test_a_peer_heard_only_before_the_silence_began_proves_nothing() -> None:
    """C11: an answer from before says nothing about the way to the members now."""
    seen = {"u0": history((TIMEOUT, 40), until=100.0), "u1": history((LEADER, 40), until=59.0)}
    found = judge([pod(0), pod(1)], seen, topics=(), now=100.0)
    assert found.members[0].state == "silent"


def test_a_busy_member_is_believed_for_two_polls() -> None:
    """Absence of information is never evidence: a calm member stays calm through two lost answers."""
    assert states([(CALM, 60), (TIMEOUT, 2)]) == ["calm"]
    assert states([(CALM, 60), (TIMEOUT, 4)]) == ["silent"]


def test_coverage_counts_calm_members_only() -> None:
    """C10: maps of a cut-off member and of its heirs overlap; only who processes is added up."""
    found = group_of(
        [(JOINING, 900)], [(Answer("ok", actives={"other": (0,)}), 900)], topics=("orders", "other")
    )
    assert found.unread == ("orders",)
    assert group_of([(CALM, 60)], [(LEADER, 60)]).covered


def test_two_calm_members_with_one_partition_are_named() -> None:
    """R13, contradicting peers: nobody is accused, the topic is."""
    found = group_of([(CALM, 60)], [(CALM, 60)])
    assert found.disputed == ("orders",)
    assert [member.state for member in found.members] == ["calm", "calm"]


# Rule R13: whatever a member says, and in whatever phase it begins to, it is never judged worse than it proves.

HTTP = Answer("wrong", "HTTP status 404")
LIES: dict[str, list[Spell]] = {
    "refuse": [(REFUSED, 400)],
    "time-out": [(TIMEOUT, 400)],
    "slow drip": [(TIMEOUT, 400)],
    "4xx": [(HTTP, 400)],
    "5xx": [(Answer("wrong", "HTTP status 503"), 400)],
    "redirect": [(Answer("wrong", "HTTP status 302"), 400)],
    "html": [(Answer("wrong", "the content is not JSON"), 400)],
    "huge body": [(Answer("wrong", "the body is larger than 1 MiB"), 400)],
    "wrong types": [(Answer("wrong", "leader is not a boolean"), 400)],
    "missing keys": [(Answer("wrong", "assignment is not an object"), 400)],
    "old version": [(Answer("wrong", "recovering is not a boolean"), 400)],
    "contradicting peers": [(Answer("ok", leader=True, actives={"orders": (1,)}), 400)],
    "always rebalancing": [(JOINING, 400)],
    "flapping": [spell for _ in range(50) for spell in ((CALM, 4.0), (JOINING, 4.0))],
    "another app": [(ALIEN, 400)],
    "signal ignored": [(CALM, 400)],
}
PHASES: dict[str, list[Spell]] = {
    "starting": [(STARTING, 4)],
    "not begun": [(EMPTY, 4)],
    "joining": [(ZOMBIE, 6)],
    "assigned": [(JOINING, 10)],
    "recovering": [(RECOVERING, 10)],
    "calm": [(CALM, 100)],
}
ALLOWED: dict[str, set[State]] = {
    "refuse": {"silent"},
    "time-out": {"frozen"},
    "slow drip": {"frozen"},
    "contradicting peers": {"calm"},
    "always rebalancing": {"hung"},
    "flapping": {"rebalancing"},
    "another app": {"alien"},
    "signal ignored": {"calm"},
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("lie", LIES)
def test_lying_members(lie: str, phase: str) -> None:
    """R13: 16 classes of wrong answers in 6 phases; the liar is what it proves to be, its calm peer stays calm."""
    found = group_of([*PHASES[phase], *LIES[lie]], [(LEADER, 900)])
    assert found.members[0].state in ALLOWED.get(lie, {"lying"})
    assert found.members[1].state == "calm"


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("lie", LIES)
def test_a_lie_that_has_just_begun_costs_nothing(lie: str, phase: str) -> None:
    """R13: after one wrong answer nobody is suspected of anything that calls for a new process."""
    first = LIES[lie][0][0]
    found = group_of([*PHASES[phase], (first, 0)], [(LEADER, 900)])
    assert found.members[0].state not in {"zombie", "hung", "frozen", "cut-off"}


@pytest.mark.parametrize("lie", LIES)
def test_a_group_that_lies_as_one_is_left_alone(lie: str) -> None:
    """Section 4.4 of real-runtime: without one member to trust there is no evidence against any other."""
    found = group_of([(CALM, 60), *LIES[lie]], [(LEADER, 60), *LIES[lie]])
    assert not {member.state for member in found.members} & {"zombie", "hung", "frozen"}
