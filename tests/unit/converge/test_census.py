"""A list of names instead of a look at each object, and never less than that is promised (decision record 0007)."""

from __future__ import annotations

import pytest

from kaspr_controller.converge.applying import Converger
from kaspr_controller.converge.census import CROWDED_SECONDS, FRESH_SECONDS, LABELLED, STRANGERS, Census
from kaspr_controller.kube.errors import ServerError
from kaspr_controller.kube.kinds import CONFIG_MAP, SERVICE, STATEFUL_SET, Kind
from kaspr_controller.reconcilers.trimming import SELECTORS, TRANSFORMS
from tests.fakes.clock import FakeClock
from tests.unit.converge.objects import Wanted, config_map
from tests.unit.converge.world import World


class Lister:
    """Strangers by kind; counts the lists."""

    def __init__(self, *names: str) -> None:
        self.taken = frozenset(names)
        self.complete = True
        self.broken = False
        self.lists: list[str] = []

    def names(
        self, kind: Kind, namespace: str, *, label_selector: str, limit: int
    ) -> tuple[frozenset[str], bool]:
        assert label_selector == STRANGERS
        self.lists.append(f"{namespace}/{kind.kind}")
        if self.broken:
            raise ServerError("boom")
        return self.taken, self.complete


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_one_list_answers_for_a_second(clock: FakeClock) -> None:
    """Each kind and each namespace has its own; a list that is too old counts for nothing."""
    lister = Lister("taken")
    census = Census(lister, clock)
    assert census.is_free(CONFIG_MAP, "a", "free")
    assert not census.is_free(CONFIG_MAP, "a", "taken")
    assert census.is_free(SERVICE, "a", "free")
    assert census.is_free(CONFIG_MAP, "b", "free")
    assert lister.lists == ["a/ConfigMap", "a/Service", "b/ConfigMap"]
    lister.taken = frozenset({"free"})
    clock.advance(FRESH_SECONDS)
    assert not census.is_free(CONFIG_MAP, "a", "free")


def test_a_crowd_is_not_counted_again_and_again(clock: FakeClock) -> None:
    """Where strangers fill more than a page, each object is looked at instead."""
    lister = Lister()
    lister.complete = False
    census = Census(lister, clock)
    assert not any(census.is_free(CONFIG_MAP, "a", f"name-{number}") for number in range(5))
    assert len(lister.lists) == 1
    lister.complete = True
    clock.advance(CROWDED_SECONDS)
    assert census.is_free(CONFIG_MAP, "a", "free")


def test_a_failed_list_frees_no_name(clock: FakeClock) -> None:
    """What could not be asked is looked at; that look meets the trouble and reports it."""
    lister = Lister()
    lister.broken = True
    assert not Census(lister, clock).is_free(CONFIG_MAP, "a", "free")


def test_kinds_whose_caches_leave_labelled_objects_out_are_looked_at(clock: FakeClock) -> None:
    """Strangers are listed by the lack of our label, so the caches have to hold everything that has it."""
    assert not Census(Lister(), clock).is_free(STATEFUL_SET, "a", "free")
    for kind in LABELLED:
        assert SELECTORS[kind] == STRANGERS.replace("!=", "=")
        assert kind not in TRANSFORMS


def test_a_stranger_is_left_alone_with_a_census_too() -> None:
    """D19: a name that the census knows is looked at, and what is there stays as it is."""
    world = World()
    theirs = world.server.put(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": "shop"}}
    )
    converger = Converger(
        client=world.server,
        stores=world.stores,
        clock=world.clock,
        census=Census(Lister("theirs"), world.clock),
    )
    world.server.requests.clear()
    wanted = [Wanted(config_map(name, {"x": "1"})) for name in ("theirs", "ours")]
    changes = converger.converge(world.owner, wanted)
    assert [entry.outcome for entry in changes] == ["foreign", "created"]
    assert world.live(theirs) == theirs
    assert [key.name for key in world.server.asked("get")] == ["theirs"], "ours is not looked for"
