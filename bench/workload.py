"""The apps of the bench: one KasprApp and five components each, which make eleven children.

In: a number of apps. Out: the requests that create or edit them, and the plan of the floor, which is what our own
renderer makes of one such app. Called by `scenarios.py` and `subjects.py`. Functions of values.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kaspr_controller.api.parsing import parse
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.converge.canonical import body_of, hash_of
from kaspr_controller.desired.bundle import render_app
from kaspr_controller.desired.options import Options
from kaspr_controller.kube.kinds import (
    CONFIG_MAP,
    HORIZONTAL_POD_AUTOSCALER,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    built_in,
)
from kaspr_controller.reconcilers import kinds

NAMESPACE = "bench"
COMPONENTS = 5
CHILDREN = {CONFIG_MAP: 6, SERVICE: 2, SERVICE_ACCOUNT: 1, STATEFUL_SET: 1, HORIZONTAL_POD_AUTOSCALER: 1}
"""Children of one app by kind."""
PER_APP = sum(CHILDREN.values())
APPS = kinds.APP.collection(NAMESPACE)
WORKLOADS = STATEFUL_SET.collection(NAMESPACE)

_APPLY = "application/apply-patch+yaml"
_TEMPLATE = "a99999"
_UID = "5eed0000-0000-4000-8000-000000000000"
_MARK = "99999Mi"
"""Stand for name, UID and memory of an app in the plan of the floor; no other text of a body contains them."""

Request = dict[str, Any]


def name_of(number: int) -> str:
    """Name of an app; all names are equally long, so that all apps cost the same."""
    return f"a{number:05}"


def mark_of(number: int) -> str:
    """What an edit writes: a memory request. Odd, because the server would spell a multiple of 1024 otherwise."""
    return f"{10_001 + 2 * number}Mi"


def creations(count: int) -> list[Request]:
    """The requests that make apps 0 to `count`, each followed by its components."""
    kinds_by_name = {kind.kind: kind for kind in (kinds.APP, *kinds.COMPONENTS)}
    return [
        {
            "method": "POST",
            "path": kinds_by_name[obj["kind"]].collection(NAMESPACE),
            "type": "application/json",
            "body": obj,
        }
        for number in range(count)
        for obj in objects(name_of(number))
    ]


def edit(app: str, mark: str) -> Request:
    """The request that changes the memory of an app."""
    body = {"spec": {"resources": {"requests": {"memory": mark}}}}
    path = kinds.APP.path(NAMESPACE, app)
    return {"method": "PATCH", "path": path, "type": "application/merge-patch+json", "body": body}


def touch(app: str, number: int) -> Request:
    """The request of a stranger that annotates a child: an event after which nothing is to be done."""
    body = {"metadata": {"annotations": {"bench.example/touched": str(number)}}}
    path = CONFIG_MAP.path(NAMESPACE, f"{app}-app-config")
    return {"method": "PATCH", "path": path, "type": "application/merge-patch+json", "body": body}


def objects(app: str, mark: str = mark_of(0)) -> Iterator[dict[str, Any]]:
    """One app and its components: three agents, a table, a task."""
    spec = {
        "replicas": 1,
        "bootstrapServers": "broker:9092",
        "storage": {"type": "ephemeral"},
        "resources": {"requests": {"memory": mark}},
    }
    yield _object("KasprApp", app, None, spec)
    for number in range(3):
        yield _object("KasprAgent", f"{app}-agent-{number}", app, _agent(f"topic-{number}"))
    yield _object("KasprTable", f"{app}-table", app, {"name": f"{app}-table"})
    yield _object("KasprTask", f"{app}-task", app, _task(f"{app}-task"))


def floor_plan() -> dict[str, Any]:
    """What the floor writes: for a new app all its children in our order, for an edited one the StatefulSet."""
    app, *others = (parse(_with_uid(obj)) for obj in objects(_TEMPLATE, _MARK))
    assert isinstance(app, KasprApp)  # noqa: S101  # the first object of a workload is its app
    components: Any = others
    intents = [intent.obj for intent in render_app(app, components, options=Options()).intents]
    steps = [_step(intent) for intent in intents]
    edits = [step for step, intent in zip(steps, intents, strict=True) if intent["kind"] == "StatefulSet"]
    return {"collection": APPS, "name": _TEMPLATE, "uid": _UID, "mark": _MARK, "create": steps, "edit": edits}


def _step(intent: Mapping[str, Any]) -> dict[str, str]:
    meta = intent["metadata"]
    path = built_in(intent).path(meta["namespace"], meta["name"])
    query = "?fieldManager=kaspr-controller&force=true&fieldValidation=Warn"
    return {"path": path + query, "body": json.dumps(body_of(intent, hash_of(intent), None))}


def _with_uid(obj: dict[str, Any]) -> dict[str, Any]:
    return {**obj, "metadata": {**obj["metadata"], "uid": _UID}}


def _agent(topic: str) -> dict[str, Any]:
    operation = {"name": "one", "map": {"python": "def f(v):\n    return v\n", "entrypoint": "f"}}
    return {
        "input": {"topic": {"name": topic}},
        "processors": {"pipeline": ["one"], "operations": [operation]},
    }


def _task(name: str) -> dict[str, Any]:
    operation = {"name": "run", "map": {"python": "def run():\n    return 1\n", "entrypoint": "run"}}
    processors = {"pipeline": ["run"], "operations": [operation]}
    return {"name": name, "schedule": {"interval": "30s"}, "processors": processors}


def _object(kind: str, name: str, app: str | None, spec: dict[str, Any]) -> dict[str, Any]:
    metadata: dict[str, Any] = {"namespace": NAMESPACE, "name": name}
    if app is not None:
        metadata["labels"] = {"kaspr.io/app": app}
    return {"apiVersion": "kaspr.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
