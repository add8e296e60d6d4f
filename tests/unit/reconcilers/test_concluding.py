"""What a pass says about an app and its components: the numbers and lists of the status (contract 1.2 to 1.8)."""

from __future__ import annotations

from kaspr_controller.converge.changes import ChangeSet, Entry
from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.reconcilers import concluding
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, NAMESPACE
from tests.unit.reconcilers.world import WORKLOAD, World


def entry(outcome: str, name: str = "x", **more: object) -> Entry:
    return Entry(ObjectKey("ConfigMap", NAMESPACE, name), outcome, **more)  # type: ignore[arg-type]


CHANGES = ChangeSet(
    (
        entry("created", "fine"),
        entry("waiting", "later", reason="Needs", message="waits for a", category="wait"),
        entry("refused", "bad", reason="Invalid", message="no", category="terminal"),
        entry("foreign", "theirs", reason="NameConflict", message="not ours", category="wait"),
        entry("deleted", "gone"),
    )
)


def test_faults_are_what_is_not_as_wanted_and_does_not_merely_wait() -> None:
    """D56: each with the object, the reason and the words; what waits for another one is no fault of its own."""
    found = concluding.faults(CHANGES)
    assert [(each.child, each.reason, each.message, each.category) for each in found] == [
        ("ConfigMap bad", "Invalid", "no", "terminal"),
        ("ConfigMap theirs", "NameConflict", "not ours", "wait"),
    ]


def test_what_waits_is_told_in_words() -> None:
    """One sentence for each object that waits."""
    assert concluding.waiting(CHANGES) == ("ConfigMap later: waits for a",)


def full() -> World:
    world = World()
    world.start(
        resources.app(replicas=2),
        resources.agent("b", "clicks"),
        resources.agent("a"),
        resources.table("left"),
        resources.table("right"),
        resources.join("j", "left", "right"),
        resources.listener("l", "j-out"),
        resources.view("v", "/v"),
        resources.task("n"),
        resources.agent("bad", python="def f(:\n"),
    )
    return world


def test_linked_resources_are_what_the_members_run() -> None:
    """Contract 1.2: by kind, by name, with the hash; topics of agents and names of tables with them."""
    linked = full().status()["linkedResources"]
    assert {kind: [each["name"] for each in found] for kind, found in linked.items()} == {
        "agents": ["a", "b", "l"],
        "joins": ["j"],
        "tables": ["left", "right"],
        "tasks": ["n"],
        "webviews": ["v"],
    }
    assert [each.get("topicName") for each in linked["agents"]] == ["in", "clicks", None]
    assert [each["tableName"] for each in linked["tables"]] == ["left", "right"]
    assert all(each["hash"] for found in linked.values() for each in found)


def test_an_app_without_static_membership_links_nothing() -> None:
    """Contract 5.4: subscriptions are tracked for static members; others are assigned anew by themselves."""
    world = World()
    annotations = {"kaspr.io/disable-static-group-membership": "true"}
    world.start(resources.app(annotations=annotations), resources.agent("a"))
    assert "linkedResources" not in world.status()


def test_the_status_of_a_join_names_its_tables() -> None:
    """Contract 1.6: both sides, found or not, in the predecessor's words."""
    world = full()
    join = resources.key(resources.join("j", "left", "right"))
    assert world.status(join)["leftTable"] == {"name": "left", "status": "LeftTableFound"}
    assert world.status(join)["rightTable"] == {"name": "right", "status": "RightTableFound"}
    world.remove(resources.table("right"))
    world.settle()
    assert world.status(join)["rightTable"] == {"name": "right", "status": "RightTableNotFound"}


def test_components_of_one_document_name_the_same_config_map() -> None:
    """T6: a join, its tables and the agents on its channel share a file, and their statuses say which."""
    world = full()
    together = (
        resources.table("left"),
        resources.table("right"),
        resources.join("j", "left", "right"),
        resources.listener("l", "j-out"),
    )
    assert {world.status(resources.key(each))["configMap"] for each in together} == {"j-join"}
    assert world.status(resources.key(resources.agent("a")))["configMap"] == "a-agent"
    assert world.mounts() == {"a-agent", "b-agent", "j-join", "v-webview", "n-task"}


def test_warnings_hold_nothing_back() -> None:
    """What works otherwise than one may think is said beside Ready, not instead of it."""
    world = World()
    pattern = resources.agent("p")
    pattern["spec"]["input"]["topic"] = {"pattern": "x.*"}
    world.start(resources.app(), pattern)
    warnings = world.why(resources.key(pattern), "Warnings")
    assert warnings is not None
    assert "spec.input.topic.pattern" in warnings.message
    accepted = world.why(resources.key(pattern), "Accepted")
    assert accepted is not None
    assert accepted.status == "True"
    assert world.status()["linkedResources"]["agents"][0]["topicPattern"] == "x.*"


def test_the_numbers_are_those_of_the_workload() -> None:
    """Contract 1.2: replicas and selector serve `kubectl scale`; the version is what runs, not what is wished."""
    world = full()
    status = world.status()
    assert status["replicas"] == 2
    assert status["availableMembers"] == "2/2"
    assert status["rolloutInProgress"] is False
    selector = dict(item.split("=") for item in status["selector"].split(","))
    assert selector == world.cluster.objects[WORKLOAD]["spec"]["selector"]["matchLabels"]
    image = world.cluster.objects[WORKLOAD]["spec"]["template"]["spec"]["containers"][0]["image"]
    assert status["kasprVersion"] == image.rpartition(":")[2]


def test_half_a_roll_out_is_one_in_progress() -> None:
    """D52: 2 of 4 updated pods are not the end, whatever the counters of the controller look like."""
    world = World()
    world.start(resources.app(replicas=4), resources.agent("a"))
    world.user(resources.agent("a", "clicks"))
    world.settle(5.0, around=False)
    world.workloads.roll(WORKLOAD, at_most=2)
    world.settle(5.0, around=False)
    assert world.status()["rolloutInProgress"] is True
    assert world.why(APP, "Reconciling") is not None
    assert any("2 of 4 members run the current revision" in text for text in world.messages())
