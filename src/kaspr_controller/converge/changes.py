"""What came of it: one entry per object, and the set of them that a reconcile reports.

Values only. Made by `applying`, `pruning` and `planning`, read by reconcilers, conditions, events and tests. Invariant:
messages carry names and field paths, never values, except words of the API server.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from kaspr_controller.kube.errors import ApiError, BadRequest, Category, Forbidden, Invalid, UidMismatch
from kaspr_controller.kube.kinds import ObjectKey

Outcome: TypeAlias = Literal[
    "created",
    "changed",
    "unchanged",
    "deleted",
    "skipped",
    "foreign",
    "waiting",
    "refused",
    "failed",
]

STORED: frozenset[Outcome] = frozenset({"created", "changed", "unchanged"})
"""The server has the object as the intent wants it."""

_PATHS_IN_A_MESSAGE = 5
_UNCHANGEABLE = (
    "field is immutable",
    "may not change once set",
    "updates to statefulset spec for fields other than",
    "spec is immutable after creation",
)


@dataclass(frozen=True, slots=True)
class Owner:
    """The custom resource in whose name objects are written.

    Attributes:
        key: its name.
        uid: its incarnation.
        also: UIDs of other owners whose objects count as ours: component resources of the same app, which own the
            ConfigMaps that the former operator wrote.
    """

    key: ObjectKey
    uid: str
    also: frozenset[str] = frozenset()

    def owns(self, uid: str) -> bool:
        """Whether an object with an owner reference to this UID is ours."""
        return uid == self.uid or uid in self.also


@dataclass(frozen=True, slots=True)
class Entry:
    """What came of one object.

    Attributes:
        key: the object.
        outcome: see `Outcome`; `created`, `changed` and `unchanged` mean that it is as wanted.
        reason: one word for a condition or an event (`NameConflict`); empty when all is well.
        message: one sentence for people, at most 1024 characters of the server's words among it.
        category: how to go on when it is not as wanted: `terminal` needs another intent, `wait` needs something else to
            happen first, `transient` another try. None when nothing is to be done.
        after: seconds until another try makes sense, None for the caller's own backoff.
        paths: the fields that differed, for `changed` and `skipped`.
    """

    key: ObjectKey
    outcome: Outcome
    reason: str = ""
    message: str = ""
    category: Category | None = None
    after: float | None = None
    paths: tuple[str, ...] = ()

    @property
    def stored(self) -> bool:
        """Whether the server has it as wanted."""
        return self.outcome in STORED


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """The entries of one pass, in the order of the intents."""

    entries: tuple[Entry, ...] = ()

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def __add__(self, other: ChangeSet) -> ChangeSet:
        return ChangeSet(self.entries + other.entries)

    def get(self, key: ObjectKey) -> Entry | None:
        """The entry of one object."""
        return next((entry for entry in self.entries if entry.key == key), None)

    @property
    def writes(self) -> tuple[Entry, ...]:
        """The entries that changed something on the server."""
        return tuple(entry for entry in self.entries if entry.outcome in {"created", "changed", "deleted"})

    @property
    def problems(self) -> tuple[Entry, ...]:
        """The entries that are not as wanted."""
        return tuple(entry for entry in self.entries if entry.category is not None)

    @property
    def complete(self) -> bool:
        """Whether everything is as wanted."""
        return not self.problems

    @property
    def after(self) -> float | None:
        """Seconds until the first of the problems that named a time is worth another try."""
        return min((entry.after for entry in self.problems if entry.after is not None), default=None)


def waiting(
    key: ObjectKey, reason: str, message: str, *, category: Category = "wait", after: float | None = None
) -> Entry:
    """Not written now; something else has to happen first."""
    return Entry(key, "waiting", reason, message, category, after)


def from_error(key: ObjectKey, error: ApiError) -> Entry:
    """The entry for a request that the server answered with an error, or did not answer."""
    if isinstance(error, UidMismatch) or any(cause.field == "metadata.uid" for cause in error.causes):
        # The cache showed an incarnation that is gone: its watch is about to tell.
        return waiting(key, "Replaced", f"{key} was replaced or deleted meanwhile", category="transient")
    outcome: Outcome = "refused" if isinstance(error, BadRequest | Forbidden) else "failed"
    message = error.message
    if isinstance(error, Invalid) and any(words in message for words in _UNCHANGEABLE):
        message = f"{message}. {_way_out(key)}"
    return Entry(key, outcome, error.reason, message, error.category, error.retry_after)


def paths_text(paths: tuple[str, ...]) -> str:
    """The first paths, and how many more."""
    more = len(paths) - _PATHS_IN_A_MESSAGE
    text = ", ".join(paths[:_PATHS_IN_A_MESSAGE])
    return f"{text} and {more} more" if more > 0 else text


def _way_out(key: ObjectKey) -> str:
    command = f"kubectl delete {key.kind.lower()} {key.name} -n {key.namespace}"
    if key.kind == "StatefulSet":
        command += " --cascade=orphan"
    return f"This cannot be changed in place: undo the change, or run `{command}` to have it created anew"
