"""Golden numbers: what a new app, an edit, an event without effect and a restart cost in requests.

Counted by the API server, per sender and purpose (bench/counting.py), without any clock: a hot loop, an extra read or a
status that is written twice fails here. The control plane has no nodes, so nothing but the test and the controllers of
Kubernetes moves. Decision record 0007 has the reasons for the numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bench import plane, workload
from bench.workload import NAMESPACE
from kaspr_controller.kube.kinds import CONFIG_MAP, STATEFUL_SET
from kaspr_controller.reconcilers import kinds
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.oracle import Kube
from tests.integration.waiting import eventually_holds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.counting import Counts
    from bench.plane import Plane

APP = workload.name_of(0)
OBJECTS = workload.COMPONENTS + 1
WATCHES = len(kinds.WATCHED)
TIMEOUT = 60


class Scene:
    """An app with five components, a controller, and the requests that it sent so far."""

    def __init__(self, place: Plane, controller: Controller) -> None:
        self.place = place
        self.controller = controller
        self.kube = Kube(place.cluster.kubeconfig)
        self._before = place.counts()

    def spent(self) -> Counts:
        """Requests since the last call."""
        now = self.place.counts()
        found, self._before = now - self._before, now
        return found

    def app(self) -> dict[str, Any]:
        return self.kube.get(kinds.APP, NAMESPACE, APP)

    def settled(self) -> None:
        """The app's status tells of this generation, and that its one pod waits for a node; each component has one."""
        app = self.app()
        ready = {item["type"]: item["message"] for item in app["status"]["conditions"]}["Ready"]
        assert app["status"]["observedGeneration"] == app["metadata"]["generation"]
        assert ready == "1 of 1 members run the current revision, 0 of 1 pods are ready"
        for kind in kinds.COMPONENTS:
            for item in self.kube.list_objects(kind, NAMESPACE):
                assert item["status"]["conditions"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """The tests below go through one life, in their order."""
    folder = tmp_path_factory.mktemp("request-counts")
    # Members live at their own pace: what keeps the pod from running is named after half a minute, in one more status.
    settings = {"SCALING_MODE": "autoscaler", "SETTLE_SECONDS": "2", "MEMBER_TIME_SCALE": "1"}
    with (
        plane.start() as place,
        Controller(place.kubeconfig, folder, namespace=NAMESPACE, settings=settings) as controller,
    ):
        scene = Scene(place, controller)
        yield scene
        scene.kube.close()


def test_a_start_lists_and_watches_each_kind_once(scene: Scene) -> None:
    """P5: two requests a kind, whatever there is."""
    eventually_holds(lambda: _equal(scene.place.counts().lists, 2 * WATCHES))
    counts = scene.place.counts()
    assert counts.writes == 0
    scene.spent()


def test_a_new_app_costs_eleven_objects_and_few_statuses(scene: Scene) -> None:
    """P4: each child once, one status a component, two looks; the names of strangers are counted, not looked up."""
    for request in workload.creations(1):
        scene.place.hand.send(request)
    eventually_holds(scene.settled, timeout=TIMEOUT)
    spent = scene.spent()
    assert spent.objects == workload.PER_APP
    assert OBJECTS <= spent.statuses <= OBJECTS + 2, "one each; for the app more where the cluster is slow"
    assert spent.events == 0
    assert spent.gets == 2, "StatefulSet and autoscaler, whose caches do not show every stranger"
    assert spent.lists <= 8, "a census of three kinds, taken anew when a second has passed"


def test_an_edit_costs_one_object_twice(scene: Scene) -> None:
    """P3: the template, then the partition that lets the pod go; nothing is read, and the status follows the rollout."""
    mark = workload.mark_of(1)
    scene.place.hand.send(workload.edit(APP, mark))

    def rolled() -> None:
        template = scene.kube.get(STATEFUL_SET, NAMESPACE, f"{APP}-app")["spec"]["template"]
        assert mark in str(template)
        scene.settled()

    eventually_holds(rolled, timeout=TIMEOUT)
    spent = scene.spent()
    assert spent.objects == 2
    assert spent.statuses <= 5
    assert (spent.gets, spent.lists, spent.events) == (0, 0, 0)


def test_events_without_effect_cost_nothing(scene: Scene) -> None:
    """S1: strangers write notes on a child; the repair of a real change behind them is all that is written."""
    for number in range(20):
        scene.place.hand.send(workload.touch(APP, number))
    name = f"{APP}-app-config"
    wanted = scene.kube.get(CONFIG_MAP, NAMESPACE, name)["data"]
    # Events of one kind come in their order: once this is repaired, the notes have been seen.
    setting = next(iter(wanted))
    scene.kube.patch(CONFIG_MAP, NAMESPACE, name, {"data": {setting: "somebody's"}})
    eventually_holds(lambda: _equal(scene.kube.get(CONFIG_MAP, NAMESPACE, name)["data"], wanted))
    spent = scene.spent()
    assert spent.objects == 1
    assert (spent.gets, spent.lists, spent.events) == (0, 0, 0)


def test_a_restart_costs_its_lists(scene: Scene) -> None:
    """P5, H1: a killed controller looks at everything anew, and neither reads nor writes anything besides."""
    scene.controller.kill()
    scene.spent()
    scene.controller.start()
    eventually_holds(lambda: _at_least(scene.controller.reconciled(), OBJECTS), timeout=TIMEOUT)
    spent = scene.spent()
    assert (spent.writes, spent.gets) == (0, 0)
    assert spent.lists == 2 * WATCHES


def _equal(found: object, wanted: object) -> None:
    assert found == wanted


def _at_least(found: int, wanted: int) -> None:
    assert found >= wanted
