"""One controller process in one cluster, with real stores, converger, render, queue and triggers; only time is ours.

Nothing moves by itself: `watch` tells the caches what happened, `work` runs what is queued, `settle` does both and lets
the cluster's own controllers work until a span of fake time is over. A cache that nobody tells anything is a stale one.
Every status and Event is judged on its way out, see `judging`.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

from kaspr_controller.converge.applying import Converger
from kaspr_controller.desired.options import Options
from kaspr_controller.engine.coalescing import Quiescence
from kaspr_controller.engine.packing import unpacked_once
from kaspr_controller.engine.priorities import USER
from kaspr_controller.engine.results import Outcome, Result
from kaspr_controller.engine.settling import settle
from kaspr_controller.engine.triggers import TriggerTable
from kaspr_controller.engine.workqueue import WorkQueue
from kaspr_controller.kube.errors import ApiError
from kaspr_controller.kube.kinds import ObjectKey, Raw, key_of
from kaspr_controller.reconcilers import kinds
from kaspr_controller.reconcilers.acting import Acting, Turns
from kaspr_controller.reconcilers.app import AppReconciler, Pace
from kaspr_controller.reconcilers.caches import make_stores
from kaspr_controller.reconcilers.components import ComponentReconciler
from kaspr_controller.reconcilers.deciding import Deciding
from kaspr_controller.reconcilers.inheriting import Releasing
from kaspr_controller.reconcilers.membership import Members
from kaspr_controller.reconcilers.reporting import Reporter
from kaspr_controller.reconcilers.resizing import Resizing
from kaspr_controller.reconcilers.rotating import Rotating
from kaspr_controller.reconcilers.triggers import TABLE
from kaspr_controller.reconcilers.trimming import SELECTORS
from kaspr_controller.reconcilers.verdicts import VerdictBoard
from kaspr_controller.status import rolling
from kaspr_controller.status.conditions import find
from kaspr_controller.status.policies import Policies
from kaspr_controller.wiring import _toucher
from tests.fakes.clock import FakeClock
from tests.unit.reconcilers.answering import Poller
from tests.unit.reconcilers.cluster import Cluster
from tests.unit.reconcilers.judging import judge_event, judge_status
from tests.unit.reconcilers.resources import APP, NAMESPACE, Resource
from tests.unit.reconcilers.workloads import Workloads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kaspr_controller.engine.changes import Change
    from kaspr_controller.kube.kinds import Kind

WORKLOAD = ObjectKey("StatefulSet", NAMESPACE, "orders-app")


PLAIN = Policies(rolling=rolling.Policy(driven=False))
"""Rollouts by the StatefulSet controller alone, for tests that are not about how they are driven."""


class Told(NamedTuple):
    """One Event."""

    about: ObjectKey
    type: str
    reason: str
    action: str
    note: str


class Why(NamedTuple):
    """One condition, without its times."""

    status: str
    reason: str
    message: str


HEALTHY = Why("True", "Healthy", "App is ready")
APPLIED = Why("True", "Applied", "Every pod of the app runs this definition")


class _JudgedReporter(Reporter):
    said: list[tuple[ObjectKey, Mapping[str, Any]]]

    def report(self, raw: Raw, status: Mapping[str, Any], kind: Kind) -> bool:
        judge_status(raw, status)
        written = super().report(raw, status, kind)
        if written:
            self.said.append((key_of(raw), status))
        return written


class World:
    """See the module.

    Attributes:
        told: the Events so far.
        ran: every run with its end, in order.
        said: the statuses that were written so far.
    """

    def __init__(
        self,
        *,
        options: Options | None = None,
        pace: Pace | None = None,
        poll: bool = True,
        policies: Policies = PLAIN,
    ) -> None:
        self.clock = FakeClock()
        self.cluster = Cluster(self.clock)
        self.workloads = Workloads(self.cluster)
        self.told: list[Told] = []
        self.ran: list[tuple[ObjectKey, Result | Exception]] = []
        self.said: list[tuple[ObjectKey, Mapping[str, Any]]] = []
        self._options = options or Options()
        self._pace = pace or Pace()
        self._poll = poll
        self._policies = policies
        self.restart()

    def restart(self) -> None:
        """The process ends; another one begins with nothing but what the API server lists."""
        self.queue = WorkQueue("test", self.clock, random.Random(1))  # noqa: S311  # jitter
        self.stores = make_stores()
        self.poller = Poller(self.clock)
        self.board = VerdictBoard()
        self.quiescence = Quiescence(self.clock)
        self._triggers = TriggerTable(TABLE, stores=self.stores, queue=self.queue)
        reporter = _JudgedReporter(client=self.cluster, stores=self.stores, events=self)
        reporter.said = self.said
        releasing = Releasing(stores=self.stores, requests=self.cluster)
        self.apps = AppReconciler(
            stores=self.stores,
            converger=Converger(client=self.cluster, stores=self.stores, clock=self.clock),
            reporter=reporter,
            members=Members(stores=self.stores, poller=self.poller if self._poll else None),
            board=self.board,
            quiescence=self.quiescence,
            wake=self._wake,
            clock=self.clock,
            options=self._options,
            pace=self._pace,
            deciding=self._deciding(),
            acting=self._acting(),
            rotating=Rotating(self.cluster, self.clock),
            resizing=Resizing(self.stores, self.cluster, events=self, clock=self.clock),
            releasing=releasing,
        )
        self.components = ComponentReconciler(
            stores=self.stores, reporter=reporter, board=self.board, clock=self.clock, releasing=releasing
        )
        self._list()
        self.cluster.requests.clear()

    def _deciding(self) -> Deciding:
        return Deciding(
            stores=self.stores,
            poller=self.poller if self._poll else None,
            seatings=None,
            defaults=self._policies,
            clock=self.clock,
        )

    def _acting(self) -> Acting:
        return Acting(
            stores=self.stores,
            requests=self.cluster,
            signals=self.poller,
            seatings=None,
            events=self,
            turns=Turns(self.clock),
        )

    # What happens in the cluster.

    def user(self, *resources: Resource) -> None:
        """`kubectl apply -f`."""
        for each in resources:
            self.cluster.user(each)

    def remove(self, *resources: Resource) -> None:
        """`kubectl delete -f`."""
        for each in resources:
            self.cluster.vanish(key_of(each))

    def annotate(self, key: ObjectKey, **annotations: str | None) -> None:
        """`kubectl annotate`, with `kaspr.io/` before each name and dashes for underscores; None removes."""
        obj = self.cluster.objects[key]
        kept = dict(obj["metadata"].get("annotations") or {})
        for name, value in annotations.items():
            kept[f"kaspr.io/{name.replace('_', '-')}"] = value or ""
        kept = {name: value for name, value in kept.items() if value}
        self.cluster.user({**obj, "metadata": {**obj["metadata"], "annotations": kept}})

    # What the controller notices and does.

    def watch(self, *names: str) -> bool:
        """Tell the caches of these kinds, of all kinds without a name, what happened; True when there was something."""
        due = [event for event in self.cluster.events if not names or event[1]["kind"] in names]
        self.cluster.events = [event for event in self.cluster.events if event not in due]
        for event, obj in due:
            store = self.stores.get(obj["kind"])
            if store is not None:
                kind = event if _selected(obj) else "DELETED"
                for change in store.apply(kind, obj):
                    self._notice(change)
        return bool(due)

    def work(self) -> int:
        """Run what is queued for now, time standing still; the number of runs."""
        runs = 0
        while (key := self.queue.get(timeout=0)) is not None:
            self._run(key)
            runs += 1
        return runs

    def settle(self, seconds: float = 60.0, *, around: bool = True) -> None:
        """Let everything work for a while, the cluster's own controllers included unless `around` is False."""
        end = self.clock.monotonic() + seconds
        while True:
            self.watch()
            while around and self._around():
                self.watch()
            key = self.queue.get(timeout=0) or self.queue.get(timeout=end - self.clock.monotonic())
            if key is None:
                return
            self._run(key)

    def start(self, *resources: Resource) -> None:
        """Apply, let everything come up, and forget what it took."""
        self.user(*resources)
        self.settle()
        self.forget()

    def forget(self) -> None:
        """Count requests, Events and runs from here on."""
        self.cluster.requests.clear()
        self.told.clear()
        self.ran.clear()
        self.said.clear()

    def reconcile(self, key: ObjectKey = APP) -> Result:
        """One run whose end the test wants to see; as in a worker, nobody may edit what the caches gave out."""
        with unpacked_once() as seen:
            try:
                return (self.apps if key.kind == kinds.APP.kind else self.components).reconcile(key)
            finally:
                assert all(raw == packed.unpack() for packed, raw in seen.values())

    def emit(self, regarding: Raw, *, type: str, reason: str, action: str, note: str) -> None:  # noqa: A002
        """The Event sink."""
        judge_event({"type": type, "reason": reason, "action": action, "note": note})
        self.told.append(Told(key_of(regarding), type, reason, action, note))

    # What a test looks at.

    def status(self, key: ObjectKey = APP) -> dict[str, Any]:
        """The status of a custom resource as stored."""
        found: dict[str, Any] = self.cluster.objects[key].get("status", {})
        return found

    def why(self, key: ObjectKey = APP, condition: str = "Ready") -> Why | None:
        """A condition, None when it is absent."""
        found = find(self.status(key), condition)
        return None if found is None else Why(found["status"], found["reason"], found["message"])

    def messages(self, key: ObjectKey = APP) -> list[str]:
        """Everything that the conditions of an object have said so far."""
        return [
            item["message"] for about, status in self.said if about == key for item in status["conditions"]
        ]

    def data(self, config_map: str) -> str:
        """The text of a ConfigMap with one file."""
        (text,) = self.cluster.objects[ObjectKey("ConfigMap", NAMESPACE, config_map)]["data"].values()
        return str(text)

    def mounts(self, app: str = "orders") -> set[str]:
        """The definitions that the pod template mounts."""
        workload = self.cluster.objects[ObjectKey("StatefulSet", NAMESPACE, f"{app}-app")]
        return {volume["name"] for volume in workload["spec"]["template"]["spec"].get("volumes", ())}

    def writes(self) -> list[str]:
        """The writes so far, in order, as `verb Kind name`."""
        return [f"{verb} {key.kind} {key.name}" for verb, key in self.cluster.requests if verb != "get"]

    def child_writes(self) -> list[str]:
        """The writes so far that are no status writes."""
        return [text for text in self.writes() if not text.startswith("status")]

    # Steps of the above.

    def _list(self) -> None:
        for kind in kinds.WATCHED:
            staged = self.stores[kind.kind].stage()
            for key, obj in self.cluster.objects.items():
                if key.kind == kind.kind and _selected(obj):
                    staged.add(obj)
            changes = staged.commit(self.cluster.version)
            for change in changes:
                self._triggers.handle(change)
        self.cluster.events.clear()

    def _notice(self, change: Change) -> None:
        if change.key.kind in kinds.COMPONENT_NAMES:
            _toucher(self.quiescence)(change)
        self._triggers.handle(change)

    def _wake(self, keys: Iterable[ObjectKey]) -> None:
        for key in keys:
            self.queue.add(key, USER)

    def _around(self) -> bool:
        moved = self.cluster.collect_garbage() | self.workloads.roll_all()
        changed = self.poller.ask()
        self._wake(changed)
        return moved or bool(changed)

    def _run(self, key: ObjectKey) -> None:
        outcome: Result | Exception
        try:
            outcome = self.reconcile(key)
        except (Outcome, ApiError) as error:
            outcome = error
        self.ran.append((key, outcome))
        verdict = settle(outcome)
        if verdict.forget:
            self.queue.forget(key)
        if verdict.retry:
            self.queue.add_rate_limited(key, verdict.floor)
        elif verdict.after is not None:
            self.queue.add_after(key, verdict.after)
        self.queue.done(key)


def _selected(obj: Raw) -> bool:
    """Whether the watch of this kind shows the object: one label, as in the selectors of the program."""
    name, _, value = SELECTORS.get(obj["kind"], "").partition("=")
    return not name or (obj["metadata"].get("labels") or {}).get(name) == value
