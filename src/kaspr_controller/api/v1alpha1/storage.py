"""Disk storage of an app's members.

In: `spec.storage`. Out: a frozen part. Invariant: what cannot change on a living StatefulSet is refused as a change.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kaspr_controller.api import quantities
from kaspr_controller.api.modelling import ObjectName, Part, Quantity
from kaspr_controller.api.rules import rule, transition


class StorageRequirements(Part):
    """Disk storage required by each instance of the application, for its tables."""

    type: Literal["ephemeral", "persistent-claim"] = Field(
        description="`persistent-claim` keeps tables in a volume per member, `ephemeral` in a directory that goes with the "
        "pod. Cannot change after the app was created."
    )
    class_: ObjectName | None = Field(
        None,
        description="The storage class to use for dynamic volume allocation; absent means the cluster's default. Cannot "
        "change after the app was created.",
    )
    size: Quantity | None = Field(
        None,
        description="Size of each volume: `10Gi`; it can only grow. Required for `persistent-claim`, a limit for "
        "`ephemeral`.",
    )
    delete_claim: bool = Field(
        False,
        description="Specifies if the persistent volume claims have to be deleted when the app is undeployed.",
    )

    @rule(
        "self.type != 'persistent-claim' || has(self.size)",
        "persistent-claim needs a size, e.g. 10Gi",
        at="size",
        reason="FieldValueRequired",
    )
    def _claim_has_a_size(self) -> bool:
        return self.type != "persistent-claim" or self.size is not None

    @rule(
        "!has(self.size) || quantity(self.size).isGreaterThan(quantity('0'))",
        "size must be more than nothing",
        at="size",
    )
    def _size_is_positive(self) -> bool:
        return self.size is None or quantities.parse(self.size) > 0

    @transition(
        "self.type == oldSelf.type",
        "the storage type of a living app cannot change; create a new app and move over",
        at="type",
    )
    def _keeps_its_type(self, old: StorageRequirements) -> bool:
        return self.type == old.type

    @transition(
        "has(self.class) == has(oldSelf.class) && (!has(self.class) || self.class == oldSelf.class)",
        "the storage class of a living app cannot change; create a new app and move over",
        at="class",
    )
    def _keeps_its_class(self, old: StorageRequirements) -> bool:
        return self.class_ == old.class_

    @transition(
        """self.type != 'persistent-claim' || !has(self.size) || !has(oldSelf.size) || !isQuantity(oldSelf.size)
           || quantity(self.size).compareTo(quantity(oldSelf.size)) >= 0""",
        "volumes cannot shrink; keep the size or make it larger",
        at="size",
    )
    def _only_grows(self, old: StorageRequirements) -> bool:
        if self.type != "persistent-claim" or self.size is None or old.size is None:
            return True
        return quantities.parse(self.size) >= quantities.parse(old.size)
