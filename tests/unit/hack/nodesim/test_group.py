"""The group as the broker keeps it: what static members do to each other."""

from __future__ import annotations

import pytest

from hack.nodesim.answers import answer, status_document
from hack.nodesim.definitions import LoadedApp
from hack.nodesim.group import Group, Topics
from hack.nodesim.member import Phase
from tests.unit.hack.nodesim.crew import APP, Crew, calm, reads
from tests.unit.hack.nodesim.scheduler import FakeScheduler

ONE = reads("in")
TWO = reads("in", "more")
SESSION = 120


def test_three_members_share_everything() -> None:
    """Every partition has one calm reader; one of them leads."""
    crew = Crew(partitions=6)
    members = crew.running(3, reads("in", tables=("t",)))
    assert crew.covered("in", f"{APP}-assignor-leader")
    assert sorted(len([p for p, who in crew.readers("in").items() if who == m.name]) for m in members) == [
        2,
        2,
        2,
    ]
    assert [member.leader for member in members].count(True) == 1


def test_a_member_that_joins_rebalances_the_others() -> None:
    """1 to 3 members: those that run keep showing their last assignment while they wait."""
    crew = Crew()
    first = crew.running(1, ONE)[0]
    crew.start(1, ONE)
    crew.advance(12.5)
    assert status_document(first)["rebalancing"] is False
    crew.advance(1.5)
    assert status_document(first)["rebalancing"] is True
    assert status_document(first)["assignment"]["actives"]["in"]
    assert crew.seconds_until(lambda: crew.covered("in")) <= 15


def test_a_restarted_static_member_takes_its_partitions_back() -> None:
    """C4: no rebalance, the others go on undisturbed, the member has exactly what it had."""
    crew = Crew()
    members = crew.running(3, ONE)
    before = crew.readers("in")
    again = crew.start(1, ONE)
    for _ in range(60):
        crew.advance(0.5)
        assert calm(members[0])
        assert calm(members[2])
    assert calm(again)
    assert crew.readers("in") == before


def test_added_topics_wait_for_a_signal_to_the_leader() -> None:
    """C3: after the rollout nobody reads the new topic; one signal to the leader alone re-joins every member."""
    crew = Crew()
    crew.running(3, ONE)
    members = [crew.start(ordinal, TWO) for ordinal in range(3)]
    crew.advance(240)
    assert crew.covered("in")
    assert crew.readers("more") == {}
    leader = next(member for member in members if member.leader)
    response = answer(leader, "POST", "/signal/rebalance")
    assert response is not None
    assert response.status == 200
    assert crew.seconds_until(lambda: crew.covered("in", "more")) <= 19


def test_a_signal_to_another_member_moves_nobody() -> None:
    """Only the leader's joining again makes the broker rebalance; another gets its old assignment back."""
    crew = Crew()
    crew.running(3, ONE)
    members = [crew.start(ordinal, TWO) for ordinal in range(3)]
    crew.advance(60)
    follower = next(member for member in members if not member.leader)
    answer(follower, "POST", "/signal/rebalance")
    assert follower.rebalancing
    crew.advance(60)
    assert all(calm(member) for member in members)
    assert crew.readers("more") == {}


def test_a_fresh_app_that_started_without_definitions_never_processes() -> None:
    """C2: the first pod joined with the leader topic only; its successor gets that back and nobody asks for more."""
    crew = Crew()
    crew.start(0, LoadedApp())
    crew.advance(12)
    member = crew.start(0, ONE)
    crew.advance(600)
    assert calm(member)
    assert list(status_document(member)["assignment"]["actives"]) == [f"{APP}-assignor-leader"]
    answer(member, "POST", "/signal/rebalance")
    assert crew.seconds_until(lambda: crew.covered("in")) <= 12


def test_a_removed_topic_makes_a_zombie() -> None:
    """C1: rebalancing for ever, nothing assigned, no exit, no heartbeats; the signal says ok and does nothing."""
    crew = Crew()
    crew.running(1, TWO)
    zombie = crew.start(0, ONE)
    crew.advance(300)
    document = status_document(zombie)
    assert (zombie.phase, crew.exits) == (Phase.ZOMBIE, [])
    assert (document["rebalancing"], document["recovering"], document["leader"]) == (True, False, False)
    assert document["assignment"] == {"actives": {}, "standbys": {}}
    response = answer(zombie, "POST", "/signal/rebalance")
    assert response is not None
    assert b'"ok"' in response.body
    crew.advance(300)
    assert zombie.phase is Phase.ZOMBIE


def test_a_removed_table_makes_a_zombie_too() -> None:
    """C1: its changelog is a topic like any other."""
    crew = Crew()
    crew.running(1, reads("in", tables=("t",)))
    zombie = crew.start(0, ONE)
    crew.advance(30)
    assert zombie.phase is Phase.ZOMBIE


@pytest.mark.parametrize(("away", "heals"), [(0.0, False), (60.0, False), (122.0, True)])
def test_a_zombie_heals_only_after_the_session_timeout(away: float, *, heals: bool) -> None:
    """C1: a pod started at once is caught by the same assignment, one started 122 s later runs."""
    crew = Crew()
    crew.running(1, TWO)
    zombie = crew.start(0, ONE)
    crew.advance(20)
    assert zombie.phase is Phase.ZOMBIE
    zombie.stop()
    crew.advance(away)
    successor = crew.start(0, ONE)
    crew.advance(30)
    assert calm(successor) is heals


def test_each_catch_of_a_zombie_begins_a_new_session() -> None:
    """C1: restarting sooner than the session timeout, again and again, never heals."""
    crew = Crew()
    crew.running(1, TWO)
    for _ in range(5):
        crew.start(0, ONE)
        crew.advance(100)
    assert crew.members["x-app-0"].phase is Phase.ZOMBIE


def test_a_goodbye_before_the_join_prevents_the_zombie() -> None:
    """Real runtime, section 3: topic removed, goodbye after the old process is gone: calm after a plain start."""
    crew = Crew()
    crew.running(1, TWO)
    member = crew.start(0, ONE)
    assert crew.group.remove_member("x-app-0")
    assert crew.seconds_until(lambda: calm(member)) <= 21


def test_a_goodbye_makes_the_signal_needless() -> None:
    """Real runtime, section 3: topic added, goodbye: both topics after a plain start."""
    crew = Crew()
    crew.running(2, ONE)
    for ordinal in range(2):
        crew.start(ordinal, TWO)
        crew.group.remove_member(f"x-app-{ordinal}")
    assert crew.seconds_until(lambda: crew.covered("in", "more")) <= 26


def test_a_goodbye_said_too_early_or_too_late_is_harmless() -> None:
    """Real runtime, section 3: whoever is evicted alive joins again by itself."""
    crew = Crew()
    member = crew.running(1, ONE)[0]
    crew.group.remove_member("x-app-0")
    assert crew.group.seats == {}
    crew.advance(16)
    assert calm(member)
    assert crew.covered("in")


def test_a_goodbye_to_nobody_says_so() -> None:
    """The broker answers unknown member."""
    assert not Crew().group.remove_member("x-app-7")


def test_scale_down_leaves_partitions_unread_for_the_session() -> None:
    """C4: a static member never says goodbye, not even on SIGTERM."""
    crew = Crew(partitions=6)
    members = crew.running(3, ONE)
    for member in members[1:]:
        member.stop()
    crew.advance(SESSION - 1)
    assert len(crew.readers("in")) == 2
    assert crew.group.ghosts() == ["x-app-1", "x-app-2"]
    assert len(crew.group.unread()["in"]) == 4
    assert 1 <= crew.seconds_until(lambda: crew.covered("in")) <= 20


def test_scale_down_with_goodbyes_is_quick() -> None:
    """Real runtime, section 3: 14.6 s instead of 132."""
    crew = Crew()
    members = crew.running(2, ONE)
    members[1].stop()
    crew.group.remove_member("x-app-1")
    assert crew.seconds_until(lambda: crew.covered("in")) <= 15


def test_a_rebalance_next_to_a_ghost_stalls_the_whole_group() -> None:
    """C4: everybody waits, calm ones included, until the ghost's session ends."""
    crew = Crew()
    members = crew.running(3, ONE)
    members[2].stop()
    crew.advance(10)
    leader = next(member for member in members if member.leader and member is not members[2])
    answer(leader, "POST", "/signal/rebalance")
    crew.advance(100)
    assert [member.rebalancing for member in members[:2]] == [True, True]
    assert crew.readers("in") == {}
    assert crew.seconds_until(lambda: crew.covered("in")) <= 25


def test_a_new_instance_id_waits_for_its_own_ghost() -> None:
    """C4: changing the instance id with the subscription is no way out; 118 s were measured."""
    crew = Crew()
    crew.running(1, TWO)
    member = crew.start(0, ONE, K_CONSUMER_GROUP_INSTANCE_ID="x-app-0-new")
    assert 118 <= crew.seconds_until(lambda: calm(member)) <= 135


@pytest.mark.parametrize(("before", "after"), [(TWO, ONE), (ONE, TWO)])
def test_dynamic_members_have_none_of_it(before: LoadedApp, after: LoadedApp) -> None:
    """C5: without instance id a restart leaves and joins, and has the new subscription after a plain start."""
    crew = Crew(static=False)
    crew.running(1, before)
    member = crew.start(0, after)
    assert crew.seconds_until(lambda: calm(member)) <= 21
    assert set(status_document(member)["assignment"]["actives"]) == after.subscription(APP)


def test_a_dynamic_member_that_is_killed_is_a_ghost() -> None:
    """Only an orderly stop says goodbye."""
    crew = Crew(static=False)
    members = crew.running(2, ONE)
    members[1].stop(kill=True)
    crew.advance(100)
    assert len(crew.group.ghosts()) == 1
    crew.advance(40)
    assert crew.covered("in")


def test_a_short_session_is_a_setting() -> None:
    """C5: with K_BROKER_SESSION_TIMEOUT=15 a pod that is away longer is safe from its old assignment."""
    crew = Crew()
    crew.start(0, TWO, K_BROKER_SESSION_TIMEOUT="15")
    crew.advance(60)
    crew.members["x-app-0"].stop()
    crew.advance(16)
    member = crew.start(0, ONE)
    crew.advance(21)
    assert calm(member)


def test_a_frozen_member_loses_its_partitions_and_comes_back() -> None:
    """C11: no answers; after the session timeout the others take over; woken it rejoins by itself."""
    crew = Crew()
    members = crew.running(2, ONE)
    members[1].freeze()
    assert answer(members[1], "GET", "/") is None
    crew.advance(SESSION - 1)
    assert not crew.covered("in")
    assert crew.seconds_until(lambda: crew.covered("in")) <= 20
    members[1].thaw()
    assert crew.seconds_until(lambda: all(calm(member) for member in members) and crew.covered("in")) <= 30
    assert len(set(crew.readers("in").values())) == 2


def test_a_short_freeze_changes_nothing() -> None:
    """Woken inside its session a member goes on where it was."""
    crew = Crew()
    members = crew.running(2, ONE)
    before = crew.readers("in")
    members[1].freeze()
    crew.advance(60)
    members[1].thaw()
    assert crew.readers("in") == before
    crew.advance(SESSION)
    assert crew.readers("in") == before


def test_a_goodbye_frees_the_partitions_of_a_frozen_member() -> None:
    """Real runtime, section 3: 13.6 s instead of 120, and the frozen one still comes back when woken."""
    crew = Crew()
    members = crew.running(2, ONE)
    members[0].freeze()
    crew.group.remove_member("x-app-0")
    assert crew.seconds_until(lambda: crew.covered("in")) <= 14
    members[0].thaw()
    assert crew.seconds_until(lambda: all(calm(member) for member in members)) <= 20


def test_a_member_frozen_while_it_waits_for_the_group_comes_back() -> None:
    """C11: it wakes after the rebalance went on without it, and joins as new."""
    crew = Crew()
    members = crew.running(2, ONE)
    leader, other = sorted(members, key=lambda member: not member.leader)
    other.freeze()
    answer(leader, "POST", "/signal/rebalance")
    crew.advance(5)
    leader.freeze()
    crew.advance(200)
    leader.thaw()
    other.thaw()
    assert crew.seconds_until(lambda: all(calm(member) for member in members)) <= 30
    assert crew.covered("in")


def test_a_member_without_brokers_keeps_what_it_knew() -> None:
    """C10: actives and leader are the last known, not the truth; partition maps of members overlap meanwhile."""
    crew = Crew()
    members = crew.running(2, ONE)
    lost, other = sorted(members, key=lambda member: not member.leader)
    lost.lose_brokers()
    crew.advance(160)
    document = status_document(lost)
    assert (document["rebalancing"], document["recovering"], document["leader"]) == (True, False, True)
    assert document["assignment"]["actives"]["in"]
    assert other.leader
    assert crew.covered("in")
    answer(lost, "POST", "/signal/rebalance")
    lost.find_brokers()
    assert crew.seconds_until(lambda: all(calm(member) for member in members)) <= 30
    assert [member.leader for member in members].count(True) == 1


def test_a_member_that_finds_its_brokers_soon_keeps_its_partitions() -> None:
    """C10: inside the session it joins again and gets what it had."""
    crew = Crew()
    members = crew.running(2, ONE)
    before = crew.readers("in")
    members[1].lose_brokers()
    crew.advance(60)
    members[1].find_brokers()
    crew.advance(20)
    assert crew.readers("in") == before


@pytest.mark.parametrize("change", [{"K_WEB_PORT": "7000"}, {"K_WEB_HOST": "elsewhere"}])
def test_another_url_ends_with_code_42(change: dict[str, str]) -> None:
    """T4: the cached assignment carries the old member URL until the group forgets the member."""
    crew = Crew()
    crew.running(1, ONE)
    crew.start(0, ONE, **change)
    crew.advance(15)
    assert crew.exits[0][:2] == ("x-app-0", 42)
    crew.advance(SESSION)
    member = crew.start(0, ONE, **change)
    crew.advance(21)
    assert calm(member)


def test_a_second_process_with_one_instance_id_fences_the_first() -> None:
    """Two processes cannot hold one seat."""
    crew = Crew()
    crew.running(1, ONE)
    first = crew.members.pop("x-app-0")
    second = crew.start(0, ONE)
    crew.advance(21)
    assert first.phase is Phase.ENDED
    assert crew.exits == [("x-app-0", 1, "FencedInstanceIdError")]
    assert calm(second)


def test_mixed_subscriptions_in_a_rollout_are_shared_by_subscribers() -> None:
    """A rebalance in the middle of a rollout gives a topic only to members that subscribe to it."""
    crew = Crew()
    members = crew.running(2, ONE)
    crew.start(2, TWO)
    crew.advance(40)
    assert set(crew.readers("more").values()) == {"x-app-2"}
    assert members[0].phase is Phase.CALM


def test_an_absent_topic_is_read_by_nobody() -> None:
    """A topic that is not created is in the subscription and in no assignment."""
    crew = Crew()
    crew.topics.absent.add("more")
    member = crew.running(1, TWO)[0]
    assert "more" not in status_document(member)["assignment"]["actives"]


def test_a_group_without_members_has_nothing_to_say() -> None:
    """Unread partitions are those somebody wants."""
    assert Group(APP, Topics(), FakeScheduler()).unread() == {}
