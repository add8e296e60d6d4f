"""A new template starts nothing by itself: each write carries how far the rollout may go, unless nobody drives it."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from kaspr_controller.converge.canonical import HASH_ANNOTATION
from kaspr_controller.converge.comparing import Write
from kaspr_controller.converge.covering import Difference
from kaspr_controller.desired.bundle import Intent
from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.reconcilers.driving import Driver, as_live, partition_of
from kaspr_controller.status import rolling
from kaspr_controller.status.judging import Group
from kaspr_controller.status.rollout import Rollout
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.team import Team, pod_key
from tests.unit.reconcilers.world import HEALTHY, PLAIN, WORKLOAD

SET: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "StatefulSet",
    "metadata": {"name": "orders-app", "namespace": "shop", "uid": "uid-1"},
    "spec": {"replicas": 3, "template": {"spec": {}}},
}
KEY = ObjectKey("StatefulSet", "shop", "orders-app")
STANDING = Rollout(
    exists=True, observed=True, desired=3, total=3, updated=3, ready=3, available=3, revision="r1"
)


def driver(*, driven: bool = True, partition: int = 0) -> Driver:
    facts = rolling.Facts(Group(), STANDING, desired=3, partition=partition)
    return Driver(rolling.Policy(driven=driven), rolling.Rolling(), facts, now=0.0)


def write(*paths: tuple[str, ...], live: Any = SET, key: ObjectKey = KEY) -> Write:
    return Write(key, SET, "hash", live, tuple(Difference(path, "removed") for path in paths))


def partition(obj: Any) -> int | None:
    found: int | None = obj["spec"].get("updateStrategy", {}).get("rollingUpdate", {}).get("partition")
    return found


def test_a_changed_template_is_held_in_the_same_write() -> None:
    """C16: the partition is above every ordinal, and the decision that is stored says so."""
    one = driver()
    held = one.revise(write(("spec", "template", "spec", "volumes")))
    assert held is not None
    assert partition(held) == 3
    assert one.decision.part.partition == 3
    assert "updateStrategy" not in SET["spec"], "the intent itself stays as it was rendered"


def test_a_difference_in_the_hash_alone_holds_too() -> None:
    """A field that was taken out of the template shows as another hash only."""
    held = driver().revise(write(("metadata", "annotations", HASH_ANNOTATION)))
    assert held is not None
    assert partition(held) == 3


@pytest.mark.parametrize("path", [("spec", "replicas"), ("spec", "updateStrategy", "rollingUpdate")])
def test_what_makes_no_revision_is_not_held(path: tuple[str, ...]) -> None:
    """A scale-up starts its pods at once; a step of the rollout would be undone by a hold."""
    assert driver().revise(write(path)) is None


def test_one_harmless_difference_excuses_no_other() -> None:
    """Scaled and changed together is changed."""
    assert driver().revise(write(("spec", "replicas"), ("spec", "template", "metadata"))) is not None


def test_a_new_workload_is_not_held() -> None:
    """There is no older revision whose members could be spared."""
    assert driver().revise(write(("spec",), live=None)) is None


def test_other_objects_are_not_touched() -> None:
    """Only a StatefulSet has a partition."""
    other = ObjectKey("Service", "shop", "orders-app")
    assert driver().revise(write(("spec", "ports"), key=other)) is None
    intent = Intent({**SET, "kind": "Service"}, frozenset())
    assert driver().paced(intent) is intent


def test_the_partition_of_the_pass_is_in_the_intent() -> None:
    """What the decision says is what is compared with the live object, so a stray partition is drift."""
    unseen = replace(STANDING, observed=False)
    facts = rolling.Facts(Group(), unseen, desired=3, partition=2)
    one = Driver(rolling.Policy(), rolling.Rolling(), facts, now=0.0)
    assert partition(one.paced(Intent(SET, frozenset())).obj) == 2


def test_in_plain_mode_nothing_is_said_about_partitions() -> None:
    """The field is nobody's then: an intent without it takes ours out."""
    one = driver(driven=False, partition=2)
    assert partition(one.paced(Intent(SET, frozenset())).obj) is None
    assert one.revise(write(("spec", "template"))) is None


def test_a_look_at_other_changes_takes_the_live_partition() -> None:
    """`diff` shows no step of a rollout as a change."""
    live = copy.deepcopy(SET)
    assert (partition_of(None), partition_of(live)) == (0, 0)
    intent = Intent(SET, frozenset())
    assert as_live(intent, None, driven=True) is intent
    assert as_live(intent, live, driven=False) is intent
    assert partition(as_live(intent, live, driven=True).obj) == 0
    live["spec"]["updateStrategy"] = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    assert partition_of(live) == 2
    assert partition(as_live(intent, live, driven=True).obj) == 2
    live["spec"]["updateStrategy"] = {"type": "OnDelete"}
    assert partition_of(live) == 0


def running(team: Team) -> Team:
    team.start(resources.app(replicas=3), resources.agent("a"))
    return team


def test_an_edit_starts_no_pod_by_itself() -> None:
    """C16 in a whole pass: one write with the new template and the hold; the StatefulSet controller finds nothing to do."""
    team = running(Team())
    team.user(resources.agent("a", "clicks"))
    team.settle(2.0, around=False)
    assert len(team.cluster.templates[WORKLOAD]) == 2
    assert team.child_writes().count("apply StatefulSet orders-app") == 1
    assert partition_of(team.cluster.objects[WORKLOAD]) == 3


def test_the_next_member_waits_for_the_last_one() -> None:
    """C16: the partition goes down by one when the replaced member is calm, never sooner."""
    team = running(Team())
    team.user(resources.agent("a", "clicks"))
    team.settle(2.0, around=False)
    team.cluster.write_status(WORKLOAD, {**_half(team), "updatedReplicas": 0})
    team.settle(20.0, around=False)
    assert partition_of(team.cluster.objects[WORKLOAD]) == 2
    team.settle(100.0, around=False)
    assert partition_of(team.cluster.objects[WORKLOAD]) == 2, "number 2 has not been replaced yet"


def _half(team: Team) -> dict[str, Any]:
    workload = team.cluster.objects[WORKLOAD]
    return {
        **workload["status"],
        "observedGeneration": workload["metadata"]["generation"],
        "updateRevision": "the-new-one",
    }


def test_the_setting_gives_the_plain_behaviour_back() -> None:
    """What was held under the old setting is let go: the field is taken out of the object."""
    team = running(Team())
    team.user(resources.agent("a", "clicks"))
    team.settle(2.0, around=False)
    assert partition_of(team.cluster.objects[WORKLOAD]) == 3
    team.policies(PLAIN)
    team.settle()
    assert partition(team.cluster.objects[WORKLOAD]) is None
    assert team.why() == HEALTHY
    assert len(team.uids()) == 3


def test_the_plain_behaviour_never_writes_a_partition() -> None:
    """A cluster's own tools may own the field then."""
    team = running(Team(policies=PLAIN))
    team.user(resources.agent("a", "clicks"))
    team.settle(2.0, around=False)
    assert partition(team.cluster.objects[WORKLOAD]) is None


def test_a_rollout_of_members_that_do_not_run_goes_to_its_end_at_once() -> None:
    """Nobody of the old revision processes, so nobody is spared: the way out of a broken definition is short."""
    team = running(Team())
    for number in range(3):
        team.cluster.edit(
            pod_key(number),
            "status",
            "containerStatuses",
            0,
            "state",
            to={"waiting": {"reason": "CrashLoopBackOff"}},
        )
    team.settle(5.0, around=False)
    team.user(resources.agent("a", "clicks"))
    team.settle(2.0, around=False)
    team.cluster.write_status(WORKLOAD, {**_half(team), "updatedReplicas": 0})
    team.settle(20.0, around=False)
    assert partition_of(team.cluster.objects[WORKLOAD]) == 0


def test_how_far_it_is_stands_in_the_status() -> None:
    """L5: another process goes on where this one was."""
    team = running(Team())
    team.user(resources.agent("a", "clicks"))
    team.settle(2.0, around=False)
    assert team.status()["rollout"]["partition"] == 3
    team.restart()
    team.settle(2.0, around=False)
    assert partition_of(team.cluster.objects[WORKLOAD]) == 3
