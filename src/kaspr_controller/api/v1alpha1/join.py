"""KasprJoin: a reactive key join between two tables.

In: the JSON of the custom resource. Out: `KasprJoin`. Its output is a channel that agents name in `spec.input.channel`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from pydantic import Field

from kaspr_controller.api.metadata import JOIN, CustomKind
from kaspr_controller.api.modelling import Description, ObjectName, Part, ShortText
from kaspr_controller.api.rules import rule
from kaspr_controller.api.v1alpha1.parts import Code, KafkaName
from kaspr_controller.api.v1alpha1.resource import Component, name_fits
from kaspr_controller.api.v1alpha1.status import KasprJoinStatus


class KasprJoinSpec(Part):
    """Specification of a key join between two tables."""

    name: ShortText | None = Field(None, description="Ignored; the join is known by its `metadata.name`.")
    description: Description | None = Field(
        None, description="A short description of the join for documentation purposes."
    )
    left_table: ObjectName = Field(
        description='Name of the left KasprTable. This is the "driving" table whose changes trigger the extraction of '
        "keys."
    )
    right_table: ObjectName = Field(
        description='Name of the right KasprTable (the "lookup" table). Must belong to the same KasprApp and have no '
        "`defaultSelector`."
    )
    extractor: Code = Field(
        description="Function that extracts the join key from left-table values. The returned value is used to look up "
        "the corresponding record in the right table."
    )
    type: Literal["inner", "left"] = Field(
        "inner", description="Join semantics: `left` also emits left values without a partner."
    )
    output_channel: KafkaName | None = Field(
        None,
        description="Name of the output channel for joined results, which agents name in `spec.input.channel.name`; "
        "absent means `<name>-channel`. A joined value has the attributes `left` and `right`.",
    )

    @rule(
        "self.leftTable != self.rightTable",
        "leftTable and rightTable must be two different tables",
        at="rightTable",
    )
    def _two_tables(self) -> bool:
        return self.left_table != self.right_table


class KasprJoin(Component):
    """A reactive key join between two KasprTable resources; emits combined results when either table changes."""

    custom_kind: ClassVar[CustomKind] = JOIN
    status_model: ClassVar[type[Part]] = KasprJoinStatus
    _name_is_short: ClassVar[Callable[[Any], bool]] = name_fits(JOIN)

    kind: Literal["KasprJoin"] = Field(description="Always `KasprJoin`.")
    spec: KasprJoinSpec = Field(description="Specification of the desired behavior of the KasprJoin.")

    @property
    def output_channel(self) -> str:
        """The channel the runtime emits to."""
        return self.spec.output_channel or f"{self.name}-channel"
