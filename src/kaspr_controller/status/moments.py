"""Times in the status: RFC 3339 text outside, seconds since 1970 inside.

In: what a status holds, or seconds. Out: the other form. Called by the readers and writers of the status parts of
`rebalancing`, `recovering`, `farewell` and `rolling`. Pure. Text that is no time reads as None: somebody edited the
status by hand, and a clock that is not known starts anew.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def text_of(seconds: float) -> str:
    """RFC 3339 text, UTC, whole milliseconds."""
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_of(value: Any) -> float | None:
    """Seconds since 1970; None for anything but a time with a zone."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None
