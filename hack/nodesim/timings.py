"""How long things take on the real parts, in real seconds, and the one factor that makes tests fast.

Everybody who waits takes its seconds from here and multiplies by `scale`, so the ratios of the measured system stay:
a session timeout is always longer than a start. Numbers: measured runtime 0.11.18 on a quiet machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Timer(Protocol):
    """A callback that has not happened yet."""

    def cancel(self) -> None:
        """Make it never happen."""


class Scheduler(Protocol):
    """The clock of all pure parts; an asyncio event loop is one, tests use one that is moved by hand."""

    def time(self) -> float:
        """Return the current time in seconds from some origin."""

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer:
        """Call back after `delay` seconds, on the thread of the scheduler."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Durations in real seconds; `scaled` turns one into the seconds we wait."""

    scale: float = 0.02
    container: float = 1.0  # image there, container created
    importing: float = 3.5  # import and build: connection refused
    server_error: float = 0.5  # the web server listens before the consumer started: 500
    idle: float = 1.0  # 200, all flags false, no assignment (C9)
    join_wait: float = 5.0  # fixed wait before joining
    recovering: float = 0.5  # changelogs are read
    stopping: float = 0.5  # SIGTERM to exit
    init_container: float = 1.0
    crash_backoff: float = 10.0  # doubled at each further crash
    crash_backoff_limit: float = 300.0
    crash_backoff_reset: float = 600.0  # running that long forgets the back-off
    mount_retry: float = 2.0

    def scaled(self, seconds: float) -> float:
        """Return the seconds to wait for so many real seconds."""
        return seconds * self.scale
