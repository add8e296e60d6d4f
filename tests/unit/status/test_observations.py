"""The clocks of an observation: what starts them, what stops them, and what must not."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspr_controller.status.observations import Answer, AnswerKind, Observation, observe

CALM = Answer("ok", actives={"in": (0,)})
JOINING = Answer("ok", rebalancing=True, actives={"in": (0,)})
ZOMBIE = Answer("ok", rebalancing=True)
RESTORING = Answer("ok", rebalancing=True, recovering=True, actives={"in": (0,)})
FRESH = Answer("ok")
STARTING = Answer("starting", "x")
REFUSED = Answer("refused", "x")
TIMEOUT = Answer("timeout", "x")
WRONG = Answer("wrong", "x")
ALL = [CALM, JOINING, ZOMBIE, RESTORING, FRESH, STARTING, REFUSED, TIMEOUT, WRONG]


def seen(*answers: Answer) -> Observation:
    """One answer a second, from second 0."""
    observation = None
    for second, answer in enumerate(answers):
        observation = observe(observation, answer, at=float(second))
    assert observation is not None
    return observation


@pytest.mark.parametrize(
    ("answer", "running"),
    [(CALM, True), (JOINING, False), (RESTORING, False), (FRESH, False), (TIMEOUT, False)],
)
def test_running_needs_an_assignment(answer: Answer, *, running: bool) -> None:
    """No flag alone also means "has not begun": that phase lasts 1 to 3 s after each start."""
    assert answer.running is running


def test_a_time_out_does_not_stop_the_rebalancing_clock() -> None:
    """The most hung member is the one that falls silent after it (D47)."""
    assert seen(CALM, JOINING, TIMEOUT, WRONG, JOINING).rebalancing_since == 1.0


@pytest.mark.parametrize("proof", [CALM, RESTORING, STARTING, REFUSED, FRESH])
def test_proof_of_life_or_of_a_new_process_stops_the_rebalancing_clock(proof: Answer) -> None:
    """Calm, restoring or a new process: what was is over."""
    assert seen(JOINING, proof).rebalancing_since is None
    assert seen(JOINING, proof, JOINING).rebalancing_since == 2.0


def test_a_flapping_leader_does_not_stop_the_rebalancing_clock() -> None:
    """Each clock belongs to its own predicate (D55)."""
    flapped = seen(JOINING, dataclasses.replace(JOINING, leader=True))
    assert flapped.rebalancing_since == 0.0
    assert flapped.changed_at == 1.0


def test_only_an_empty_assignment_makes_a_zombie() -> None:
    """A member that lost its brokers keeps its last assignment and is none."""
    assert seen(JOINING, JOINING).zombie_since is None
    assert seen(JOINING, ZOMBIE, ZOMBIE).zombie_since == 1.0
    assert seen(ZOMBIE, JOINING).zombie_since is None
    assert seen(ZOMBIE, TIMEOUT, ZOMBIE).zombie_since == 0.0


@pytest.mark.parametrize("said", [CALM, STARTING, REFUSED, WRONG])
def test_only_time_outs_count_as_silence(said: Answer) -> None:
    """Whoever refuses or says something wrong is not frozen."""
    assert seen(CALM, TIMEOUT, TIMEOUT).silent_since == 1.0
    assert seen(CALM, TIMEOUT, TIMEOUT).timeouts == 2
    assert seen(TIMEOUT, said).silent_since is None
    assert seen(TIMEOUT, said).timeouts == 0


def test_failures_count_every_answer_without_a_runtime() -> None:
    """They feed the breaker; a starting runtime is one."""
    assert seen(TIMEOUT, REFUSED, WRONG).failures == 3
    assert seen(TIMEOUT, REFUSED, WRONG, STARTING).failures == 0


@given(st.lists(st.sampled_from(ALL), min_size=1, max_size=12))
def test_clocks_never_run_ahead_and_the_last_good_answer_stays(answers: list[Answer]) -> None:
    """Whatever the order: no clock before the first or after the last answer, the newest `ok` is remembered."""
    observation = seen(*answers)
    assert observation.answer is answers[-1]
    assert observation.at == len(answers) - 1
    clocks = (observation.silent_since, observation.rebalancing_since, observation.zombie_since)
    assert all(clock is None or 0 <= clock <= observation.at for clock in clocks)
    kinds: list[AnswerKind] = [answer.kind for answer in answers]
    if "ok" in kinds:
        newest = len(kinds) - 1 - kinds[::-1].index("ok")
        assert (observation.last_ok, observation.last_ok_at) == (answers[newest], newest)
    else:
        assert observation.last_ok is None
