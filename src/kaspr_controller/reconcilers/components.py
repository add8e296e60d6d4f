"""reconcile(key) of a component: report what the pass over its app concluded about it.

One reconciler for the five component kinds. It writes nothing but the status of its object: all content is written by the
app's pass (decision record 0001), which posts a verdict on the board and wakes the components whose verdict changed.
"""

from __future__ import annotations

from typing import Protocol

from kaspr_controller.api import labels
from kaspr_controller.api.parsing import InvalidSpec, parse
from kaspr_controller.engine.clock import Clock
from kaspr_controller.engine.results import DONE, Result
from kaspr_controller.kube.kinds import Kind, ObjectKey, Raw
from kaspr_controller.reconcilers import kinds
from kaspr_controller.reconcilers.inheriting import Releasing
from kaspr_controller.reconcilers.loading import Stores, messages
from kaspr_controller.status import reasons
from kaspr_controller.status.component import ComponentFacts, ComponentVerdict, compose


class Reports(Protocol):
    """Where a status goes."""

    def report(self, raw: Raw, status: dict[str, object], kind: Kind) -> bool:
        """Write it if it differs."""
        ...


class Verdicts(Protocol):
    """Where verdicts come from."""

    def find(self, app: ObjectKey, component: ObjectKey) -> ComponentVerdict | None:
        """The verdict on one component, if its app has been looked at."""
        ...


class ComponentReconciler:
    """Reports on components of all five kinds."""

    def __init__(
        self, *, stores: Stores, reporter: Reports, board: Verdicts, clock: Clock, releasing: Releasing
    ) -> None:
        self._stores = stores
        self._reporter = reporter
        self._board = board
        self._clock = clock
        self._releasing = releasing
        self._kinds = {kind.kind: kind for kind in kinds.COMPONENTS}

    def reconcile(self, key: ObjectKey) -> Result:
        """One pass over one component; a component that is gone needs none."""
        raw = self._stores[key.kind].get(key)
        if raw is None:
            return DONE
        if "deletionTimestamp" in raw["metadata"]:
            self._releasing.release(raw)
            return DONE
        facts = self._observe(key, raw)
        if facts is not None:
            self._reporter.report(raw, compose(facts), self._kinds[key.kind])
        return DONE

    def _observe(self, key: ObjectKey, raw: Raw) -> ComponentFacts | None:
        """The facts, or None while there is nothing to say: the app's pass will wake us with its verdict."""
        meta = raw["metadata"]
        name = (meta.get("labels") or {}).get(labels.APP, "")
        app = ObjectKey(kinds.APP.kind, key.namespace, name)
        found = bool(name) and self._stores[app.kind].meta(app) is not None
        verdict = self._board.find(app, key) if found else None
        current = verdict if verdict and (verdict.uid, verdict.generation) == _incarnation(raw) else None
        if found and current is None and _speaks_of(raw, name):
            # What stands there is true for the generation it names; a pass over the app is on its way. A status that
            # names another app, or none, is not: labels move without a new generation, and a paused app has no passes.
            return None
        return ComponentFacts(
            generation=meta.get("generation", 0),
            old=raw.get("status") or {},
            now=self._clock.now().isoformat(timespec="microseconds"),
            app=name,
            app_found=found,
            verdict=current,
            invalid=() if found and current is not None else _faults(raw),
        )


def _incarnation(raw: Raw) -> tuple[str, int]:
    meta = raw["metadata"]
    return meta["uid"], meta.get("generation", 0)


def _speaks_of(raw: Raw, app: str) -> bool:
    """Whether the status is one that an existing app of this name led to."""
    said = (raw.get("status") or {}).get("app") or {}
    return said.get("name") == app and said.get("status") == reasons.APP_FOUND


def _faults(raw: Raw) -> tuple[str, ...]:
    """What is wrong with a component that no app has judged."""
    try:
        parse(raw)
    except InvalidSpec as fault:
        return messages(fault)
    return ()
