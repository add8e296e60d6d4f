"""Make the desired objects true: the one place of the program that writes children.

In: an owner and its intents in the order of writing. Out: a `ChangeSet` with what came of each, caches that show it, and
metrics. Called by reconcilers on worker threads; one pass of one owner runs on one thread, passes of different owners
run side by side. Invariants: an object that is as wanted costs no request; a failure of one object does not keep others
from being written, except those that need it; objects of others are never written; nobody is fought for a field.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from kaspr_controller.converge import metering
from kaspr_controller.converge.adopting import inherit
from kaspr_controller.converge.canonical import body_of
from kaspr_controller.converge.changes import ChangeSet, Entry, Owner, from_error, paths_text, waiting
from kaspr_controller.converge.comparing import Comparison, Write
from kaspr_controller.converge.contention import Contention
from kaspr_controller.converge.learned import LearnedNoOps
from kaspr_controller.converge.ownership import is_inherited
from kaspr_controller.converge.planning import PlannedChange, plan
from kaspr_controller.converge.pruning import Pruner
from kaspr_controller.kube.applying import FIELD_MANAGER
from kaspr_controller.kube.errors import ApiError, Conflict, NotLeading, TransportError
from kaspr_controller.kube.kinds import ObjectKey, built_in, key_of
from kaspr_controller.telemetry import metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kaspr_controller.converge.census import Census
    from kaspr_controller.converge.ports import Api, Cache, Intent, Monotonic
    from kaspr_controller.kube.kinds import Kind, Raw


def as_it_is(write: Write) -> Raw | None:
    """Revises nothing."""
    del write
    return None


class Converger:
    """Writes the children of custom resources.

    Args:
        client: requests to the API server.
        stores: the caches by kind: all kinds that are written, and the kind of the owner, which proves that it is
            still there.
        clock: for the two memories below.
        learned: differences that are the server's own spelling; shared by all workers.
        contention: objects that somebody else keeps changing back; shared by all workers.
        census: names that are free, so that new objects need not be looked for; None looks for each.
        field_manager: our name in `managedFields`; a change of it makes the fields of the former name live for ever.
    """

    def __init__(  # noqa: PLR0913  # every memory is shared by all workers and handed in
        self,
        *,
        client: Api,
        stores: Mapping[str, Cache],
        clock: Monotonic,
        learned: LearnedNoOps | None = None,
        contention: Contention | None = None,
        census: Census | None = None,
        field_manager: str = FIELD_MANAGER,
    ) -> None:
        self._client = client
        self._stores = stores
        self._clock = clock
        self._contention = Contention(clock) if contention is None else contention
        self._field_manager = field_manager
        learned = LearnedNoOps(clock) if learned is None else learned  # an empty one is false
        self._comparison = Comparison(client, stores, learned, census)
        self._pruner = Pruner(client, stores)

    def converge(
        self, owner: Owner, intents: Sequence[Intent], *, revise: Callable[[Write], Raw | None] = as_it_is
    ) -> ChangeSet:
        """Write what differs, in the order of the intents; one entry for each.

        Args:
            owner: whose objects they are.
            intents: what is wanted.
            revise: asked right before a write; gives another object to write instead, or None. For fields whose value
                depends on what else would change.

        Raises:
            errors.NotLeading: this process must not write any more. Every other error becomes an entry.
        """
        run = _Pass(owner, self._comparison, partial(self._metered, owner), revise)
        return ChangeSet(tuple(run.settle(intent) for intent in intents))

    def prune(
        self,
        owner: Owner,
        *,
        wanted: frozenset[ObjectKey],
        kinds: Sequence[Kind],
        may_delete: Callable[[Raw], str | None],
    ) -> ChangeSet:
        """Delete objects of the owner that are not wanted any more; see `Pruner.prune`."""
        return self._pruner.prune(owner, wanted=wanted, kinds=kinds, may_delete=may_delete)

    def plan(self, owner: Owner, intents: Sequence[Intent]) -> tuple[PlannedChange, ...]:
        """What `converge` would change, asked of the server without storing anything; see `planning.plan`."""
        return plan(owner, intents, self._comparison, self._client, self._field_manager)

    def _metered(self, owner: Owner, write: Write) -> Entry:
        """One write, counted and timed by the names of the existing operator."""
        if write.drifted:
            metering.drifted(owner, write)
        began = self._clock.monotonic()
        try:
            entry = self._write(owner, write)
        except ApiError as error:
            metering.written(owner, write, self._clock.monotonic() - began, error.reason)
            raise
        if entry.outcome != "skipped":
            metering.written(owner, write, self._clock.monotonic() - began)
        return entry

    def _write(self, owner: Owner, write: Write) -> Entry:
        """Send one object, unless it is contended."""
        key = write.key
        # An object that is gone is not contended: it is created again at once.
        rest = self._contention.rest(key, write.desired_hash) if write.live else None
        if rest is not None:
            metrics.SKIPS.labels(key.kind, "contended").inc()
            # No figure that counts down: the rival wakes us each time, and each time the status would be another one.
            message = (
                f"{key} is written once a minute only: something else keeps changing {paths_text(rest.paths)}"
            )
            return Entry(key, "skipped", "ApplyLoop", message, "wait", rest.seconds, rest.paths)
        if write.live is not None and is_inherited(write.live, write.intent):
            inherit(self._client, built_in(write.intent), write.live, write.intent)
        answer = self._apply(write)
        self._stores[key.kind].overlay(answer)
        self._comparison.written(owner, write, answer)
        if write.live is None:
            metrics.APPLIES.labels(key.kind, "created").inc()
            return Entry(key, "created")
        if answer["metadata"]["resourceVersion"] == write.live["metadata"]["resourceVersion"]:
            metrics.APPLIES.labels(key.kind, "noop").inc()
            return Entry(key, "unchanged")
        self._contention.changed(key, write.desired_hash, write.paths)
        metrics.APPLIES.labels(key.kind, "changed").inc()
        return Entry(key, "changed", message=f"changed {paths_text(write.paths)}", paths=write.paths)

    def _apply(self, write: Write) -> Raw:
        body = body_of(write.intent, write.desired_hash, write.uid)
        try:
            return self._client.apply(body, field_manager=self._field_manager)
        except ApiError as error:
            outcome = "conflict" if isinstance(error, Conflict) else "error"
            metrics.APPLIES.labels(write.key.kind, outcome).inc()
            raise


class _Pass:
    """One pass over the intents of one owner, on one thread."""

    def __init__(
        self,
        owner: Owner,
        comparison: Comparison,
        write: Callable[[Write], Entry],
        revise: Callable[[Write], Raw | None],
    ) -> None:
        self._owner = owner
        self._comparison = comparison
        self._write = write
        self._revise = revise
        self._stored: dict[tuple[str, str], bool] = {}
        self._unreachable: TransportError | None = None

    def settle(self, intent: Intent) -> Entry:
        """Bring one object about, or say why not."""
        key = key_of(intent.obj)
        entry = self._unmet(intent, key) or self._guarded(intent.obj, key)
        self._stored[key.kind, key.name] = entry.stored
        return entry

    def _guarded(self, obj: Raw, key: ObjectKey) -> Entry:
        try:
            return self._settle(obj, key)
        except NotLeading:
            raise
        except ApiError as error:
            if isinstance(error, TransportError):
                self._unreachable = error
            return from_error(key, error)

    def _settle(self, obj: Raw, key: ObjectKey) -> Entry:
        # A server that did not answer once would cost every further request its whole time limit.
        if self._unreachable is not None and not self._comparison.exists(key):
            raise self._unreachable
        verdict = self._comparison.compare(self._owner, obj, key)
        if isinstance(verdict, Write) and (revised := self._revise(verdict)) is not None:
            verdict = self._comparison.revised(self._owner, verdict, revised)
        if isinstance(verdict, Entry):
            return verdict
        if self._unreachable is not None:
            raise self._unreachable
        return self._write(verdict)

    def _unmet(self, intent: Intent, key: ObjectKey) -> Entry | None:
        """The entry of an intent that needs an object which is not stored (content before reference, D02 and D05)."""
        for kind, name in sorted(intent.needs):
            stored = self._stored.get((kind, name))
            if stored is None:
                stored = self._comparison.exists(ObjectKey(kind, key.namespace, name))
            if not stored:
                return waiting(key, "Needs", f"{key} waits for {kind} {name}, which it refers to")
        return None
