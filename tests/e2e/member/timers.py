"""Tasks: one-shot and by interval. Cron expressions are announced and not run.

In: a task's checked definition and the monotonic clock. Out: messages handed to the context. Called by `processing` between polls.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

from tests.e2e.member.pipeline import Context, Pipeline

LOG = logging.getLogger("member.timers")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
NEVER = float("inf")


class Timer:
    """One task."""

    def __init__(self, entry: Mapping[str, Any], context: Context) -> None:
        schedule = entry["schedule"]
        interval = (schedule or {}).get("interval")
        self.name: str = entry["name"]
        self.on_leader: bool = entry["on_leader"]
        self.pipeline = Pipeline(entry["processors"], context)
        self.interval = int(interval[:-1]) * UNITS[interval[-1]] if interval else NEVER
        # Without a schedule it runs once, at the start; an empty one registers nothing.
        self.next = time.monotonic() + (self.interval if schedule is not None else 0)
        if (schedule or {}).get("cron"):
            LOG.warning("task %s: this member runs no cron expressions", self.name)

    def due(self, *, leader: bool) -> bool:
        """Tell whether it runs now, and set the next time."""
        now = time.monotonic()
        if now < self.next:
            return False
        self.next = now + self.interval
        return leader or not self.on_leader

    async def run(self) -> None:
        """Run it; the first operation is called without a value."""
        await self.pipeline.run(())
