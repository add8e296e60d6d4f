"""Pipelines of agents, tasks and web views, and what they send.

In: `processors` of a definition, values, and the context of the app. Out: the values that are left at the end, and messages
handed to `Context.send`. Called by `worker` for agents and tasks and by `webviews`; each on its own thread.
Invariant: code is compiled at its first use, so a mistake in it shows at the first message and never at the start (C12).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.e2e.member.codecs import encode
from tests.e2e.member.scripts import executed, function, outcomes

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """A message to be sent; a partition of None leaves the choice to the key."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Context(Protocol):
    """What code may use.

    Attributes:
        names: the context of the runtime: `app`, and `event` for agents.
        key_serializer, value_serializer: the app's defaults.
    """

    names: dict[str, Any]
    key_serializer: str
    value_serializer: str

    def table(self, name: str) -> Any:
        """Return the table of this name."""

    def send(self, message: Message) -> dict[str, Any]:
        """Send a message and return what a sender gets to know of it."""


@dataclass(slots=True)
class Pipeline:
    """The operations of one component; `context` is asked anew at every run."""

    processors: Entry
    context: Context
    init: dict[str, Any] | None = None
    functions: dict[str, Callable[..., Any]] = field(default_factory=dict)

    async def run(self, arguments: Sequence[Any], extra: Mapping[str, Any] | None = None) -> list[Any]:
        """Return the values at the end; the first operation is called with these arguments, the others with a value.

        Raises:
            Exception: whatever the code raises; KeyError for an operation that is not there.
        """
        if self.init is None:
            self.init = executed(self.processors["init"], {})
            self.init.pop("__builtins__", None)
        operations = {operation["name"]: operation for operation in self.processors["operations"]}
        calls: list[tuple[Sequence[Any], Mapping[str, Any]]] = [(arguments, extra or {})]
        values: list[Any] = []
        for name in self.processors["pipeline"]:
            values = []
            for given, named in calls:
                values += await self.step(operations[name], given, named)
            calls = [((value,), {}) for value in values]
        return values

    async def step(self, operation: Entry, arguments: Sequence[Any], extra: Mapping[str, Any]) -> list[Any]:
        """Return what one operation makes of one value."""
        tables = {one["param_name"]: self.context.table(one["name"]) for one in operation["tables"]}
        if operation["topic_send"] is not None:
            topic = operation["topic_send"]
            result = publish(topic, arguments[0], self.context, tables)
            return [result] if topic["ack"] or topic["pass_through"] else []
        for kind in ("filter", "map"):
            if operation[kind] is not None:
                call = self.compiled(operation["name"], operation[kind])
                produced = await outcomes(call, *arguments, **tables, **extra)
                return produced if kind == "map" else [arguments[0]] if produced[0] else []
        return [arguments[0]]

    def compiled(self, name: str, code: Entry) -> Callable[..., Any]:
        """Return the function of an operation, with the present context in its scope."""
        if name not in self.functions:
            self.functions[name] = function(code, {**(self.init or {}), **self.context.names})
        call = self.functions[name]
        getattr(call, "__globals__", {}).update(self.context.names)
        return call


def publish(topic: Entry, value: Any, context: Context, tables: Mapping[str, Any] | None = None) -> Any:
    """Send a value to an output topic; the result is what the next operation gets."""
    tables = tables or {}

    def selected(name: str, default: Any) -> Any:
        code = topic[name]
        return default if code is None else function(code)(value, **tables)

    if not selected("predicate", True):
        return value if topic["pass_through"] else None
    name = topic["name"] or function(topic["name_selector"])(value)
    headers = selected("headers_selector", None) or {}
    sent = context.send(
        Message(
            topic=name,
            key=encode(topic["key_serializer"] or context.key_serializer, selected("key_selector", None)),
            value=encode(
                topic["value_serializer"] or context.value_serializer, selected("value_selector", value)
            ),
            partition=selected("partition_selector", None),
            headers=tuple((key, encode("raw", text) or b"") for key, text in headers.items()),
        )
    )
    if topic["ack"]:
        return (value, sent) if topic["pass_through"] else sent
    return value if topic["pass_through"] else None
