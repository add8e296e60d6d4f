"""How a reconcile ends: a result, or one of three declared errors.

Reconcilers return or raise these; only the workers read them and turn them into queue actions (section 5 of the design).
Values without behaviour, so logs, metrics and tests read the same thing.

    Outcome
    ├── Terminal    the same input fails again: no retry until the object changes
    ├── Wait        something else has to happen first: look again after a known time, not a failure
    └── Transient   try again with a backoff

Anything else that a reconcile raises is an error of the API (`kube.errors`, which says by its category which of the
three it is) or a panic: caught, counted, retried with a backoff.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Result:
    """A reconcile that did what it could.

    Attributes:
        requeue_after: seconds until the next look even if nothing happens; None: only when something changes.
        reason: one word for logs and the debug page: why another look is needed.
    """

    requeue_after: float | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        if self.requeue_after is not None and not self.requeue_after > 0:
            raise ValueError(f"requeue_after is {self.requeue_after!r}: give seconds above 0, or None")


DONE = Result()
"""Nothing left to do until something changes."""


class Outcome(Exception):  # noqa: N818  # the end of a reconcile, not always an error
    """A declared way to end a reconcile early.

    Attributes:
        reason: CamelCase word, as in a condition.
        message: sentence for people, with the field and the way out.
    """

    def __init__(self, reason: str, message: str = "") -> None:
        super().__init__(f"{reason}: {message}" if message else reason)
        self.reason = reason
        self.message = message


class Terminal(Outcome):
    """The same input fails again; the key rests until its object changes."""


class Wait(Outcome):
    """Something else has to happen first; look again `after` seconds. Not counted as a failure."""

    def __init__(self, reason: str, message: str = "", *, after: float = 10.0) -> None:
        super().__init__(reason, message)
        if not after > 0:
            raise ValueError(f"after is {after!r}: give seconds above 0")
        self.after = after


class Transient(Outcome):
    """Try again with the backoff of the queue."""
