"""What one member said when asked, and how long it has been saying so.

`members` fills these in, one `Observation` per pod UID, and the membership decisions read them; both sides agree here
because the consumer owns the type. Values only: every time is a parameter, in seconds of the caller's monotonic clock.
The clocks survive answers that prove nothing (a time-out in the middle of a hung rebalance does not make the member
healthy) and start anew when a new process is behind the address: a starting or refusing port is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

AnswerKind: TypeAlias = Literal["ok", "starting", "refused", "timeout", "wrong"]
"""How a question ended: understood, 500 before the consumer runs, nobody listens, no answer in time, not to be believed."""

Assignment: TypeAlias = Mapping[str, tuple[int, ...]]
"""Topic -> its partitions, sorted, each once."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one `GET /status/`.

    Attributes:
        kind: how the question ended; every other field but `reason` is meaningful for `ok` only.
        reason: why it is not `ok`, a constant phrase without figures so that equal faults are equal answers.
        leader: holds partition 0 of the leader topic.
        rebalancing: streams are stopped; also true while `recovering`.
        recovering: tables are being rebuilt from their changelogs.
        actives: topic -> partitions this member reads; the last known ones when it has lost its brokers.
        standbys: changelog topic -> partitions it keeps warm.
        member_urls: the members that it knows of, by their own addresses; empty for an app without tables.
    """

    kind: AnswerKind
    reason: str = ""
    leader: bool = False
    rebalancing: bool = False
    recovering: bool = False
    actives: Assignment = field(default_factory=dict)
    standbys: Assignment = field(default_factory=dict)
    member_urls: frozenset[str] = frozenset()

    @property
    def heard(self) -> bool:
        """A Kaspr runtime is at the other end, started or not."""
        return self.kind in {"ok", "starting"}

    @property
    def assigned(self) -> bool:
        """It reads or keeps at least one partition."""
        return any(self.actives.values()) or any(self.standbys.values())

    @property
    def running(self) -> bool:
        """It says that it processes: no flag is up and it holds partitions (no flag alone also means "not begun")."""
        return self.kind == "ok" and not self.rebalancing and not self.recovering and self.assigned


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything seen of one pod so far.

    Attributes:
        answer: the newest one.
        at: when it came.
        changed_at: since when it has been the same answer.
        first_seen: when the first one came.
        failures: answers in a row, up to now, in which no runtime was heard, whatever the reason.
        timeouts: answers in a row, up to now, that never came. Only these speak for a frozen process: a refusing port
            has no process behind it (the kubelet sees to that), and whoever says something wrong does say something.
        silent_since: the first of those time-outs, None when the newest answer is none.
        last_ok: the newest answer of kind `ok`, None when there was none.
        last_ok_at: when that was, None when there was none.
        rebalancing_since: since when it has been rebalancing without recovering (start, rebalance, zombie or hung).
        zombie_since: since when it has been doing so with an empty assignment; a healthy start needs up to 20 s of it.
    """

    answer: Answer
    at: float
    changed_at: float
    first_seen: float
    failures: int = 0
    timeouts: int = 0
    silent_since: float | None = None
    last_ok: Answer | None = None
    last_ok_at: float | None = None
    rebalancing_since: float | None = None
    zombie_since: float | None = None


def observe(previous: Observation | None, answer: Answer, *, at: float) -> Observation:
    """The observation after one more answer.

    Args:
        previous: what was seen of the same pod UID before, None at first sight.
        answer: the new answer.
        at: when it came, in seconds of a monotonic clock.
    """
    seen = previous or Observation(answer=answer, at=at, changed_at=at, first_seen=at)
    silent = answer.kind == "timeout"
    seen = replace(
        seen,
        answer=answer,
        at=at,
        changed_at=seen.changed_at if seen.answer == answer else at,
        failures=0 if answer.heard else seen.failures + 1,
        timeouts=seen.timeouts + 1 if silent else 0,
        silent_since=_since(seen.silent_since, at) if silent else None,
    )
    if answer.kind == "ok":
        return _understood(seen)
    if answer.kind in {"starting", "refused"}:
        # Nobody listening means that the process which was rebalancing is gone.
        return replace(seen, rebalancing_since=None, zombie_since=None)
    return seen


def _understood(seen: Observation) -> Observation:
    answer = seen.answer
    joining = answer.rebalancing and not answer.recovering
    return replace(
        seen,
        last_ok=answer,
        last_ok_at=seen.at,
        rebalancing_since=_since(seen.rebalancing_since, seen.at) if joining else None,
        zombie_since=_since(seen.zombie_since, seen.at) if joining and not answer.assigned else None,
    )


def _since(known: float | None, at: float) -> float:
    return at if known is None else known
