"""A component that cannot be used costs nobody else anything, says what is wrong with it, and heals by being repaired."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import Resource
from tests.unit.reconcilers.world import APPLIED, HEALTHY, WORKLOAD, World

GOOD = resources.agent("subject")
WITNESS = resources.agent("witness", "clicks")


class Fault(NamedTuple):
    """A way to break the component `subject`.

    Attributes:
        bad: the broken component, which replaces `good`.
        good: what worked before.
        others: what else is there.
        reason: of the condition.
        words: what its message has to name: the field, and what to do or whom to ask.
    """

    bad: Resource
    good: Resource
    others: tuple[Resource, ...]
    reason: str
    words: tuple[str, ...]


def _unparsable() -> Resource:
    agent = resources.agent("subject")
    agent["spec"]["input"]["channel"] = {"name": "both"}
    return agent


FAULTS = {
    "Python that does not compile": Fault(
        resources.agent("subject", python="def f(v:\n"),
        GOOD,
        (),
        "InvalidCode",
        ("spec.processors.operations[0].map",),
    ),
    "a spec that the parser refuses": Fault(
        _unparsable(), GOOD, (), "InvalidSpec", ("spec.input", "exactly one of topic")
    ),
    "a table that is not there": Fault(
        resources.agent("subject", tables=("nowhere",)),
        GOOD,
        (),
        "TableNotFound",
        ("spec.processors.operations[0].tables[0]", "KasprTable nowhere", "create it"),
    ),
    "a channel without a join": Fault(
        resources.listener("subject", "nobody-emits"),
        GOOD,
        (),
        "ChannelWithoutJoin",
        ("spec.input.channel.name", "nobody-emits", "no usable KasprJoin"),
    ),
    "a route that is taken": Fault(
        resources.view("subject", "/taken"),
        resources.view("subject", "/free"),
        (resources.view("zzz", "/taken"),),
        "DuplicateRoute",
        ("spec.request.path", "KasprWebView zzz", "/taken"),
    ),
    "a join of tables that are joined already": Fault(
        resources.join("subject", "left", "right"),
        resources.join("subject", "left", "other"),
        (
            resources.table("left"),
            resources.table("right"),
            resources.table("other"),
            resources.join("zzz", "left", "right"),
        ),
        "DuplicateJoin",
        ("spec.leftTable", "KasprJoin zzz"),
    ),
    "a join without its table": Fault(
        resources.join("subject", "left", "nowhere"),
        resources.join("subject", "left", "right"),
        (resources.table("left"), resources.table("right")),
        "RightTableNotFound",
        ("spec.rightTable", "KasprTable nowhere"),
    ),
}


@pytest.fixture(params=list(FAULTS))
def fault(request: pytest.FixtureRequest) -> Fault:
    return FAULTS[request.param]


def home(world: World, fault: Fault) -> str:
    """The ConfigMap that carries the subject."""
    return str(world.status(resources.key(fault.good))["configMap"])


def test_the_last_good_definition_stays_and_the_pods_with_it(fault: Fault) -> None:
    """D27: an edit that cannot be used changes no content and restarts nobody."""
    world = World()
    world.start(resources.app(), WITNESS, fault.good, *fault.others)
    before = world.data(home(world, fault))
    world.user(fault.bad)
    world.settle()
    assert world.child_writes() == []
    assert world.data(home(world, fault)) == before
    assert len(world.cluster.templates[WORKLOAD]) == 1


def test_its_status_names_the_field_and_the_way_out(fault: Fault) -> None:
    """Messages: `Stalled` with a reason of its own, the path of the field, and what to do; the app counts it."""
    world = World()
    world.start(resources.app(), WITNESS, fault.good, *fault.others)
    world.user(fault.bad)
    world.settle()
    key = resources.key(fault.bad)
    stalled = world.why(key, "Stalled")
    assert stalled is not None
    assert stalled.reason == fault.reason
    for word in fault.words:
        assert word in stalled.message
    assert "the last good definition stays mounted" in stalled.message
    accepted = world.why(key, "Accepted")
    assert accepted is not None
    assert accepted.status == "False"
    assert world.status(key)["observedGeneration"] == 2, "it was looked at, only not liked"
    assert world.why() == HEALTHY, "the app runs what it ran before"
    some = world.why(condition="ComponentsAccepted")
    assert some is not None
    assert (some.status, some.reason) == ("False", "SomeHeldBack")
    assert some.message.startswith(f"1 held back, the rest of the app goes on: {key.kind} {key.name}: ")


def test_it_is_held_back_alone_when_it_is_new(fault: Fault) -> None:
    """D27: a component that never worked has no content; the app goes on without it. Who runs already has the right."""
    world = World()
    world.start(resources.app(), WITNESS, *fault.others)
    world.user(fault.bad)
    world.settle()
    assert world.child_writes() == []
    key = resources.key(fault.bad)
    assert "witness-agent" in world.mounts()
    assert not any(name.startswith("subject-") for name in world.mounts())
    assert not any(name.startswith("subject-") for name in world.cluster.names("ConfigMap"))
    assert world.why() == HEALTHY
    stalled = world.why(key, "Stalled")
    assert stalled is not None
    assert stalled.reason == fault.reason
    assert "stays mounted" not in stalled.message, "there is nothing that could"
    for other in (WITNESS, *fault.others):
        assert world.why(resources.key(other)) == APPLIED


def test_repairing_it_heals_it(fault: Fault) -> None:
    """A condition is gone as soon as its cause is; the witness is not touched by any of it."""
    world = World()
    world.start(resources.app(), WITNESS, *fault.others)
    world.user(fault.bad)
    world.settle()
    witness = world.cluster.objects[resources.key(WITNESS)._replace(kind="ConfigMap", name="witness-agent")]
    world.forget()
    world.user(fault.good)
    world.settle()
    key = resources.key(fault.good)
    assert world.why(key) == APPLIED
    assert world.why(key, "Stalled") is None
    assert world.why(condition="ComponentsAccepted") == ("True", "AllAccepted", "Every component can be used")
    assert home(world, fault) in world.mounts()
    after = world.cluster.objects[resources.key(WITNESS)._replace(kind="ConfigMap", name="witness-agent")]
    assert after == witness


def test_the_others_are_updated_while_one_is_bad(fault: Fault) -> None:
    """D27: 1 invalid and 9 valid components, and the 9 are applied."""
    world = World()
    world.start(resources.app(), WITNESS, fault.good, *fault.others)
    world.user(fault.bad)
    world.settle()
    world.forget()
    world.user(resources.agent("witness", "payments"))
    world.settle()
    assert world.child_writes() == ["apply ConfigMap witness-agent", "apply StatefulSet orders-app"]
    assert "payments" in world.data("witness-agent")


def test_a_restart_remembers_the_last_good_definition(fault: Fault) -> None:
    """The live ConfigMap is the memory: a new process keeps what the old one kept."""
    world = World()
    world.start(resources.app(), WITNESS, fault.good, *fault.others)
    world.user(fault.bad)
    world.settle()
    world.restart()
    world.settle()
    assert world.cluster.requests == []
    world.user(resources.agent("witness", "payments"))
    world.settle()
    assert home(world, fault) in world.mounts()


def test_the_table_that_arrives_late_wakes_its_user() -> None:
    """What one component waits for is another one; no edit of the first is needed."""
    world = World()
    user = resources.agent("user", tables=("late",))
    world.start(resources.app(), user)
    assert world.why(resources.key(user), "Stalled") is not None
    world.user(resources.table("late"))
    world.settle()
    assert world.why(resources.key(user)) == APPLIED


def test_a_component_without_an_app_is_judged_by_itself() -> None:
    """A component that no app has judged yet says what is wrong with it all the same."""
    world = World()
    lonely = _unparsable()
    lonely["metadata"]["labels"] = {"kaspr.io/app": "nowhere"}
    world.user(lonely)
    world.settle()
    stalled = world.why(resources.key(lonely), "Stalled")
    assert stalled is not None
    assert stalled.reason == "InvalidSpec"
    assert "spec.input" in stalled.message


def test_a_component_without_the_label_is_told_which_one() -> None:
    """A component that names no app belongs to none; nothing is rendered for it."""
    world = World()
    world.start(resources.app(), resources.agent("a", app=""))
    stalled = world.why(resources.key(resources.agent("a")), "Stalled")
    assert stalled is not None
    assert (stalled.reason, "kaspr.io/app" in stalled.message) == ("MissingAppLabel", True)
    assert world.mounts() == set()
