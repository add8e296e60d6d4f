"""When a listener is left alone, and for how long."""

from __future__ import annotations

from kaspr_controller.groups.answers import Farewell, GroupFault, GroupView
from kaspr_controller.groups.breaker import FAILURES, FIRST_SECONDS, LAST_SECONDS, Breaker

AWAY = GroupFault("unreachable", "nobody listens")
GOOD = GroupView("stable")


def failed(times: int, fault: GroupFault | Farewell = AWAY) -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker.note(fault, 0.0)
    return breaker


def test_it_opens_after_three_failures_and_says_why() -> None:
    """Two may be a broker's restart in between."""
    assert failed(FAILURES - 1).refusal(0.0) is None
    refusal = failed(FAILURES).refusal(FIRST_SECONDS - 1)
    assert refusal is not None
    assert refusal[0] == "unreachable"
    assert refusal[1].startswith("nobody listens")


def test_a_refused_login_opens_it_at_once() -> None:
    """Some brokers lock an account after a few wrong passwords."""
    assert failed(1, Farewell("auth-failed", "no")).refusal(1.0) is not None


def test_one_is_let_through_after_the_pause_and_pauses_grow() -> None:
    """15 s, 30 s, ... 120 s."""
    breaker, now, pauses = failed(FAILURES), 0.0, []
    for _ in range(6):
        pauses.append(breaker.until - now)
        now = breaker.until
        assert breaker.refusal(now - 0.1) is not None
        assert breaker.refusal(now) is None
        breaker.note(AWAY, now)
    assert pauses == [15, 30, 60, 120, 120, 120]
    assert (FIRST_SECONDS, LAST_SECONDS) == (15, 120)


def test_one_success_closes_it() -> None:
    """And the next failure counts from one."""
    breaker, suspect = failed(FAILURES), []
    for answer in (GOOD, AWAY):
        breaker.note(answer, FIRST_SECONDS)
        suspect.append(breaker.suspect)
    assert suspect == [False, True]
    assert breaker.refusal(FIRST_SECONDS) is None


def test_an_answer_of_the_broker_is_no_failure_of_the_connection() -> None:
    """An unknown member or a missing ACL says that the broker is there."""
    for answer in (Farewell("unknown-member"), Farewell("said"), GroupFault("no-permission", "acl")):
        breaker = failed(FAILURES)
        breaker.note(answer, 20.0)
        assert breaker.refusal(20.0) is None
        assert not breaker.suspect
