"""KasprTable: a distributed key-value store backed by a Kafka changelog topic.

In: the JSON of the custom resource. Out: `KasprTable`. The runtime knows a table by its `metadata.name`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from kaspr_controller.api.metadata import TABLE, CustomKind
from kaspr_controller.api.modelling import Count, Description, Part, ScalarMap, Schema, ShortText
from kaspr_controller.api.rules import rule
from kaspr_controller.api.v1alpha1.parts import Code, TableSerializer
from kaspr_controller.api.v1alpha1.resource import Component, name_fits
from kaspr_controller.api.v1alpha1.status import ComponentStatus


def _window_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise PydanticCustomError("window", "must be seconds or a duration such as 30s, 5m, 1h")


WindowDuration = Annotated[
    str,
    BeforeValidator(_window_text),
    Field(max_length=16, pattern=r"^[0-9]+[smhd]?$"),
    Schema({"x-kubernetes-int-or-string": True, "maxLength": 16, "pattern": "^[0-9]+[smhd]?$", "minimum": 0}),
]
"""Seconds, or a number with a unit; text in Python, see `durations.seconds`."""


class KasprTableWindowTumbling(Part):
    """Tumbling window configuration. Windows are fixed-size, non-overlapping time intervals."""

    size: WindowDuration = Field(
        description="The window duration: `30s`, `5m`, `1h`, or a number of seconds."
    )
    expires: WindowDuration | None = Field(
        None, description="How long to retain data for each window after it closes."
    )


class KasprTableWindowHopping(Part):
    """Hopping window configuration. Windows are fixed-size and advance by a step interval."""

    size: WindowDuration = Field(
        description="The window duration: `30s`, `5m`, `1h`, or a number of seconds."
    )
    step: WindowDuration = Field(description="The interval at which new windows are created.")
    expires: WindowDuration | None = Field(
        None, description="How long to retain data for each window after it closes."
    )


class KasprTableWindow(Part):
    """Window configuration for a table: exactly one of `tumbling` and `hopping`. The runtime ignores windows so far."""

    tumbling: KasprTableWindowTumbling | None = Field(
        None, description="Fixed-size windows that do not overlap."
    )
    hopping: KasprTableWindowHopping | None = Field(
        None, description="Fixed-size windows that advance by a step, so they may overlap."
    )
    relative_to: Literal["stream", "now", "custom"] | None = Field(
        None, description="How events are assigned to windows; absent means `stream`."
    )
    relative_to_selector: Code | None = Field(
        None,
        description="Function that extracts a timestamp from the event for window assignment. Only with `relativeTo: "
        "custom`.",
    )

    @rule("has(self.tumbling) != has(self.hopping)", "set exactly one of tumbling and hopping")
    def _one_shape(self) -> bool:
        return (self.tumbling is None) != (self.hopping is None)

    @rule(
        "has(self.relativeToSelector) == (has(self.relativeTo) && self.relativeTo == 'custom')",
        "relativeTo: custom and relativeToSelector belong together; set both or neither",
        at="relativeToSelector",
    )
    def _selector_when_custom(self) -> bool:
        return (self.relative_to_selector is not None) == (self.relative_to == "custom")


class KasprTableSpec(Part):
    """Specification of a KasprTable resource."""

    name: ShortText | None = Field(None, description="Ignored; the table is known by its `metadata.name`.")
    description: Description | None = Field(None, description="A short description of the table.")
    global_: bool = Field(
        False,
        description="If true, the table is global. Global tables have a full copy of the data on every node.",
    )
    default_selector: Code | None = Field(
        None,
        description="Function without arguments that returns the class whose value stands for a missing key: `int`, "
        "`dict`, `list`. Returning a value instead of a class stops the app from starting.",
    )
    key_serializer: TableSerializer | None = Field(
        None, description="Serializer for the table key; absent means `json`."
    )
    value_serializer: TableSerializer | None = Field(
        None, description="Serializer for the table value; absent means `json`."
    )
    partitions: Count | None = Field(
        None,
        description="Number of partitions in the table's changelog topic; absent means the app's default.",
    )
    extra_topic_configs: ScalarMap = Field(
        {},
        max_length=64,
        description="Kafka configuration applied when the table's changelog topic is created.",
    )
    options: ScalarMap = Field(
        {}, max_length=64, description="Advanced table options. The runtime ignores them so far."
    )
    window: KasprTableWindow | None = Field(
        None, description="Tumbling or hopping windows. The runtime ignores them so far."
    )


class KasprTable(Component):
    """A distributed key-value store backed by a Kafka changelog topic, used for stateful stream processing."""

    custom_kind: ClassVar[CustomKind] = TABLE
    status_model: ClassVar[type[Part]] = ComponentStatus
    _name_is_short: ClassVar[Callable[[Any], bool]] = name_fits(TABLE)

    kind: Literal["KasprTable"] = Field(description="Always `KasprTable`.")
    spec: KasprTableSpec = Field(description="Specification of the desired table configuration.")
