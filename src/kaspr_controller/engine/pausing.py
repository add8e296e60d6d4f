"""The door in front of the workers: closed while the API server is away, opened slowly afterwards (rules A3, A4).

Each worker passes `admit` before it takes a key. While `available` is false nobody passes, so an outage costs no failed
runs; one waiting worker sends a probe every few seconds, because paused workers make no requests that could notice the
server's return. After an outage keys pass at 20 a second until the backlog is gone: all at once they would knock over
what has just come up. Any worker thread; the lock is not held while waiting or probing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from kaspr_controller.kube import errors
from kaspr_controller.telemetry.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from kaspr_controller.engine.clock import Clock

RELEASE_RATE = 20.0
"""Keys a second after an outage."""
PROBE_SECONDS = 2.0
"""Between two probes; the client's breaker lets one through every 2 s."""
LOOK_SECONDS = 0.5
"""How often a paused worker looks whether the pause is over."""

log = get_logger("engine.pausing")


class Door:
    """See the module.

    Args:
        clock: waits and the pace.
        available: whether the API server answers.
        backlog: how many keys are ready; the slow phase ends when none is.
        probe: one cheap request; its errors.ApiError is ignored. None relies on others to notice the server's return.
    """

    def __init__(
        self,
        clock: Clock,
        available: Callable[[], bool],
        backlog: Callable[[], int],
        probe: Callable[[], object] | None = None,
    ) -> None:
        self._clock = clock
        self._available = available
        self._backlog = backlog
        self._probe = probe
        self._lock = threading.Lock()
        # All below: under the lock.
        self._closed = False
        self._slow = False
        self._next_pass = 0.0
        self._next_probe = 0.0

    def admit(self, stop: threading.Event) -> bool:
        """Wait until a key may be taken; False when `stop` was set instead."""
        while not stop.is_set():
            if not self._available():
                self._close()
                self._try_probe()
                self._clock.wait(stop, LOOK_SECONDS)
                continue
            wait = self._pass()
            if wait <= 0:
                return True
            self._clock.wait(stop, wait)
            return not stop.is_set()
        return False

    @property
    def away(self) -> bool:
        """Whether the API server counts as unreachable."""
        return not self._available()

    def _close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._next_probe = self._clock.monotonic() + PROBE_SECONDS
        log.warning("the API server does not answer: reconciles pause")

    def _pass(self) -> float:
        """Seconds until the caller may pass."""
        if not self._closed and not self._slow:
            return 0.0  # the ordinary case, without the lock: both flags change only around an outage
        backlog = self._backlog()
        with self._lock:
            now = self._clock.monotonic()
            if self._closed:
                self._closed, self._slow, self._next_pass = False, True, now
                log.info("the API server answers again: reconciles go on", ready=backlog)
            if not backlog:
                self._slow = False
                return 0.0
            at = max(self._next_pass, now)
            self._next_pass = at + 1 / RELEASE_RATE
            return at - now

    def _try_probe(self) -> None:
        if self._probe is None:
            return
        with self._lock:
            now = self._clock.monotonic()
            if now < self._next_probe:
                return
            self._next_probe = now + PROBE_SECONDS
        try:
            self._probe()
        except errors.ApiError as error:
            log.info("the API server still does not answer", error=error.message)
