"""Whether this process lives and whether it is ready: pure functions over what its parts show (rule O1).

In: views of informers, runs in hand, threads, the lease. Out: checks with a name, a verdict and a sentence, which the
HTTP server prints. Liveness never depends on the API server: restarting us does not mend it. Readiness says that our
caches are filled and not older than ten minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kaspr_controller.engine.informer import InformerView
    from kaspr_controller.engine.workers import Running

STUCK_SECONDS = 120.0
"""A run that takes longer hangs: its requests had 60 s (rule R3)."""
SILENT_SECONDS = 600.0
"""A watch hears a bookmark every minute; ten minutes of silence are no coincidence."""
ANSWERING_SECONDS = 150.0
"""The API server answers if any watch heard something within two bookmarks."""
LEASE_TOLERANCE = 10.0
"""Seconds after the renew deadline: the elector should have ended the process by then."""
MOST_RESTARTS = 3
"""Restarts of a reflector within ten minutes from which on a cache is not to be trusted (rule W8)."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: path segment under `/healthz` or `/readyz`.
        message: why it failed, "" when it did not.
    """

    name: str
    ok: bool
    message: str = ""


def threads_alive(threads: Mapping[str, bool]) -> Check:
    """Every thread that was started runs."""
    dead = sorted(name for name, alive in threads.items() if not alive)
    return _check("threads", dead and f"not running: {', '.join(dead)}")


def workers_move(runs: Iterable[Running]) -> Check:
    """No run takes longer than two minutes."""
    stuck = [f"{run.key} for {run.seconds:.0f} s" for run in runs if run.seconds > STUCK_SECONDS]
    return _check("workers", stuck and f"stuck: {', '.join(stuck)}")


def watches_hear(informers: Iterable[InformerView]) -> Check:
    """No watch is silent for ten minutes while others hear something: that one is dead, not the API server.

    One that is refused is not: the next process would be refused as well, and this one does all the rest.
    """
    views = list(informers)
    answering = any(view.silence <= ANSWERING_SECONDS for view in views)
    silent = [
        f"{view.kind} for {view.silence:.0f} s ({view.last_error or 'no error'})"
        for view in views
        if answering and view.unanswered > SILENT_SECONDS
    ]
    return _check("watches", silent and f"silent: {', '.join(silent)}")


def lease_fresh(*, leading: bool, left: float) -> Check:
    """Who leads has renewed the lease lately; `left` is the fence's seconds, negative once it has closed."""
    late = leading and left < -LEASE_TOLERANCE
    return _check("lease", late and f"leading, but the renewal is {-left:.0f} s overdue")


def caches_synced(informers: Iterable[InformerView]) -> Check:
    """Every cache has its first list, and its handlers were told; else the reason, a missing right for example."""
    missing = sorted(
        f"{view.kind} ({view.last_error})" if view.last_error else view.kind
        for view in informers
        if not view.synced
    )
    return _check("caches", missing and f"not synced: {', '.join(missing)}")


def caches_fresh(informers: Iterable[InformerView]) -> Check:
    """At least one watch heard something within ten minutes: else the API server is away for too long."""
    silences = [view.silence for view in informers]
    away = silences and min(silences) > SILENT_SECONDS
    return _check("api-server", away and f"nothing heard for {min(silences):.0f} s")


def reflectors_stable(informers: Iterable[InformerView]) -> Check:
    """No reflector was restarted three times within ten minutes."""
    restless = [f"{view.kind} {view.restarts} times" for view in informers if view.restarts >= MOST_RESTARTS]
    return _check("reflectors", restless and f"restarted within 10 minutes: {', '.join(restless)}")


def _check(name: str, fault: object) -> Check:
    return Check(name, ok=not fault, message=str(fault) if fault else "")
