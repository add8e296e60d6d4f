"""Conditions: how one is built, kept and checked.

In: what a decision concluded, and the conditions of the previous status. Out: the list for the new status. The one rule
that everything else hangs on: `lastTransitionTime` moves only when `status` flips (rule T2; a controller that renews it on
every pass reconciles itself for ever). Times arrive as text from the caller's clock; nothing here reads one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Truth = Literal["True", "False", "Unknown"]

MESSAGE_LIMIT = 2048
"""Characters of a message. The API allows 32768; what a person reads in a terminal is less, and status is cached."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a decision concluded about one condition: everything but the times."""

    type: str
    status: Truth
    reason: str
    message: str = ""


def conditions(
    verdicts: Iterable[Verdict], *, old: Sequence[Mapping[str, Any]], generation: int, now: str
) -> list[dict[str, Any]]:
    """The condition list for a new status, sorted by type, transition times carried from `old`."""
    before = {condition.get("type"): condition for condition in old}
    return sorted(
        (
            _condition(verdict, before.get(verdict.type), generation=generation, now=now)
            for verdict in verdicts
        ),
        key=lambda condition: str(condition["type"]),
    )


def _condition(
    verdict: Verdict, old: Mapping[str, Any] | None, *, generation: int, now: str
) -> dict[str, Any]:
    same = old is not None and old.get("status") == verdict.status and old.get("lastTransitionTime")
    return {
        "type": verdict.type,
        "status": verdict.status,
        "reason": verdict.reason,
        "message": bounded(verdict.message),
        "observedGeneration": generation,
        "lastTransitionTime": old["lastTransitionTime"] if same and old is not None else now,
    }


def bounded(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """`text`, cut with a mark when it is too long to be read."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def enumerate_few(items: Sequence[str], *, most: int = 5) -> str:
    """The first few of many, and how many more there are: a message must not grow with the fleet."""
    shown = ", ".join(items[:most])
    return shown if len(items) <= most else f"{shown} and {len(items) - most} more"


def find(status: Mapping[str, Any], type_: str) -> Mapping[str, Any] | None:
    """The condition of one type in a status, if it is there."""
    return next((item for item in status.get("conditions", ()) if item.get("type") == type_), None)


def faults(status: Mapping[str, Any], *, generation: int) -> list[str]:
    """Which kstatus invariants a status breaks (rule T5); empty when it may be written.

    Run by the tests on every status that any of them produces.
    """
    found: list[str] = []
    truth = {item["type"]: item["status"] for item in status.get("conditions", ())}
    observed = status.get("observedGeneration", 0)
    if "Ready" not in truth:
        found.append("Ready is missing")
    if truth.get("Ready") == "True" and "True" in (truth.get("Reconciling"), truth.get("Stalled")):
        found.append("Ready while Reconciling or Stalled")
    if truth.get("Reconciling") == "True" and truth.get("Stalled") == "True":
        found.append("Reconciling and Stalled at once")
    if "False" in (truth.get("Reconciling"), truth.get("Stalled")):
        found.append("an abnormal condition is spelled out as False instead of being absent")
    if observed > generation:
        found.append("observedGeneration is ahead of generation")
    if truth.get("Ready") == "True" and observed != generation:
        found.append("Ready for a generation that is not the current one")
    if len(truth) != len(status.get("conditions", ())):
        found.append("a condition type occurs twice")
    return found
