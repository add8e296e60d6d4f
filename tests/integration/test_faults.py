"""What the network and an API server in trouble do to a controller at work: nothing that lasts, and nothing is destroyed.

Every fault hits a controller that has been told to do something: an app grows from one member to two, somebody spoils
one of its objects and deletes another. Afterwards all of it is done, by the same process, and what the fault had no part
in is the same object as before: no child deleted, no pod restarted.
"""

from __future__ import annotations

import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.kube.kinds import (
    CONFIG_MAP,
    NAMESPACE,
    POD,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
)
from tests.integration.fixtures import shop
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.faults import Door
from tests.integration.fixtures.owned import substance
from tests.integration.fixtures.scraping import counted, quiet
from tests.integration.fixtures.watching import apply, await_ready
from tests.integration.waiting import eventually, eventually_holds, stays

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hack.controlplane.cluster import ControlPlane
    from hack.nodesim.simulator import NodeSimulator
    from tests.integration.fixtures.faults import End
    from tests.integration.fixtures.oracle import Kube

CHILDREN: tuple[tuple[Kind, str], ...] = (
    (SERVICE_ACCOUNT, "{}-app"),
    (CONFIG_MAP, "{}-app-config"),
    (CONFIG_MAP, "{}-enrich-agent"),
    (SERVICE, "{}-app"),
    (SERVICE, "{}-app-api"),
    (STATEFUL_SET, "{}-app"),
)
OUTAGE_SECONDS = 60.0
SILENCE_SECONDS = 75.0
"""A watch that brings not even a bookmark for so long is given up (rule W3)."""


class App:
    """One app behind a door, and what has to become of it."""

    def __init__(self, kube: Kube, namespace: str, name: str) -> None:
        self._kube = kube
        self._namespace = namespace
        self.name = name
        apply(kube, shop.app(namespace, name, replicas=1), shop.agent(namespace, f"{name}-enrich", app=name))
        await_ready(kube, namespace, name)
        await_ready(kube, namespace, f"{name}-enrich", shop.AGENT)
        self._before = self._children()
        self._pods = self._uids_of_pods()

    def change(self) -> None:
        """The user wants another member; somebody deletes a Service and spoils the other one."""
        apply(self._kube, shop.app(self._namespace, self.name, replicas=2))
        self._kube.delete(SERVICE, self._namespace, f"{self.name}-app-api")
        spoiled = {"spec": {"selector": {"kaspr.io/name": "nobody"}}}
        self._kube.patch(SERVICE, self._namespace, f"{self.name}-app", spoiled)

    def await_change(self, *, timeout: float) -> None:
        """Everything is done, and nothing else."""
        eventually_holds(self._is_changed, timeout=timeout, what=f"{self.name} is as wanted")
        await_ready(self._kube, self._namespace, self.name)
        now = self._children()
        replaced = {
            name
            for (_, name), obj in now.items()
            if obj["metadata"]["uid"] != self._before[_, name]["metadata"]["uid"]
        }
        assert replaced == {f"{self.name}-app-api"}
        assert self._pods.items() <= self._uids_of_pods().items()

    def _is_changed(self) -> None:
        for (kind, name), now in self._children().items():
            wanted = substance(self._before[kind, name])
            if name == f"{self.name}-app-api":
                assert now["spec"]["ports"] == wanted["spec"]["ports"], name
            elif kind == STATEFUL_SET.kind:
                assert now["spec"]["replicas"] == 2, name
                assert now["spec"]["template"] == wanted["spec"]["template"], name
            else:
                assert substance(now) == wanted, name

    def _children(self) -> dict[tuple[str, str], dict[str, Any]]:
        names = [(kind, pattern.format(self.name)) for kind, pattern in CHILDREN]
        return {(kind.kind, name): self._kube.get(kind, self._namespace, name) for kind, name in names}

    def _uids_of_pods(self) -> dict[str, tuple[str, int]]:
        pods = self._kube.list_objects(POD, self._namespace, labels=f"kaspr.io/cluster={self.name}")
        return {
            pod["metadata"]["name"]: (
                pod["metadata"]["uid"],
                sum(each["restartCount"] for each in pod["status"].get("containerStatuses", [])),
            )
            for pod in pods
        }


@dataclass(slots=True)
class Behind:
    """A controller behind a door, in a namespace of its own."""

    controller: Controller
    door: Door
    namespace: str
    kube: Kube

    def app(self, name: str) -> App:
        """A new app that is Ready, and a controller that has nothing to do."""
        made = App(self.kube, self.namespace, name)
        quiet(self.controller, seconds=1.0)
        return made

    def is_alive(self) -> bool:
        """The process that was started is still the one that works."""
        return self.controller.process is not None and self.controller.process.poll() is None

    def lists(self) -> dict[str, int]:
        """Lists so far by kind."""
        return dict(counted(self.controller, "kaspr_reflector_lists_total", "kind"))

    def errors(self, reason: str) -> int:
        """Lists and watches that ended with an error of this name."""
        return counted(self.controller, "kaspr_reflector_errors_total", "reason")[reason]

    def deleted(self) -> list[str]:
        """What the controller has deleted."""
        return [path for method, path in self.door.passed if method == "DELETE"]


@contextmanager
def behind_a_door(plane: ControlPlane, kube: Kube, folder: Path) -> Iterator[Behind]:
    name = f"faults-{secrets.token_hex(3)}"
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    eventually(lambda: kube.find(SERVICE_ACCOUNT, name, "default"))
    with Door(plane) as door:
        config = door.kubeconfig(folder / "kubeconfig")
        with Controller(config, folder, namespace=name) as running:
            yield Behind(running, door, name, kube)
    kube.delete(NAMESPACE, "", name)


@pytest.fixture
def behind(
    control_plane: ControlPlane, crds: object, simulator: NodeSimulator, kube: Kube, tmp_path: Path
) -> Iterator[Behind]:
    """A new one for each test: watches that failed a minute ago are more patient than others."""
    with behind_a_door(control_plane, kube, tmp_path) as made:
        yield made
        assert made.is_alive()
        assert made.deleted() == []


@pytest.mark.parametrize("status", [429, 500])
def test_a_burst_of_refusals_passes(behind: Behind, status: int) -> None:
    """A2, H3: whatever is refused, watches included, is asked again, and not before the server's own time."""
    app = behind.app(f"refused-{status}")
    headers = {"Retry-After": "1"} if status == 429 else {}
    with behind.door.refusing(status, times=30, headers=headers) as over:
        began = time.monotonic()
        watches = behind.door.end_watches("closed")
        app.change()
        eventually(over, timeout=60)
        # Each of the watches and at least one request wait a second before they come again.
        assert status != 429 or time.monotonic() - began >= 1.0
    assert behind.door.refused[status] == 30
    assert watches >= 13
    app.await_change(timeout=30)


@pytest.mark.parametrize("how", ["closed", "cut"])
def test_a_watch_that_ends_goes_on_where_it_was(behind: Behind, how: End) -> None:
    """W2: in order or in the middle of an event, nothing is missed and nothing is listed."""
    app = behind.app(f"watch-{how}")
    lists = behind.lists()
    assert behind.door.end_watches(how) >= 13
    app.change()
    app.await_change(timeout=15)
    assert behind.lists() == lists


@pytest.mark.parametrize("where", ["answer", "stream"])
def test_a_place_that_the_server_has_forgotten_costs_one_list(behind: Behind, where: str) -> None:
    """W1, W2, 410: every kind is listed once; what was deleted meanwhile is noticed without an event."""
    app = behind.app(f"gone-{where}")
    lists = behind.lists()
    if where == "stream":
        behind.door.end_watches("expired")
        app.change()
    else:
        with behind.door.refusing(410, times=len(lists), watches=True) as over:
            behind.door.end_watches("closed")
            app.change()
            eventually(over)
    app.await_change(timeout=15)
    assert behind.lists() == {kind: count + 1 for kind, count in lists.items()}


@pytest.fixture(scope="module")
def deaf(
    control_plane: ControlPlane,
    crds: object,
    simulator: NodeSimulator,
    kube: Kube,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Behind, App, float]]:
    """A controller whose watches have fallen silent just now: the minute without a server passes meanwhile."""
    with behind_a_door(control_plane, kube, tmp_path_factory.mktemp("deaf")) as made:
        app = made.app("unheard")
        assert made.door.silence_watches() >= 13
        since = time.monotonic()
        app.change()
        yield made, app, since
        assert made.is_alive()
        assert made.deleted() == []


@pytest.mark.timeout(240)
def test_a_minute_without_a_server_passes(behind: Behind, deaf: object) -> None:
    """A3, A4, H3: nothing is done meanwhile and nothing is given up; afterwards the backlog is worked off."""
    app = behind.app("outage")
    with behind.door.away():
        app.change()
        stays(behind.is_alive, seconds=OUTAGE_SECONDS)
    app.await_change(timeout=60)


@pytest.mark.timeout(240)
def test_a_watch_that_falls_silent_is_given_up(deaf: tuple[Behind, App, float]) -> None:
    """W3: an open connection that brings nothing, not even bookmarks; nobody else tells that it is dead."""
    behind, app, since = deaf
    app.await_change(timeout=since + SILENCE_SECONDS + 20.0 - time.monotonic())
    assert behind.errors("IdleTimeout") >= 13
