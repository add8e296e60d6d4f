"""The queues of the program, behind the face of one.

In: keys of any of our kinds. Out: the queue of each. Thread-safe, as the queues are.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

from kaspr_controller.engine.clock import Clock
from kaspr_controller.engine.workqueue import WorkQueue
from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.reconcilers import kinds, triggers


class Queues:
    """One queue for apps and one for components, behind the face of one."""

    def __init__(self, clock: Clock, rng: random.Random) -> None:
        self.apps = WorkQueue("kasprapp", clock, rng)
        self.components = WorkQueue("component", clock, rng)

    def add(self, key: ObjectKey, priority: int = triggers.USER) -> None:
        """Queue a key where its kind is worked on."""
        self._of(key).add(key, priority)

    def later(self, key: ObjectKey, seconds: float) -> None:
        """Have a key looked at again; an earlier plan stays."""
        self._of(key).add_after(key, seconds, triggers.OWNED)

    def wake(self, keys: Iterable[ObjectKey]) -> None:
        """Queue components about which a pass over their app has found out something new: somebody waits for it."""
        for key in keys:
            self.add(key, triggers.USER)

    def _of(self, key: ObjectKey) -> WorkQueue:
        return self.apps if key.kind == kinds.APP.kind else self.components
