"""Custom resources as users write them, as short as they can be: namespace `shop`, app `orders` unless said otherwise."""

from __future__ import annotations

from typing import Any

from kaspr_controller.kube.kinds import ObjectKey

NAMESPACE = "shop"
APP = ObjectKey("KasprApp", NAMESPACE, "orders")

Resource = dict[str, Any]


def resource(
    kind: str, name: str, spec: dict[str, Any], *, labels: dict[str, str], annotations: dict[str, str]
) -> Resource:
    """Any of the six kinds; empty labels and annotations are left out, as in most manifests."""
    metadata: dict[str, Any] = {"name": name, "namespace": NAMESPACE}
    metadata |= {"labels": labels} if labels else {}
    metadata |= {"annotations": annotations} if annotations else {}
    return {"apiVersion": "kaspr.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


def app(name: str = "orders", *, annotations: dict[str, str] | None = None, **spec: Any) -> Resource:
    """An app; `spec` by JSON names."""
    minimal = {"bootstrapServers": "kafka:9092", "storage": {"type": "persistent-claim", "size": "1Gi"}}
    return resource("KasprApp", name, {**minimal, **spec}, labels={}, annotations=annotations or {})


def component(
    kind: str,
    name: str,
    spec: dict[str, Any],
    *,
    app: str = "orders",
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> Resource:
    """A component; `app` is its label, "" for none."""
    own = {"kaspr.io/app": app} if app else {}
    return resource(kind, name, spec, labels={**own, **(labels or {})}, annotations=annotations or {})


def code(text: str = "def f(v):\n    return v\n") -> dict[str, Any]:
    """A piece of Python."""
    return {"python": text}


def agent(
    name: str, topic: str = "in", *, python: str = "", tables: tuple[str, ...] = (), **more: Any
) -> Resource:
    """An agent on a topic; `python` is the code of its only operation, `tables` are handed to it."""
    spec: dict[str, Any] = {"input": {"topic": {"name": topic}}}
    if python or tables:
        references = [{"name": table, "paramName": f"t{index}"} for index, table in enumerate(tables)]
        operation: dict[str, Any] = {"name": "only", "map": code(python) if python else code()}
        operation |= {"tables": references} if references else {}
        spec["processors"] = {"pipeline": ["only"], "operations": [operation]}
    if "description" in more:
        spec["description"] = more.pop("description")
    return component("KasprAgent", name, spec, **more)


def listener(name: str, channel: str, **more: Any) -> Resource:
    """An agent on the channel of a join."""
    return component("KasprAgent", name, {"input": {"channel": {"name": channel}}}, **more)


def table(name: str, **more: Any) -> Resource:
    """A table."""
    return component("KasprTable", name, {}, **more)


def join(name: str, left: str, right: str, **more: Any) -> Resource:
    """A join of two tables."""
    spec = {"leftTable": left, "rightTable": right, "extractor": code(), "outputChannel": f"{name}-out"}
    return component("KasprJoin", name, spec, **more)


def view(name: str, path: str, **more: Any) -> Resource:
    """A web view that answers GET on a path."""
    return component("KasprWebView", name, {"request": {"method": "GET", "path": path}}, **more)


def task(name: str, **more: Any) -> Resource:
    """A task with one operation."""
    operation = {"name": "run", "map": code("def run():\n    return 1\n")}
    return component(
        "KasprTask", name, {"processors": {"pipeline": ["run"], "operations": [operation]}}, **more
    )


def key(obj: Resource) -> ObjectKey:
    """The key of a resource."""
    return ObjectKey(obj["kind"], NAMESPACE, obj["metadata"]["name"])
