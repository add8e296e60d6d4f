"""What the controller writes into `status`: the schema of it, for the CRDs and the reference.

In: nothing at run time (the status composer writes raw JSON). Out: models the CRD generator walks. Invariant: all fields
are optional and unknown ones are kept, so an older or newer controller can write its own.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kaspr_controller.api.modelling import Items, Keyed, Part, Schema
from kaspr_controller.api.v1alpha1.decisions import (
    FarewellStatus,
    RebalanceStatus,
    RecoveryStatus,
    RolloutStatus,
)

Timestamp = Annotated[str, Schema({"type": "string", "format": "date-time"})]
ConditionType = Annotated[str, Field(min_length=1, max_length=316)]


class ConditionStatus(Part):
    """One statement about the object."""

    type: ConditionType = Field(description="What the statement is about: `Ready`, `Progressing`, ...")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: str = Field(max_length=1024, description="Why, in one CamelCase word.")
    message: str | None = Field(None, max_length=32768, description="Why, in a sentence for a person.")
    last_transition_time: Timestamp = Field(description="When `status` last changed.")
    observed_generation: int | None = Field(
        None, description="The generation of the spec this was said about."
    )


Conditions = Annotated[Items[ConditionStatus], Keyed(("type",))]


class ObservedStatus(Part):
    """What every kind reports."""

    observed_generation: int | None = Field(
        None, description="The generation of the spec that was last acted on."
    )
    conditions: Conditions = Field((), description="What is true about the object now.")


class MemberStatus(Part):
    """One member of the app, as it reported itself."""

    id: int = Field(description="Ordinal of the member's pod.")
    leader: bool | None = Field(None, description="Whether it leads the group.")
    rebalancing: bool | None = Field(
        None, description="Whether it waits for an assignment or for its tables."
    )
    recovering: bool | None = Field(None, description="Whether it rebuilds tables from their changelogs.")
    last_transition_time: Timestamp | None = Field(None, description="When one of these last changed.")
    pod_uid: str | None = Field(None, alias="podUID", description="UID of the pod.")
    pod_creation_time: str | None = Field(None, description="When the pod was created.")


class LinkedAgent(Part):
    """An agent the members run."""

    name: str = Field(description="Name of the KasprAgent.")
    hash: str | None = Field(None, description="Hash of its definition.")
    topic_name: str | None = Field(None, description="Topics it subscribes to.")
    topic_pattern: str | None = Field(None, description="Pattern of topics it subscribes to.")


class LinkedTable(Part):
    """A table the members hold."""

    name: str = Field(description="Name of the KasprTable.")
    hash: str | None = Field(None, description="Hash of its definition.")
    table_name: str | None = Field(None, description="Name of the table in the runtime.")


class LinkedComponent(Part):
    """A web view, task or join the members run."""

    name: str = Field(description="Name of the resource.")
    hash: str | None = Field(None, description="Hash of its definition.")


class LinkedResources(Part):
    """The components whose definitions the members run."""

    agents: Items[LinkedAgent] = Field((), description="Agents.")
    tables: Items[LinkedTable] = Field((), description="Tables.")
    webviews: Items[LinkedComponent] = Field((), description="Web views.")
    tasks: Items[LinkedComponent] = Field((), description="Tasks.")
    joins: Items[LinkedComponent] = Field((), description="Joins.")


class PackagesStatus(Part):
    """The installed Python packages."""

    hash: str | None = Field(None, description="Hash of the package list and its sources.")
    installed: Items[str] = Field((), description="What is installed.")
    cache_mode: str | None = Field(None, description="`persistent`, `ephemeral` or `gcs`.")
    last_install_time: Timestamp | None = Field(None, description="When the packages were installed.")
    install_duration: str | None = Field(None, description="How long that took.")
    installed_by: str | None = Field(None, description="The pod that installed them.")
    warnings: Annotated[
        Items[str], Schema({"type": "array", "nullable": True, "items": {"type": "string"}})
    ] = Field((), description="Things to know about the installation.")


class KasprAppStatus(ObservedStatus):
    """Status of a KasprApp, populated by the controller."""

    kaspr_version: str | None = Field(None, description="Version the live workload runs.")
    available_members: str | None = Field(None, description="Available members of desired ones, as `2/3`.")
    rebalancing_members: str | None = Field(None, description="Members rebalancing of available ones.")
    rollout_in_progress: bool | None = Field(None, description="Whether pods are being replaced.")
    rebalance_required: bool | None = Field(
        None, description="Whether a rebalance is waiting for its moment."
    )
    rebalance: RebalanceStatus | None = Field(None, description="The rebalance wanted, or the last one.")
    recovery: RecoveryStatus | None = Field(None, description="Members suspected, and replaced lately.")
    farewell: FarewellStatus | None = Field(None, description="Seats in the Kafka group.")
    rollout: RolloutStatus | None = Field(None, description="How far the rollout is.")
    replicas: int | None = Field(None, description="Existing members; the scale subresource reads it.")
    selector: str | None = Field(
        None, description="Label selector of the members; the scale subresource reads it."
    )
    members: Annotated[Items[MemberStatus], Keyed(("id",))] = Field((), description="State of each member.")
    linked_resources: LinkedResources | None = Field(None, description="Components the members run.")
    python_packages: PackagesStatus | None = Field(None, description="Installed packages.")


class ReferenceStatus(Part):
    """Whether a referenced resource exists."""

    name: str | None = Field(None, description="Name of the resource.")
    status: str | None = Field(None, description="Found or not found, in one word.")


class ComponentStatus(ObservedStatus):
    """Status of a component, populated by the controller."""

    app: ReferenceStatus | None = Field(None, description="The KasprApp: `AppFound` or `AppNotFound`.")
    config_map: str | None = Field(None, description="Name of the ConfigMap containing the definition.")
    hash: str | None = Field(None, description="Hash of the definition.")


class KasprJoinStatus(ComponentStatus):
    """Status of a KasprJoin, populated by the controller."""

    left_table: ReferenceStatus | None = Field(
        None, description="The left KasprTable: `LeftTableFound` or `LeftTableNotFound`."
    )
    right_table: ReferenceStatus | None = Field(
        None, description="The right KasprTable: `RightTableFound` or `RightTableNotFound`."
    )
