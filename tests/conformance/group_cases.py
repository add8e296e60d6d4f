"""What static members, ghosts and goodbyes do to a consumer group: one set of cases for the real broker and the double.

In: a `World`. Out: an assertion that fails where the world is not as Kafka is. Run by tests/kafka against a real broker
with real consumers, and by tests/unit/hack/nodesim against the simulated group; so the two cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

Held: TypeAlias = Mapping[str, tuple[int, ...]]
"""Topic -> partitions."""

PARTITIONS = {"one": 4, "two": 2}
"""The topics that every world has."""


class World(Protocol):
    """A group of static members whose processes a case starts, ends and stops.

    Attributes:
        session: the members' session timeout, in seconds.
        soon: seconds within which everything happens that need not wait for a session to end.
        moment: seconds after which it would show that something happened at once.
    """

    session: float
    soon: float
    moment: float

    def start(self, name: str, *topics: str) -> None:
        """Start a process with this instance id; one that still runs goes on, as a stranger of the same name."""

    def stop(self, name: str) -> None:
        """End the process; a static member does not leave the group."""

    def freeze(self, name: str) -> None:
        """Make the process stand still (SIGSTOP)."""

    def thaw(self, name: str) -> None:
        """Let it go on."""

    def goodbye(self, name: str) -> bool:
        """Remove the member from the group; False when the group has no such member."""

    def given(self, name: str) -> list[Held]:
        """Every assignment that the newest process of this name was handed by the group, in order."""

    def fenced(self, name: str) -> bool:
        """Whether a process of this name was told that another has its place."""

    def seats(self) -> dict[str, Held]:
        """What the broker has noted: the members with their assignments."""

    def rebalancing(self) -> bool:
        """Whether the broker waits for members to join."""

    def within(self, seconds: float, condition: Callable[[], bool]) -> float:
        """Seconds until the condition holds; AssertionError when that is longer than allowed."""

    def spend(self, seconds: float) -> None:
        """Let time pass."""


def a_returning_member_gets_its_old_assignment_and_nobody_else_notices(world: World) -> None:
    """C4: no rebalance when a static member comes back within its session."""
    share(world, "a", "b")
    before, others = world.given("a")[-1], len(world.given("b"))
    world.stop("a")
    world.start("a", "one")
    world.within(world.soon, lambda: bool(world.given("a")))
    world.spend(world.moment)
    assert world.given("a") == [before]
    assert len(world.given("b")) == others
    assert not world.rebalancing()


def an_added_topic_is_not_assigned_on_return(world: World) -> None:
    """C3: the old assignment is handed over, whatever the member subscribes to now."""
    alone(world, "one")
    world.stop("a")
    world.start("a", "one", "two")
    world.within(world.soon, lambda: bool(world.given("a")))
    world.spend(world.moment)
    assert world.given("a") == [everything("one")]
    assert world.seats()["a"] == everything("one")


def a_removed_topic_is_assigned_on_return(world: World) -> None:
    """C1: the same with a topic that the member no longer wants, which is what kills the real runtime inside."""
    alone(world, "one", "two")
    world.stop("a")
    world.start("a", "one")
    world.within(world.soon, lambda: first(world, "a") == everything("one", "two"))


def a_goodbye_before_the_return_gives_a_fresh_assignment(world: World) -> None:
    """Real runtime, section 3: no zombie, and no signal for what was added."""
    alone(world, "one")
    world.stop("a")
    assert world.goodbye("a")
    assert world.seats() == {}
    world.start("a", "two")
    world.within(world.soon, lambda: bool(first(world, "a")))
    assert first(world, "a") == everything("two")


def a_ghost_keeps_its_partitions_until_its_session_ends(world: World) -> None:
    """C4: nobody reads what a member had that is gone for good."""
    share(world, "a", "b")
    others = len(world.given("b"))
    world.stop("a")
    world.spend(world.session / 2)
    assert set(world.seats()) == {"a", "b"}
    assert len(world.given("b")) == others
    world.within(world.session + world.soon, lambda: has_all(world, "b"))
    assert set(world.seats()) == {"b"}


def a_goodbye_frees_the_partitions_of_a_ghost(world: World) -> None:
    """Real runtime, section 3: the others take over at once."""
    share(world, "a", "b")
    world.stop("a")
    assert world.goodbye("a")
    world.within(world.soon, lambda: has_all(world, "b"))
    assert set(world.seats()) == {"b"}


def a_ghost_holds_up_the_whole_group(world: World) -> None:
    """C4: a rebalance with a ghost in the group waits until the ghost's session has ended."""
    share(world, "a", "b")
    world.stop("a")
    world.start("c", "one")
    world.within(world.soon, world.rebalancing)
    world.spend(world.session / 2)
    assert world.rebalancing()
    assert world.given("c") == []
    world.within(world.session + world.soon, lambda: shared(world, "b", "c"))


def a_goodbye_frees_a_group_that_a_ghost_holds_up(world: World) -> None:
    """Said in the middle of the rebalance it is as good."""
    share(world, "a", "b")
    world.stop("a")
    world.start("c", "one")
    world.within(world.soon, world.rebalancing)
    assert world.goodbye("a")
    world.within(world.soon, lambda: shared(world, "b", "c"))


def a_goodbye_for_an_unknown_id_changes_nothing(world: World) -> None:
    """Already gone is as good as gone, and saying it twice is harmless."""
    share(world, "a", "b")
    before = len(world.given("b"))
    assert not world.goodbye("nobody")
    world.spend(world.moment)
    assert (len(world.given("b")), world.rebalancing()) == (before, False)
    world.stop("a")
    assert world.goodbye("a")
    assert not world.goodbye("a")


def a_goodbye_said_too_early_makes_the_member_join_again(world: World) -> None:
    """Real runtime, section 3: harmless, the member hears of it at its next heartbeat."""
    share(world, "a", "b")
    before = len(world.given("a"))
    assert world.goodbye("a")
    world.within(world.soon, lambda: len(world.given("a")) > before and shared(world, "a", "b"))
    assert set(world.seats()) == {"a", "b"}


def a_frozen_member_is_replaced_and_joins_again_when_it_wakes(world: World) -> None:
    """C11: the others read its partitions; woken, it is a member like any other."""
    share(world, "a", "b")
    world.freeze("a")
    assert world.goodbye("a")
    world.within(world.soon, lambda: has_all(world, "b"))
    world.thaw("a")
    world.within(world.soon, lambda: shared(world, "a", "b"))


def a_second_process_of_the_same_id_fences_the_first(world: World) -> None:
    """Two pods of one name: the newer one has the seat."""
    alone(world, "one")
    world.start("a", "one")
    world.within(world.soon, lambda: world.fenced("a"))
    world.within(world.soon, lambda: has_all(world, "a"))


CASES: tuple[Callable[[World], None], ...] = (
    a_returning_member_gets_its_old_assignment_and_nobody_else_notices,
    an_added_topic_is_not_assigned_on_return,
    a_removed_topic_is_assigned_on_return,
    a_goodbye_before_the_return_gives_a_fresh_assignment,
    a_ghost_keeps_its_partitions_until_its_session_ends,
    a_goodbye_frees_the_partitions_of_a_ghost,
    a_ghost_holds_up_the_whole_group,
    a_goodbye_frees_a_group_that_a_ghost_holds_up,
    a_goodbye_for_an_unknown_id_changes_nothing,
    a_goodbye_said_too_early_makes_the_member_join_again,
    a_frozen_member_is_replaced_and_joins_again_when_it_wakes,
    a_second_process_of_the_same_id_fences_the_first,
)


def everything(*topics: str) -> Held:
    """All partitions of some topics."""
    return {topic: tuple(range(PARTITIONS[topic])) for topic in topics}


def alone(world: World, *topics: str) -> None:
    """Member `a` reads everything of some topics."""
    world.start("a", *topics)
    world.within(world.soon, lambda: latest(world, "a") == everything(*topics))


def share(world: World, *names: str) -> None:
    """Members share the partitions of topic `one`."""
    for name in names:
        world.start(name, "one")
    world.within(2 * world.soon, lambda: shared(world, *names))


def shared(world: World, *names: str) -> bool:
    """Whether each of these has its own part of topic `one`, and together they have it all."""
    held = [latest(world, name).get("one", ()) for name in names]
    return all(held) and sorted(sum(held, ())) == list(range(PARTITIONS["one"]))


def has_all(world: World, name: str) -> bool:
    """Whether one reads the whole topic `one`."""
    return latest(world, name).get("one") == everything("one")["one"]


def first(world: World, name: str) -> Held:
    """The first partitions that a process was handed; a leader may know no topics yet and hand out nothing."""
    return next((held for held in world.given(name) if held), {})


def latest(world: World, name: str) -> Held:
    """What a process was handed last."""
    given = world.given(name)
    return given[-1] if given else {}
