"""reconcile(key) of a KasprApp: load, pace, observe, render, converge, prune, judge, compose, report.

The only place that writes what an app consists of (decision record 0001). Level-triggered: every pass looks at everything
and does what is missing, so it does not matter why it runs, how often, or where the last one was killed. Runs on worker
threads, never twice at once for one app; keeps no state but what only makes it patient (first sight of an app without
workload) or quick (components as they were prepared) and the verdict board, and all of it may be lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.converge.applying import Converger
from kaspr_controller.converge.changes import ChangeSet, Owner
from kaspr_controller.desired.bundle import Bundle, Intent, render_app
from kaspr_controller.desired.facts import Facts
from kaspr_controller.desired.options import Options
from kaspr_controller.desired.subscriptions import Subscriptions
from kaspr_controller.engine.clock import Clock
from kaspr_controller.engine.coalescing import Quiescence
from kaspr_controller.engine.results import DONE, Result, Transient, Wait
from kaspr_controller.kube.kinds import ObjectKey, Raw, key_of
from kaspr_controller.reconcilers import (
    concluding,
    inheriting,
    isolating,
    kinds,
    metering,
    moving,
    observing,
)
from kaspr_controller.reconcilers.acting import Acting
from kaspr_controller.reconcilers.deciding import Deciding, Look
from kaspr_controller.reconcilers.driving import Driver
from kaspr_controller.reconcilers.inheriting import Releasing
from kaspr_controller.reconcilers.loading import LoadedApp, Stores, load_app
from kaspr_controller.reconcilers.membership import Members
from kaspr_controller.reconcilers.preparing import PreparedComponents
from kaspr_controller.reconcilers.reporting import Reporter
from kaspr_controller.reconcilers.resizing import Growth, Resizing
from kaspr_controller.reconcilers.rotating import Rotating
from kaspr_controller.reconcilers.verdicts import VerdictBoard
from kaspr_controller.status import composing, rollout
from kaspr_controller.status.actions import soonest
from kaspr_controller.status.facts import AppFacts
from kaspr_controller.status.settling import wait_before_first_pod
from kaspr_controller.telemetry import legacy_metrics

_WORKLOAD = frozenset({"StatefulSet", "HorizontalPodAutoscaler"})
_MOUNTED = frozenset({"ConfigMap", "PersistentVolumeClaim"})


@dataclass(frozen=True, slots=True)
class Pace:
    """How patient a pass is, in seconds (see settings for the reasons)."""

    first: float = 0.1
    burst: float = 0.5
    limit: float = 3.0
    settle: float = 2.0
    settle_limit: float = 15.0
    resync: float = 36_000.0
    retry: float = 10.0
    refused: float = 300.0


class AppReconciler:
    """Makes an app what its custom resources say, and says how far it is."""

    def __init__(  # noqa: PLR0913  # the composition root hands over every room this script calls
        self,
        *,
        stores: Stores,
        converger: Converger,
        reporter: Reporter,
        members: Members,
        board: VerdictBoard,
        quiescence: Quiescence,
        wake: Callable[[Iterable[ObjectKey]], None],
        clock: Clock,
        options: Options,
        pace: Pace,
        deciding: Deciding,
        acting: Acting,
        resizing: Resizing,
        rotating: Rotating,
        releasing: Releasing,
    ) -> None:
        self._stores = stores
        self._converger = converger
        self._reporter = reporter
        self._members = members
        self._board = board
        self._quiescence = quiescence
        self._wake = wake
        self._clock = clock
        self._options = options
        self._pace = pace
        self._deciding = deciding
        self._acting = acting
        self._resizing = resizing
        self._rotating = rotating
        self._releasing = releasing
        self._prepared = PreparedComponents()
        self._first_seen: dict[ObjectKey, tuple[str, float]] = {}  # by UID: a namesake is another app

    def reconcile(self, key: ObjectKey) -> Result:
        """One pass over one app.

        Raises:
            Transient: something could not be written that another try may write.
            Wait: the same, and the server said when.
        """
        loaded = load_app(self._stores, key, self._prepared.of)
        if loaded is None:
            if (leaving := self._stores[key.kind].get(key)) is not None:
                self._releasing.release(leaving)
            return self._gone(key)
        facts = self._facts(loaded)
        if loaded.paused:
            return self._report(loaded, replace(facts, paused=True))
        if loaded.app is None:
            return self._report(loaded, replace(facts, invalid=loaded.errors))
        if (wait := self._unquiet(key)) > 0:
            return Result(requeue_after=wait, reason="Coalescing")
        if (wait := self._resizing.between(key)) > 0:
            return Result(requeue_after=wait, reason="Resizing")
        return self._pass(key, loaded, loaded.app, facts)

    def _gone(self, key: ObjectKey) -> Result:
        """Forget an app; its children are garbage-collected, its components learn that it is gone."""
        self._first_seen.pop(key, None)
        self._quiescence.forget(key)
        self._members.forget(key)
        self._deciding.forget(key)
        self._acting.forget(key)
        self._rotating.forget(key)
        legacy_metrics.forget_app(key.namespace, key.name)
        self._wake(self._board.withdraw(key))
        return DONE

    def _unquiet(self, key: ObjectKey) -> float:
        """Seconds until the components have been quiet: one change set gives one rollout."""
        pace = self._pace
        return self._quiescence.remaining(key, first=pace.first, burst=pace.burst, limit=pace.limit)

    def _facts(self, loaded: LoadedApp) -> AppFacts:
        raw = loaded.raw
        now = self._clock.now().isoformat(timespec="microseconds")
        return AppFacts(generation=raw["metadata"].get("generation", 0), old=raw.get("status") or {}, now=now)

    def _pass(self, key: ObjectKey, loaded: LoadedApp, app: KasprApp, facts: AppFacts) -> Result:
        owner = Owner(key, app.metadata.uid, frozenset(str(raw["metadata"]["uid"]) for raw in loaded.raws))
        growth = self._resizing.look(loaded.raw, app, self._live(owner, loaded, app))
        running = growth.facts.workload is not None
        here, awaited = moving.split(self._stores, owner, loaded, running=running)
        settling = 0.0 if running else self._settling(key, app, loaded.raws)
        held = settling > 0 or bool(awaited and not running)
        look = self._deciding.look(key, loaded.raw, app)
        written = isolating.converge(
            lambda unstorable: render_app(app, here, growth.facts, self._options, unstorable=unstorable),
            lambda wanted: self._converge(owner, wanted, look.driver, growth, held=held),
            running=running,
        )
        bundle = written.bundle
        if bundle.refused:
            return self._report(loaded, replace(facts, invalid=tuple(map(str, bundle.refused))))
        if (wait := self._resizing.between(key)) > 0:  # made anew just now; its pods are still to be counted
            return Result(requeue_after=wait, reason="Resizing")
        changes = written.changes + self._prune(owner, bundle, written.changes, settling)
        state = observing.progress(self._stores, key)
        judged = concluding.verdicts(
            loaded.raws, bundle, changes=changes, rollout=state, settling=settling > 0, awaited=awaited
        )
        self._wake(self._board.post(key, judged | moving.verdicts(loaded.raws, awaited)))
        facts = replace(
            facts,
            settling=settling,
            rollout=state,
            replicas=app.spec.replicas,
            selector=_selector(key),
            version=_version(app, state.image),
            faults=concluding.faults(changes, but=written.given_up),
            waiting=(*concluding.waiting(changes), *moving.sentences(awaited)),
            held=concluding.held(bundle, awaited),
            warnings=(*map(str, bundle.warnings), *look.policies.warnings),
            linked=_linked(loaded, bundle),
            decided=growth.plan.verdicts,
        )
        result = self._act(loaded, facts, changes, look, bundle.subscriptions)
        return self._renewed(result, loaded, growth, changes)

    def _renewed(self, result: Result, loaded: LoadedApp, growth: Growth, changes: ChangeSet) -> Result:
        """The result, after a StatefulSet was deleted that is to be made anew; the status says so by then."""
        self._resizing.replace(loaded.raw, growth, changes)
        wait = soonest(growth.plan.requeue_after, self._rotating.after(key_of(loaded.raw)))
        return _sooner(result, wait)

    def _live(self, owner: Owner, loaded: LoadedApp, app: KasprApp) -> Facts:
        found = observing.facts(self._stores, owner.key, (owner.uid, *owner.also))
        found = self._rotating.look(owner.key, app, found)
        return inheriting.inherited(found, loaded.raw, loaded.raws)

    def _act(
        self,
        loaded: LoadedApp,
        facts: AppFacts,
        changes: ChangeSet,
        look: Look,
        subscriptions: Subscriptions,
    ) -> Result:
        """Decide, store the decisions with the status, then carry them out: a process that dies in between acts later."""
        decided = self._deciding.decide(look, subscriptions, facts.rollout, faulty=bool(facts.faults))
        verdicts = (*facts.decided, *decided.verdicts)
        facts = replace(facts, parts=decided.status, decided=verdicts, hindrance=look.driver.hindrance)
        metering.judged(look.app, look.parsed, decided.group)
        membership = self._members.judge(
            look.app, topics=subscriptions.topics, facts=facts, group=decided.group
        )
        membership = replace(membership, waiting=(*membership.waiting, *decided.waiting))
        self._report(loaded, replace(facts, membership=membership))
        self._acting.carry_out(look.app, loaded.raw, look.parsed, decided)
        if _workload_stored(changes):
            self._releasing.release_all((loaded.raw, *loaded.raws))
        return _sooner(self._outcome(facts, changes), decided.requeue_after)

    def _settling(self, key: ObjectKey, app: KasprApp, raws: Iterable[Raw]) -> float:
        """Seconds until the first pod may start."""
        if app.spec.replicas == 0:
            return 0.0
        created = [
            app.metadata.creation_timestamp,
            *(raw["metadata"].get("creationTimestamp") for raw in raws),
        ]
        now = self._clock.monotonic()
        uid, seen = self._first_seen.get(key, ("", now))
        if uid != app.metadata.uid:
            seen = now
            self._first_seen[key] = app.metadata.uid, now
        return wait_before_first_pod(
            [stamp for stamp in created if stamp],
            now=self._clock.now(),
            seen_for=now - seen,
            quiet=self._pace.settle,
            limit=self._pace.settle_limit,
        )

    def _converge(
        self, owner: Owner, bundle: Bundle, driver: Driver, growth: Growth, *, held: bool
    ) -> ChangeSet:
        """Write what differs; a workload whose first pod must not start yet is not written."""
        wanted = [intent for intent in bundle.intents if not (held and _is_workload(intent))]
        intents = [growth.held(driver.paced(intent)) for intent in wanted]
        return self._converger.converge(owner, intents, revise=driver.revise)

    def _prune(self, owner: Owner, bundle: Bundle, changes: ChangeSet, settling: float) -> ChangeSet:
        """Remove what is no longer wanted once the workload stands and nothing mounts it."""
        state = observing.progress(self._stores, owner.key)
        if settling > 0 or (state.exists and not _workload_stored(changes)):
            return ChangeSet()
        if state.exists:
            self._first_seen.pop(owner.key, None)
        namespace = owner.key.namespace
        wanted = frozenset(ObjectKey(kind, namespace, name) for kind, name in bundle.wanted)
        mounted = observing.mounted(self._stores, owner.key)
        pruned = self._converger.prune(
            owner, wanted=wanted, kinds=kinds.CHILDREN, may_delete=_guard(state, mounted)
        )
        # What stays until the rollout is over is no problem of the app; the end of the rollout wakes us.
        return ChangeSet(tuple(entry for entry in pruned if entry.outcome not in ("waiting", "skipped")))

    def _outcome(self, facts: AppFacts, changes: ChangeSet) -> Result:
        """When to look again.

        Raises:
            Transient, Wait: something failed that is tried again.
        """
        failed = (entry for entry in changes.problems if entry.outcome != "waiting")
        retry = [entry for entry in failed if entry.category == "transient"]
        if retry:
            # A server that names a time is not asked sooner; everything else is tried again with a backoff.
            named = max((entry.after or 0.0 for entry in retry), default=0.0)
            message = f"{retry[0].key.kind} {retry[0].key.name}: {retry[0].message}"
            raise (
                Wait(retry[0].reason, message, after=named) if named else Transient(retry[0].reason, message)
            )
        if facts.settling > 0:
            return Result(requeue_after=facts.settling, reason="Settling")
        if facts.waiting or not changes.complete:
            return Result(requeue_after=changes.after or self._patience(changes), reason="Waiting")
        return self._resync()

    def _patience(self, changes: ChangeSet) -> float:
        """Seconds until the next try of what named no time itself.

        What the server refuses for good is asked for again only because an admission policy may have been changed.
        """
        faults = [entry for entry in changes.problems if entry.outcome != "waiting"]
        refused = faults and all(fault.category == "terminal" for fault in faults)
        return self._pace.refused if refused else self._pace.retry

    def _report(self, loaded: LoadedApp, facts: AppFacts) -> Result:
        status: Mapping[str, Any] = composing.compose(facts)
        self._reporter.report(loaded.raw, status, kinds.APP)
        return self._resync()

    def _resync(self) -> Result:
        return Result(requeue_after=self._pace.resync, reason="Resync")


def _sooner(result: Result, wait: float | None) -> Result:
    """The result, or an earlier look at what only time changes."""
    if wait is None or (result.requeue_after is not None and result.requeue_after <= wait):
        return result
    return Result(requeue_after=wait, reason="Deciding")


def _selector(app: ObjectKey) -> str:
    """The pods' labels as text, for the scale subresource."""
    return f"kaspr.io/cluster={app.name},kaspr.io/kind={app.kind},kaspr.io/name={app.name}-app"


def _version(app: KasprApp, image: str) -> str:
    """The Kaspr version that the spec names, else what the image in the template tells."""
    named = app.spec.version if not app.spec.image else None
    return named or rollout.tag_of(image)


def _linked(loaded: LoadedApp, bundle: Bundle) -> dict[str, list[dict[str, Any]]] | None:
    """What the members run; an app without static membership has never said so (contract 1.2)."""
    return concluding.linked(loaded.raws, bundle) if observing.static_membership(loaded.raw) else None


def _is_workload(intent: Intent) -> bool:
    return intent.name[0] in _WORKLOAD


def _workload_stored(changes: ChangeSet) -> bool:
    return any(entry.stored for entry in changes if entry.key.kind == "StatefulSet")


def _guard(state: rollout.Rollout, mounted: frozenset[str]) -> Callable[[Raw], str | None]:
    """Why an object that is no longer wanted has to stay: a pod that mounts it must be able to start again."""

    def why(obj: Raw) -> str | None:
        if obj["kind"] not in _MOUNTED:
            return None
        if state.exists and not state.settled:
            return "a rollout is in progress"
        return "a pod still mounts it" if obj["metadata"]["name"] in mounted else None

    return why
