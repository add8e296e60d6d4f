"""What the demo knows about its namespace, and how it waits."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hack.demo.world import Change, Stuck, World


@pytest.fixture
def told() -> list[Change]:
    return []


@pytest.fixture
def world(told: list[Change]) -> World:
    return World(tell=told.append, alive=lambda: None)


def config_map(name: str, version: str = "1") -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "resourceVersion": version}}


def test_each_change_is_told_once(world: World, told: list[Change]) -> None:
    """A list that repeats what a watch has told is no change."""
    first, second = config_map("a"), config_map("a", "2")
    world.take(first)
    world.replace("ConfigMap", [first])
    world.take(second)
    world.take(second, gone=True)
    assert told == [Change(None, first), Change(first, second), Change(second, None)]
    assert world.find("ConfigMap", "a") is None


def test_a_list_shows_what_went_while_nobody_watched(world: World) -> None:
    """What is missing in it has gone; other kinds are not touched."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}
    for obj in (config_map("a"), config_map("b"), pod):
        world.take(obj)
    mark = world.mark()
    world.replace("ConfigMap", [config_map("b")])
    assert world.since(mark) == [Change(config_map("a"), None)]
    assert world.all("ConfigMap") == [config_map("b")]
    assert world.all("Pod") == [pod]


def test_custom_resources_are_told_apart(world: World) -> None:
    """Only what is in the project's API group."""
    app = {"apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp", "metadata": {"name": "shop"}}
    world.take(config_map("a"))
    world.take(app)
    assert world.custom() == [app]


def test_waiting_ends_with_the_change_that_was_awaited(world: World) -> None:
    """The watching thread wakes the one that waits, which gets what its check found."""
    looked = threading.Event()

    def check() -> Any:
        looked.set()
        return world.find("ConfigMap", "a")

    def arrive() -> None:
        assert looked.wait(5)
        world.take(config_map("a"))

    thread = threading.Thread(target=arrive)
    thread.start()
    assert world.wait(check, 5, "the ConfigMap") == config_map("a")
    thread.join(5)


def test_waiting_in_vain_says_what_for(world: World) -> None:
    """The message is what the person in front of the screen reads."""
    with pytest.raises(Stuck, match=r"not within 0\.01 s: the app to be Ready"):
        world.wait(lambda: None, 0.01, "the app to be Ready")


def test_waiting_ends_when_it_has_become_pointless() -> None:
    """A controller that has died makes nothing Ready."""

    def dead() -> None:
        raise Stuck("the controller ended")

    world = World(tell=lambda _: None, alive=dead)
    with pytest.raises(Stuck, match="the controller ended"):
        world.wait(lambda: None, 60, "the app to be Ready")


def test_what_is_there_already_is_not_waited_for() -> None:
    """The check comes first, even when all else has ended."""

    def dead() -> None:
        raise Stuck("the controller ended")

    world = World(tell=lambda _: None, alive=dead)
    assert world.wait(lambda: "there", 0, "it") == "there"
