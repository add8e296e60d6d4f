"""Which change makes whom look again: the trigger table (rules E1 to E3).

Every entry says: when an object of `source` changes so that `predicate` holds, the keys of `map` are queued. Old and new
state are both mapped, so an object that moves from one app to another wakes both. Our own status writes change neither
generation, labels nor annotations and therefore wake nobody; the echo of our own writes is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from kaspr_controller.api import labels
from kaspr_controller.engine.changes import Change
from kaspr_controller.engine.triggers import Trigger
from kaspr_controller.kube.kinds import CONFIG_MAP, PERSISTENT_VOLUME_CLAIM, POD, ObjectKey, Raw
from kaspr_controller.reconcilers import kinds
from kaspr_controller.reconcilers.loading import APP_INDEX, Stores
from kaspr_controller.reconcilers.moving import carried
from kaspr_controller.status.pods import read_pod, started_at

USER = 0
OWNED = -50


def rewritten(change: Change) -> bool:
    """Somebody changed what a custom resource asks for: its spec, labels or annotations, or its existence."""
    before, after = change.before, change.after
    if before is None or after is None or before.deleting != after.deleting:
        return True
    if before.generation != after.generation:
        return True
    if before.resource_version == after.resource_version:
        return True  # told again by a list: cheap, and the only cure for a lost wake-up
    if _is_status_of_ours(change):
        return False
    old, new = change.old, change.new
    return old is not None and new is not None and _marks(old) != _marks(new)


def respecified(change: Change) -> bool:
    """A component came, went, or asks for something else, from another app perhaps; annotations do not count."""
    before, after = change.before, change.after
    if (
        before is None
        or after is None
        or (before.generation, before.deleting) != (after.generation, after.deleting)
    ):
        return True
    return not _is_status_of_ours(change) and _named_app(change.old) != _named_app(change.new)


def _is_status_of_ours(change: Change) -> bool:
    """Whether a component merely brings back the status that we wrote: nothing else of it is ever written here."""
    return change.echo and change.key.kind in kinds.COMPONENT_NAMES


def _marks(obj: Raw) -> tuple[object, object]:
    meta = obj["metadata"]
    return meta.get("labels") or {}, meta.get("annotations") or {}


def meddled(change: Change) -> bool:
    """A child came, went, or changed in a way that a pass could answer.

    The echo of our own write is none, nor what the cluster notes in the status of a child that nobody here reads, nor a
    label or annotation that somebody adds to it: what others add beside our fields is left alone.
    """
    if change.echo or _is_of_a_member(change):
        return False
    before, after = change.before, change.after
    if before is None or after is None or before.deleting != after.deleting:
        return True
    if before.resource_version == after.resource_version:
        return True  # told again by a list
    old, new = change.old, change.new
    return old is None or new is None or not _is_covered(old, new)


_STATUS_UNREAD = frozenset({"HorizontalPodAutoscaler", "Service"})
_ALWAYS_OTHER = frozenset({"resourceVersion", "generation", "labels", "annotations"})


def _is_covered(old: Raw, new: Raw) -> bool:
    """Whether the new state of a child says all that the old one said, with labels and annotations added at most."""
    unread = {"metadata", "status"} if old["kind"] in _STATUS_UNREAD else {"metadata"}
    if {**old, **dict.fromkeys(unread)} != {**new, **dict.fromkeys(unread)}:
        return False
    was, now = old["metadata"], new["metadata"]
    same = {**was, **dict.fromkeys(_ALWAYS_OTHER)} == {**now, **dict.fromkeys(_ALWAYS_OTHER)}
    return same and all(
        (now.get(marks) or {}).get(name) == value
        for marks in ("labels", "annotations")
        for name, value in (was.get(marks) or {}).items()
    )


def grown(change: Change) -> bool:
    """The claim of a member came, went, or has another size, owner or condition than before.

    That a new one gets its volume is no news: the pod that waits for it tells.
    """
    old, new = change.old, change.new
    if old is None or new is None:
        return False
    if not _is_of_a_member(change) or not old.get("status", {}).get("capacity"):
        return False
    return _size_of(old) != _size_of(new)


def _size_of(claim: Raw) -> tuple[object, ...]:
    status = claim.get("status", {})
    conditions = [(item["type"], item["status"]) for item in status.get("conditions", ())]
    owners = claim["metadata"].get("ownerReferences", ())
    return claim["spec"], status.get("capacity"), conditions, [owner["uid"] for owner in owners]


def _is_of_a_member(change: Change) -> bool:
    """A claim that the StatefulSet controller made: it has the labels of the selector only."""
    if change.key.kind != PERSISTENT_VOLUME_CLAIM.kind:
        return False
    obj = change.new or change.old
    return obj is not None and _label(obj, labels.K8S_MANAGED_BY) is None


def fared_otherwise(change: Change) -> bool:
    """A pod came, went, or fares otherwise than before."""
    old, new = change.old, change.new
    return old is None or new is None or _condition_of(old) != _condition_of(new)


def _condition_of(pod: Raw) -> tuple[object, ...]:
    """What the decisions read of a pod; a restart more with the same last words is the same trouble."""
    status = pod.get("status", {})
    return status.get("phase"), status.get("podIP"), started_at(pod), read_pod(pod, annotation="", now=0.0)


def gone(change: Change) -> bool:
    """A pod has left its seat in the Kafka group: a goodbye has to be said before its successor joins, in seconds."""
    return change.after is None


def existence(change: Change) -> bool:
    """An app appeared, vanished or is on its way out."""
    before, after = change.before, change.after
    return before is None or after is None or before.deleting != after.deleting


def itself(change: Change, stores: Mapping[str, object]) -> Iterable[ObjectKey]:
    """The object that changed."""
    del stores
    return (change.key,)


def app_by_label(change: Change, stores: Mapping[str, object]) -> Iterable[ObjectKey]:
    """The apps that a component named before and names now."""
    del stores
    return {key for key in map(_named_app, (change.old, change.new)) if key is not None}


def app_by_owner(change: Change, stores: Mapping[str, object]) -> Iterable[ObjectKey]:
    """The apps that own an object, or owned it; the one that an object without any owner names.

    The claim of a packages cache that outlives its app has no owner.
    """
    del stores
    return {
        ObjectKey(kinds.APP.kind, change.key.namespace, name)
        for obj in (change.old, change.new)
        if obj is not None
        for name in _owners(obj)
    }


def app_by_cluster(change: Change, stores: Mapping[str, object]) -> Iterable[ObjectKey]:
    """The app that a pod or the claim of a member belongs to."""
    del stores
    obj = change.new or change.old
    name = _label(obj, labels.CLUSTER) if obj is not None else None
    return (ObjectKey(kinds.APP.kind, change.key.namespace, name),) if name else ()


def app_that_waits_for_content(change: Change, stores: Stores) -> Iterable[ObjectKey]:
    """The apps to which the components of a ConfigMap have moved, when it is gone."""
    obj = change.old if change.new is None else None
    kind, name = (
        (_label(obj, labels.KIND), _label(obj, labels.K8S_INSTANCE)) if obj is not None else (None, None)
    )
    if obj is None or kind not in kinds.COMPONENT_NAMES or name is None:
        return ()
    homes = {f"{change.key.namespace}/{kind}/{name}", *carried(obj)}
    keys = (ObjectKey(kind, namespace, name) for namespace, kind, name in (each.split("/") for each in homes))
    apps = (_named_app(stores[key.kind].get(key)) for key in keys)
    return {app for app in apps if app is not None}


def components_of_app(change: Change, stores: Stores) -> Iterable[ObjectKey]:
    """The components that name an app."""
    value = f"{change.key.namespace}/{change.key.name}"
    return [
        ObjectKey(kind.kind, change.key.namespace, item["metadata"]["name"])
        for kind in kinds.COMPONENTS
        for item in stores[kind.kind].list(APP_INDEX, value)
    ]


def _owners(obj: Raw) -> list[str]:
    references = obj["metadata"].get("ownerReferences")
    if references:
        return [str(ref["name"]) for ref in references if ref["kind"] == kinds.APP.kind]
    name = _label(obj, labels.CLUSTER)
    return [name] if name else []


def _named_app(obj: Raw | None) -> ObjectKey | None:
    name = _label(obj, labels.APP) if obj is not None else None
    return ObjectKey(kinds.APP.kind, obj["metadata"]["namespace"], name) if obj is not None and name else None


def _label(obj: Raw, label: str) -> str | None:
    value = (obj["metadata"].get("labels") or {}).get(label)
    return str(value) if value else None


TABLE: tuple[Trigger, ...] = (
    Trigger(source=kinds.APP, predicate=rewritten, map=itself, priority=USER),
    Trigger(source=kinds.APP, predicate=existence, map=components_of_app, priority=OWNED),
    *(Trigger(source=kind, predicate=rewritten, map=itself, priority=OWNED) for kind in kinds.COMPONENTS),
    *(
        Trigger(source=kind, predicate=rewritten, map=app_by_label, priority=USER)
        for kind in kinds.COMPONENTS
    ),
    *(Trigger(source=kind, predicate=meddled, map=app_by_owner, priority=OWNED) for kind in kinds.CHILDREN),
    Trigger(source=CONFIG_MAP, predicate=meddled, map=app_that_waits_for_content, priority=OWNED),
    Trigger(source=PERSISTENT_VOLUME_CLAIM, predicate=grown, map=app_by_cluster, priority=OWNED),
    Trigger(source=POD, predicate=fared_otherwise, map=app_by_cluster, priority=OWNED),
    Trigger(source=POD, predicate=gone, map=app_by_cluster, priority=USER),
)
