"""Anything in any order, and in the end everything is as it was asked for (ESR), with nothing left to write.

Users edit, the watches lag, requests fail or lose their answer, the process dies, roll-outs stop half way. What no moment
may break is judged at each request by the cluster and the world; what must hold between steps are the invariants here;
what must hold at the end is `teardown`. A failing run prints the steps that lead to it.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kaspr_controller.api.labels import PAUSE_RECONCILIATION
from kaspr_controller.converge.canonical import HASH_ANNOTATION
from kaspr_controller.desired.bundle import Bundle, render_app
from kaspr_controller.desired.facts import Facts
from kaspr_controller.desired.options import Options
from kaspr_controller.kube.errors import ApiError, Conflict, ServerError, Timeout
from kaspr_controller.kube.kinds import ObjectKey, Raw
from kaspr_controller.reconcilers import kinds, observing
from kaspr_controller.reconcilers.loading import load_app
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, NAMESPACE, Resource
from tests.unit.reconcilers.world import World

OPTIONS = Options(scaling="direct")
OTHER = APP._replace(name="other")
APPS = (APP, OTHER)

apps = st.builds(
    resources.app,
    st.sampled_from(["orders", "other"]),
    replicas=st.sampled_from([2, 2, 0, 1, -1]),
    config=st.sampled_from([{"loggingLevel": "INFO"}, {"loggingLevel": "DEBUG"}]),
)
_homes = st.sampled_from(["orders", "orders", "orders", "other", "nowhere"])
components = st.one_of(
    st.builds(
        resources.agent,
        st.sampled_from(["a", "b"]),
        st.sampled_from(["in", "clicks"]),
        python=st.sampled_from(["", "", "def f(v):\n    return 1\n", "def f(v:\n"]),
        tables=st.sampled_from([(), (), ("t",)]),
        app=_homes,
    ),
    st.builds(resources.listener, st.sampled_from(["b", "c"]), st.just("j-out"), app=_homes),
    st.builds(resources.table, st.sampled_from(["t", "u"]), app=_homes),
    st.builds(resources.join, st.sampled_from(["j", "k"]), st.just("t"), st.just("u"), app=_homes),
    st.builds(resources.view, st.sampled_from(["v", "w"]), st.sampled_from(["/one", "/two"]), app=_homes),
)
errors = st.sampled_from(
    [ServerError("no", status=500), Timeout("no answer"), Conflict("changed meanwhile", status=409)]
)


BEGINNING = (
    resources.app(replicas=2),
    resources.app("other", replicas=1),
    resources.agent("a"),
    resources.agent("b", tables=("t",)),
    resources.table("t"),
    resources.view("v", "/one"),
)
# Most edits are followed by something; a few come in a row.
then = st.sampled_from([(0.0, False), (0.2, True), (1.0, False), (4.0, True), (30.0, False), (30.0, True)])
Then = tuple[float, bool]


class Machine(RuleBasedStateMachine):
    """One world; `manifests` is what its users want."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(options=OPTIONS)
        self.manifests: dict[ObjectKey, Resource] = {}
        self._faults = 0
        self._error: ApiError = ServerError("no", status=500)
        self.world.cluster.before = self._fail
        for resource in BEGINNING:
            self._apply(resource)
        self.world.settle()

    def _fail(self, verb: str, key: ObjectKey) -> None:
        if self._faults > 0:
            self._faults -= 1
            raise self._error

    def _apply(self, resource: Resource) -> None:
        self.manifests[resources.key(resource)] = resource
        self.world.user(resource)

    # What users do.

    @rule(app=apps, then=then)
    def edit_app(self, app: Resource, then: Then) -> None:
        self._apply(app)
        self._go_on(then)

    @rule(component=components, then=then)
    def edit_component(self, component: Resource, then: Then) -> None:
        self._apply(component)
        self._go_on(then)

    @rule(each=st.lists(components, min_size=2, max_size=5), then=then)
    def edit_components(self, each: list[Resource], then: Then) -> None:
        for component in each:
            self._apply(component)
        self._go_on(then)

    @rule(data=st.data(), then=then)
    def delete(self, data: st.DataObject, then: Then) -> None:
        if self.manifests:
            key = data.draw(st.sampled_from(sorted(self.manifests)))
            del self.manifests[key]
            self.world.cluster.vanish(key)
            self._go_on(then)

    @rule(data=st.data(), home=_homes, then=then)
    def move(self, data: st.DataObject, home: str, then: Then) -> None:
        if found := sorted(self.manifests.keys() - set(APPS)):
            moved = self.manifests[data.draw(st.sampled_from(found))]
            meta = {**moved["metadata"], "labels": {"kaspr.io/app": home}}
            self._apply({**moved, "metadata": meta})
            self._go_on(then)

    @rule(key=st.sampled_from(APPS), value=st.sampled_from(["true", None]))
    def pause(self, key: ObjectKey, value: str | None) -> None:
        if key in self.manifests:
            self.world.annotate(key, pause_reconciliation=value)

    # What goes wrong.

    @rule(error=errors, times=st.integers(1, 6))
    def requests_fail(self, error: ApiError, times: int) -> None:
        self._error, self._faults = error, times

    @rule(times=st.integers(1, 3))
    def answers_get_lost(self, times: int) -> None:
        self.world.cluster.lost = times

    @rule()
    def the_process_dies(self) -> None:
        self.world.restart()

    @rule(
        name=st.sampled_from(["StatefulSet orders-app", "Service orders-app", "ServiceAccount orders-app"]),
        word=st.sampled_from(["deleted", "edited"]),
    )
    def somebody_meddles(self, name: str, word: str) -> None:
        kind, _, of = name.partition(" ")
        key = ObjectKey(kind, NAMESPACE, of)
        if key not in self.world.cluster.objects:
            return
        if word == "deleted":
            self.world.cluster.vanish(key)
        else:
            self.world.cluster.edit(key, "metadata", "labels", "kaspr.io/app", to="hijacked")

    # What the controller and the cluster get to do.

    @rule(then=then)
    def time_passes(self, then: Then) -> None:
        self._go_on(then)

    def _go_on(self, then: Then) -> None:
        seconds, around = then
        if seconds > 0:
            self.world.settle(seconds, around=around)

    @rule(kind=st.sampled_from([kind.kind for kind in kinds.WATCHED]))
    def one_watch_catches_up(self, kind: str) -> None:
        self.world.watch(kind)
        self.world.work()

    @rule()
    def queued_work_is_done_with_stale_caches(self) -> None:
        self.world.clock.advance(1.0)
        self.world.work()

    @rule(key=st.sampled_from(APPS), pods=st.integers(0, 2))
    def a_roll_out_moves_on(self, key: ObjectKey, pods: int) -> None:
        workload = ObjectKey("StatefulSet", NAMESPACE, f"{key.name}-app")
        if workload in self.world.cluster.objects:
            self.world.workloads.roll(workload, at_most=pods)

    # What always holds.

    @invariant()
    def nothing_runs_in_two_apps(self) -> None:
        """D29: no pod of one app mounts what a pod of another mounts."""
        mounted = [self._mounted(key) for key in APPS]
        assert not mounted[0] & mounted[1]

    def _mounted(self, app: ObjectKey) -> set[str]:
        return {
            volume["configMap"]["name"]
            for key, obj in self.world.cluster.objects.items()
            if key.kind == "Pod" and obj["metadata"]["labels"]["kaspr.io/cluster"] == app.name
            for volume in obj["spec"].get("volumes", ())
            if "configMap" in volume
        }

    @invariant()
    def stores_are_sound(self) -> None:
        for store in self.world.stores.values():
            assert store.faults() == []

    # What holds in the end.

    def teardown(self) -> None:
        """The last edit is made, the last fault is over: the state becomes what was asked for, and stays."""
        world = self.world
        self._faults = world.cluster.lost = 0
        for key in APPS:
            if key in self.manifests:
                world.annotate(key, pause_reconciliation=None)
        world.settle(100.0)
        self._repair_apps()
        world.settle(1500.0)
        for key in APPS:
            if key in self.manifests:
                self._judge_app(key)
        self._judge_components()
        self._judge_strays()
        world.forget()
        world.settle(1200.0)
        assert world.cluster.requests == [], "a settled cluster costs nothing"
        world.restart()
        world.settle(1200.0)
        assert world.cluster.requests == [], "and a new process finds nothing to do"

    def _repair_apps(self) -> None:
        """An app that cannot be used keeps what it has, so another one may wait for that as long as it is so."""
        for key in APPS:
            if key in self.manifests and self.manifests[key]["spec"].get("replicas", 1) < 0:
                assert self.world.why(key, "Stalled") is not None
                self._apply(resources.app(key.name))

    def _judge_app(self, key: ObjectKey) -> None:
        world = self.world
        bundle = self._rendered(key)
        status = world.status(key)
        assert status["observedGeneration"] == world.cluster.objects[key]["metadata"]["generation"]
        assert bundle is not None
        children = {
            (each.kind, each.name): content(obj)
            for each, obj in world.cluster.objects.items()
            if any(ref["name"] == key.name for ref in obj["metadata"].get("ownerReferences", ()))
            and each.kind != "Pod"
        }
        assert children == {intent.name: content(intent.obj) for intent in bundle.intents}
        ready = world.why(key)
        assert ready is not None
        wanted = "ScaledToZero" if self.manifests[key]["spec"].get("replicas") == 0 else "Healthy"
        assert ready.reason == wanted, ready

    def _rendered(self, key: ObjectKey) -> Bundle | None:
        """What follows from the manifests; last good definitions come from the live objects, as they must."""
        loaded = load_app(self.world.stores, key)
        assert loaded is not None
        assert PAUSE_RECONCILIATION not in (loaded.raw["metadata"].get("annotations") or {})
        if loaded.app is None:
            return None
        facts = observing.facts(self.world.stores, key, [loaded.raw["metadata"]["uid"]])
        bundle = render_app(loaded.app, loaded.components, facts, OPTIONS)
        if not bundle.problems:
            # O2: whatever happened before, the result is that of a fresh start.
            fresh = render_app(loaded.app, loaded.components, Facts(workload=facts.workload), OPTIONS)
            assert fresh.intents == bundle.intents
        return bundle

    def _judge_components(self) -> None:
        """Every component is ready, or says why not, about its current generation and its current app."""
        for key in self.manifests.keys() - set(APPS):
            obj = self.world.cluster.objects[key]
            home = APP._replace(name=obj["metadata"]["labels"]["kaspr.io/app"])
            status, ready = self.world.status(key), self.world.why(key)
            assert ready is not None
            assert status["app"]["name"] == home.name
            if home not in self.manifests:
                assert ready.reason in {"AppNotFound", "InvalidSpec"}
            else:
                assert status["observedGeneration"] == obj["metadata"]["generation"]
                stopped = self.manifests[home]["spec"].get("replicas") == 0 and ready.reason == "ScaledToZero"
                assert ready.status == "True" or stopped or self.world.why(key, "Stalled") is not None

    def _judge_strays(self) -> None:
        """Nothing is left of apps that are gone."""
        names = {key.name for key in APPS if key in self.manifests}
        for key, obj in self.world.cluster.objects.items():
            if not key.kind.startswith("Kaspr"):
                owners = {ref["name"].removesuffix("-app") for ref in obj["metadata"]["ownerReferences"]}
                assert owners <= names, f"{key} belongs to nobody"


def content(obj: Raw) -> dict[str, Any]:
    """What somebody asked for: without what the server and the converger add."""
    meta = obj["metadata"]
    annotations = {k: v for k, v in (meta.get("annotations") or {}).items() if k != HASH_ANNOTATION}
    kept = {name: meta[name] for name in ("name", "namespace", "labels", "ownerReferences")}
    return {
        **{name: value for name, value in obj.items() if name not in ("metadata", "status")},
        "metadata": {**kept, "annotations": annotations},
    }


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=25,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
