"""What a worker does with the end of a reconcile: the table of section 5 as one function.

In: a `Result`, or the exception that a reconcile raised. Out: a `Verdict` with the queue action, the metric label and the
log level. Pure, so that every row is a test. The order of the rows matters: an error of the API server that went away
meanwhile is no failure of the key (rule A3), a conflict neither (rule Q4).

outcome                                   queue                              result
    ok                                    forget                             success
    requeue_after, Wait                   forget, add after                  requeue_after
    Terminal, terminal API error          forget                             error, terminal
    conflict                              add after 0.5 s, count unchanged   requeue_after
    server away, not leading              add after 1 s, count unchanged     requeue_after
    Transient, any other API error        rate-limited add                   error
    anything else                         rate-limited add                   error, panic
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from kaspr_controller.engine.results import Outcome, Result, Terminal, Wait
from kaspr_controller.kube import errors

Label: TypeAlias = Literal["success", "requeue_after", "requeue", "error"]

CONFLICT_SECONDS = 0.5
"""After a conflict: time for the watch to bring what we did not know."""
AWAY_SECONDS = 1.0
"""After a run that the outage of the server ended; the door holds the key for longer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a key.

    Attributes:
        result: label of the metric.
        forget: whether its failures are over.
        after: seconds until the next look, None for none of that kind.
        retry: whether it is retried with the backoff of the queue, `floor` seconds from now at least.
        terminal: whether only a change of its object helps.
        panic: whether the exception was none of ours.
        timeout: whether the time for the run was used up.
        reason: one line for logs and the journal.
    """

    result: Label
    reason: str = ""
    forget: bool = False
    after: float | None = None
    retry: bool = False
    floor: float = 0.0
    terminal: bool = False
    panic: bool = False
    timeout: bool = False


def settle(outcome: Result | Exception, *, away: bool = False) -> Verdict:
    """The verdict on the end of a run.

    Args:
        outcome: what the reconcile returned or raised.
        away: whether the API server counts as unreachable now.
    """
    if isinstance(outcome, Result):
        label: Label = "success" if outcome.requeue_after is None else "requeue_after"
        return Verdict(label, outcome.reason, forget=True, after=outcome.requeue_after)
    if isinstance(outcome, Wait):
        return Verdict("requeue_after", str(outcome), forget=True, after=outcome.after)
    if isinstance(outcome, Terminal):
        return Verdict("error", str(outcome), forget=True, terminal=True)
    if isinstance(outcome, errors.ApiError):
        return _settle_api(outcome, away=away)
    panic = not isinstance(outcome, Outcome)
    text = f"{type(outcome).__name__}: {outcome}" if panic else str(outcome)
    return Verdict("error", text, retry=True, panic=panic)


def _settle_api(error: errors.ApiError, *, away: bool) -> Verdict:
    reason = f"{error.reason}: {error.message}"
    gone = isinstance(error, errors.Unavailable) or (away and isinstance(error, errors.TransportError))
    if gone or isinstance(error, errors.NotLeading):
        return Verdict("requeue_after", reason, after=max(AWAY_SECONDS, error.retry_after or 0.0))
    if error.category == "terminal":
        return Verdict("error", reason, forget=True, terminal=True)
    if isinstance(error, errors.Conflict) and error.category == "transient":
        return Verdict("requeue_after", reason, after=CONFLICT_SECONDS)
    timeout = isinstance(error, errors.Timeout)
    return Verdict("error", reason, retry=True, floor=error.retry_after or 0.0, timeout=timeout)
