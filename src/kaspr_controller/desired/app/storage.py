"""Where members keep their tables: a claim each, or a directory that goes with the pod (contract 1.4, D4).

In: the spec and the live workload. Out: `StoragePlan`. Claim templates of a living StatefulSet are immutable, so where the
spec asks for something else they are repeated exactly as they are, and the difference is reported for others to act on.
Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kaspr_controller.api import quantities
from kaspr_controller.api.v1alpha1.app import StorageRequirements
from kaspr_controller.desired.app.identity import Identity
from kaspr_controller.desired.facts import LiveWorkload, Raw
from kaspr_controller.desired.problems import IMMUTABLE, Problem


@dataclass(frozen=True, slots=True)
class StorageResize:
    """The live claim template asks for another size than the spec; both as quantities in their own spelling.

    `alone` says that they differ in nothing else, so that a StatefulSet made anew would have the size that is asked for and
    everything else as it is.
    """

    live: str
    wanted: str
    alone: bool = True

    @property
    def grows(self) -> bool:
        """Whether the spec asks for more; a volume cannot shrink."""
        return quantities.parse(self.wanted) > quantities.parse(self.live)


@dataclass(frozen=True, slots=True)
class StoragePlan:
    """How the tables are stored.

    Attributes:
        claim_templates: for `spec.volumeClaimTemplates`; empty for ephemeral storage.
        volumes: for the pod; empty for claims.
        retention: for `spec.persistentVolumeClaimRetentionPolicy`.
        resize: the size that the spec asks for is not the live one.
        warnings: changes that a living app cannot follow.
    """

    claim_templates: tuple[Raw, ...]
    volumes: tuple[Raw, ...]
    retention: Raw
    resize: StorageResize | None = None
    warnings: tuple[Problem, ...] = ()


def plan_storage(
    storage: StorageRequirements,
    identity: Identity,
    workload: LiveWorkload | None,
    *,
    releasing: bool = False,
) -> StoragePlan:
    """The storage of an app, bound by what is there already.

    Args:
        storage: what the spec asks for.
        identity: names.
        workload: the live StatefulSet.
        releasing: it is about to be replaced. A claim that named it as its owner could be collected with it.
    """
    wanted = _claim_templates(storage, identity)
    bound = workload is not None and not workload.orphaned
    live = workload.volume_claim_templates if workload is not None and bound else wanted
    # In our own words while they mean what is there: a text that changed once the server has filled in its defaults
    # would be written a second time for nothing.
    templates = wanted if _mean_the_same(live, wanted) else live
    resize = _resize(templates, wanted)
    return StoragePlan(
        claim_templates=templates,
        volumes=() if templates else (_directory(storage, identity),),
        retention={
            "whenDeleted": "Delete" if storage.delete_claim and not releasing else "Retain",
            "whenScaled": "Retain",
        },
        resize=resize,
        warnings=(*_immutable(templates, wanted), *(_kept(resize) if resize and not resize.grows else ())),
    )


def _claim_templates(storage: StorageRequirements, identity: Identity) -> tuple[Raw, ...]:
    if storage.type != "persistent-claim":
        return ()
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": storage.size}},
    }
    if storage.class_:
        spec["storageClassName"] = storage.class_
    return (
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": identity.tables_volume},
            "spec": spec,
        },
    )


def _mean_the_same(live: tuple[Raw, ...], wanted: tuple[Raw, ...]) -> bool:
    return [*map(_meaning, live)] == [*map(_meaning, wanted)]


def _meaning(template: Raw) -> tuple[Any, ...]:
    """What the user of a template chose; defaults of the server left out."""
    meta, spec = template["metadata"], template["spec"]
    return (
        meta["name"],
        meta.get("annotations") or {},
        meta.get("labels") or {},
        spec.get("accessModes"),
        spec.get("storageClassName"),
        quantities.parse(_size(template)),
    )


def _directory(storage: StorageRequirements, identity: Identity) -> Raw:
    limit = {"sizeLimit": storage.size} if storage.size else {}
    return {"name": identity.tables_volume, "emptyDir": limit}


def _resize(live: tuple[Raw, ...], wanted: tuple[Raw, ...]) -> StorageResize | None:
    if not live or not wanted:
        return None
    size, asked = _size(live[0]), _size(wanted[0])
    if quantities.parse(size) == quantities.parse(asked):
        return None
    return StorageResize(size, asked, alone=_nature(live[0]) == _nature(wanted[0]))


def _nature(template: Raw) -> tuple[Any, ...]:
    """What a claim is besides its size."""
    spec = template["spec"]
    return template["metadata"]["name"], spec.get("accessModes"), spec.get("storageClassName")


def _kept(resize: StorageResize) -> list[Problem]:
    text = f"the volumes of the living app were made with {resize.live} and keep it: a volume cannot shrink"
    return [Problem(IMMUTABLE, "spec.storage.size", text)]


def _size(template: Raw) -> str:
    # "0" only for a template that is not ours: such a workload is reported as a stranger by whoever writes.
    return str(((template["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0"))


def _immutable(live: tuple[Raw, ...], wanted: tuple[Raw, ...]) -> list[Problem]:
    if bool(live) != bool(wanted):
        now = "persistent-claim" if live else "ephemeral"
        text = f"the living app uses {now} storage and cannot change over; create a new app and move"
        return [Problem(IMMUTABLE, "spec.storage.type", text)]
    classes = [templates[0]["spec"].get("storageClassName") for templates in (live, wanted) if templates]
    if classes and classes[0] != classes[-1]:
        text = f"the volumes of the living app have storage class {classes[0] or 'default'} and keep it"
        return [Problem(IMMUTABLE, "spec.storage.class", text)]
    return []
