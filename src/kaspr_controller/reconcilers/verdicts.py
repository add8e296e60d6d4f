"""What the passes over apps concluded about their components, for the reconcilers of the components to report.

Rendering an app judges all its components at once, so a component's own reconcile only looks its verdict up here. The
board is memory, rebuilt by the first pass over each app after a start: a component without a verdict waits for it.
Written by app workers, read by component workers; one lock, held for dictionary operations only.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.status.component import ComponentVerdict


class VerdictBoard:
    """Verdicts by app, then by component."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_app: dict[ObjectKey, Mapping[ObjectKey, ComponentVerdict]] = {}

    def post(self, app: ObjectKey, verdicts: Mapping[ObjectKey, ComponentVerdict]) -> list[ObjectKey]:
        """Replace the verdicts of an app; gives the components whose verdict changed, appeared or vanished."""
        with self._lock:
            old = self._by_app.get(app, {})
            self._by_app[app] = verdicts
        return [key for key in {**old, **verdicts} if old.get(key) != verdicts.get(key)]

    def withdraw(self, app: ObjectKey) -> list[ObjectKey]:
        """Forget an app that is gone; gives the components it had."""
        with self._lock:
            return list(self._by_app.pop(app, {}))

    def find(self, app: ObjectKey, component: ObjectKey) -> ComponentVerdict | None:
        """The verdict on one component, if its app has been looked at."""
        with self._lock:
            return self._by_app.get(app, {}).get(component)
