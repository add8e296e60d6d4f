"""Requests are taken at once, carried out in order and within bounds, and answered exactly when there is news."""

from __future__ import annotations

from kaspr_controller.groups.address import Credentials, GroupAddress, Secret
from kaspr_controller.groups.answers import Farewell, GroupFault, GroupView, PartitionLag
from kaspr_controller.groups.breaker import FAILURES, FIRST_SECONDS
from kaspr_controller.groups.desk import ANSWERS, CAPACITY
from kaspr_controller.groups.requests import Describe, Goodbye
from kaspr_controller.telemetry import metrics
from tests.unit.groups.brokers import APP, listener
from tests.unit.groups.desks import AWAY, OTHER, SAID, VIEW, Desk, describe, goodbye


def test_an_answer_is_found_under_the_ticket_of_the_wish() -> None:
    """A reconcile that is run again makes the same ticket from the same facts."""
    desk = Desk()
    ticket = desk.desk.submit(goodbye())
    assert (desk.desk.answer(ticket), desk.desk.pending(ticket)) == (None, True)
    desk.work()
    answered = desk.desk.answer(goodbye().ticket)
    assert answered is not None
    assert (answered.answer, answered.at) == (SAID, 1000)
    assert not desk.desk.pending(ticket)
    assert desk.news == [APP]


def test_a_goodbye_that_ended_well_is_not_said_again() -> None:
    """It would evict whoever has the name by then; only another mark (the next pod) is another goodbye."""
    for answer in (SAID, Farewell("unknown-member")):
        desk = Desk()
        desk.client.answer = answer
        desk.ask(goodbye())
        desk.clock.advance(3600)
        desk.ask(goodbye())
        assert len(desk.client.asked) == 1
        desk.ask(goodbye(mark="uid-2"))
        assert len(desk.client.asked) == 2


def test_a_goodbye_that_failed_may_be_said_again() -> None:
    """When its answer is older than the caller wants to wait between attempts."""
    desk = Desk()
    desk.client.answer = Farewell("timeout", "no answer in time")
    desk.ask(goodbye())
    desk.ask(goodbye(), max_age=5)
    assert len(desk.client.asked) == 1
    desk.clock.advance(5)
    desk.client.answer = SAID
    assert desk.ask(goodbye(), max_age=5) == SAID


def test_a_description_is_asked_for_again_when_it_is_too_old() -> None:
    """`max_age` is what a caller can do with; without it each wish is a question."""
    desk = Desk()
    desk.ask(describe())
    desk.clock.advance(9)
    desk.ask(describe(), max_age=10)
    assert len(desk.client.asked) == 1
    desk.clock.advance(1)
    desk.ask(describe(), max_age=10)
    desk.ask(describe())
    assert len(desk.client.asked) == 3


def test_a_wish_that_waits_is_one_wish_and_takes_the_newest_credentials() -> None:
    """A password that was rotated while the request waited is the one to use."""
    desk = Desk()
    newer = Credentials("u", Secret("b"))
    for credentials in (Credentials("u", Secret("a")), newer):
        desk.desk.submit(Goodbye(APP, GroupAddress(listener(), "g"), credentials, "a-1", "uid-1"))
    desk.work()
    assert desk.client.asked == [("goodbye", "a-1", newer)]


def test_a_wish_that_is_being_carried_out_is_not_taken_twice() -> None:
    """The reconcile may run again in the middle of it; the second goodbye would meet the successor."""
    desk = Desk()
    desk.desk.submit(goodbye())
    running = desk.desk.take()
    assert running is not None
    assert desk.desk.pending(desk.desk.submit(goodbye()))
    desk.desk.carry_out(running)
    assert desk.work() == []
    assert len(desk.client.asked) == 1


def test_goodbyes_go_first() -> None:
    """Partitions are unread until they are said."""
    desk = Desk()
    for request in (describe(), describe(app=OTHER, broker="two"), goodbye()):
        desk.desk.submit(request)
    assert [type(request) for request in desk.work()] == [Goodbye, Describe, Describe]


def test_one_request_at_a_time_to_a_listener() -> None:
    """A crowd of goodbyes is one connection, not many; other listeners need not wait."""
    desk = Desk(slots=4)
    for request in (goodbye("a-1"), goodbye("a-2"), goodbye(app=OTHER, broker="two")):
        desk.desk.submit(request)
    first, second = desk.desk.take(), desk.desk.take()
    assert first == goodbye("a-1")
    assert second == goodbye(app=OTHER, broker="two")
    assert desk.desk.take() is None
    assert first is not None
    desk.desk.carry_out(first)
    assert desk.desk.take() == goodbye("a-2")


def test_listeners_that_failed_never_hold_all_slots() -> None:
    """Each try may cost 10 s; apps on healthy brokers must not wait for that."""
    desk = Desk()
    desk.client.answer = AWAY
    for broker in ("dead-1", "dead-2"):
        desk.ask(goodbye(broker=broker, mark=broker))
    desk.client.answer = None
    for broker in ("dead-1", "dead-2", "fine"):
        desk.desk.submit(goodbye(broker=broker, mark=f"{broker} again"))
    taken = [desk.desk.take(), desk.desk.take()]
    assert [request.address.listener.bootstrap[0] for request in taken if request] == [
        "dead-1:9092",
        "fine:9092",
    ]
    assert desk.desk.take() is None


def test_an_open_breaker_answers_without_asking() -> None:
    """Three failures, then silence for 15 s, then one try."""
    desk = Desk()
    desk.client.answer = AWAY
    for number in range(FAILURES + 2):
        answer = desk.ask(goodbye(mark=str(number)))
        assert answer.kind == "unreachable"
    assert len(desk.client.asked) == FAILURES
    assert "not tried" in answer.reason
    desk.clock.advance(FIRST_SECONDS)
    desk.client.answer = SAID
    assert desk.ask(goodbye()) == SAID


def test_a_breaker_is_of_listener_and_credentials() -> None:
    """A wrong password of one app is no reason to leave its neighbour alone."""
    desk = Desk()
    desk.client.answer = Farewell("auth-failed", "refused")
    desk.ask(Goodbye(APP, GroupAddress(listener(), "g"), Credentials("u", Secret("old")), "a-1", "1"))
    desk.client.answer = SAID
    fresh = Credentials("u", Secret("new"))
    assert desk.ask(Goodbye(APP, GroupAddress(listener(), "g"), fresh, "a-1", "2")) == SAID


def test_too_many_requests_are_answered_with_busy() -> None:
    """Bounded; those that wait already are not lost."""
    desk = Desk()
    for number in range(CAPACITY):
        desk.desk.submit(goodbye(f"a-{number}"))
    extra = desk.desk.submit(goodbye("extra"))
    answered = desk.desk.answer(extra)
    assert answered is not None
    assert answered.answer.kind == "busy"  # type: ignore[union-attr]
    desk.desk.submit(goodbye("a-3"))
    assert len(desk.work()) == CAPACITY


def test_answers_that_are_kept_are_bounded() -> None:
    """The oldest go first."""
    desk = Desk()
    for number in range(ANSWERS + 10):
        desk.ask(goodbye(f"a-{number}"))
    assert desk.desk.answer(goodbye("a-9").ticket) is None
    assert desk.desk.answer(goodbye("a-10").ticket) is not None


def test_every_end_of_a_goodbye_is_news() -> None:
    """The reconcile decides what a failure means."""
    desk = Desk()
    desk.client.answer = AWAY
    desk.ask(goodbye())
    desk.ask(goodbye())
    assert desk.news == [APP, APP]


def test_only_a_changed_description_is_news() -> None:
    """Otherwise each look at the group would be a reconcile, and each reconcile a look."""
    desk = Desk()
    desk.ask(describe())
    desk.ask(describe())
    assert desk.news == [APP]
    desk.client.answer = GroupView("stable", VIEW.members, lag=(PartitionLag("t", 0, 3),))
    desk.ask(describe())
    assert desk.news == [APP]
    for answer in (
        GroupView("empty"),
        GroupFault("unreachable", "nobody listens"),
        GroupFault("unreachable", "other words"),
        VIEW,
    ):
        desk.client.answer = answer
        desk.ask(describe())
    assert desk.news == [APP] * 4


def test_with_and_without_lag_are_two_descriptions() -> None:
    """A cheap one must not take the place of the one with lag."""
    assert describe().ticket != describe(lag=True).ticket


def test_a_forgotten_app_leaves_nothing() -> None:
    """What waits is dropped, what was answered too; other apps keep theirs."""
    desk = Desk()
    desk.ask(goodbye())
    desk.ask(goodbye(app=OTHER))
    desk.desk.submit(describe())
    desk.desk.forget(APP)
    assert desk.work() == []
    assert desk.desk.answer(goodbye().ticket) is None
    assert desk.desk.answer(goodbye(app=OTHER).ticket) is not None


def test_no_goodbye_is_said_after_the_lease_is_lost() -> None:
    """Asked right before it is sent; looking does no harm and is still allowed."""
    leading = [True]
    desk = Desk(may_act=lambda: leading[0])
    desk.desk.submit(goodbye())
    leading[0] = False
    desk.work()
    assert desk.client.asked == []
    answered = desk.desk.answer(goodbye().ticket)
    assert answered is not None
    assert answered.answer.kind == "not-leading"  # type: ignore[union-attr]
    assert desk.ask(describe()) == VIEW
    leading[0] = True
    assert desk.ask(goodbye()) == SAID


def test_outcomes_are_counted() -> None:
    """kaspr_goodbyes_total and kaspr_group_requests_total."""

    def counted(name: str, **labels: str) -> float:
        return metrics.REGISTRY.get_sample_value(name, labels) or 0.0

    said = counted("kaspr_goodbyes_total", outcome="said")
    looked = counted("kaspr_group_requests_total", request="describe", outcome="ok")
    desk = Desk()
    desk.ask(goodbye())
    desk.ask(describe())
    assert counted("kaspr_goodbyes_total", outcome="said") == said + 1
    assert counted("kaspr_group_requests_total", request="describe", outcome="ok") == looked + 1


def test_a_request_shows_no_credentials() -> None:
    """Requests may be logged."""
    request = Goodbye(APP, GroupAddress(listener(), "g"), Credentials("u", Secret("hunter2")), "a", "m")
    assert "hunter2" not in repr(request)
    assert "hunter2" not in repr(request.ticket)
