"""Goodbyes for real members of a real group, with a session timeout that nobody here waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hack.kafka.broker import Broker
from kaspr_controller.groups.answers import GroupMember
from tests.conformance.group_cases import PARTITIONS, everything, first, has_all, latest, share, shared
from tests.kafka.conftest import MEASURED
from tests.kafka.crew import Crew

SESSION = 30.0
"""Seconds. Everything below happens in less, so none of it is the session's end."""
Report = Callable[[str, float], None]


@pytest.fixture
def patient(broker: Broker, group: str) -> Iterator[Crew]:
    """Members with a long session."""
    with Crew(broker.address(), group, session=SESSION) as made:
        yield made


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Report:
    """Notes a measured time, for the end of the run."""
    return lambda what, seconds: record_property(MEASURED, f"{what}: {seconds:.2f} s")


def test_scale_down_is_covered_within_seconds(patient: Crew, report: Report) -> None:
    """Real runtime, section 3: 132 s without a goodbye, 15 s with, most of which is the runtime's own start."""
    share(patient, "a-0", "a-1", "a-2")
    for name in ("a-1", "a-2"):
        patient.stop(name)
    for name in ("a-1", "a-2"):
        assert patient.goodbye(name)
    report("scale-down 3 to 1, everything read again", patient.within(8, lambda: has_all(patient, "a-0")))
    assert set(patient.seats()) == {"a-0"}


def test_a_frozen_member_is_taken_over_within_seconds(patient: Crew, report: Report) -> None:
    """C11: it stands still, its partitions move; woken, it comes back by itself."""
    share(patient, "a-0", "a-1")
    patient.freeze("a-1")
    assert patient.goodbye("a-1")
    report("frozen member, everything read again", patient.within(8, lambda: has_all(patient, "a-0")))
    patient.thaw("a-1")
    report("woken member, shared again", patient.within(8, lambda: shared(patient, "a-0", "a-1")))


def test_a_replaced_member_gets_what_it_subscribes_to(patient: Crew, report: Report) -> None:
    """C1: a topic removed and another added, goodbye between the processes: neither an old nor a missing topic."""
    patient.start("a-0", "one")
    patient.within(8, lambda: latest(patient, "a-0") == everything("one"))
    patient.stop("a-0")
    assert patient.goodbye("a-0")
    patient.start("a-0", "two")
    report("replaced member, new topic read", patient.within(8, lambda: bool(first(patient, "a-0"))))
    assert first(patient, "a-0") == everything("two")


def test_two_members_replaced_one_after_the_other(patient: Crew, report: Report) -> None:
    """Real runtime, section 3: a rollout with a removed topic; the other member keeps its place meanwhile."""
    for name in ("a-0", "a-1"):
        patient.start(name, "one", "two")
    patient.within(16, lambda: shared(patient, "a-0", "a-1"))
    for name in ("a-0", "a-1"):
        patient.stop(name)
        assert patient.goodbye(name)
        patient.start(name, "one")
        report(f"{name} replaced, shared again", patient.within(16, lambda: shared(patient, "a-0", "a-1")))
    patient.within(8, lambda: not patient.rebalancing())
    assert all("two" not in held for held in patient.seats().values())


def test_the_description_names_members_and_assignments(patient: Crew) -> None:
    """State, instance id, client id, host and partitions of each seat, a ghost's among them."""
    share(patient, "a-0", "a-1")
    patient.stop("a-1")
    view = patient.view()
    assert view.state == "stable"
    assert view.instances == {"a-0", "a-1"}
    assert [(member.instance_id, member.client_id) for member in view.members] == [
        ("a-0", "a-0"),
        ("a-1", "a-1"),
    ]
    assert {member.host for member in view.members} == {"127.0.0.1"}
    held = sorted(sum((partitions(member) for member in view.members), ()))
    assert held == list(range(PARTITIONS["one"]))


def partitions(member: GroupMember) -> tuple[int, ...]:
    """Its partitions of topic `one`."""
    return dict(member.assignment)["one"]


def test_a_group_that_was_never_there(patient: Crew) -> None:
    """A goodbye to it is a goodbye to nobody."""
    assert patient.view().state == "dead"
    assert not patient.goodbye("a-0")
