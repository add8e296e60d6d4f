"""Inherit an app from the predecessor: is its workload what the resources say today, and who lets go of the resources?

In: an app as loaded, its live workload. Out: a fact for the render; a patch that takes the predecessor's finalizer and
bookkeeping from a custom resource, once the app is ours. Without its finalizer removed nobody could delete the resource
(contract T43). Each incarnation is patched once in the life of this process: a predecessor that is still running would put
everything back, and two programs would write for ever. Called by workers; one lock, held for dictionary operations only.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

from kaspr_controller.api import labels
from kaspr_controller.api.parsing import InvalidSpec, parse
from kaspr_controller.converge.canonical import HASH_ANNOTATION
from kaspr_controller.desired.app.config import DEFINITIONS_DIRECTORY
from kaspr_controller.desired.app.identity import file_name
from kaspr_controller.desired.facts import Facts
from kaspr_controller.kube.errors import NotFound
from kaspr_controller.kube.kinds import Kind, Raw
from kaspr_controller.reconcilers import kinds
from kaspr_controller.reconcilers.loading import Stores
from kaspr_controller.telemetry.logs import get_logger

_CAPACITY = 16_384
_NEVER_MOUNTED = "KasprJoin"
"""The predecessor knows the kind and does nothing about it (contract T14)."""

log = get_logger("reconcilers.inheriting")


class Patches(Protocol):
    """The one request of this module."""

    def patch_merge(self, kind: Kind, namespace: str, name: str, patch: Raw) -> Raw:
        """A JSON merge patch."""
        ...


def inherited(facts: Facts, app: Raw, components: Iterable[Raw]) -> Facts:
    """The facts, with the answer whether the live workload is the predecessor's and stands for the resources as they are.

    Edits that were made while nobody was there have to reach the pods: the predecessor noted what it had handled last, and
    its template mounts one file for each component that it had seen.
    """
    if facts.workload is None or HASH_ANNOTATION in facts.workload.annotations:
        return facts
    present = list(components)
    names = (
        file_name(raw["kind"], raw["metadata"]["name"]) for raw in present if raw["kind"] != _NEVER_MOUNTED
    )
    same = _mounted(facts.workload.template) == set(names)
    return replace(facts, inherited=same and all(map(_is_handled, (app, *present))))


def _mounted(template: Raw) -> set[str]:
    return {
        mount["subPath"]
        for container in template.get("spec", {}).get("containers", ())
        if container["name"] == "kaspr"
        for mount in container.get("volumeMounts", ())
        if "subPath" in mount and mount["mountPath"].startswith(f"{DEFINITIONS_DIRECTORY}/")
    }


def _is_handled(raw: Raw) -> bool:
    """Whether the predecessor had seen this spec; without its note nothing speaks against it."""
    note = (raw["metadata"].get("annotations") or {}).get(labels.KOPF_LAST_HANDLED)
    try:
        handled = json.loads(note)["spec"] if note else raw.get("spec")
    except (ValueError, KeyError, TypeError):
        return True
    return _same(handled, raw)


def _same(handled: Any, raw: Raw) -> bool:
    # Parsed, because the CRDs of the two fill in different defaults.
    try:
        return parse({**raw, "spec": handled}) == parse(raw)
    except InvalidSpec:
        return bool(handled == raw.get("spec"))


def _is_marked(raw: Raw) -> bool:
    meta = raw["metadata"]
    if labels.KOPF_FINALIZER in (meta.get("finalizers") or ()):
        return True
    annotations = meta.get("annotations") or ()
    return "deletionTimestamp" not in meta and any(
        name.startswith(labels.KOPF_PREFIX) for name in annotations
    )


class Releasing:
    """Takes the predecessor's marks from custom resources."""

    def __init__(self, *, stores: Stores, requests: Patches) -> None:
        self._stores = stores
        self._requests = requests
        self._lock = threading.Lock()
        self._done: OrderedDict[str, None] = OrderedDict()

    def release(self, raw: Raw) -> None:
        """Patch one resource if it carries marks; one that is being deleted always, any other once."""
        if not _is_marked(raw):
            return
        meta = raw["metadata"]
        kind = next(each for each in (kinds.APP, *kinds.COMPONENTS) if each.kind == raw["kind"])
        # Our own status write since it was read has made it another version.
        meta = (self._stores[kind.kind].get(kind.key(meta["namespace"], meta["name"])) or raw)["metadata"]
        finalizers = list(meta.get("finalizers") or ())
        notes = [name for name in meta.get("annotations") or () if name.startswith(labels.KOPF_PREFIX)]
        deleting = "deletionTimestamp" in meta
        if not deleting and self._was_here(meta["uid"]):
            return
        rest = [name for name in finalizers if name != labels.KOPF_FINALIZER]
        # The version keeps us from dropping a finalizer that somebody has added meanwhile.
        patch = {
            "metadata": {
                "uid": meta["uid"],
                "resourceVersion": meta["resourceVersion"],
                "finalizers": rest or None,
                "annotations": dict.fromkeys(notes),
            }
        }
        try:
            self._requests.patch_merge(kind, meta["namespace"], meta["name"], patch)
        except NotFound:
            return
        with self._lock:
            self._done[meta["uid"]] = None
            while len(self._done) > _CAPACITY:
                self._done.popitem(last=False)
        log.info(
            "released from the former operator",
            kind=raw["kind"],
            namespace=meta["namespace"],
            name=meta["name"],
        )

    def release_all(self, raws: Iterable[Raw]) -> None:
        """Patch those that carry marks."""
        for raw in raws:
            self.release(raw)

    def _was_here(self, uid: str) -> bool:
        with self._lock:
            return uid in self._done
