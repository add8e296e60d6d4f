"""Carry out a growth of volumes: patch claims, delete the StatefulSet without its pods, have it rendered around them again.

In: an app, the facts of its render, the caches. Out: a `Growth`: the plan of `status.resizing`, and facts that let a render
continue where there are pods and no StatefulSet, whoever deleted it. Called by the app's worker. Keeps nothing: every step
is found in live objects. The template of a StatefulSet that is gone stands in the ControllerRevision that its pods name, so
the one that takes its place has the same revision and restarts nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.converge.changes import ChangeSet
from kaspr_controller.converge.ownership import is_controlled_by
from kaspr_controller.desired.app.identity import Identity
from kaspr_controller.desired.app.storage import plan_storage
from kaspr_controller.desired.app.workload import with_partition
from kaspr_controller.desired.bundle import Intent
from kaspr_controller.desired.facts import Facts, LiveWorkload
from kaspr_controller.engine.clock import Clock
from kaspr_controller.kube.errors import ApiError, Conflict, NotFound, NotLeading
from kaspr_controller.kube.kinds import (
    PERSISTENT_VOLUME_CLAIM,
    STATEFUL_SET,
    STORAGE_CLASS,
    Kind,
    ObjectKey,
    Raw,
    key_of,
)
from kaspr_controller.reconcilers import observing
from kaspr_controller.reconcilers.kinds import CONTROLLER_REVISION
from kaspr_controller.reconcilers.loading import Stores
from kaspr_controller.reconcilers.reporting import EventSink
from kaspr_controller.status import resizing, rollout
from kaspr_controller.status.resizing import Claim, Plan
from kaspr_controller.telemetry.logs import get_logger

CLAIM_INDEX = "app"
"""Claims by `namespace/app`, from the label that the workload's selector gives them."""

_REVISION = "controller-revision-hash"

log = get_logger("reconcilers.resizing")


class Requests(Protocol):
    """The requests to the API server."""

    def get(self, kind: Kind, namespace: str, name: str) -> Raw:
        """One object, read live."""
        ...

    def patch_merge(self, kind: Kind, namespace: str, name: str, patch: Raw) -> Raw:
        """A JSON merge patch."""
        ...

    def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str,
        resource_version: str | None = None,
        propagation: str = "Background",
    ) -> None:
        """Delete this version of this incarnation."""
        ...


@dataclass(frozen=True, slots=True)
class Growth:
    """How far a growth is in one pass.

    Attributes:
        facts: for the render.
        plan: what is to be done, and said.
    """

    facts: Facts
    plan: Plan = field(default_factory=Plan)

    def held(self, intent: Intent) -> Intent:
        """The intent; a StatefulSet that is made around pods with all of them held, whatever its revision comes out as."""
        workload = self.facts.workload
        if workload is None or not workload.orphaned or intent.obj["kind"] != "StatefulSet":
            return intent
        if "rollingUpdate" not in intent.obj["spec"]["updateStrategy"]:
            return intent  # rollouts are not driven here
        return replace(intent, obj=with_partition(intent.obj, workload.replicas or 0))


class Resizing:
    """Enlarges volumes. Thread-safe: it keeps nothing.

    Args:
        stores: the caches.
        requests: the API server.
        events: where Events go.
        clock: wall-clock time, compared with that of the API server.
        patience: seconds that a StatefulSet may take to go, and its successor to be noticed, before that is judged like
            any other workload.
    """

    def __init__(
        self, stores: Stores, requests: Requests, *, events: EventSink, clock: Clock, patience: float = 5.0
    ) -> None:
        self._stores = stores
        self._requests = requests
        self._events = events
        self._clock = clock
        self._patience = patience

    def look(self, raw: Raw, app: KasprApp, facts: Facts) -> Growth:
        """How far it is; claims that are too small are patched here already.

        Raises:
            errors.NotLeading: this process must not act any more.
        """
        key = key_of(raw)
        facts = self._around(key, facts)
        if app.spec.storage.type != "persistent-claim" or facts.workload is None:
            return Growth(facts)
        identity = Identity(key.name, key.namespace, raw["metadata"]["uid"])
        seen = self._seen(key, app, identity, facts.workload)
        plan = resizing.decide(seen)
        if plan.grow:
            refused = self._enlarge(key, raw, plan.grow, seen.wanted)
            seen = replace(seen, claims=self._claims(key, identity, facts.workload), refused=refused)
            plan = resizing.decide(seen)
        return Growth(replace(facts, releasing=plan.releasing), plan)

    def between(self, app: ObjectKey) -> float:
        """Seconds in which nothing is to be judged; 0 when there is nothing to wait for.

        A StatefulSet goes without its pods, or its successor has not been seen by the cluster's own controller yet.
        """
        live = observing.workload(self._stores, app)
        if live is None:
            return 0.0
        meta = live["metadata"]
        if "orphan" in (meta.get("finalizers") or ()) and "deletionTimestamp" in meta:
            return self._left(meta["deletionTimestamp"])
        if "observedGeneration" in live.get("status", {}):
            return 0.0
        pods = observing.all_pods(self._stores, app)
        made = meta.get("creationTimestamp", "")
        older = any(pod["metadata"].get("creationTimestamp", made) < made for pod in pods)
        return self._left(made) if older else 0.0

    def _left(self, since: str) -> float:
        age = (self._clock.now() - datetime.fromisoformat(since)).total_seconds()
        # Below zero is a skewed clock; it may delay the judgement, not prevent it.
        return max(0.0, self._patience - max(0.0, age))

    def replace(self, raw: Raw, growth: Growth, changes: ChangeSet) -> None:
        """Delete the StatefulSet and leave its pods, if the plan says so and this pass found nothing to write to it.

        Raises:
            errors.NotLeading: this process must not act any more.
        """
        entry = next((each for each in changes if each.key.kind == "StatefulSet"), None)
        if not growth.plan.replace or entry is None or entry.outcome != "unchanged":
            return
        namespace, name = entry.key.namespace, entry.key.name
        try:
            live = self._requests.get(STATEFUL_SET, namespace, name)
            if not _may_go(live, raw, growth.facts.workload):
                return
            meta = live["metadata"]
            self._requests.delete(
                STATEFUL_SET,
                namespace,
                name,
                uid=meta["uid"],
                resource_version=meta["resourceVersion"],
                propagation="Orphan",
            )
        except NotLeading:
            raise
        except (NotFound, Conflict):
            return  # it changed since it was read: the next pass decides again
        except ApiError as error:
            log.warning("workload not replaced", app=raw["metadata"]["name"], reason=error.reason)
            note = f"StatefulSet {name} could not be deleted: {error}; it is tried again"
            self._tell(raw, "StatefulSetReplacementFailed", note, warning=True)
            return
        log.info("workload replaced around its pods", app=raw["metadata"]["name"], namespace=namespace)
        note = f"Deleted StatefulSet {name} without its pods; it is made anew around them with larger volumes"
        self._tell(raw, "StatefulSetReplaced", note)

    # What is there.

    def _around(self, app: ObjectKey, facts: Facts) -> Facts:
        """The facts, with what is known of a StatefulSet that left its pods behind."""
        pods = [pod for pod in observing.pods(self._stores, app) if _is_orphan(pod)]
        if facts.workload is not None or not pods:
            return facts
        known = LiveWorkload(
            replicas=self._count(app, pods), template=self._template(app, pods), orphaned=True
        )
        return replace(facts, workload=known)

    def _count(self, app: ObjectKey, pods: Sequence[Raw]) -> int:
        """The members there were: a pod may have been lost meanwhile, which an autoscaler remembers."""
        scaler = self._stores["HorizontalPodAutoscaler"].get(
            ObjectKey("HorizontalPodAutoscaler", app.namespace, f"{app.name}-app-hpa")
        )
        remembered = int((scaler or {}).get("status", {}).get("desiredReplicas", 0))
        return max(remembered, *(observing.ordinal(pod) + 1 for pod in pods))

    def _template(self, app: ObjectKey, pods: Sequence[Raw]) -> Raw:
        """The template that the pods were made of, empty when it cannot be had."""
        name = (pods[0]["metadata"].get("labels") or {}).get(_REVISION, "")
        try:
            revision = self._requests.get(CONTROLLER_REVISION, app.namespace, name) if name else {}
        except ApiError as error:
            log.warning("revision of the pods not read", app=str(app), reason=error.reason)
            return {}
        found: Raw = revision.get("data", {}).get("spec", {}).get("template", {})
        return found

    def _seen(
        self, app: ObjectKey, spec: KasprApp, identity: Identity, workload: LiveWorkload
    ) -> resizing.Facts:
        storage = spec.spec.storage
        planned = plan_storage(storage, identity, workload)
        size = planned.resize
        facts = resizing.Facts(
            wanted=str(storage.size) if planned.claim_templates else "",
            template="" if workload.orphaned else (size.live if size else str(storage.size)),
            claims=self._claims(app, identity, workload),
            fixed=_fixed(workload, alone=size is None or size.alone),
            settled=rollout.judge(observing.workload(self._stores, app)).settled,
        )
        names = {claim.storage_class for claim in resizing.too_small(facts)} - {""}
        return replace(facts, classes=dict(self._classes(names))) if names else facts

    def _claims(self, app: ObjectKey, identity: Identity, workload: LiveWorkload) -> tuple[Claim, ...]:
        """Those of the members; what a scale-down left behind grows when it is used again."""
        prefix = f"{identity.tables_volume}-{identity.workload}-"
        found = {
            int(number): item
            for item in self._stores["PersistentVolumeClaim"].list(CLAIM_INDEX, f"{app.namespace}/{app.name}")
            if (number := item["metadata"]["name"].removeprefix(prefix)).isdecimal()
            and item["metadata"]["name"].startswith(prefix)
            and "deletionTimestamp" not in item["metadata"]
        }
        return tuple(
            read_claim(found[number], workload.uid)
            for number in sorted(found)
            if number < (workload.replicas or 0)
        )

    def _classes(self, names: Iterable[str]) -> Iterable[tuple[str, bool]]:
        """Whether classes allow expansion, read now: somebody may just have allowed it."""
        for name in sorted(names):
            try:
                found = self._requests.get(STORAGE_CLASS, "", name)
            except NotFound:
                yield name, False
            except ApiError as error:
                # Without that right the server itself tells, when the first claim is patched.
                log.info("storage class not read", name=name, reason=error.reason)
            else:
                yield name, bool(found.get("allowVolumeExpansion"))

    # What is done.

    def _enlarge(self, app: ObjectKey, raw: Raw, claims: Iterable[Claim], size: str) -> str:
        """Patch claims, one after the other; why the server refused one, "" when it took all."""
        for claim in claims:
            patch = {
                # Of this version only: what was made larger meanwhile must not be made smaller.
                "metadata": {"uid": claim.uid, "resourceVersion": claim.version},
                "spec": {"resources": {"requests": {"storage": size}}},
            }
            try:
                answer = self._requests.patch_merge(PERSISTENT_VOLUME_CLAIM, app.namespace, claim.name, patch)
            except NotLeading:
                raise
            except (NotFound, Conflict):
                continue
            except ApiError as error:
                log.warning("claim not enlarged", app=str(app), claim=claim.name, reason=error.reason)
                return error.message
            self._stores["PersistentVolumeClaim"].overlay(answer)
            log.info("claim enlarged", app=str(app), claim=claim.name, size=size)
            self._tell(
                raw, "VolumeEnlarged", f"Asked for {size} instead of {claim.requested} in {claim.name}"
            )
        return ""

    def _tell(self, raw: Raw, reason: str, note: str, *, warning: bool = False) -> None:
        kind = "Warning" if warning else "Normal"
        self._events.emit(raw, type=kind, reason=reason, action="ResizeStorage", note=note)


def read_claim(claim: Raw, workload_uid: str) -> Claim:
    """What a decision reads of a claim."""
    meta, spec, status = claim["metadata"], claim["spec"], claim.get("status", {})
    conditions = [item["type"] for item in status.get("conditions", ()) if item["status"] == "True"]
    return Claim(
        name=meta["name"],
        uid=meta["uid"],
        version=meta["resourceVersion"],
        requested=str(spec.get("resources", {}).get("requests", {}).get("storage", "0")),
        capacity=str(status.get("capacity", {}).get("storage", "")),
        storage_class=spec.get("storageClassName") or "",
        bound=status.get("phase") == "Bound",
        owned=any(ref["uid"] == workload_uid for ref in meta.get("ownerReferences") or ()),
        words=", ".join(conditions),
    )


def _fixed(workload: LiveWorkload, *, alone: bool) -> str:
    if workload.kept_template:
        return "it is left as the former operator made it until the app or a component is changed"
    return "" if alone else "its claims differ from the spec in more than their size, and cannot change that"


def _may_go(live: Raw, app: Raw, known: LiveWorkload | None) -> bool:
    """Whether the StatefulSet as it is now is the one that was decided about, at rest, and ours."""
    return (
        known is not None
        and live["metadata"]["uid"] == known.uid
        and "deletionTimestamp" not in live["metadata"]
        and is_controlled_by(live, app["metadata"]["uid"])
        and rollout.judge(live).settled
        and _retention(live) == "Retain"
    )


def _retention(live: Raw) -> Any:
    return (live["spec"].get("persistentVolumeClaimRetentionPolicy") or {}).get("whenDeleted", "Retain")


def _is_orphan(pod: Raw) -> bool:
    return not any(ref.get("controller") for ref in pod["metadata"].get("ownerReferences") or ())
