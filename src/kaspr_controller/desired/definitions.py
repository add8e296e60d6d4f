"""What the runtime reads about a component: one entry of a definition document.

In: a parsed custom resource. Out: a dictionary in the runtime's words (contract 3.3): snake_case keys that it knows, maps
of users letter by letter. The runtime's name of a component is its `metadata.name`. Pure; called while an app is
rendered. Fields that may be null are written as null, because that is how the real loader has been seen to accept them;
`description` always is, so that editing one restarts nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from kaspr_controller.api import durations
from kaspr_controller.api.v1alpha1.agent import KasprAgent, KasprAgentInput
from kaspr_controller.api.v1alpha1.join import KasprJoin
from kaspr_controller.api.v1alpha1.parts import Code, ProcessorOperation, Processors, TopicOutput
from kaspr_controller.api.v1alpha1.table import KasprTable, KasprTableWindow
from kaspr_controller.api.v1alpha1.task import KasprTask
from kaspr_controller.api.v1alpha1.webview import (
    KasprWebView,
    KasprWebViewResponse,
    KasprWebViewResultHandler,
)

Entry: TypeAlias = Mapping[str, Any]
Component: TypeAlias = KasprAgent | KasprTable | KasprJoin | KasprWebView | KasprTask

LISTS: Mapping[str, str] = {
    "KasprAgent": "agents",
    "KasprJoin": "joins",
    "KasprTable": "tables",
    "KasprTask": "tasks",
    "KasprWebView": "webviews",
}
"""Kind -> the list of a definition document that holds its entries."""

# An agent without operations ends at once and never consumes (contract D1); the user means that events pass.
UNCHANGED: Entry = {
    "name": "unchanged",
    "tables": [],
    "map": {"python": "def unchanged(value):\n    return value\n", "entrypoint": "unchanged"},
    "filter": None,
    "topic_send": None,
}
# Known to the runtime since 0.11.19, ignored before: written only when the user asks for them.
DECLARATION = ("declare", "partitions", "retention", "compacting", "deleting", "replicas", "config")


def entry_of(component: Component) -> dict[str, Any]:
    """The definition entry of any component."""
    if isinstance(component, KasprAgent):
        return agent(component)
    if isinstance(component, KasprTable):
        return table(component)
    if isinstance(component, KasprJoin):
        return join(component)
    if isinstance(component, KasprWebView):
        return web_view(component)
    return task(component)


def agent(resource: KasprAgent) -> dict[str, Any]:
    """The entry of an agent; without a pipeline it hands events on unchanged."""
    spec = resource.spec
    return {
        "name": resource.name,
        "description": None,
        "isolated_partitions": spec.isolated_partitions,
        "input": _input(spec.input),
        "output": {"topics": [_topic_out(topic) for topic in spec.output.topics]} if spec.output else None,
        "processors": _agent_processors(spec.processors),
    }


def table(resource: KasprTable) -> dict[str, Any]:
    """The entry of a table."""
    spec = resource.spec
    return {
        "name": resource.name,
        "description": None,
        "global": spec.global_,
        "default_selector": _code(spec.default_selector),
        "key_serializer": spec.key_serializer,
        "value_serializer": spec.value_serializer,
        "partitions": spec.partitions,
        "extra_topic_configs": dict(spec.extra_topic_configs),
        "options": dict(spec.options),
        "window": _window(spec.window) if spec.window else None,
    }


def join(resource: KasprJoin) -> dict[str, Any]:
    """The entry of a join."""
    spec = resource.spec
    return {
        "name": resource.name,
        "description": None,
        "left_table": spec.left_table,
        "right_table": spec.right_table,
        "extractor": _code(spec.extractor),
        "type": spec.type,
        "output_channel": spec.output_channel,
    }


def web_view(resource: KasprWebView) -> dict[str, Any]:
    """The entry of a web view."""
    spec = resource.spec
    return {
        "name": resource.name,
        "description": None,
        "request": {"method": spec.request.method, "path": spec.request.path},
        "response": _response(spec.response) if spec.response else None,
        "processors": _processors(spec.processors) if spec.processors else None,
    }


def task(resource: KasprTask) -> dict[str, Any]:
    """The entry of a task."""
    spec = resource.spec
    schedule: dict[str, Any] | None = None
    if spec.schedule:
        schedule = {"cron": spec.schedule.cron, "interval": spec.schedule.interval}
        if spec.schedule.timezone:
            schedule["timezone"] = spec.schedule.timezone
    return {
        "name": resource.name,
        "description": None,
        "on_leader": spec.on_leader,
        "schedule": schedule,
        "processors": _processors(spec.processors),
    }


def _code(code: Code | None) -> dict[str, Any] | None:
    return {"python": code.python, "entrypoint": code.entrypoint} if code else None


def _input(source: KasprAgentInput) -> dict[str, Any]:
    topic = source.topic
    return {
        "declare": source.declare,
        "topic": {
            "name": topic.name,
            "pattern": topic.pattern,
            "key_serializer": topic.key_serializer,
            "value_serializer": topic.value_serializer,
            "partitions": topic.partitions,
            "retention": topic.retention,
            "compacting": topic.compacting,
            "deleting": topic.deleting,
            "replicas": topic.replicas,
            "config": dict(topic.config) if topic.config is not None else None,
        }
        if topic
        else None,
        "channel": {"name": source.channel.name} if source.channel else None,
        "take": {"max": source.take.max, "within": source.take.within} if source.take else None,
    }


def _topic_out(topic: TopicOutput) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "name": topic.name,
        "name_selector": _code(topic.name_selector),
        "ack": topic.ack,
        "pass_through": topic.pass_through or False,
        "key_serializer": topic.key_serializer,
        "value_serializer": topic.value_serializer,
        "key_selector": _code(topic.key_selector),
        "value_selector": _code(topic.value_selector),
        "partition_selector": _code(topic.partition_selector),
        "headers_selector": _code(topic.headers_selector),
        "predicate": _code(topic.predicate),
    }
    for name in DECLARATION:
        if (value := getattr(topic, name)) is not None:
            entry[name] = value
    return entry


def _operation(operation: ProcessorOperation) -> dict[str, Any]:
    return {
        "name": operation.name,
        "tables": [{"name": table.name, "param_name": table.param_name} for table in operation.tables],
        "map": _code(operation.map),
        "filter": _code(operation.filter),
        "topic_send": _topic_out(operation.topic_send) if operation.topic_send else None,
    }


def _processors(processors: Processors) -> dict[str, Any]:
    return {
        "pipeline": list(processors.pipeline),
        "init": _code(processors.init),
        "operations": [_operation(operation) for operation in processors.operations],
    }


def _agent_processors(processors: Processors | None) -> dict[str, Any]:
    if processors and processors.pipeline:
        return _processors(processors)
    init = _code(processors.init) if processors else None
    return {"pipeline": [UNCHANGED["name"]], "init": init, "operations": [UNCHANGED]}


def _window(window: KasprTableWindow) -> dict[str, Any]:
    tumbling, hopping = window.tumbling, window.hopping
    return {
        "tumbling": {"size": durations.seconds(tumbling.size), "expires": tumbling.expires}
        if tumbling
        else None,
        "hopping": {
            "size": durations.seconds(hopping.size),
            "step": durations.seconds(hopping.step),
            "expires": hopping.expires,
        }
        if hopping
        else None,
        "relative_to": window.relative_to,
        "relative_to_selector": _code(window.relative_to_selector),
    }


def _handler(handler: KasprWebViewResultHandler | None) -> dict[str, Any] | None:
    if handler is None:
        return None
    return {"on_success": _code(handler.on_success), "on_error": _code(handler.on_error)}


def _response(response: KasprWebViewResponse) -> dict[str, Any]:
    return {
        "content_type": response.content_type,
        "status_code": response.status_code,
        "headers": dict(response.headers or {}),
        "body_selector": _handler(response.body_selector),
        "status_code_selector": _handler(response.status_code_selector),
        "headers_selector": _handler(response.headers_selector),
    }


def document_of(entries: Mapping[str, Sequence[Entry]]) -> dict[str, list[Entry]]:
    """The value of a document: kind -> entries becomes list name -> entries by name.

    Empty lists are left out, because a null one stops the runtime and an empty one says nothing.
    """
    return {
        LISTS[kind]: sorted(members, key=lambda entry: str(entry["name"]))
        for kind, members in sorted(entries.items())
        if members
    }
