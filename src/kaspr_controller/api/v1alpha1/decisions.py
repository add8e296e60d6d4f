"""What decisions about members leave in `status`: the schema of it, for the CRDs and the reference.

In: nothing at run time (`status` writes raw JSON). Out: models the CRD generator walks, used by `status` of the same folder.
These parts are the memory of the controller: a restart goes on from them. Users may read them; nobody edits them.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from kaspr_controller.api.modelling import Items, Part, Schema

Moment = Annotated[str, Schema({"type": "string", "format": "date-time"})]


class RebalanceStatus(Part):
    """The rebalance that is wanted, under way, or was the last one."""

    fingerprint: str | None = Field(None, description="Digest of the subscriptions that were last rendered.")
    state: str | None = Field(
        None, description="`Idle`, `Pending`, `Signalled`, `Rejoining`, `Done` or `Expired`."
    )
    forced: bool | None = Field(None, description="Whether only a rejoin of the members ends it.")
    manual: bool | None = Field(None, description="Whether it was asked for by annotation.")
    requested_at: Moment | None = Field(None, description="When it was asked for.")
    attempts: int | None = Field(None, description="Signals sent to the leader.")
    last_attempt_at: Moment | None = Field(None, description="When the last one was sent.")
    reason: str | None = Field(None, description="What it waits for, or how it ended.")


class SuspectStatus(Part):
    """A member that may have to be replaced."""

    name: str = Field(description="Its pod.")
    pod_uid: str = Field(alias="podUID", description="UID of the pod.")
    kind: str = Field(description="`zombie`, `frozen` or `hung`.")
    since: Moment = Field(description="Since when.")
    proven_at: Moment = Field(description="When that was last confirmed.")
    strikes: int = Field(description="Confirmations so far.")
    struck_at: Moment | None = Field(None, description="When the last of them was counted.")


class ReplacementStatus(Part):
    """A member that was replaced."""

    name: str = Field(description="Its pod.")
    pod_uid: str = Field(alias="podUID", description="UID of the pod.")
    why: str = Field(description="What it was: `zombie`, `frozen` or `hung`.")
    at: Moment = Field(description="When that was decided.")
    asked_at: Moment | None = Field(None, description="When the deletion was last asked for.")


class RecoveryStatus(Part):
    """Who is suspected, and who was replaced lately."""

    suspects: Items[SuspectStatus] = Field((), description="Members that may have to be replaced.")
    kills: Items[ReplacementStatus] = Field((), description="Members that were replaced lately.")


class SeatStatus(Part):
    """Who holds a seat in the Kafka group."""

    name: str = Field(description="The member, which is its `group.instance.id`.")
    pod_uid: str = Field(alias="podUID", description="UID of the pod that holds it.")
    fingerprint: str | None = Field(None, description="Digest of what that pod reads.")
    gone_at: Moment | None = Field(None, description="When the pod was found gone.")


class GoodbyeStatus(Part):
    """A goodbye that is owed to a seat."""

    name: str = Field(description="The member whose seat it was.")
    pod_uid: str = Field(alias="podUID", description="UID of the pod that is gone.")
    why: str | None = Field(None, description="Why nobody comes back to it.")
    since: Moment = Field(description="When the pod was found gone.")
    attempts: int | None = Field(None, description="Goodbyes tried.")
    last_at: Moment | None = Field(None, description="When the last one was.")


class FarewellStatus(Part):
    """The seats of the members in the Kafka group, and the goodbyes that are due."""

    holders: Items[SeatStatus] = Field((), description="Who holds which seat.")
    owed: Items[GoodbyeStatus] = Field((), description="Goodbyes that are due.")
    said: Items[Moment] = Field((), description="When goodbyes were said lately.")


class RolloutStatus(Part):
    """How far a rollout is."""

    partition: int | None = Field(None, description="Ordinals below this keep the older revision.")
    revision: str | None = Field(None, description="The revision that is rolled out.")
    done: int | None = Field(None, description="The most members of it that processed at once.")
    step_at: Moment | None = Field(None, description="When the last step was taken.")
    progress_at: Moment | None = Field(None, description="When something got better last.")
