"""When to leave a listener alone: it has just failed, and every try costs a slot seconds.

In: how requests to one listener, with one pair of credentials, ended. Out: the fault to answer with instead of trying.
Called by `desk` under its lock; values in, values out, times in seconds of the caller's clock.
Invariant: an open breaker lets one request through after each pause, and one success closes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from kaspr_controller.groups.answers import Answer, FaultKind, GroupView

FAILURES = 3
"""Failures in a row that open the breaker; a refused login opens it at once, for some brokers lock accounts."""
FIRST_SECONDS = 15.0
"""The first pause: a broker's restart takes about that, and a goodbye later than this is still earlier than a session."""
LAST_SECONDS = 120.0
"""Pauses double up to here."""
_COUNTED: frozenset[str] = frozenset({"unreachable", "tls-failed", "auth-failed", "timeout"})
_AT_ONCE: frozenset[str] = frozenset({"tls-failed", "auth-failed"})


@dataclass(slots=True)
class Breaker:
    """The notes about one listener.

    Attributes:
        failures: in a row, up to now.
        until: no try before this.
        last: the newest fault.
    """

    failures: int = 0
    until: float = 0.0
    last: tuple[FaultKind, str] | None = None
    _pause: float = 0.0

    @property
    def suspect(self) -> bool:
        """The newest request failed: the next one may cost its whole time."""
        return self.failures > 0

    def refusal(self, now: float) -> tuple[FaultKind, str] | None:
        """The fault to answer with, None when the listener may be tried."""
        if self.last is None or now >= self.until:
            return None
        kind, reason = self.last
        return kind, f"{reason} (not tried again yet)"

    def note(self, answer: Answer, now: float) -> None:
        """Take note of how a request ended."""
        if isinstance(answer, GroupView) or answer.kind not in _COUNTED:
            self.failures, self.until, self.last, self._pause = 0, 0.0, None, 0.0
            return
        self.failures += 1
        # The kinds of `_COUNTED` are fault kinds, whichever answer carries them.
        self.last = (answer.kind, answer.reason)  # type: ignore[assignment]
        if self.failures >= FAILURES or answer.kind in _AT_ONCE:
            self._pause = min(LAST_SECONDS, self._pause * 2 or FIRST_SECONDS)
            self.until = now + self._pause
