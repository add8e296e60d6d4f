"""The decisions about members, together in whole passes: stored before they are carried out, and carried out once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from kaspr_controller.kube.errors import Forbidden
from kaspr_controller.reconcilers.deciding import LOOK_AGAIN_SECONDS
from kaspr_controller.status.observations import Answer
from kaspr_controller.status.policies import Policies
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.answering import RUNNING
from tests.unit.reconcilers.resources import APP
from tests.unit.reconcilers.team import TIMEOUT, Team, pod_key
from tests.unit.reconcilers.world import HEALTHY

if TYPE_CHECKING:
    from kaspr_controller.members.targets import Target

AGENT = resources.agent("a")
LEADING = replace(RUNNING, leader=True)


@pytest.fixture
def team() -> Team:
    made = Team()
    made.poller.reply = _leads
    made.start(resources.app(replicas=3), AGENT)
    return made


def _leads(target: Target) -> Answer:
    return LEADING if target.name.endswith("-0") else RUNNING


def reasons(team: Team) -> list[str]:
    return [event.reason for event in team.told]


def test_a_calm_app_decides_nothing(team: Team) -> None:
    """Nothing is asked for, and nobody looks again before something happens."""
    team.live(300.0)
    assert team.writes() == []
    assert team.reconcile().requeue_after == 36_000.0
    assert team.poller.signalled == []


def test_a_frozen_member_is_replaced_once_and_the_others_stay(team: Team) -> None:
    """D50, D53: it takes its time, then one pod of three is another."""
    before = team.uids()
    team.freeze(1)
    team.live(10.0)
    assert team.uids() == before, "ten seconds of silence are no evidence"
    team.live(300.0)
    after = team.uids()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {pod_key(1).name}
    assert reasons(team).count("MemberReplaced") == 1
    assert team.why() == HEALTHY
    assert "suspects" not in team.status().get("recovery", {})


def test_nobody_is_replaced_when_nobody_answers(team: Team) -> None:
    """C10: silence of all of them is a fault of the network, or ours."""
    before = team.uids()
    team.poller.reply = lambda _: TIMEOUT
    team.live(300.0)
    assert team.uids() == before
    assert team.cluster.asked("delete") == []


def test_no_passes_are_strikes(team: Team) -> None:
    """D53: a hundred passes in a moment bring a frozen member no nearer to its end."""
    before = team.uids()
    team.freeze(1)
    team.live(40.0)
    for _ in range(100):
        team.reconcile()
        team.watch()
    assert team.uids() == before


def test_an_app_waits_for_its_turn(team: Team) -> None:
    """D49: while another app has lost a member just now, this one keeps its own, however frozen."""
    before = team.uids()
    team.turn = lambda _: 7.0
    team.freeze(1)
    team.live(300.0)
    assert team.uids() == before
    waits = [end.requeue_after for _, end in team.ran if not isinstance(end, Exception)]
    assert waits[-1] is not None
    assert waits[-1] <= 7.0, "it looks again when its turn may have come"
    team.turn = lambda _: 0.0
    team.live(60.0)
    assert team.uids() != before


def test_a_decision_is_stored_before_it_is_carried_out(team: Team) -> None:
    """D50: a process that dies between the two acts later; one that dies after it does not act twice."""
    team.freeze(1)
    seen: list[bool] = []

    def look(verb: str, key: object) -> None:
        if (verb, key) == ("delete", pod_key(1)):
            seen.append("kills" in team.status().get("recovery", {}))

    team.cluster.before = look
    team.live(300.0)
    assert seen == [True]


def test_another_process_goes_on_with_the_strikes(team: Team) -> None:
    """D53: what was counted stands in the status; one strike at least is the new process's own."""
    before = team.uids()
    team.freeze(1)
    for _ in range(10):
        team.live(20.0)
        reply = team.poller.reply
        team.restart()
        team.poller.reply = reply
        if team.uids() != before:
            break
    team.live(120.0)
    changed = {name for name in before if before[name] != team.uids()[name]}
    assert changed <= {pod_key(1).name}
    team.live(300.0)
    assert {name for name in before if before[name] != team.uids()[name]} == {pod_key(1).name}


def test_no_member_is_replaced_while_a_child_is_at_fault(team: Team) -> None:
    """D51: an app that is being changed, or cannot be, has its own troubles."""
    before = team.uids()
    team.cluster.vanish(APP._replace(kind="Service", name="orders-app-api"))
    team.cluster.fail("apply", "Service", "orders-app-api", *[Forbidden("may not", status=403)] * 10_000)
    team.freeze(1)
    team.live(300.0)
    assert team.uids() == before


def test_detection_can_be_switched_off(team: Team) -> None:
    """The annotation is the user's word; without it the default counts again."""
    before = team.uids()
    team.annotate(APP, hung_member_detection_enabled="false")
    team.freeze(1)
    team.live(200.0)
    assert team.uids() == before
    team.annotate(APP, hung_member_detection_enabled=None)
    team.live(200.0)
    assert team.uids() != before


def test_a_rebalance_asked_for_by_hand(team: Team) -> None:
    """D46: stored, acknowledged by taking the annotation away, sent once to the member that leads."""
    team.annotate(APP, rebalance="true")
    team.settle(5.0)
    assert team.poller.signalled == ["orders-app-0"]
    assert "kaspr.io/rebalance" not in team.cluster.objects[APP]["metadata"].get("annotations", {})
    assert reasons(team) == ["RebalanceRequested"]
    part = team.status()["rebalance"]
    assert (part["state"], part["attempts"]) == ("Signalled", 1)


def test_a_request_waits_for_a_leader(team: Team) -> None:
    """D40: without a member that says it leads nobody is asked, and nothing is forgotten."""
    team.poller.reply = lambda _: RUNNING
    team.settle()
    team.annotate(APP, rebalance="true")
    team.live(60.0)
    assert team.poller.signalled == []
    assert team.status()["rebalanceRequired"] is True
    team.poller.reply = _leads
    team.live(60.0)
    assert team.poller.signalled[0] == "orders-app-0"


def test_a_request_that_was_stored_survives_a_restart(team: Team) -> None:
    """D40: the annotation is gone by then; the status is what is left."""
    team.poller.reply = lambda _: RUNNING
    team.settle()
    team.annotate(APP, rebalance="true")
    team.live(10.0)
    team.restart()
    team.poller.reply = _leads
    team.live(60.0)
    assert team.poller.signalled[0] == "orders-app-0"


@pytest.mark.parametrize("value", ["never", "-5", "0", "1e3", "9999999999"])
def test_a_threshold_of_nothing_is_told(team: Team, value: str) -> None:
    """The annotation, what it says, what would do, and what counts meanwhile; the app works on."""
    team.annotate(APP, hung_rebalancing_threshold_seconds=value)
    team.settle()
    warning = team.why(condition="Warnings")
    assert warning is not None
    assert "kaspr.io/hung-rebalancing-threshold-seconds" in warning.message
    assert value in warning.message
    assert "300 s" in warning.message
    assert team.why() == HEALTHY
    team.annotate(APP, hung_rebalancing_threshold_seconds="120")
    team.settle()
    assert team.why(condition="Warnings") is None


def test_what_only_time_shows_is_looked_at_again(team: Team) -> None:
    """A member that answers the same all the time wakes nobody."""
    team.poller.reply = lambda _: Answer("ok", rebalancing=True)
    team.settle(6.0)
    team.ran.clear()
    team.live(60.0)
    looks = [key for key, _ in team.ran if key == APP]
    assert 60 / LOOK_AGAIN_SECONDS / 2 <= len(looks) <= 60 / LOOK_AGAIN_SECONDS * 2


def test_a_pod_that_does_not_run_is_not_looked_at_again() -> None:
    """The kubelet tells when it does."""
    team = Team(policies=Policies())
    team.user(resources.app(), AGENT)
    team.settle(20.0, around=False)
    team.ran.clear()
    team.settle(600.0, around=False)
    assert [key for key, _ in team.ran if key == APP] == []


def test_packages_are_told_from_the_pods_that_have_them() -> None:
    """D59: the installer's last words reach status and condition through the trimmed cache, and go with the spec."""
    team = Team()
    team.start(resources.app(pythonPackages={"packages": ["requests"]}), AGENT)
    installing = team.why(condition="PythonPackagesReady")
    assert installing is not None, team.status()
    assert (installing.status, installing.reason) == ("False", "Installing")
    words = '{"category": "authentication", "message": "401"}'
    ended = {"name": "install-packages", "state": {"terminated": {"exitCode": 1, "message": words}}}
    team.cluster.edit(pod_key(0), "status", "initContainerStatuses", to=[ended])
    team.settle(5.0)
    failed = team.why(condition="PythonPackagesReady")
    assert failed is not None
    assert failed.reason == "InstallationFailed"
    assert "authentication: 401" in failed.message
    assert team.status()["pythonPackages"]["warnings"][0].startswith("orders-app-0: authentication: 401")
    team.user(resources.app())
    team.settle()
    assert team.why(condition="PythonPackagesReady") is None
    assert "pythonPackages" not in team.status()
