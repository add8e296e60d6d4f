"""Agents: events of their topics through their pipeline to their output topics.

In: an agent's checked definition, messages. Out: messages handed to the context. Called by `processing` on the consumer's
thread. Invariant: an agent with empty processors ends at once and sees nothing, as the runtime's does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.e2e.member.codecs import decode
from tests.e2e.member.pipeline import Context, Pipeline, publish


@dataclass(frozen=True, slots=True)
class Event:
    """What code gets as `event`; keys and values are decoded by the agent that takes it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes]

    @classmethod
    def of(cls, record: Any) -> Event:
        """Return the event of a consumed record."""
        return cls(
            record.topic,
            record.partition,
            record.offset,
            record.key,
            record.value,
            dict(record.headers or ()),
        )


class Agent:
    """One agent of a member."""

    def __init__(self, entry: Mapping[str, Any], context: Context) -> None:
        source, processors = entry["input"], entry["processors"]
        topic = source["topic"]
        names = [name.strip() for name in ((topic or {}).get("name") or "").split(",")]
        works = bool(processors["pipeline"] and processors["operations"])
        self.name: str = entry["name"]
        self.topics = frozenset(name for name in names if name and works)
        self.channel = source["channel"]["name"] if topic is None and source["channel"] and works else None
        self.serializer = (topic or {}).get("value_serializer") or context.value_serializer
        self.chunk: int | None = source["take"]["max"] if source["take"] else None
        self.outputs: Sequence[Mapping[str, Any]] = (entry["output"] or {"topics": ()})["topics"]
        self.processors = processors
        self.context = context
        self.pipeline = Pipeline(processors, context)

    def taken(self, events: Sequence[Event]) -> Iterator[list[Event]]:
        """Yield events one by one, or with `take` as many as it may; nothing is waited for."""
        size = max(1, self.chunk or 1)
        for begin in range(0, len(events), size):
            yield list(events[begin : begin + size])

    async def run(self, events: list[Event]) -> None:
        """Process one event, or the events of one `take`."""
        values = [decode(self.serializer, event.value) for event in events]
        together = self.chunk is not None
        self.context.names["event"] = events if together else events[0]
        await self.run_value(values if together else values[0])

    async def run_value(self, value: Any) -> None:
        """Send one value through pipeline and outputs; a pipeline that failed is compiled again, as at a restart."""
        try:
            for result in await self.pipeline.run((value,)):
                for topic in self.outputs:
                    publish(topic, result, self.context)
        except Exception:
            self.pipeline = Pipeline(self.processors, self.context)
            raise
