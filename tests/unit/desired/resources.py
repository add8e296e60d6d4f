"""Custom resources for tests, as short as they can be."""

from __future__ import annotations

from typing import Any

from kaspr_controller.api.parsing import parse
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.desired.app.identity import Identity
from kaspr_controller.desired.components import AnyComponent
from tests.unit.desired.cases import component

NAMESPACE = "shop"
IDENTITY = Identity("orders", NAMESPACE, "uid-app")


def app(*, annotations: dict[str, str] | None = None, **spec: Any) -> KasprApp:
    """An app named `orders`; `spec` by JSON names."""
    parsed = parse(raw("KasprApp", "orders", {**MINIMAL, **spec}, annotations=annotations or {}))
    assert isinstance(parsed, KasprApp)
    return parsed


MINIMAL = {"bootstrapServers": "kafka:9092", "storage": {"type": "persistent-claim", "size": "1Gi"}}


def raw(kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    """An object as the API server returns it."""
    return {
        "apiVersion": "kaspr.io/v1alpha1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "uid": f"uid-{name}",
            "labels": {"kaspr.io/app": "orders"},
            **metadata,
        },
        "spec": spec,
    }


def code(text: str = "def f(v):\n    return v\n", **more: Any) -> dict[str, Any]:
    """A piece of Python."""
    return {"python": text, **more}


def agent(
    name: str, topic: str = "in", *, map_: str = "", tables: tuple[str, ...] = (), **spec: Any
) -> AnyComponent:
    """An agent on a topic; `map_` is the code of its only operation, `tables` are handed to it."""
    chain: dict[str, Any] = {}
    if map_ or tables:
        references = [{"name": table, "paramName": f"t{index}"} for index, table in enumerate(tables)]
        operation = {"name": "only", "tables": references, "map": code(map_) if map_ else code()}
        chain = {"processors": {"pipeline": ["only"], "operations": [operation]}}
    return component(raw("KasprAgent", name, {"input": {"topic": {"name": topic}}, **chain, **spec}))


def listener(name: str, channel: str) -> AnyComponent:
    """An agent on a channel."""
    return component(raw("KasprAgent", name, {"input": {"channel": {"name": channel}}}))


def table(name: str, **spec: Any) -> AnyComponent:
    """A table."""
    return component(raw("KasprTable", name, spec))


def join(name: str, left: str, right: str, **spec: Any) -> AnyComponent:
    """A join."""
    return component(
        raw("KasprJoin", name, {"leftTable": left, "rightTable": right, "extractor": code(), **spec})
    )


def view(name: str, path: str, method: str = "GET", **spec: Any) -> AnyComponent:
    """A web view."""
    return component(raw("KasprWebView", name, {"request": {"method": method, "path": path}, **spec}))


def task(name: str, *operations: dict[str, Any]) -> AnyComponent:
    """A task that runs its operations in their order."""
    chain = list(operations) or [{"name": "run", "map": code("def run():\n    return 1\n")}]
    processors = {"pipeline": [operation["name"] for operation in chain], "operations": chain}
    return component(raw("KasprTask", name, {"processors": processors}))
