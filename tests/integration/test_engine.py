"""The engine on a real API server: watches through outages, our own writes, and two processes that want to lead."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from hack.controlplane.cluster import ControlPlane
from kaspr_controller.engine.informer import Informer
from kaspr_controller.engine.leadership import Elector, Fence, Timing
from kaspr_controller.engine.store import Store
from kaspr_controller.kube import errors
from kaspr_controller.kube.credentials import from_kubeconfig
from kaspr_controller.kube.kinds import CONFIG_MAP, ObjectKey
from kaspr_controller.kube.leasing import LeaseClient
from kaspr_controller.kube.transport import HttpTransport
from kaspr_controller.telemetry import metrics
from tests.integration.clients import CLOCK, config_map, connected
from tests.integration.waiting import eventually
from tests.unit.engine.things import seeded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kaspr_controller.engine.changes import Change
    from kaspr_controller.kube.client import Client

SELECTOR = "engine=yes"


@pytest.fixture(scope="module")
def own() -> Iterator[ControlPlane]:
    """A control plane whose outages disturb nobody."""
    with ControlPlane.start() as plane:
        yield plane


@pytest.fixture
def client(own: ControlPlane) -> Iterator[Client]:
    with connected(from_kubeconfig(own.kubeconfig)) as client:
        yield client


def marked(name: str, **data: str) -> dict[str, Any]:
    obj = config_map("default", name, **data)
    obj["metadata"]["labels"] = {"engine": "yes"}
    return obj


def key(name: str) -> ObjectKey:
    return CONFIG_MAP.key("default", name)


class Watching:
    """An informer on the marked ConfigMaps, with what it told."""

    def __init__(self, client: Client) -> None:
        self.store = Store(CONFIG_MAP)
        self.informer = Informer(
            CONFIG_MAP, client, self.store, clock=CLOCK, rng=seeded(1), label_selector=SELECTOR
        )
        self.told: list[tuple[str, str | None, str | None]] = []
        self.informer.subscribe(self.note, "test")

    def note(self, change: Change) -> None:
        texts = [obj["data"].get("x") if obj else None for obj in (change.old, change.new)]
        self.told.append((change.key.name, texts[0], texts[1]))

    def data(self, name: str) -> Any:
        return (self.store.get(key(name)) or {}).get("data")


@contextlib.contextmanager
def watching(client: Client) -> Iterator[Watching]:
    seen = Watching(client)
    seen.informer.start()
    eventually(lambda: seen.informer.synced)
    try:
        yield seen
    finally:
        seen.informer.stop()
        assert seen.informer.join(5)


@pytest.fixture(autouse=True)
def clean(own: ControlPlane) -> Iterator[None]:
    yield
    with connected(from_kubeconfig(own.kubeconfig)) as client:
        for page in client.list_pages(CONFIG_MAP, "default", label_selector=SELECTOR):
            for obj in page.items:
                client.delete(CONFIG_MAP, "default", obj["metadata"]["name"], uid=obj["metadata"]["uid"])


def lists() -> float:
    return metrics.REGISTRY.get_sample_value("kaspr_reflector_lists_total", {"kind": "ConfigMap"}) or 0.0


def test_changes_arrive_with_old_and_new(client: Client) -> None:
    """C2 on a real watch: added, changed, deleted; the label that is removed looks like a deletion (M1)."""
    with watching(client) as seen:
        client.apply(marked("a", x="1"))
        client.apply(marked("a", x="2"))
        client.apply(marked("b", x="1"))
        client.apply(config_map("default", "b", x="1"))
        eventually(lambda: len(seen.told) >= 4)
        obj = client.get(CONFIG_MAP, "default", "a")
        client.delete(CONFIG_MAP, "default", "a", uid=obj["metadata"]["uid"])
        eventually(lambda: seen.told[-1] == ("a", "2", None))
        assert seen.told[:4] == [("a", None, "1"), ("a", "1", "2"), ("b", None, "1"), ("b", "1", None)]
        assert seen.store.keys() == []


def test_a_server_that_is_killed_costs_no_list(own: ControlPlane, client: Client) -> None:
    """Bar 1: after a restart the watch resumes from its version; what changed meanwhile is told, nothing is listed."""
    with watching(client) as seen:
        client.apply(marked("a", x="1"))
        eventually(lambda: seen.data("a") == {"x": "1"})
        before = lists()
        own.kill_apiserver()
        own.restart_apiserver()
        with connected(from_kubeconfig(own.kubeconfig)) as other:
            eventually(lambda: _applied(other, marked("a", x="2")))
        eventually(lambda: seen.data("a") == {"x": "2"}, timeout=30)
        assert seen.told == [("a", None, "1"), ("a", "1", "2")]
        assert lists() == before
        assert seen.informer.view().restarts == 0


def _applied(client: Client, obj: dict[str, Any]) -> bool:
    try:
        client.apply(obj)
    except errors.ApiError:
        return False
    return True


def test_an_idle_watch_is_left_at_once(client: Client) -> None:
    """X2, X3: a thread that sits in a real read ends within half a second of `stop`."""
    with watching(client) as seen:
        eventually(lambda: seen.informer.view().alive)
        began = time.monotonic()
        seen.informer.stop()
        assert seen.informer.join(5)
        assert time.monotonic() - began < 0.5


def test_our_writes_are_read_at_once(client: Client) -> None:
    """F2 with real versions: overlay and forget hold until the watch has caught up, through a hundred races."""
    with watching(client) as seen:
        for number in range(100):
            answer = client.apply(marked("a", x=str(number)))
            seen.store.overlay(answer)
            assert seen.data("a") == {"x": str(number)}
            if number % 10 == 9:
                uid = answer["metadata"]["uid"]
                client.delete(CONFIG_MAP, "default", "a", uid=uid)
                seen.store.forget(key("a"), uid)
                assert seen.data("a") is None
        eventually(lambda: seen.told[-1][2] is None and len(seen.told) >= 100)
        assert (seen.store._over.entries, seen.store._hidden) == ({}, {})


class Candidate:
    """An elector over its own connection to the real lease."""

    def __init__(self, plane: ControlPlane, name: str, timing: Timing) -> None:
        cluster = from_kubeconfig(plane.kubeconfig)
        self.lost = threading.Event()
        self.fence = Fence(CLOCK)
        self.leases = LeaseClient(
            HttpTransport(cluster, idle_connections=1),
            "default",
            "engine",
            renew_deadline=timing.renew_deadline,
        )
        self.elector = Elector(
            self.leases, name, self.fence, clock=CLOCK, rng=seeded(1), lost=self.lost.set, timing=timing
        )
        self.elector.start()

    def end(self) -> None:
        self.elector.stop()
        assert self.elector.join(10)
        self.leases.close()


def test_two_processes_and_one_lease(own: ControlPlane) -> None:
    """L1, L5: one leads; after its release the other does within a retry; the record carries transitions."""
    timing = Timing(lease=3.0, renew_deadline=2.0, retry=0.3)
    one = Candidate(own, "one", timing)
    eventually(lambda: one.elector.ready)
    two = Candidate(own, "two", timing)
    eventually(lambda: two.elector.holder == "one")
    assert not two.elector.ready
    one.end()
    began = time.monotonic()
    eventually(lambda: two.elector.ready)
    assert time.monotonic() - began < 2.0
    assert two.leases.get().transitions >= 1
    two.fence.check()
    two.end()
    with pytest.raises(errors.NotLeading):
        two.fence.check()


def test_a_frozen_server_costs_the_lease(own: ControlPlane) -> None:
    """Bar 11: without answers the fence closes after the deadline, the loss is told, and later another one leads."""
    timing = Timing(lease=3.0, renew_deadline=2.0, retry=0.3)
    one = Candidate(own, "one", timing)
    eventually(lambda: one.elector.ready)
    own.freeze_apiserver()
    try:
        eventually(lambda: one.fence.left <= 0, timeout=5)
        assert one.lost.wait(5)
    finally:
        own.thaw_apiserver()
    two = Candidate(own, "two", timing)
    eventually(lambda: two.elector.ready, timeout=15)
    one.end()
    two.end()
