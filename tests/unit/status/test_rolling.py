"""One member is out at a time, and a rollout that cannot go on says why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspr_controller.status.actions import SetPartition
from kaspr_controller.status.judging import Judged, State
from kaspr_controller.status.pods import Trouble
from kaspr_controller.status.rolling import Facts, Policy, Rolling, decide, hindrance, read, write
from kaspr_controller.status.rollout import Rollout
from tests.unit.status.members import group, judged, pod

NOW = 1_700_000_000.0
PULL = Trouble("ImagePullFailed", "no such image")


def member(ordinal: int, revision: str, state: State = "calm", **more: Any) -> Judged:
    given_ = {"running": True, "trouble": None, **more.pop("of", {})}
    deleting = state == "leaving"
    return judged(ordinal, state, pod=pod(ordinal, revision=revision, deleting=deleting, **given_), **more)


def facts(*members: Judged, partition: int = 3, desired: int = 3, **more: Any) -> Facts:
    updated = sum(each.pod.revision == "new" for each in members)
    whole = len(members) == desired == updated and all(each.calm for each in members)
    state = Rollout(
        exists=True,
        observed=True,
        desired=desired,
        updated=updated,
        ready=len(members),
        total=len(members),
        complete=whole,
        revision="new",
    )
    return Facts(
        **{"group": group(*members), "rollout": state, "desired": desired, "partition": partition, **more}
    )


def part(partition: int = 3, **more: Any) -> Rolling:
    return replace(Rolling(partition, "new", 0, NOW - 20, NOW - 20), **more)


def target(given_: Facts, before: Rolling | None = None, *, policy: Policy | None = None) -> int:
    found = decide(policy or Policy(), before or part(given_.partition), given_, now=NOW)
    wanted = found.part.partition
    assert found.actions == ((SetPartition(wanted),) if wanted != given_.partition else ())
    return wanted


OLD = [member(number, "old") for number in range(3)]
NEW = [member(number, "new") for number in range(3)]


@pytest.mark.parametrize(
    ("members", "partition", "wanted"),
    [
        (OLD, 3, 2),
        ([*OLD[:2], member(2, "old", "leaving")], 2, 2),
        (OLD[:2], 2, 2),
        ([*OLD[:2], member(2, "new", "starting")], 2, 2),
        ([*OLD[:2], member(2, "new", "not-begun", age=2.0)], 2, 2),
        ([*OLD[:2], member(2, "new", "rebalancing")], 2, 2),
        ([*OLD[:2], member(2, "new", "recovering")], 2, 2),
        ([*OLD[:2], NEW[2]], 2, 1),
        ([OLD[0], member(1, "new", "starting"), NEW[2]], 1, 1),
        ([OLD[0], NEW[1], member(2, "new", "silent")], 1, 1),
        ([OLD[0], *NEW[1:]], 1, 0),
        ([member(0, "new", "starting"), *NEW[1:]], 0, 0),
        (NEW, 0, 0),
    ],
)
def test_one_step_after_the_other(members: list[Judged], partition: int, wanted: int) -> None:
    """C16: the next member goes when the last one is calm again; the end needs no write of its own."""
    assert target(facts(*members, partition=partition)) == wanted


def test_writing_a_new_revision_replaces_nobody() -> None:
    """The partition is held in the same write; also when the live one is not."""
    assert target(facts(*NEW, partition=0, changing=True)) == 3
    assert target(facts(*NEW, partition=3)) == 3


@pytest.mark.parametrize("state", ["starting", "zombie", "frozen", "hung"])
def test_nothing_is_spared_when_nothing_runs(state: State) -> None:
    """First start, a crash loop that is being fixed: at once; slowness would only prolong it."""
    assert target(facts(*[member(number, "old", state) for number in range(3)])) == 0


def test_pods_in_trouble_are_not_worth_sparing() -> None:
    """A broken revision is replaced by its fix in one go."""
    broken = [
        member(number, "old", "starting", of={"trouble": PULL, "running": False}) for number in range(3)
    ]
    assert target(facts(*broken)) == 0


def test_a_single_member_has_nobody_to_wait_for() -> None:
    """One member: replaced at once."""
    assert target(facts(OLD[0], desired=1, partition=1)) == 0


def test_scaled_from_zero_starts_with_the_newest() -> None:
    """No pod, no older revision: held pods would be made from the old one."""
    assert target(facts(partition=3)) == 0
    assert target(facts(member(0, "new", "starting"), partition=0)) == 0


def test_members_that_are_down_anyway_go_together_with_the_next() -> None:
    """Number 1 is frozen: sparing it saves nothing."""
    assert target(facts(OLD[0], member(1, "old", "frozen"), OLD[2])) == 1


def test_silence_after_a_restart_is_not_idleness() -> None:
    """Nobody has been heard yet: they may all be processing."""
    unheard: list[State] = ["silent", "starting"]
    for state in unheard:
        members = [member(number, "old", state, watched=None, answered=None) for number in range(3)]
        assert target(facts(*members)) == 2


def test_without_polls_the_kubelet_has_the_word() -> None:
    """Polling switched off: ready counts as calm."""
    fresh = member(2, "new", "silent", of={"ready": False})
    assert target(facts(*OLD[:2], fresh, partition=2, asked=False)) == 2
    assert target(facts(*OLD[:2], member(2, "new", "silent"), partition=2, asked=False)) == 1


def test_more_members_than_partitions() -> None:
    """A member without partitions is as good as calm after the time of a start."""
    assert target(facts(*OLD[:2], member(2, "new", "not-begun", age=70.0), partition=2)) == 1


@pytest.mark.parametrize(
    ("slow", "wanted"),
    [
        (member(2, "new", "recovering"), 1),
        (member(2, "new", "zombie"), 1),
        (member(2, "new", "starting", of={"trouble": PULL, "running": False}), 2),
        (member(2, "new", "starting", of={"running": False}), 2),
        # Between two crashes it runs for a moment.
        (member(2, "new", "starting", of={"running_for": 4.0}), 2),
    ],
)
def test_a_step_has_a_deadline(slow: Judged, wanted: int) -> None:
    """Who runs is not waited for for ever; who does not even start keeps the others on the old revision."""
    late = part(2, step_at=NOW - 301)
    assert target(facts(*OLD[:2], slow, partition=2), late) == wanted
    assert target(facts(*OLD[:2], slow, partition=2), replace(late, step_at=NOW - 299)) == 2


def test_a_lost_clock_begins_anew() -> None:
    """The live partition decides where we are; the status only says since when (show 7)."""
    slow = facts(*OLD[:2], member(2, "new", "recovering"), partition=2)
    for lost in (Rolling(), part(1, step_at=NOW - 900), part(2, step_at=None), part(2, step_at=NOW + 900)):
        found = decide(Policy(), lost, slow, now=NOW)
        assert (found.part.partition, found.part.step_at) == (2, NOW)


def test_the_plain_behaviour() -> None:
    """The setting gives the StatefulSet its own way back."""
    assert target(facts(*OLD), policy=Policy(driven=False)) == 0


@pytest.mark.parametrize("hand", [{"paused": True}, {"leading": False}])
def test_hands_off_keeps_what_is_live(hand: dict[str, Any]) -> None:
    """Nothing is set, and what would be rendered is what is there."""
    found = decide(Policy(), part(3), facts(*OLD, partition=1, **hand), now=NOW)
    assert (found.part.partition, found.actions) == (1, ())


def test_an_unseen_generation_is_waited_for() -> None:
    """Numbers of an older generation mean nothing."""
    given_ = facts(*OLD, partition=2)
    assert target(replace(given_, rollout=replace(given_.rollout, observed=False))) == 2


@pytest.mark.parametrize(
    ("given_", "reason", "words"),
    [
        (
            facts(
                *OLD[:2], member(2, "new", "starting", of={"trouble": PULL, "running": False}), partition=2
            ),
            "ImagePullFailed",
            "demo-app-2: no such image",
        ),
        (
            facts(*OLD[:2], partition=2, creation=Trouble("QuotaExceeded", "pods=2")),
            "QuotaExceeded",
            "pods=2",
        ),
        (facts(*OLD[:2], partition=2), "PodsMissing", "number 2"),
        (
            facts(*OLD[:2], member(2, "new", "recovering"), partition=2),
            "MembersNotCalm",
            "demo-app-2 (recovering)",
        ),
    ],
)
def test_a_rollout_that_gets_nowhere_is_named_with_its_cause(given_: Facts, reason: str, words: str) -> None:
    """R15: image, quota, missing pods, slow members; in the condition after the deadline, not before."""
    late = part(2, step_at=NOW - 100, progress_at=NOW - 601)
    found = decide(Policy(), late, given_, now=NOW)
    assert [(verdict.type, verdict.reason) for verdict in found.verdicts] == [("RolloutStuck", reason)]
    assert words in found.verdicts[0].message
    assert decide(Policy(), replace(late, progress_at=NOW - 599), given_, now=NOW).verdicts == ()


def test_what_keeps_a_pod_from_running_is_named_long_before_the_deadline() -> None:
    """Who reads `Ready` sees the image that cannot be pulled, but not what any start waits for."""
    broken = member(2, "new", "starting", of={"trouble": PULL, "running": False})
    given_, before = facts(*OLD[:2], broken, partition=2), part(2, progress_at=NOW - 30)
    found = hindrance(Policy(), before, given_, now=NOW)
    assert found == Trouble("ImagePullFailed", "demo-app-2: no such image")
    assert hindrance(Policy(), replace(before, progress_at=NOW - 29), given_, now=NOW) is None
    assert hindrance(Policy(), before, facts(*OLD[:2], partition=2), now=NOW) is None
    fresh = replace(before, progress_at=NOW - 10, step_at=NOW - 10)
    assert decide(Policy(), fresh, given_, now=NOW).requeue_after == 20


def test_a_pod_that_is_lost_later_has_a_deadline_of_its_own() -> None:
    """A rollout that was over an hour ago is not stuck at the moment when one of its pods is replaced."""
    over = decide(
        Policy(), part(0, progress_at=NOW - 7200, step_at=NOW - 7200), facts(*NEW, partition=0), now=NOW
    )
    assert (over.part.step_at, over.part.progress_at) == (None, None)
    lost = decide(Policy(), over.part, facts(*NEW[:2], partition=0), now=NOW + 3600)
    assert lost.verdicts == ()
    assert lost.part.progress_at == NOW + 3600
    late = decide(Policy(), lost.part, facts(*NEW[:2], partition=0), now=NOW + 4201)
    assert [verdict.reason for verdict in late.verdicts] == ["PodsMissing"]


def test_flapping_is_no_progress() -> None:
    """A member that is calm every other minute does not put the deadline off."""
    before = part(1, done=2, progress_at=NOW - 601)
    found = decide(
        Policy(), before, facts(OLD[0], member(1, "new", "recovering"), NEW[2], partition=1), now=NOW
    )
    assert found.verdicts[0].reason == "MembersNotCalm"
    better = decide(Policy(), replace(before, done=0), facts(OLD[0], NEW[1], NEW[2], partition=1), now=NOW)
    assert (better.part.done, better.part.progress_at) == (2, NOW)


STATES: list[State] = [
    "leaving", "starting", "not-begun", "rebalancing", "recovering", "calm", "zombie", "hung", "cut-off", "frozen",
    "alien", "lying", "silent",
]  # fmt: skip


@given(
    pods=st.lists(st.tuples(st.sampled_from(["old", "new"]), st.sampled_from(STATES)), max_size=5),
    partition=st.integers(0, 6),
    late=st.booleans(),
)
def test_never_a_second_member_that_processes(
    pods: list[tuple[str, State]], partition: int, *, late: bool
) -> None:
    """Whatever the states: a step puts at most one calm member of the old revision out, and never steps back up."""
    members = [member(number, revision, state) for number, (revision, state) in enumerate(pods)]
    given_ = facts(*members, partition=partition, desired=len(members))
    found = decide(Policy(), part(partition, step_at=NOW - 400 * late), given_, now=NOW)
    freed = [
        each
        for each in members
        if found.part.partition <= each.pod.ordinal < partition and each.pod.revision == "old" and each.calm
    ]
    assert len(freed) <= 1
    if any(each.pod.revision == "old" and each.calm for each in members):
        assert found.part.partition <= partition


@given(
    st.builds(
        Rolling, st.integers(0, 9), st.just("r") | st.just(""), st.integers(0, 9), st.none() | st.just(NOW)
    )
)
def test_the_part_survives_being_written(before: Rolling) -> None:
    """Restart at any point."""
    assert read(write(before)) == before
    assert read(None) == Rolling()
