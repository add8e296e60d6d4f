"""KasprTask: code that runs on a schedule, or once when the app starts.

In: the JSON of the custom resource. Out: `KasprTask`. The runtime refuses to start on a schedule with cron and interval.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from kaspr_controller.api.metadata import TASK, CustomKind
from kaspr_controller.api.modelling import Description, Duration, Hint, Part, ShortText
from kaspr_controller.api.rules import rule
from kaspr_controller.api.v1alpha1.cron import CRON_PATTERN
from kaspr_controller.api.v1alpha1.parts import Processors
from kaspr_controller.api.v1alpha1.resource import Component, name_fits
from kaspr_controller.api.v1alpha1.status import ComponentStatus

KasprTaskProcessors = Processors

Cron = Annotated[
    str,
    Field(min_length=1, max_length=256, pattern=CRON_PATTERN),
    Hint("a cron expression: minute hour day month weekday, e.g. '*/5 * * * *'"),
]
TimeZone = Annotated[
    str,
    Field(min_length=1, max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"),
    Hint("an IANA time zone: Europe/Berlin, UTC"),
]


class KasprTaskSchedule(Part):
    """When a task runs: exactly one of `cron` and `interval`."""

    cron: Cron | None = Field(
        None,
        description="Cron expression: minute, hour, day of month, month, day of week. Exclusive with `interval`.",
    )
    interval: Duration | None = Field(
        None, description="A number and a unit: `30s`, `5m`, `1h`. Exclusive with `cron`."
    )
    timezone: TimeZone | None = Field(
        None, description="IANA name of the time zone of `cron`: `Europe/Berlin`; absent means UTC."
    )

    @rule(
        "has(self.cron) != has(self.interval)",
        "set exactly one of cron and interval; leave schedule out to run once when the app starts",
    )
    def _one_timer(self) -> bool:
        return (self.cron is None) != (self.interval is None)


class KasprTaskSpec(Part):
    """Specification of a KasprTask."""

    name: ShortText | None = Field(None, description="Ignored; the task is known by its `metadata.name`.")
    description: Description | None = Field(
        None, description="A short description of the task for documentation purpose."
    )
    on_leader: bool = Field(
        False,
        description="If true, the task runs on the leader member only.",
    )
    schedule: KasprTaskSchedule | None = Field(
        None, description="When the task runs; absent means once when the app starts."
    )
    processors: Processors = Field(
        description="Operations the task runs. The first function is called without a value; the runtime cannot run "
        "`filter` in tasks, nor `topicSend` as the first operation."
    )

    @rule(
        "has(self.processors.pipeline) && self.processors.pipeline.size() > 0",
        "a task needs at least one operation in its pipeline",
        at="processors.pipeline",
        reason="FieldValueRequired",
    )
    def _does_something(self) -> bool:
        return bool(self.processors.pipeline)


class KasprTask(Component):
    """A task runs operations on a schedule, or once when the app starts."""

    custom_kind: ClassVar[CustomKind] = TASK
    status_model: ClassVar[type[Part]] = ComponentStatus
    _name_is_short: ClassVar[Callable[[Any], bool]] = name_fits(TASK)

    kind: Literal["KasprTask"] = Field(description="Always `KasprTask`.")
    spec: KasprTaskSpec = Field(description="Specification of the task.")
