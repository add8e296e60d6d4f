"""What was decided about members is carried out once, on the incarnation that was judged, and by the leader only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.api.parsing import parse
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.kube.errors import ApiError, Forbidden, NotFound, NotLeading, ServerError
from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.members.client import Signalled
from kaspr_controller.reconcilers.acting import TURN_SECONDS, Acting, Turns
from kaspr_controller.reconcilers.deciding import Decided
from kaspr_controller.status.actions import AcknowledgeRebalance, DeletePod, SayGoodbye, SignalRebalance
from tests.fakes.clock import FakeClock
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, NAMESPACE
from tests.unit.reconcilers.team import Requests
from tests.unit.reconcilers.world import World

if TYPE_CHECKING:
    from kaspr_controller.kube.kinds import Raw
    from kaspr_controller.members.targets import Target
    from kaspr_controller.status.actions import Action

POD = ObjectKey("Pod", NAMESPACE, "orders-app-1")
OTHER = ObjectKey("KasprApp", NAMESPACE, "payments")


class Signals:
    """Members that answer as told; `asked` are those that were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer = Signalled("ok")

    def rebalance(self, target: Target) -> Signalled:
        self.asked.append(target.name)
        return self.answer


class Goodbyes:
    """Seats whose goodbyes are noted."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.forgotten: list[ObjectKey] = []

    def say(self, _key: ObjectKey, _app: KasprApp, goodbye: SayGoodbye) -> None:
        self.said.append((goodbye.instance_id, goodbye.gone_uid))

    def forget(self, key: ObjectKey) -> None:
        self.forgotten.append(key)


class Stage:
    """Two members that run, and an `Acting` of which every tool is the test's."""

    def __init__(self) -> None:
        self.world = World()
        self.world.start(resources.app(replicas=2), resources.agent("a"))
        self.signals = Signals()
        self.goodbyes = Goodbyes()
        self.turns = Turns(self.world.clock)
        self.leading = True
        self.acting = self.made()

    def made(self, **other: Any) -> Acting:
        tools: dict[str, Any] = {
            "stores": self.world.stores,
            "requests": Requests(self.world.cluster),
            "signals": self.signals,
            "seatings": self.goodbyes,
            "events": self.world,
            "turns": self.turns,
            "fence": self.fence,
        }
        return Acting(**{**tools, **other})

    def fence(self) -> None:
        if not self.leading:
            raise NotLeading("the lease is somebody else's")

    @property
    def raw(self) -> Raw:
        found = self.world.stores["KasprApp"].get(APP)
        assert found is not None
        return found

    @property
    def uid(self) -> str:
        return str(self.world.cluster.objects[POD]["metadata"]["uid"])

    def act(self, *actions: Action) -> None:
        app = parse(self.raw)
        assert isinstance(app, KasprApp)
        self.acting.carry_out(APP, self.raw, app, Decided(actions=actions))

    @property
    def kill(self) -> DeletePod:
        return DeletePod(self.uid, POD.name, "frozen")

    @property
    def signal(self) -> SignalRebalance:
        return SignalRebalance(self.uid, POD.name, 1)

    def reasons(self) -> list[str]:
        return [event.reason for event in self.world.told]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_a_member_is_replaced_after_a_fresh_read(stage: Stage) -> None:
    """D50: the API server is asked who it is now, then that incarnation is deleted, with a Warning on the app."""
    stage.act(stage.kill)
    assert stage.world.cluster.requests == [("get", POD), ("delete", POD)]
    assert POD not in stage.world.cluster.objects
    (event,) = stage.world.told
    assert (event.about, event.type, event.reason) == (APP, "Warning", "MemberReplaced")
    assert "frozen" in event.note


def test_another_incarnation_is_left_alone(stage: Stage) -> None:
    """D50: the cache may show a pod that is another one by now."""
    stage.act(DeletePod("uid-of-yesterday", POD.name, "frozen"))
    assert POD in stage.world.cluster.objects
    assert stage.world.cluster.asked("delete") == []
    assert stage.world.told == []


def test_a_pod_that_is_going_is_left_alone(stage: Stage) -> None:
    """A second delete would only repeat the first."""
    kill = stage.kill
    stage.world.cluster.mark_deleted(POD)
    stage.act(kill)
    assert stage.world.cluster.asked("delete") == []
    assert stage.turns.after(OTHER) == 0.0


def test_a_pod_that_is_replaced_between_read_and_delete_lives(stage: Stage) -> None:
    """D50: the UID is a precondition of the delete itself, so the server refuses in the last moment."""
    kill = stage.kill

    def swap(verb: str, key: ObjectKey) -> None:
        if verb == "delete" and key == POD:
            stage.world.cluster.before = lambda *_: None
            stage.world.cluster.vanish(POD)
            stage.world.workloads.roll_all()

    stage.world.cluster.before = swap
    stage.act(kill)
    assert stage.uid != kill.uid
    assert stage.reasons() == ["MemberReplacementFailed"]
    assert stage.turns.after(OTHER) == 0.0


@pytest.mark.parametrize("verb", ["get", "delete"])
def test_a_pod_that_is_gone_is_no_failure(stage: Stage, verb: str) -> None:
    """What was to be reached has been reached."""
    stage.world.cluster.fail(verb, "Pod", POD.name, NotFound("gone", status=404))
    stage.act(stage.kill)
    assert stage.world.told == []


@pytest.mark.parametrize("verb", ["get", "delete"])
@pytest.mark.parametrize(
    "error",
    [Forbidden("may not", status=403), ServerError("down", status=503)],
    ids=lambda error: error.reason,
)
def test_a_replacement_that_fails_is_told_and_the_rest_goes_on(
    stage: Stage, verb: str, error: ApiError
) -> None:
    """The pod stays, nobody's turn is used up, and what else was decided happens."""
    stage.world.cluster.fail(verb, "Pod", POD.name, error)
    stage.act(stage.kill, SayGoodbye("orders-app-1", "uid-x", "scaled down"))
    assert POD in stage.world.cluster.objects
    assert stage.reasons() == ["MemberReplacementFailed", "SayingGoodbye"]
    assert stage.world.told[0].type == "Warning"
    assert str(error) in stage.world.told[0].note
    assert stage.turns.after(OTHER) == 0.0


def test_nothing_is_done_behind_a_closed_fence(stage: Stage) -> None:
    """A process whose lease is gone asks no member, deletes no pod, says no goodbye and tells nothing."""
    actions = (stage.kill, stage.signal, SayGoodbye("a-1", "u", "gone"), AcknowledgeRebalance())
    stage.leading = False
    for action in actions:
        with pytest.raises(NotLeading):
            stage.act(action)
    assert stage.world.cluster.requests == []
    assert (stage.signals.asked, stage.goodbyes.said, stage.world.told) == ([], [], [])


def test_the_fence_is_passed_before_each_action(stage: Stage) -> None:
    """A lease that is lost between two actions keeps the second from happening."""

    class Last(Signals):
        def rebalance(self, target: Target) -> Signalled:
            stage.leading = False
            return super().rebalance(target)

    stage.acting = stage.made(signals=Last())
    with pytest.raises(NotLeading):
        stage.act(stage.signal, stage.kill)
    assert POD in stage.world.cluster.objects


def test_a_lease_lost_in_the_request_ends_the_pass(stage: Stage) -> None:
    """The client's own fence is no failed replacement."""
    stage.world.cluster.fail("delete", "Pod", POD.name, NotLeading("lost"))
    with pytest.raises(NotLeading):
        stage.act(stage.kill, stage.signal)
    assert stage.signals.asked == []
    assert stage.world.told == []


def test_the_leader_is_asked_for_a_rebalance(stage: Stage) -> None:
    """D40: one request to the member that was decided on, with an Event that counts the attempts."""
    stage.act(stage.signal)
    assert stage.signals.asked == [POD.name]
    (event,) = stage.world.told
    assert (event.type, event.reason) == ("Normal", "RebalanceRequested")
    assert "attempt 1" in event.note


@pytest.mark.parametrize(
    "answer",
    [Signalled("timeout", "no answer in time"), Signalled("starting"), Signalled("wrong", "no JSON")],
)
def test_a_request_that_was_not_acknowledged_is_told(stage: Stage, answer: Signalled) -> None:
    """D40: the decision tries again; the Event says why."""
    stage.signals.answer = answer
    stage.act(stage.signal)
    (event,) = stage.world.told
    assert (event.type, event.reason) == ("Warning", "RebalanceRequestFailed")
    assert (answer.reason or answer.kind) in event.note


def test_a_member_whose_pod_is_another_is_not_asked(stage: Stage) -> None:
    """D48: its address is somebody else's by now."""
    stage.act(SignalRebalance("uid-of-yesterday", POD.name, 2))
    assert stage.signals.asked == []
    assert stage.reasons() == ["RebalanceRequestFailed"]
    assert "its pod is gone" in stage.world.told[0].note


def test_without_polling_nobody_is_asked(stage: Stage) -> None:
    """A controller that does not talk to members says so instead of failing."""
    stage.acting = stage.made(signals=None, seatings=None)
    stage.act(stage.signal, SayGoodbye("a-1", "u", "gone"))
    stage.acting.forget(APP)
    assert stage.reasons() == ["RebalanceRequestFailed"]


def test_the_annotation_goes_when_its_request_is_stored(stage: Stage) -> None:
    """D46: on the API server and in the cache at once, so that the next pass does not see it again."""
    stage.world.annotate(APP, rebalance="true", note="kept")
    stage.world.watch()
    stage.act(AcknowledgeRebalance())
    for obj in (stage.world.cluster.objects[APP], stage.raw):
        assert obj["metadata"]["annotations"] == {"kaspr.io/note": "kept"}


def test_an_app_that_is_gone_needs_no_acknowledgement(stage: Stage) -> None:
    """The pass ends as if it had been there."""
    app = parse(stage.raw)
    assert isinstance(app, KasprApp)
    raw = stage.raw
    stage.world.cluster.vanish(APP)
    stage.acting.carry_out(APP, raw, app, Decided(actions=(AcknowledgeRebalance(), stage.signal)))
    assert stage.signals.asked == [POD.name]


def test_a_goodbye_is_handed_over_with_its_incarnation(stage: Stage) -> None:
    """Section 3 of the members' rules: it is said for a pod that is gone, by its name and UID."""
    stage.act(SayGoodbye("orders-app-1", "uid-9", "the app was scaled down"))
    assert stage.goodbyes.said == [("orders-app-1", "uid-9")]
    (event,) = stage.world.told
    assert (event.type, event.reason) == ("Normal", "SayingGoodbye")
    assert "orders-app-1" in event.note
    stage.acting.forget(APP)
    assert stage.goodbyes.forgotten == [APP]


def test_apps_take_turns_in_losing_members(stage: Stage) -> None:
    """D49: after a replacement other apps wait; the same app goes on by its own rules."""
    stage.act(stage.kill)
    assert stage.turns.after(APP) == 0.0
    assert stage.turns.after(OTHER) == TURN_SECONDS
    stage.world.clock.advance(TURN_SECONDS - 1)
    assert stage.turns.after(OTHER) == 1.0
    stage.world.clock.advance(1)
    assert stage.turns.after(OTHER) == 0.0


def test_a_turn_passes_on() -> None:
    """D49: the app that lost a member last is the one that the others wait for."""
    clock = FakeClock()
    turns = Turns(clock, length=5.0)
    turns.take(APP)
    clock.advance(5.0)
    turns.take(OTHER)
    assert (turns.after(APP), turns.after(OTHER)) == (5.0, 0.0)
