"""Statuses are written when they differ, Events are sent when something flips, and what others write is theirs."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from kaspr_controller.kube.errors import ServerError
from kaspr_controller.kube.kinds import ObjectKey
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP
from tests.unit.reconcilers.world import APPLIED, HEALTHY, WORKLOAD, World

AGENT = resources.agent("a")
AGENT_KEY = resources.key(AGENT)
BAD = resources.agent("a", python="def f(:\n")


def running() -> World:
    world = World()
    world.start(resources.app(replicas=2), AGENT)
    return world


def told(world: World, about: ObjectKey) -> list[tuple[str, str, str]]:
    """The Events about one object: type, action, reason."""
    return [(each.type, each.action, each.reason) for each in world.told if each.about == about]


def test_a_start_without_trouble_is_one_piece_of_good_news() -> None:
    """V1: the first status of a healthy object is no news; that it became ready is."""
    world = World()
    world.user(resources.app(), AGENT)
    world.settle()
    assert told(world, APP) == [("Normal", "Ready", "Healthy")]
    assert told(world, AGENT_KEY) == [("Normal", "Ready", "Applied")]


def test_nothing_is_told_twice() -> None:
    """V1: passes are many, transitions are few."""
    world = running()
    world.user(BAD)
    world.settle()
    assert world.told
    world.forget()
    for _ in range(5):
        world.reconcile()
        world.reconcile(AGENT_KEY)
    world.restart()
    world.settle(7200.0)
    assert world.told == []


def test_an_ordinary_roll_out_is_no_warning() -> None:
    """V1: warnings are for what somebody has to look at."""
    world = running()
    world.user(resources.agent("a", "clicks"))
    world.settle()
    assert {each.type for each in world.told} == {"Normal"}
    assert told(world, AGENT_KEY)[0] == ("Normal", "Ready", "RolloutInProgress")
    assert told(world, AGENT_KEY)[-1] == ("Normal", "Ready", "Applied")


def test_a_fault_is_a_warning_and_its_repair_is_not() -> None:
    """V1: on the component that is at fault, and on the app that goes on without it."""
    world = running()
    world.user(BAD)
    world.settle()
    assert ("Warning", "Stalled", "InvalidCode") in told(world, AGENT_KEY)
    assert told(world, APP) == [("Warning", "ComponentsAccepted", "SomeHeldBack")]
    world.forget()
    world.user(AGENT)
    world.settle()
    assert {each.type for each in world.told} == {"Normal"}
    assert ("Normal", "ComponentsAccepted", "AllAccepted") in told(world, APP)


def test_another_reason_of_a_stalled_object_is_news() -> None:
    """V1: it is still bad, but for another reason, which another person may have to mend."""
    world = running()
    world.user(BAD)
    world.settle()
    world.forget()
    world.user(resources.agent("a", tables=("nowhere",)))
    world.settle()
    assert told(world, AGENT_KEY) == [("Warning", "Stalled", "TableNotFound")]


@pytest.mark.parametrize("new", [True, False], ids=["a new app", "a running app"])
def test_what_cannot_be_written_is_told_by_its_reason(new: bool) -> None:  # noqa: FBT001  # a parameter
    """D19, V1: also in the first status of an app, and also when it was not ready before."""
    world = World() if new else running()
    claim = {"metadata": {"name": "orders-app-python-packages", "namespace": resources.NAMESPACE}, "spec": {}}
    world.cluster.put({"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim})
    world.forget()
    packages = {"packages": ["requests"], "cache": {"enabled": True}}
    world.user(resources.app(replicas=2, pythonPackages=packages), resources.agent("a"))
    world.settle(300.0)
    conflicts = [each for each in world.told if each.reason == "NameConflict"]
    assert [(each.type, each.action, each.about) for each in conflicts] == [("Warning", "Reconciling", APP)]
    assert "PersistentVolumeClaim orders-app-python-packages" in conflicts[0].note


def test_a_component_without_a_place_is_told_about_once() -> None:
    """D19, D27, V1: the component that cannot be stored gets the Event with the reason, the app one that names it."""
    world = running()
    body = {"metadata": {"name": "b-agent", "namespace": resources.NAMESPACE}, "data": {"key": "theirs"}}
    world.cluster.put({"apiVersion": "v1", "kind": "ConfigMap", **body})
    component = resources.agent("b")
    world.user(component)
    world.settle(300.0)
    assert told(world, resources.key(component)) == [("Warning", "Stalled", "NameConflict")]
    assert ("Warning", "ComponentsAccepted", "SomeHeldBack") in told(world, APP)


def test_a_pause_is_told_and_is_no_warning() -> None:
    """D10: somebody looks for the reason why nothing happens; the Event says it."""
    world = running()
    world.annotate(APP, pause_reconciliation="true")
    world.settle()
    assert told(world, APP) == [("Normal", "Paused", "PauseRequested")]


def test_what_could_not_be_said_is_not_told_either() -> None:
    """V1: an Event goes out after the status was written, so it is never the only place where something stands."""
    world = running()
    world.user(BAD)
    world.cluster.fail("status", "KasprAgent", "a", ServerError("no", status=500))
    world.watch()
    world.clock.advance(1.0)
    world.reconcile()
    with pytest.raises(ServerError):
        world.reconcile(AGENT_KEY)
    assert told(world, AGENT_KEY) == []
    world.settle()
    assert ("Warning", "Stalled", "InvalidCode") in told(world, AGENT_KEY)


FOREIGN: dict[str, Any] = {
    "type": "Audited",
    "status": "True",
    "reason": "Fine",
    "message": "",
    "observedGeneration": 1,
    "lastTransitionTime": "2020-01-01T00:00:00Z",
}


def with_foreign_parts(key: ObjectKey) -> World:
    """A settled app to whose status somebody has added a condition and a field."""
    world = running()
    status = copy.deepcopy(world.status(key))
    status["conditions"].insert(0, dict(FOREIGN))
    status["auditedBy"] = "somebody"
    world.cluster.write_status(key, status)
    world.settle()
    world.forget()
    return world


@pytest.mark.parametrize("key", [APP, AGENT_KEY], ids=["app", "component"])
def test_a_condition_of_somebody_else_makes_no_difference(key: ObjectKey) -> None:
    """T1: what we do not own is not compared; otherwise every pass would write a status that changes nothing."""
    world = with_foreign_parts(key)
    world.reconcile(key)
    world.restart()
    world.settle()
    assert world.cluster.requests == []


def test_what_others_wrote_into_a_status_survives_a_pause() -> None:
    """S6: what is once applied by us and then left out is removed, so what is not ours is never sent."""
    world = with_foreign_parts(APP)
    world.annotate(APP, pause_reconciliation="true")
    world.settle()
    world.annotate(APP, pause_reconciliation=None)
    world.user(resources.agent("a", "clicks"))
    world.settle()
    assert FOREIGN in world.status()["conditions"]
    assert world.status()["auditedBy"] == "somebody"
    assert world.why() == HEALTHY


def test_what_others_wrote_into_a_status_survives_a_bad_spec() -> None:
    """S6: the same where the old numbers are kept because the spec cannot be used."""
    world = with_foreign_parts(APP)
    world.user(resources.app(replicas=2, version="0.0.1"))
    world.settle()
    world.user(resources.app(replicas=2))
    world.settle()
    assert world.status()["auditedBy"] == "somebody"
    assert FOREIGN in world.status()["conditions"]


def test_a_condition_that_no_longer_holds_is_gone() -> None:
    """kstatus: abnormal conditions are absent, not False; server-side apply removes what we leave out."""
    world = running()
    world.user(BAD)
    world.settle()
    assert world.why(AGENT_KEY, "Stalled") is not None
    world.user(AGENT)
    world.settle()
    assert [item["type"] for item in world.status(AGENT_KEY)["conditions"]] == ["Accepted", "Ready"]
    assert world.why(AGENT_KEY) == APPLIED


def test_somebody_who_edits_our_status_is_corrected_at_the_next_look() -> None:
    """T1: the status is computed, not remembered; its edit wakes nobody, since it is no order."""
    world = running()
    world.cluster.write_status(APP, {"observedGeneration": 1, "conditions": []})
    world.settle(10.0)
    assert world.writes() == []
    world.reconcile()
    assert world.why() == HEALTHY


def test_times_move_only_with_what_they_time() -> None:
    """T2: a roll-out moves the time of Ready twice and that of ComponentsAccepted never."""
    world = running()
    before = {item["type"]: item["lastTransitionTime"] for item in world.status()["conditions"]}
    world.clock.advance(100.0)
    world.user(resources.agent("a", "clicks"))
    world.settle()
    after = {item["type"]: item["lastTransitionTime"] for item in world.status()["conditions"]}
    assert after["ComponentsAccepted"] == before["ComponentsAccepted"]
    assert after["Ready"] > before["Ready"]
    assert len(world.cluster.templates[WORKLOAD]) == 2


def test_one_fault_is_one_event() -> None:
    """V1: `Accepted`, `Ready` and `Stalled` flip for one reason, and whoever reads Events reads it once; so with its end."""
    world = running()
    world.user(BAD)
    world.settle()
    assert told(world, AGENT_KEY) == [("Warning", "Stalled", "InvalidCode")]
    world.forget()
    world.user(resources.agent("a"))
    world.settle()
    assert [each for each in told(world, AGENT_KEY) if each[2] == "Applied"] == [
        ("Normal", "Ready", "Applied")
    ]
