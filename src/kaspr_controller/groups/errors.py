"""The one error of this room's border: every fault of the library below leaves it as a `GroupError`."""

from __future__ import annotations

from kaspr_controller.groups.answers import FaultKind


class GroupError(Exception):
    """A request was not answered as wished.

    Attributes:
        kind: see `answers`.
        reason: a phrase of ours.
    """

    def __init__(self, kind: FaultKind, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind: FaultKind = kind
        self.reason = reason
