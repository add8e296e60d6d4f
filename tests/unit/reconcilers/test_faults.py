"""What the server refuses, loses or never had: the rest is written, the fault stays visible until its step succeeds."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.engine.results import Transient
from kaspr_controller.kube.errors import (
    ApiError,
    Forbidden,
    Invalid,
    NotFound,
    NotLeading,
    ServerError,
    Timeout,
    TooManyRequests,
    UidMismatch,
)
from kaspr_controller.kube.kinds import ObjectKey
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, NAMESPACE
from tests.unit.reconcilers.world import APPLIED, HEALTHY, WORKLOAD, World

AGENT = resources.agent("a")


def running() -> World:
    world = World()
    world.start(resources.app(replicas=2), AGENT)
    return world


def boom() -> ServerError:
    return ServerError("etcd is having a bad day", status=500)


def test_one_failing_child_does_not_keep_the_others_from_being_written() -> None:
    """D16: per-child isolation; the pass ends as an error that is tried again with a backoff."""
    world = World()
    world.cluster.fail("apply", "Service", "orders-app", boom())
    world.user(resources.app(replicas=0), AGENT)
    world.watch()
    world.clock.advance(1.0)
    with pytest.raises(Transient) as caught:
        world.reconcile()
    assert "Service orders-app" in str(caught.value)
    assert "etcd is having a bad day" in str(caught.value)
    assert {"apply Service orders-app-api", "apply ConfigMap a-agent", "apply ServiceAccount orders-app"} < {
        *world.child_writes()
    }
    assert WORKLOAD not in world.cluster.objects, "the headless Service is the members' names"


def test_an_error_stays_in_the_status_until_its_step_succeeds() -> None:
    """D56: whatever else happens meanwhile, a fault that is not repaired is not forgotten."""
    world = running()
    world.cluster.before = lambda verb, key: _refuse(verb, key, "Service", boom())
    world.user(resources.app(replicas=2, template={"service": {"metadata": {"annotations": {"x": "y"}}}}))
    for _ in range(4):
        world.settle(20.0)
        reconciling = world.why(condition="Reconciling")
        assert reconciling is not None
        assert reconciling.reason == "ServerError"
        assert "etcd is having a bad day" in reconciling.message
        ready = world.why()
        assert ready is not None
        assert (ready.status, ready.reason) == ("False", "Error")
    world.user(resources.agent("a", "clicks"))
    world.settle(20.0)
    assert world.why(condition="Reconciling") == reconciling, "the success of other steps does not hide it"
    world.cluster.before = lambda *_: None
    world.settle(1200.0)
    assert world.why() == HEALTHY
    assert world.why(condition="Reconciling") is None


def _refuse(verb: str, key: ObjectKey, kind: str, error: ApiError) -> None:
    if verb == "apply" and key.kind == kind:
        raise error


def test_what_the_server_refuses_for_good_is_stalled_with_its_words() -> None:
    """422: the same request fails again, so the app says who has to do what."""
    world = running()
    words = "spec.template.spec.containers[0].image: Required value"
    world.cluster.before = lambda verb, key: _refuse(verb, key, "StatefulSet", Invalid(words, status=422))
    world.user(resources.agent("a", "clicks"))
    world.settle()
    stalled = world.why(condition="Stalled")
    assert stalled is not None
    assert (stalled.reason, words in stalled.message) == ("Invalid", True)
    ready = world.why(resources.key(AGENT))
    assert ready is not None
    assert words in ready.message, "its definition is stored, but nobody will run it"


def test_a_change_of_what_cannot_be_changed_names_the_way_out() -> None:
    """422 on an immutable field: the message says what to undo or what to run."""
    world = running()
    words = "updates to statefulset spec for fields other than 'replicas' are forbidden"
    world.cluster.before = lambda verb, key: _refuse(verb, key, "StatefulSet", Invalid(words, status=422))
    world.user(resources.agent("a", "clicks"))
    world.settle()
    stalled = world.why(condition="Stalled")
    assert stalled is not None
    assert "kubectl delete statefulset orders-app -n shop --cascade=orphan" in stalled.message


def test_a_refusal_is_not_repeated_for_ever() -> None:
    """Terminal: the same request fails again; it is repeated now and then, in case the server has changed its mind."""
    world = running()
    world.cluster.before = lambda verb, key: _refuse(verb, key, "StatefulSet", Invalid("no", status=422))
    world.user(resources.agent("a", "clicks"))
    world.settle()
    world.forget()
    world.settle(600.0)
    assert 1 <= world.cluster.counted()["apply", "StatefulSet"] <= 4


@pytest.mark.parametrize(
    "error",
    [
        Forbidden("no role for that", status=403),
        TooManyRequests("slow down", status=429, retry_after=7.0),
        Timeout("no answer within 30 s"),
        boom(),
    ],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("ServiceAccount", "orders-app"),
        ("ConfigMap", "orders-app-config"),
        ("ConfigMap", "a-agent"),
        ("Service", "orders-app"),
        ("Service", "orders-app-api"),
        ("HorizontalPodAutoscaler", "orders-app-hpa"),
        ("StatefulSet", "orders-app"),
    ],
)
def test_every_child_recovers_from_every_error(error: ApiError, kind: str, name: str) -> None:
    """R6: three failures of one child in a row delay the app and nothing else; its name and the words are shown."""
    world = World()
    world.cluster.fail("apply", kind, name, error, error, error)
    world.user(resources.app(replicas=2), AGENT)
    world.settle(300.0)
    assert world.why() == HEALTHY
    assert world.why(resources.key(AGENT)) == APPLIED
    assert any(f"{kind} {name}: {error.message}" in text for text in world.messages())
    assert world.cluster.faults["apply", ObjectKey(kind, NAMESPACE, name)] == []


def test_a_status_for_an_object_that_is_gone_is_nobodys_loss() -> None:
    """404 on a status write: there is nobody left to tell, and no Event is sent about it."""
    world = running()
    world.user(resources.agent("a", "clicks"))
    world.watch()
    world.cluster.fail("status", "KasprApp", "orders", NotFound("gone", status=404))
    world.clock.advance(1.0)
    assert world.reconcile().reason == "Resync"
    assert world.told == []


def test_a_status_for_a_namesake_is_refused_and_tried_again() -> None:
    """The status write carries the UID: what we know about the old object is not said about the new one."""
    world = running()
    world.user(resources.agent("a", "clicks"))
    world.watch()
    world.cluster.vanish(APP)
    world.user(resources.app(replicas=2))
    world.clock.advance(1.0)
    with pytest.raises(UidMismatch):
        world.reconcile()
    assert world.status() == {}


def test_a_failing_status_write_is_an_error_of_the_pass() -> None:
    """T6: the queue tries again; nothing is overlaid, so the next pass sees the difference again."""
    world = running()
    world.cluster.fail("status", "KasprApp", "orders", boom())
    world.user(resources.agent("a", "clicks"))
    world.settle()
    assert any(isinstance(end, ServerError) for key, end in world.ran if key == APP)
    assert world.why() == HEALTHY


@pytest.mark.parametrize("verb", ["apply", "status", "get", "delete"])
def test_who_is_not_leading_stops_at_once(verb: str) -> None:
    """L3: the fence refuses; nothing more is tried, and no status says anything about it."""
    world = running()
    world.user(resources.agent("a", "clicks"), resources.agent("b"))
    if verb == "delete":
        world.settle()
        world.remove(resources.agent("b"))
        world.settle(5.0, around=False)
        world.workloads.roll(WORKLOAD)
    world.watch()
    world.clock.advance(1.0)
    world.forget()

    def fence(asked: str, key: ObjectKey) -> None:
        if asked == verb:
            raise NotLeading("the lease is not ours")

    world.cluster.before = fence
    with pytest.raises(NotLeading):
        world.reconcile()
    assert [asked for asked, _ in world.cluster.requests].count(verb) == 1
    assert world.cluster.requests[-1][0] == verb
    assert world.told == []


def test_a_fight_over_a_field_is_not_fought() -> None:
    """S4: somebody sets a field back each time; two writes, then a pause, and the status says which field it is."""
    world = running()
    path = ("spec", "template", "spec", "serviceAccountName")

    def interfere(*_: Any) -> None:
        world.cluster.edit(WORKLOAD, *path, to="other", manager="admission-bot")

    for _ in range(12):
        interfere()
        world.settle(1.0, around=False)
    assert world.cluster.counted()["apply", "StatefulSet"] == 2
    reconciling = world.why(condition="Reconciling")
    assert reconciling is not None
    assert reconciling.reason == "ApplyLoop"
    assert "serviceAccountName" in reconciling.message
    world.cluster.requests.clear()
    for turn in range(12):
        world.cluster.edit(WORKLOAD, *path, to=f"other-{turn}", manager="admission-bot")
        world.settle(1.0, around=False)
    assert world.cluster.counted()["status", "KasprApp"] == 0, "a rival sets no pace for our statuses"


def test_a_server_that_names_a_time_is_not_asked_sooner() -> None:
    """A2: `Retry-After` is the floor of every wait."""
    world = running()
    error = TooManyRequests("slow down", status=429, retry_after=30.0)
    world.cluster.fail("apply", "ConfigMap", "a-agent", error)
    world.user(resources.agent("a", "clicks"))
    world.settle(29.0)
    assert world.cluster.counted()["apply", "ConfigMap"] == 1
    reconciling = world.why(condition="Reconciling")
    assert reconciling is not None
    assert "slow down" in reconciling.message
    world.settle(60.0)
    assert world.why() == HEALTHY
