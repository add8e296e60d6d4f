"""The store against a model: a server with a history, a watch that lags, and writers that do not wait for it."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.engine.store import Store
from tests.unit.engine.things import THING, key, seeded, thing

NAMES = "abcd"


class World:
    """A server's truth, the events it has sent, and how far our watch has read them."""

    def __init__(self, seed: int) -> None:
        self.rng = seeded(seed)
        self.rv = 1
        self.live: dict[str, dict[str, Any]] = {}
        self.history: list[tuple[str, dict[str, Any]]] = []
        self.snapshots: dict[int, dict[str, dict[str, Any]]] = {1: {}}
        self.read = 0
        self.store = Store(THING, indexers={"colour": lambda obj: (obj["metadata"]["labels"]["colour"],)})
        self.mirror: dict[str, str] = {}
        self.marked: dict[str, int] = {}
        self.relist(1)

    def seen(self) -> int:
        return int(self.history[self.read - 1][1]["metadata"]["resourceVersion"]) if self.read else 1

    def write(self, name: str) -> dict[str, Any]:
        self.rv += 1
        old = self.live.get(name)
        uid = old["metadata"]["uid"] if old else f"{name}-{self.rv}"
        obj = thing(name, self.rv, uid=uid, labels={"colour": self.rng.choice(["red", "blue"])})
        self.live[name] = obj
        self.emit("MODIFIED" if old else "ADDED", obj)
        return obj

    def delete(self, name: str) -> None:
        old = self.live.pop(name, None)
        if old is None:
            return
        self.rv += 1
        meta = {**old["metadata"], "resourceVersion": str(self.rv)}
        self.emit("DELETED", {**old, "metadata": meta})

    def emit(self, event: str, obj: dict[str, Any]) -> None:
        self.history.append((event, obj))
        self.snapshots[self.rv] = dict(self.live)

    def watch(self) -> None:
        if self.read < len(self.history):
            event, obj = self.history[self.read]
            self.read += 1
            self.take(self.store.apply(event, obj))  # type: ignore[arg-type]

    def relist(self, rv: int) -> None:
        """A list as of any version that our watch has not passed yet."""
        staged = self.store.stage()
        for obj in self.snapshots[rv].values():
            staged.add(obj)
        self.take(staged.commit(str(rv)))
        self.read = sum(int(obj["metadata"]["resourceVersion"]) <= rv for _, obj in self.history)

    def take(self, changes: list[Any]) -> None:
        for change in changes:
            old = change.before.uid if change.before else None
            assert self.mirror.get(change.key.name) == old, "each change starts where the one before ended"
            if change.after:
                self.mirror[change.key.name] = change.after.uid
            else:
                del self.mirror[change.key.name]

    def step(self) -> None:
        name = self.rng.choice(NAMES)
        match self.rng.choices(
            ["watch", "foreign", "ours", "our delete", "foreign delete", "mark", "relist"],
            [8, 3, 3, 1, 1, 1, 1],
        )[0]:
            case "watch":
                self.watch()
            case "foreign":
                self.write(name)
            case "ours":
                self.store.overlay(self.write(name))
                self.marked[name] = self.rv
            case "our delete":
                # The precondition: only the incarnation that was read.
                meta, live = self.store.meta(key(name)), self.live.get(name)
                if meta and live and meta.uid == live["metadata"]["uid"]:
                    self.delete(name)
                    self.store.forget(key(name), meta.uid)
                    self.marked[name] = self.rv
            case "foreign delete":
                self.delete(name)
            case "mark":
                if self.read == len(self.history):  # a server sends bookmarks in order with the events
                    self.store.bookmark(str(self.rv))
            case _:
                self.relist(self.rng.choice([rv for rv in self.snapshots if rv >= self.seen()]))

    def check_own_writes(self) -> None:
        """What is read is never older than our own last write to that name."""
        for name, rv in self.marked.items():
            got = self.store.get(key(name))
            if got is not None:
                assert int(got["metadata"]["resourceVersion"]) >= rv, f"{name} fell back behind {rv}"
            else:
                past = [
                    int(obj["metadata"]["resourceVersion"])
                    for _, obj in self.history
                    if obj["metadata"]["name"] == name
                ]
                ends = [rv for rv, snap in self.snapshots.items() if name not in snap]
                assert max(past, default=0) >= rv
                assert any(end >= rv for end in ends), f"{name} vanished although nobody deleted it"


@pytest.mark.parametrize("seed", range(40))
def test_random_histories(seed: int) -> None:
    """F2, C2: own writes are read at once and never fall back; changes form a chain; in the end, all is as the server says."""
    world = World(seed)
    for _ in range(150):
        world.step()
        world.check_own_writes()
        assert world.store.faults() == []
    while world.read < len(world.history):
        world.watch()
    for _ in range(2):
        world.store.bookmark(str(world.rv))
    assert {obj["metadata"]["name"]: obj for obj in world.store.all()} == world.live
    assert world.mirror == {name: obj["metadata"]["uid"] for name, obj in world.live.items()}
    reds = [obj for obj in world.live.values() if obj["metadata"]["labels"]["colour"] == "red"]
    assert sorted(map(str, world.store.list("colour", "red"))) == sorted(map(str, reds))
    assert (world.store._over.entries, world.store._hidden) == ({}, {})
