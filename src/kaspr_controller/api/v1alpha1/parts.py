"""Pieces shared by several kinds: Python code, table references, outgoing topics, chains of operations.

In: the JSON of a component's spec. Out: frozen parts. Used by the models next door. Invariant: a field here exists in the
member's definition format under its snake_case name.
"""

from __future__ import annotations

import keyword
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from kaspr_controller.api.modelling import (
    Count,
    CountOrZero,
    Hint,
    Identifier,
    Items,
    Keyed,
    ObjectName,
    Part,
    ScalarMap,
)
from kaspr_controller.api.rules import rule

CODE_LIMIT = 256 * 1024
"""Characters of Python in one field; one ConfigMap (1 MiB) holds all components of an app."""

TopicSerializer: TypeAlias = Literal["raw", "json", "pickle", "binary"]
TableSerializer: TypeAlias = Literal["raw", "json"]

KafkaName = Annotated[
    str,
    Field(min_length=1, max_length=249, pattern=r"^[a-zA-Z0-9._-]+$"),
    Hint("a Kafka topic name: letters, digits, '.', '_' and '-'"),
]
_KEYWORDS = ", ".join(f"'{word}'" for word in sorted(keyword.kwlist))


class Code(Part):
    """Injectable custom code that is used to achieve a desired outcome in a specific context."""

    python: str = Field(
        min_length=1,
        max_length=CODE_LIMIT,
        description="Python code to be executed. The code must define a function to use as an entrypoint.",
    )
    entrypoint: Identifier | None = Field(
        None,
        description="Name of the function that is invoked. When absent, the first callable the code defines is used; "
        "naming it avoids surprises, since an imported class counts as a callable too.",
    )


class TableReference(Part):
    """Reference to a KasprTable and how it is made available to an operation's function."""

    name: ObjectName = Field(description="The `metadata.name` of a KasprTable of the same app.")
    param_name: Identifier = Field(
        description="The name of the parameter in which the table is made available in the operation's function."
    )

    @rule(
        f"!(self.paramName in [{_KEYWORDS}])",
        "paramName is a Python keyword; choose a name a function parameter can have",
        at="paramName",
    )
    def _not_a_keyword(self) -> bool:
        return not keyword.iskeyword(self.param_name)


class TopicOutput(Part):
    """A topic that values are published to, by an output of an agent or by a `topicSend` operation."""

    name: KafkaName | None = Field(None, description="Topic name; exclusive with `nameSelector`.")
    name_selector: Code | None = Field(
        None, description="Function that takes the value and returns the topic name; exclusive with `name`."
    )
    ack: bool | None = Field(
        None,
        description="Wait for broker acknowledgement before considering the message sent. Absent means false.",
    )
    pass_through: bool | None = Field(
        None,
        description="In a `topicSend` operation: hand the value on to the next operation. Absent means false.",
    )
    key_serializer: TopicSerializer | None = Field(
        None, description="Serializer for the key of the message; absent means the app's default (`raw`)."
    )
    value_serializer: TopicSerializer | None = Field(
        None, description="Serializer for the value of the message; absent means the app's default (`json`)."
    )
    key_selector: Code | None = Field(
        None, description="Function that takes the value and returns the key of the message."
    )
    value_selector: Code | None = Field(
        None, description="Function that takes the value and returns the value of the message."
    )
    partition_selector: Code | None = Field(
        None, description="Function that takes the value and returns the partition number."
    )
    headers_selector: Code | None = Field(
        None, description="Function that takes the value and returns a map of headers."
    )
    predicate: Code | None = Field(
        None, description="Function that takes the value and tells whether the message is sent at all."
    )
    declare: bool | None = Field(
        None,
        description="Create the topic if it does not exist. Needs Kaspr 0.11.19; older versions ignore it.",
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

    @rule(
        "has(self.name) != has(self.nameSelector)",
        "set exactly one of name (a fixed topic) and nameSelector (a function choosing it)",
    )
    def _one_name(self) -> bool:
        return (self.name is None) != (self.name_selector is None)


class ProcessorOperation(Part):
    """A transform or action to take on input events: exactly one of `map`, `filter` and `topicSend`."""

    name: str = Field(
        min_length=1,
        max_length=128,
        description="A unique name for the operation. This is used to identify the operation in the pipeline.",
    )
    tables: Annotated[Items[TableReference], Keyed(("paramName",))] = Field(
        (), max_length=32, description="Tables which are made available in the operation's function."
    )
    map: Code | None = Field(
        None,
        description="Takes an input value and returns an output value which is passed down to the next operation or the "
        "output.",
    )
    filter: Code | None = Field(
        None, description="Takes an input value and tells whether it is passed down to the next operation."
    )
    topic_send: TopicOutput | None = Field(None, description="Publishes the value to a topic.")

    @rule(
        "[has(self.map), has(self.filter), has(self.topicSend)].exists_one(action, action)",
        "set exactly one of map, filter and topicSend; split several actions into several operations",
    )
    def _one_action(self) -> bool:
        return (self.map, self.filter, self.topic_send).count(None) == 2  # noqa: PLR2004 - two of three absent


class Processors(Part):
    """Chain of processors that modify input values."""

    pipeline: Items[Annotated[str, Field(min_length=1, max_length=128)]] = Field(
        (), max_length=128, description="Names of the operations to run, in order. One may run several times."
    )
    init: Code | None = Field(
        None, description="Code that runs once; its names are visible to `map` and `filter` functions."
    )
    operations: Annotated[Items[ProcessorOperation], Keyed(("name",))] = Field(
        (), max_length=128, description="The operations that the pipeline refers to by name."
    )

    @rule(
        """!has(self.pipeline) || self.pipeline.all(p,
               has(self.operations) && self.operations.exists(o, o.name == p))""",
        "pipeline names an operation that is not defined in operations",
        at="pipeline",
        message_cel="""'pipeline names ' + self.pipeline.filter(p,
            !has(self.operations) || !self.operations.exists(o, o.name == p))[0]
            + ', which operations does not define'""",
    )
    def _pipeline_is_defined(self) -> bool:
        return {operation.name for operation in self.operations}.issuperset(self.pipeline)

    @rule(
        """!has(self.operations) || self.operations.size() == 0
           || (has(self.pipeline) && self.pipeline.size() > 0)""",
        "operations are defined, but the pipeline runs none of them; name them in pipeline",
        at="pipeline",
        reason="FieldValueRequired",
    )
    def _operations_run(self) -> bool:
        return not self.operations or bool(self.pipeline)
