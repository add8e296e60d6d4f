"""Which change wakes whom (E1 to E3): every row of the table, and what must wake nobody."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import pytest

from kaspr_controller.engine.changes import Change
from kaspr_controller.engine.priorities import INITIAL
from kaspr_controller.engine.triggers import TriggerTable
from kaspr_controller.kube.kinds import ObjectKey, key_of
from kaspr_controller.reconcilers import kinds
from kaspr_controller.reconcilers.caches import make_stores
from kaspr_controller.reconcilers.triggers import OWNED, TABLE, USER
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import APP, NAMESPACE

Object = dict[str, Any]
Woken = dict[ObjectKey, int]

OTHER = APP._replace(name="other")
AGENT = ObjectKey("KasprAgent", NAMESPACE, "a")
TABLE_KEY = ObjectKey("KasprTable", NAMESPACE, "t")
OWNER = {"apiVersion": "kaspr.io/v1alpha1", "kind": "KasprApp", "name": "orders", "uid": "app-uid"}


def stored(obj: Object, **metadata: Any) -> Object:
    """An object as the server has it: generation 1, version 1; `metadata` on top."""
    meta = {
        "uid": f"uid-{obj['metadata']['name']}",
        "generation": 1,
        "resourceVersion": "1",
        **obj["metadata"],
    }
    return {**copy.deepcopy(obj), "metadata": {**meta, **metadata}}


def child(kind: str, name: str, *, references: tuple[Object, ...] = (OWNER,), **metadata: Any) -> Object:
    """An object that an app owns."""
    return stored(
        {
            "apiVersion": "v1",
            "kind": kind,
            "metadata": {"name": name, "namespace": NAMESPACE, "ownerReferences": list(references)},
        },
        **metadata,
    )


CRASHED = {"terminated": {"exitCode": 1, "message": "TypeError"}}


def pod(  # one argument for each thing that may happen to a pod
    *,
    ready: str = "True",
    ip: str = "10.0.0.1",
    heartbeat: str = "",
    scheduled: str = "True",
    state: Object | None = None,
    restarts: int = 0,
    **metadata: Any,
) -> Object:
    """A member."""
    conditions = [
        {"type": "Ready", "status": ready, "lastProbeTime": heartbeat},
        {"type": "PodScheduled", "status": scheduled},
    ]
    containers = [{"name": "kaspr", "state": state or {}, "restartCount": restarts}]
    labels = {"kaspr.io/cluster": "orders"}
    obj = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "orders-app-0", "namespace": NAMESPACE, "labels": labels},
        "status": {
            "phase": "Running",
            "podIP": ip,
            "conditions": conditions,
            "containerStatuses": containers,
        },
    }
    return stored(obj, **metadata)


class Row(NamedTuple):
    """One change and whom it has to wake."""

    old: Object | None
    new: Object | None
    woken: Woken
    echo: bool = False


AGENT_OBJ = stored(resources.agent("a"))
APP_OBJ = stored(resources.app())
CONTENT = child(
    "ConfigMap",
    "a-agent",
    labels={"kaspr.io/kind": "KasprAgent", "app.kubernetes.io/instance": "a"},
)
BOTH: Woken = {AGENT: OWNED, APP: USER}
ITS_COMPONENTS: Woken = {AGENT: OWNED, TABLE_KEY: OWNED}

ROWS = {
    "an app appears": Row(None, APP_OBJ, {APP: USER, **ITS_COMPONENTS}),
    "an app vanishes": Row(APP_OBJ, None, {APP: USER, **ITS_COMPONENTS}),
    "an app is being deleted": Row(
        APP_OBJ,
        stored(resources.app(), resourceVersion="2", deletionTimestamp="x"),
        {APP: USER, **ITS_COMPONENTS},
    ),
    "the spec of an app changes": Row(
        APP_OBJ, stored(resources.app(), resourceVersion="2", generation=2), {APP: USER}
    ),
    "an annotation of an app changes": Row(
        APP_OBJ,
        stored(resources.app(annotations={"kaspr.io/pause-reconciliation": "true"}), resourceVersion="2"),
        {APP: USER},
    ),
    "only the status of an app changes": Row(
        APP_OBJ, {**stored(resources.app(), resourceVersion="2"), "status": {"replicas": 1}}, {}
    ),
    "an app is told again": Row(APP_OBJ, APP_OBJ, {APP: INITIAL}),
    "a component appears": Row(None, AGENT_OBJ, BOTH),
    "a component vanishes": Row(AGENT_OBJ, None, BOTH),
    "a component is being deleted": Row(
        AGENT_OBJ, stored(resources.agent("a"), resourceVersion="2", deletionTimestamp="x"), BOTH
    ),
    "the spec of a component changes": Row(
        AGENT_OBJ, stored(resources.agent("a", "clicks"), resourceVersion="2", generation=2), BOTH
    ),
    "a label of a component changes": Row(
        AGENT_OBJ, stored(resources.agent("a", labels={"team": "x"}), resourceVersion="2"), BOTH
    ),
    "a component moves: both apps look": Row(
        AGENT_OBJ,
        stored(resources.agent("a", app="other"), resourceVersion="2"),
        {AGENT: OWNED, APP: USER, OTHER: USER},
    ),
    "a component loses its label": Row(
        AGENT_OBJ, stored(resources.agent("a", app=""), resourceVersion="2"), BOTH
    ),
    "only the status of a component changes": Row(
        AGENT_OBJ, {**stored(resources.agent("a"), resourceVersion="2"), "status": {"hash": "x"}}, {}
    ),
    "a child changes": Row(
        child("Service", "orders-app"),
        {**child("Service", "orders-app", resourceVersion="2"), "spec": {"type": "NodePort"}},
        {APP: OWNED},
    ),
    "the status of a workload changes": Row(
        child("StatefulSet", "orders-app"),
        {**child("StatefulSet", "orders-app", resourceVersion="2"), "status": {"replicas": 1}},
        {APP: OWNED},
    ),
    "the status of an autoscaler changes": Row(
        child("HorizontalPodAutoscaler", "orders-app-hpa"),
        {**child("HorizontalPodAutoscaler", "orders-app-hpa", resourceVersion="2"), "status": {"x": 1}},
        {},
    ),
    "somebody annotates a child": Row(
        child("ConfigMap", "a-agent", annotations={"ours": "1"}),
        child("ConfigMap", "a-agent", annotations={"ours": "1", "theirs": "2"}, resourceVersion="2"),
        {},
    ),
    "somebody changes an annotation of a child": Row(
        child("ConfigMap", "a-agent", annotations={"ours": "1"}),
        child("ConfigMap", "a-agent", annotations={"ours": "2"}, resourceVersion="2"),
        {APP: OWNED},
    ),
    "somebody takes the labels of a child away": Row(
        child("ConfigMap", "a-agent", labels={"ours": "1"}),
        child("ConfigMap", "a-agent", resourceVersion="2"),
        {APP: OWNED},
    ),
    "a child is about to go": Row(
        child("Service", "orders-app"),
        child("Service", "orders-app", resourceVersion="2", deletionTimestamp="2026-01-01T00:00:00Z"),
        {APP: OWNED},
    ),
    "our own status of a component comes back": Row(
        AGENT_OBJ,
        {**stored(resources.agent("a"), resourceVersion="2"), "status": {"hash": "x"}},
        {},
        echo=True,
    ),
    "our own write of a child comes back": Row(
        child("StatefulSet", "orders-app"),
        child("StatefulSet", "orders-app", resourceVersion="2"),
        {},
        echo=True,
    ),
    "a child vanishes": Row(child("Service", "orders-app"), None, {APP: OWNED}),
    "a child loses its owner": Row(
        child("Service", "orders-app"),
        child("Service", "orders-app", references=(), resourceVersion="2"),
        {APP: OWNED},
    ),
    "a claim that outlives its app vanishes": Row(
        child(
            "PersistentVolumeClaim",
            "orders-app-python-packages",
            references=(),
            labels={"kaspr.io/cluster": "orders", "app.kubernetes.io/managed-by": "kaspr-operator"},
        ),
        None,
        {APP: OWNED},
    ),
    "the claim of a member vanishes": Row(
        child(
            "PersistentVolumeClaim",
            "orders-app-pv-orders-app-0",
            references=(),
            labels={"kaspr.io/cluster": "orders"},
        ),
        None,
        {},
    ),
    "a child changes hands": Row(
        child("ConfigMap", "a-agent"),
        child("ConfigMap", "a-agent", references=({**OWNER, "name": "other"},), resourceVersion="2"),
        {APP: OWNED, OTHER: OWNED},
    ),
    "an object of somebody else changes": Row(
        child("Service", "x", references=({**OWNER, "kind": "Deployment"},)),
        {
            **child("Service", "x", references=({**OWNER, "kind": "Deployment"},), resourceVersion="2"),
            "spec": {},
        },
        {},
    ),
    "the content of a component vanishes": Row(CONTENT, None, {APP: OWNED}),
    "a pod appears": Row(None, pod(), {APP: OWNED}),
    "a pod vanishes": Row(pod(), None, {APP: USER}),
    "a pod becomes ready": Row(pod(ready="False"), pod(resourceVersion="2"), {APP: OWNED}),
    "a pod gets its address": Row(pod(ip=""), pod(resourceVersion="2"), {APP: OWNED}),
    "a pod is asked to leave": Row(pod(), pod(resourceVersion="2", deletionTimestamp="x"), {APP: OWNED}),
    "the container of a pod starts": Row(
        pod(state={"waiting": {"reason": "ContainerCreating"}}),
        pod(state={"running": {"startedAt": "2026-01-01T00:00:00Z"}}, resourceVersion="2"),
        {APP: OWNED},
    ),
    "a container was restarted between two looks": Row(
        pod(state={"running": {"startedAt": "2026-01-01T00:00:00Z"}}),
        pod(state={"running": {"startedAt": "2026-01-01T00:00:09Z"}}, restarts=1, resourceVersion="2"),
        {APP: OWNED},
    ),
    "an image cannot be pulled": Row(
        pod(state={"waiting": {"reason": "ContainerCreating"}}),
        pod(state={"waiting": {"reason": "ImagePullBackOff"}}, resourceVersion="2"),
        {APP: OWNED},
    ),
    "a container ends": Row(
        pod(state={"running": {"startedAt": "2026-01-01T00:00:00Z"}}),
        pod(state=CRASHED, resourceVersion="2"),
        {APP: OWNED},
    ),
    "a container ends with other words": Row(
        pod(state=CRASHED, restarts=7),
        pod(state={"terminated": {"exitCode": 1, "message": "KeyError"}}, restarts=8, resourceVersion="2"),
        {APP: OWNED},
    ),
    "a container ends once more with the same words": Row(
        pod(state=CRASHED, restarts=7), pod(state=CRASHED, restarts=8, resourceVersion="2"), {}
    ),
    "no node takes a pod": Row(
        pod(ready="False"), pod(ready="False", scheduled="False", resourceVersion="2"), {APP: OWNED}
    ),
    "the kubelet says that nothing happened": Row(pod(), pod(resourceVersion="2", heartbeat="now"), {}),
    "a pod that is nobody's": Row(None, pod(labels={}), {}),
}


@pytest.fixture
def table() -> tuple[TriggerTable, Woken]:
    """The table over stores that hold an agent and a table of `orders`; what it queues."""
    stores = make_stores()
    for obj in (
        stored(resources.agent("a")),
        stored(resources.table("t")),
        stored(resources.table("x", app="other")),
    ):
        stores[obj["kind"]].apply("ADDED", obj)
    woken: Woken = {}

    class Queue:
        def add(self, key: ObjectKey, priority: int = USER) -> None:
            woken[key] = max(priority, woken.get(key, INITIAL))

    return TriggerTable(TABLE, stores=stores, queue=Queue()), woken


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_row(row: Row, table: tuple[TriggerTable, Woken]) -> None:
    """Exactly these keys are queued, with the highest of the priorities that ask for them."""
    triggers, woken = table
    obj = row.new or row.old
    assert obj is not None
    triggers.handle(Change(key_of(obj), row.old, row.new, echo=row.echo))
    assert woken == row.woken


@pytest.mark.parametrize("kind", kinds.WATCHED, ids=lambda kind: str(kind.kind))
def test_every_watched_kind_wakes_somebody(kind: Any) -> None:
    """E1: a kind that is watched and wakes nobody would be watched for nothing."""
    assert any(row.source == kind for row in TABLE)


def test_the_first_list_comes_behind_everything_else(table: tuple[TriggerTable, Woken]) -> None:
    """C4: after a start everything is looked at, but what a user does meanwhile comes first."""
    triggers, woken = table
    triggers.handle(Change(AGENT, None, AGENT_OBJ, initial=True))
    assert woken == {AGENT: INITIAL, APP: INITIAL}


def test_the_content_of_a_moved_component_wakes_the_new_app(table: tuple[TriggerTable, Woken]) -> None:
    """D29: the ConfigMap belongs to the old app; the component says who waits for its end."""
    triggers, woken = table
    gone = child(
        "ConfigMap",
        "x-table",
        labels={"kaspr.io/kind": "KasprTable", "app.kubernetes.io/instance": "x", "kaspr.io/app": "orders"},
    )
    triggers.handle(Change(key_of(gone), gone, None))
    assert woken == {APP: OWNED, OTHER: OWNED}


def test_another_incarnation_is_an_end_and_a_beginning() -> None:
    """C2 of the caches: a store tells a new UID as a deletion and an addition; both wake."""
    stores = make_stores()
    woken: list[ObjectKey] = []

    class Queue:
        def add(self, key: ObjectKey, priority: int = USER) -> None:
            woken.append(key)

    triggers = TriggerTable(TABLE, stores=stores, queue=Queue())
    stores["KasprApp"].apply("ADDED", APP_OBJ)
    changes = stores["KasprApp"].apply(
        "MODIFIED", stored(resources.app(), uid="another", resourceVersion="2")
    )
    assert len(changes) == 2
    for change in changes:
        triggers.handle(change)
    assert woken.count(APP) == 2


def test_the_table_explains_itself() -> None:
    """E1: `--explain` prints one line for each row."""
    text = TriggerTable(TABLE, stores={}, queue=None).explain()  # type: ignore[arg-type]  # nothing is queued
    assert len(text.splitlines()) == len(TABLE)
    assert any(line.split()[:4] == ["KasprApp", "rewritten", "->", "itself"] for line in text.splitlines())
