"""When the first pod may start: after its component set has been quiet for a moment.

The real runtime reads its definitions once. A first pod that starts without them joins its Kafka group with nothing to
read, gets that empty assignment back after every restart, and never processes a message (real-runtime C2). So the
workload of a new app is created only when nothing has been added to it for `quiet` seconds, at the latest `limit`
seconds after the app itself was first seen. Afterwards this rule has no say.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime


def wait_before_first_pod(
    created: Iterable[str], *, now: datetime, seen_for: float, quiet: float, limit: float
) -> float:
    """Seconds to wait before the workload may be created; 0 means go.

    Args:
        created: creation timestamps (RFC 3339) of the app and of every component that names it.
        now: the controller's clock, UTC.
        seen_for: seconds since this process first saw the app without a workload.
        quiet: how long nothing may have been added.
        limit: the longest wait. Judged by our own clock alone, so that a skewed one delays an app, never stops it.
    """
    newest = max((datetime.fromisoformat(stamp) for stamp in created), default=None)
    if newest is None or seen_for >= limit:
        return 0.0
    # Timestamps are cut to whole seconds, so the object may be a second younger than it looks. An age below zero is a
    # skewed clock: as good as new.
    age = (now - newest).total_seconds() - 1.0
    return max(0.0, min(quiet - max(age, 0.0), limit - seen_for))
