"""KasprAgent: a distributed system processing events in a stream.

In: the JSON of the custom resource. Out: `KasprAgent`. The runtime knows an agent by its `metadata.name`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kaspr_controller.api.metadata import AGENT, CustomKind
from kaspr_controller.api.modelling import (
    Count,
    CountOrZero,
    Description,
    Duration,
    Hint,
    Items,
    Part,
    ScalarMap,
    ShortText,
)
from kaspr_controller.api.rules import rule
from kaspr_controller.api.v1alpha1.parts import (
    KafkaName,
    ProcessorOperation,
    Processors,
    TableReference,
    TopicOutput,
    TopicSerializer,
)
from kaspr_controller.api.v1alpha1.resource import Component, name_fits
from kaspr_controller.api.v1alpha1.status import ComponentStatus

KasprAgentProcessors = Processors
KasprAgentProcessorOperation = ProcessorOperation
KasprAgentProcessorOperationTable = TableReference
KasprAgentOutputTopic = TopicOutput

TopicNames = Annotated[
    str,
    Field(
        min_length=1,
        max_length=4096,
        pattern=r"^\s*[a-zA-Z0-9._-]{1,249}\s*(,\s*[a-zA-Z0-9._-]{1,249}\s*)*$",
    ),
    Hint("one Kafka topic name, or several separated by commas"),
]


class KasprAgentInputTopic(Part):
    """Input topic configuration for the KasprAgent."""

    name: TopicNames | None = Field(
        None,
        description="Topic names to subscribe to. This can be a single topic or a comma-separated list of topics. "
        "Exclusive with `pattern`.",
    )
    pattern: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        description="Regex pattern of topic names to subscribe to. Exclusive with `name`. The runtime does not "
        "support patterns yet.",
    )
    key_serializer: TopicSerializer | None = Field(
        None, description="Serializer for the key of the message; absent means the app's default (`raw`)."
    )
    value_serializer: TopicSerializer | None = Field(
        None, description="Serializer for the value of the message; absent means the app's default (`json`)."
    )
    partitions: Count | None = Field(None, description="Number of partitions when the topic is declared.")
    replicas: Count | None = Field(None, description="Replication factor when the topic is declared.")
    retention: CountOrZero | None = Field(
        None, description="Retention in seconds when the topic is declared."
    )
    compacting: bool | None = Field(None, description="Compact the topic when it is declared.")
    deleting: bool | None = Field(None, description="Delete old segments when the topic is declared.")
    config: ScalarMap | None = Field(
        None, max_length=64, description="Further Kafka configuration of the topic when it is declared."
    )

    @rule("has(self.name) != has(self.pattern)", "set exactly one of name and pattern")
    def _one_source(self) -> bool:
        return (self.name is None) != (self.pattern is None)


class KasprAgentInputChannel(Part):
    """Input channel configuration for the KasprAgent."""

    name: KafkaName = Field(
        description="Name of the channel to subscribe to: the `outputChannel` of a KasprJoin of the same app."
    )


class KasprAgentInputBuffer(Part):
    """Buffering configuration: the agent collects several events before processing them."""

    max: Count = Field(description="Maximum number of events to buffer before processing them.")
    within: Duration = Field(
        description="Time window for buffering events. Events are processed after this duration, even if `max` has not "
        "been reached. A number and a unit: `30s`, `5m`, `1h`."
    )


class KasprAgentInput(Part):
    """Input configuration for the KasprAgent: exactly one of `topic` and `channel`."""

    declare: bool | None = Field(
        None,
        description="If true, the agent creates the input topic if it does not exist. Absent means false.",
    )
    take: KasprAgentInputBuffer | None = Field(
        None,
        description="Buffering configuration. This allows the agent to collect multiple events before processing them.",
    )
    topic: KasprAgentInputTopic | None = Field(
        None, description="Input topic configuration; mutually exclusive with `channel`."
    )
    channel: KasprAgentInputChannel | None = Field(
        None, description="Input channel configuration; mutually exclusive with `topic`."
    )

    @rule(
        "has(self.topic) != has(self.channel)",
        "set exactly one of topic (read from Kafka) and channel (read the output of a join)",
    )
    def _one_source(self) -> bool:
        return (self.topic is None) != (self.channel is None)


class KasprAgentOutput(Part):
    """Output configuration for the KasprAgent."""

    topics: Items[TopicOutput] = Field((), max_length=64, description="List of topics to publish to.")


class KasprAgentSpec(Part):
    """Specification of the desired behavior of the KasprAgent."""

    name: ShortText | None = Field(None, description="Ignored; the agent is known by its `metadata.name`.")
    description: Description | None = Field(
        None, description="A short description of the agent for documentation purpose."
    )
    isolated_partitions: bool = Field(
        False,
        description="Process each partition in its own agent instance.",
    )
    input: KasprAgentInput = Field(description="Input configuration for the agent.")
    output: KasprAgentOutput | None = Field(
        None,
        description="Output configuration for the agent. Processed events are sent out to the optional output.",
    )
    processors: Processors | None = Field(
        None,
        description="Sequence of operations that handle input events. Processors are optional and can be used to modify "
        "or act on the input events before they are sent to the output; without them events pass unchanged.",
    )


class KasprAgent(Component):
    """A distributed system processing events in a stream."""

    custom_kind: ClassVar[CustomKind] = AGENT
    status_model: ClassVar[type[Part]] = ComponentStatus
    _name_is_short: ClassVar[Callable[[Any], bool]] = name_fits(AGENT)

    kind: Literal["KasprAgent"] = Field(description="Always `KasprAgent`.")
    spec: KasprAgentSpec = Field(description="Specification of the desired behavior of the KasprAgent.")
