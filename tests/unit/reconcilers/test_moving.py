"""Components that move between apps: a farewell before a welcome, for what has a document of its own and for what has not."""

from __future__ import annotations

from kaspr_controller.kube.kinds import ObjectKey
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, NAMESPACE
from tests.unit.reconcilers.world import APPLIED, HEALTHY, WORKLOAD, World

GONER = resources.agent("goner", "clicks")
CONTENT = ObjectKey("ConfigMap", NAMESPACE, "goner-agent")
OTHER = APP._replace(name="other")
OTHER_WORKLOAD = WORKLOAD._replace(name="other-app")


def running() -> World:
    world = World()
    world.start(resources.app(replicas=2), resources.agent("a"), GONER)
    return world


def moving() -> World:
    """The component has just been given to the app `other`."""
    world = World()
    world.start(resources.app(), resources.agent("a"), GONER, resources.app("other"))
    world.user(resources.agent("goner", "clicks", app="other"))
    return world


def test_a_move_is_a_farewell_before_it_is_a_welcome() -> None:
    """D29: a component never runs in two apps; the new one waits until the old one has let go."""
    world = moving()
    world.settle(20.0, around=False)
    assert world.mounts() == {"a-agent"}
    assert "goner-agent" not in world.mounts("other")
    assert not any(text.endswith("goner-agent") for text in world.child_writes())
    world.workloads.roll(WORKLOAD)
    world.settle(20.0, around=False)
    assert world.mounts("other") == {"goner-agent"}
    owner = world.cluster.objects[CONTENT]["metadata"]["ownerReferences"]
    assert [(ref["kind"], ref["name"]) for ref in owner] == [("KasprApp", "other")]
    assert world.cluster.objects[CONTENT]["metadata"]["labels"]["kaspr.io/app"] == "other"


def test_while_it_waits_the_new_app_says_for_whom() -> None:
    """D29: the wait has a name, in the status of the app and in that of the component."""
    world = moving()
    world.settle(20.0, around=False)
    why = world.why(OTHER, "Reconciling")
    assert why is not None
    assert why.reason == "WaitingForContent"
    assert "ConfigMap goner-agent" in why.message
    assert "belongs to KasprApp orders" in why.message
    ready = world.why(resources.key(GONER))
    assert ready is not None
    assert ready.reason == "WaitingForContent"
    assert "belongs to KasprApp orders" in ready.message
    assert world.status(resources.key(GONER))["app"]["name"] == "other"


def test_the_end_of_the_old_content_wakes_the_new_app() -> None:
    """E2: nobody has to wait for the next look; the deletion of the ConfigMap is the signal."""
    world = moving()
    world.settle(5.0, around=False)
    world.workloads.roll(WORKLOAD)
    world.settle(3.0, around=False)
    assert "goner-agent" in world.mounts("other"), "the regular look would come after 10 s"


def test_a_move_is_looked_at_again_even_if_nothing_says_that_it_is_over() -> None:
    """A lost wake-up costs ten seconds, not ten hours."""
    world = moving()
    world.settle(20.0, around=False)
    world.poller.ask()
    result = world.reconcile(OTHER)
    assert (result.requeue_after, result.reason) == (10.0, "Waiting")


def test_a_component_that_moves_and_breaks_is_called_broken() -> None:
    """What cannot be used claims nothing, so it does not wait for anything either."""
    world = moving()
    world.user(resources.agent("goner", python="def f(:\n", app="other"))
    world.settle(20.0, around=False)
    stalled = world.why(resources.key(GONER), "Stalled")
    assert stalled is not None
    assert stalled.reason == "InvalidCode"
    assert world.why(OTHER) == HEALTHY


def test_after_a_move_both_apps_are_ready_and_quiet() -> None:
    """D29: one revision each, and nothing is left to do."""
    world = moving()
    world.settle()
    assert world.why(APP) == HEALTHY
    assert world.why(OTHER) == HEALTHY
    assert world.why(resources.key(GONER)) == APPLIED
    assert [len(world.cluster.templates[each]) for each in (WORKLOAD, OTHER_WORKLOAD)] == [2, 2]
    world.forget()
    world.settle(600.0)
    assert world.writes() == []


def test_a_move_to_an_app_that_is_not_there_just_ends_the_old_life() -> None:
    """D29: the old app lets go; the component says that there is no new one."""
    world = running()
    world.user(resources.agent("goner", "clicks", app="nowhere"))
    world.settle()
    assert CONTENT not in world.cluster.objects
    ready = world.why(resources.key(GONER))
    assert ready is not None
    assert (ready.status, ready.reason) == ("False", "AppNotFound")
    assert "KasprApp nowhere" in ready.message


def swapped(world: World) -> tuple[resources.Resource, resources.Resource]:
    """Two components change places: the first goes to `other`, the second comes from there."""
    goer, comer = resources.agent("goer", app="other"), resources.agent("comer", "clicks")
    world.user(goer, comer)
    return goer, comer


def judge_swap(world: World) -> None:
    assert world.mounts() == {"comer-agent"}
    assert world.mounts("other") == {"goer-agent"}
    for each in (APP, OTHER):
        assert world.why(each) == HEALTHY
    for name in ("goer", "comer"):
        assert world.why(resources.key(resources.agent(name))) == APPLIED


def test_two_apps_that_swap_components_do_not_wait_for_each_other_for_ever() -> None:
    """D29: an app that waits for a component still lets go of those that have left it."""
    world = World()
    world.start(
        resources.app(),
        resources.app("other"),
        resources.agent("goer"),
        resources.agent("comer", "clicks", app="other"),
    )
    swapped(world)
    world.settle(120.0)
    judge_swap(world)


def test_two_apps_that_swap_components_before_they_have_pods() -> None:
    """D29: content that no pod can mount is let go of at once."""
    world = World()
    world.user(
        resources.app(),
        resources.app("other"),
        resources.agent("goer"),
        resources.agent("comer", "clicks", app="other"),
    )
    world.settle(1.0)
    assert {"goer-agent", "comer-agent"} < set(world.cluster.names("ConfigMap"))
    assert world.cluster.names("StatefulSet") == []
    swapped(world)
    world.settle(120.0)
    judge_swap(world)


def test_who_waits_for_one_component_goes_on_with_the_others() -> None:
    """D27: the former app may be paused for weeks; that is no reason not to apply anything else."""
    world = moving()
    world.annotate(APP, pause_reconciliation="true")
    world.user(resources.agent("mine", "payments", app="other"))
    world.settle(120.0)
    assert world.mounts("other") == {"mine-agent"}
    assert world.why(resources.key(resources.agent("mine"))) == APPLIED
    why = world.why(OTHER, "Reconciling")
    assert why is not None
    assert "belongs to KasprApp orders" in why.message


def test_a_new_app_does_not_start_without_what_is_about_to_come() -> None:
    """C2: the first pod of an app waits for components that move to it; later ones do not wait."""
    world = World()
    world.start(resources.app(), GONER)
    world.user(resources.app("other"), resources.agent("goner", "clicks", app="other"))
    world.settle(60.0, around=False)
    assert OTHER_WORKLOAD not in world.cluster.objects
    world.settle()
    assert len(world.cluster.templates[OTHER_WORKLOAD]) == 1
    assert world.mounts("other") == {"goner-agent"}


PARTS = (resources.table("left"), resources.table("right"), resources.join("j", "left", "right"))
MOVED = (
    resources.table("left", app="other"),
    resources.table("right", app="other"),
    resources.join("j", "left", "right", app="other"),
)


def test_the_tables_of_a_join_move_with_it() -> None:
    """D29: what shares a document with a join does not run in two apps either, and each app rolls once."""
    world = World()
    world.start(resources.app(), *PARTS, resources.app("other"))
    world.user(*MOVED)
    world.settle(20.0, around=False)
    assert world.mounts("other") == set()
    why = world.why(OTHER, "Reconciling")
    assert why is not None
    assert "ConfigMap j-join of KasprApp orders carries it" in why.message
    assert world.status(resources.key(MOVED[0]))["configMap"] == "j-join", "where it still is"
    world.settle()
    assert [len(world.cluster.templates[each]) for each in (WORKLOAD, OTHER_WORKLOAD)] == [2, 2]
    assert world.mounts("other") == {"j-join"}
    for each in (APP, OTHER):
        assert world.why(each) == HEALTHY
    for part in MOVED:
        assert world.why(resources.key(part)) == APPLIED


def test_a_table_that_leaves_its_join_behind_waits_too() -> None:
    """D29: the join cannot go on without it; the table starts in the new app when no pod of the old one has it."""
    world = World()
    world.start(resources.app(), *PARTS, resources.app("other"))
    world.user(resources.table("left", app="other"))
    world.settle(20.0, around=False)
    assert world.mounts("other") == set()
    world.settle()
    assert world.mounts("other") == {"left-table"}
    assert world.mounts() == {"right-table"}


def test_a_part_of_a_document_that_stays_is_awaited_until_the_pods_are_replaced() -> None:
    """D29: the document goes on without it at once; the pods that were started with it go on with it."""
    world = World()
    rest = (resources.table("third"), resources.join("k", "right", "third"))
    world.start(resources.app(replicas=2), *PARTS, *rest, resources.app("other"))
    assert world.status(resources.key(rest[1]))["configMap"] == "j-join"
    world.user(
        resources.join("k", "left", "right"),
        resources.join("j", "left", "right", app="other"),
        resources.table("third", app="other"),
    )
    world.settle(5.0, around=False)
    world.workloads.roll(WORKLOAD, at_most=1)
    world.settle(60.0, around=False)
    assert "third-table" not in world.mounts("other")
    world.settle(60.0)
    assert "third-table" in world.mounts("other")
    assert world.why(resources.key(resources.table("third"))) == APPLIED


def test_a_new_app_does_not_start_without_the_table_that_is_about_to_come() -> None:
    """C2: a table has no ConfigMap of its own for which the first pod would wait, so the workload does."""
    world = World()
    world.start(resources.app(), *PARTS)
    world.user(resources.app("other"), resources.table("left", app="other"))
    world.settle(60.0, around=False)
    assert OTHER_WORKLOAD not in world.cluster.objects
    world.settle()
    assert len(world.cluster.templates[OTHER_WORKLOAD]) == 1
    assert world.mounts("other") == {"left-table"}


def test_a_join_that_changes_its_tables_takes_them_along_in_one_revision() -> None:
    """T6: a table that a join lets go of gets its own document, one that it takes moves into that of the join."""
    world = World()
    world.start(resources.app(), *PARTS, resources.table("third"))
    assert world.mounts() == {"j-join", "third-table"}
    world.user(resources.join("j", "left", "third"))
    world.settle()
    assert world.mounts() == {"j-join", "right-table"}
    assert len(world.cluster.templates[WORKLOAD]) == 2
    assert world.cluster.names("ConfigMap") == ["j-join", "orders-app-config", "right-table"]
    assert world.why() == HEALTHY
    world.forget()
    world.settle(600.0)
    assert world.writes() == []


def test_who_needs_what_is_on_its_way_is_not_at_fault() -> None:
    """D29: an agent whose table is moving in waits for it; nobody is told that something has to be repaired."""
    world = World()
    world.start(resources.app(), resources.table("t"), resources.app("other"))
    user = resources.agent("user", tables=("t",), app="other")
    world.user(user, resources.table("t", app="other"))
    world.settle(20.0, around=False)
    ready = world.why(resources.key(user))
    assert ready is not None
    assert (ready.reason, "KasprTable t is on its way" in ready.message) == ("WaitingForContent", True)
    accepted = world.why(OTHER, "ComponentsAccepted")
    assert accepted is not None
    assert accepted.status == "True"
    world.settle()
    assert world.why(resources.key(user)) == APPLIED
    told = {(each.action, each.reason) for each in world.told}
    assert "Stalled" not in {action for action, _ in told}
