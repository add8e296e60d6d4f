"""Is a live object ours to write?

In: a live object, the owner, the intent. Out: None when it may be written, else the entry that says why not. Called by
`comparing` and `pruning` on worker threads; pure. Invariant: nothing is written without a proof, because the predecessor
overwrote and deleted objects of others (defect D19).

The proof is an owner reference by UID. Two kinds of objects cannot have one: those whose intent has none on purpose (a
claim that outlives its app) and orphans of ours (`kubectl delete --cascade=orphan`, a restored backup). They are ours
when nobody else owns them and they carry the identity labels of the intent; an orphan also has to carry our hash, since
then it was written here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaspr_controller.api import labels
from kaspr_controller.converge.canonical import HASH_ANNOTATION
from kaspr_controller.converge.changes import Entry, Owner, waiting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kaspr_controller.converge.ports import Card
    from kaspr_controller.kube.kinds import ObjectKey, Raw

_OUR_API = "kaspr.io/"
_IDENTITY_PREFIX = "kaspr.io/"

STRANGER_SECONDS = 60.0
"""A stranger's object is in no cache, so nothing tells when it goes: it is asked for again."""

WAIT_SECONDS = 10.0
"""Collection and hand-over take seconds and are seen in the caches; this is for what is not in them."""


def objection(key: ObjectKey, live: Raw, owner: Owner, intent: Raw) -> Entry | None:
    """Why this live object is not written for this owner, None when it may be."""
    meta = live["metadata"]
    if meta.get("deletionTimestamp"):
        text = f"{key} is being deleted; it is written again when it is gone"
        return waiting(key, "Deleting", text, after=WAIT_SECONDS)
    references = meta.get("ownerReferences") or ()
    if any(owner.owns(reference["uid"]) for reference in references):
        return None
    if not references and _is_orphan_of_ours(meta, intent["metadata"]):
        return None
    for reference in references:
        entry = _other_owner(key, reference, owner)
        if entry is not None:
            return entry
    text = (
        f"{key} exists and does not belong to {owner.key}: it is left alone. Delete or rename it, or rename the "
        "resource that needs its name"
    )
    return Entry(key, "foreign", "NameConflict", text, "wait", STRANGER_SECONDS)


def _other_owner(key: ObjectKey, reference: Mapping[str, Any], owner: Owner) -> Entry | None:
    """The entry for an object of another resource of this product, None for an owner that is not."""
    if reference["kind"] == owner.key.kind and reference["name"] == owner.key.name:
        text = f"{key} belongs to an earlier {owner.key} and is about to be garbage-collected"
        return waiting(key, "OwnerGone", text, after=WAIT_SECONDS)
    if reference["apiVersion"].startswith(_OUR_API):
        text = f"{key} belongs to {reference['kind']} {reference['name']}; it is taken over when that lets go of it"
        return waiting(key, "OwnedByOther", text, after=WAIT_SECONDS)
    return None


def owner_objection(key: ObjectKey, owner: Owner, card: Card | None) -> Entry | None:
    """Why nothing is created for this owner: an owner that is gone would have it garbage-collected within seconds."""
    if card is not None and card.uid == owner.uid and not card.deleting:
        return None
    text = f"{key} is not created: {owner.key} was deleted or replaced meanwhile"
    return waiting(key, "OwnerGone", text)


def is_controlled_by(live: Raw, uid: str) -> bool:
    """Whether this UID is the controller of the object, not one of many that merely keep it alive."""
    references: Sequence[Mapping[str, Any]] = live["metadata"].get("ownerReferences") or ()
    return any(reference["uid"] == uid and reference.get("controller") for reference in references)


def written_here(live: Raw) -> bool:
    """Whether this program applied the object."""
    return HASH_ANNOTATION in (live["metadata"].get("annotations") or ())


def is_inherited(live: Raw, intent: Raw) -> bool:
    """Whether the predecessor still owns fields that this intent would take: all of them, or a template it has kept."""
    kept = labels.KEPT_TEMPLATE in (live["metadata"].get("annotations") or ())
    return not written_here(live) or (kept and "template" in intent.get("spec", {}))


def _is_orphan_of_ours(meta: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    there = meta.get("labels") or {}
    identity = {
        name: value
        for name, value in (wanted.get("labels") or {}).items()
        if name.startswith(_IDENTITY_PREFIX) or name == labels.K8S_MANAGED_BY
    }
    if not identity or any(there.get(name) != value for name, value in identity.items()):
        return False
    return not wanted.get("ownerReferences") or HASH_ANNOTATION in (meta.get("annotations") or ())
