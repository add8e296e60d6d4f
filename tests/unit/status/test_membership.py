"""A member is calm when it says so with partitions in hand; silence proves nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kaspr_controller.status.facts import Membership
from kaspr_controller.status.membership import Member, judge
from kaspr_controller.status.observations import Answer, observe

NOW = "2026-01-01T00:00:00+00:00"
CALM = Answer(kind="ok", leader=True, actives={"orders": (0, 1)})
SILENT = Answer(kind="timeout")


def member(*answers: Answer, id_: int = 0, ready: bool = True) -> Member:
    seen = None
    for at, answer in enumerate(answers):
        seen = observe(seen, answer, at=float(at))
    return Member(id=id_, name=f"demo-app-{id_}", uid=f"u{id_}", created=NOW, ready=ready, observation=seen)


def look(
    *members: Member, topics: tuple[str, ...] = ("orders",), old: dict[str, Any] | None = None
) -> Membership:
    return judge(members, topics=topics, old=old or {}, now=NOW)


def remembered(*, ready: str = "True", **entry: Any) -> dict[str, Any]:
    """The status that an earlier process left."""
    calm = {"id": 0, "podUID": "u0", "rebalancing": False, "recovering": False, "lastTransitionTime": NOW}
    return {"conditions": [{"type": "Ready", "status": ready}], "members": [{**calm, **entry}]}


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(kind="refused"), "does not answer"),
        (Answer(kind="starting"), "is starting"),
        (Answer(kind="ok"), "has no partitions yet"),
        (Answer(kind="ok", rebalancing=True), "is rebalancing"),
        (Answer(kind="ok", rebalancing=True, actives={"orders": (0,)}), "is rebalancing"),
        (Answer(kind="ok", rebalancing=True, recovering=True, actives={"orders": (0,)}), "is recovering"),
    ],
)
def test_every_step_of_a_start_is_named_and_none_is_calm(answer: Answer, words: str) -> None:
    """C9: refused, 500, empty 200, rebalancing, rebalancing with assignment, recovering: none of them is running."""
    found = look(member(answer))
    assert found.calm == 0
    assert words in found.waiting[0]


def test_calm_members_that_read_everything_are_all_that_is_asked() -> None:
    """C9: neither flag and a non-empty assignment that covers the subscription."""
    found = look(member(CALM), member(replace(CALM, leader=False), id_=1))
    assert (found.calm, found.waiting, found.rebalancing) == (2, (), 0)


def test_a_topic_that_nobody_reads_is_named() -> None:
    """C3: a static member that came back with an old assignment looks calm, but the new topic is read by nobody."""
    assert look(member(CALM), topics=("orders", "returns")).waiting == ("nobody reads returns",)


def test_an_unready_pod_is_not_calm_whatever_it_says() -> None:
    """The kubelet's word on the process comes first."""
    assert look(member(CALM, ready=False)).waiting == ("demo-app-0 is not ready",)


def test_a_calm_member_survives_two_unanswered_polls() -> None:
    """Absence of information is never evidence; three in a row end the benefit of the doubt."""
    assert look(member(CALM, SILENT, SILENT)).waiting == ()
    assert "does not answer" in look(member(CALM, SILENT, SILENT, SILENT)).waiting[0]


def test_a_restart_of_the_controller_does_not_unready_a_calm_app() -> None:
    """A member that the status calls calm, under the same pod UID, is believed until it has been asked."""
    assert look(member(), old=remembered()).waiting == ()
    assert "not been heard" in look(member(), old=remembered(podUID="other")).waiting[0]


def test_a_restart_of_the_controller_does_not_ready_an_app_that_was_not() -> None:
    """C3, C9: flags that are down do not tell whether the member had partitions and every topic its reader."""
    assert "not been heard" in look(member(), old=remembered(ready="False")).waiting[0]
    assert "not been heard" in look(member(), old={**remembered(), "conditions": []}).waiting[0]


def test_the_member_list_keeps_its_times() -> None:
    """Contract 5.2: lastTransitionTime moves with a flag or the pod, and with nothing else."""
    first = look(member(CALM)).members
    again = judge([member(CALM)], topics=(), old={"members": first}, now="2030-01-01T00:00:00+00:00")
    assert again.members == first
    flipped = judge(
        [member(Answer(kind="ok", rebalancing=True))], topics=(), old={"members": first}, now="later"
    )
    assert flipped.members[0]["lastTransitionTime"] == "later"
    assert (flipped.rebalancing, flipped.members[0]["rebalancing"]) == (1, True)
