"""From two states of an object to one line that a person understands, or none.

In: an object before and after, as JSON, None when it is not there. Out: a `Line`. Called by the threads that follow the
cluster. Pure. Invariant: what a person would not call a change (a heartbeat, a counter, bookkeeping) gives no line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Raw = Mapping[str, Any]
LONGEST = 130
# Every namespace has these; they are not the demo's.
_FURNITURE = {("ConfigMap", "kube-root-ca.crt"), ("ServiceAccount", "default")}


@dataclass(frozen=True, slots=True)
class Line:
    """One change: `mark` is + for new, ~ for changed, - for gone."""

    mark: str
    kind: str
    name: str
    text: str


def line(old: Raw | None, new: Raw | None) -> Line | None:
    """The line for a change of one object; None when nothing worth a line happened."""
    known = new or old
    if known is None or (known["kind"], known["metadata"]["name"]) in _FURNITURE:
        return None
    kind, name = known["kind"], known["metadata"]["name"]
    if new is None:
        return Line("-", kind, name, "")
    if old is None:
        return Line("+", kind, name, summary(new))
    edited = _edited(old, new)
    before, after = summary(old), summary(new)
    if not edited and before == after:
        return None
    return Line("~", kind, name, "; ".join(filter(None, [edited, after if before != after else ""])))


def summary(obj: Raw) -> str:
    """What matters about one object just now, in a few words; "" when that it exists says everything."""
    describe = _SUMMARIES.get(obj["kind"])
    if describe:
        return describe(obj)
    return short(readiness(obj)) if obj["apiVersion"].startswith("kaspr.io/") else ""


def condition(obj: Raw, type_: str) -> Raw | None:
    """One condition of an object's status."""
    found: Raw
    for found in (obj.get("status") or {}).get("conditions") or ():
        if found["type"] == type_:
            return found
    return None


def holds(obj: Raw | None, type_: str) -> bool:
    """Whether a condition is True and about the newest generation of the object."""
    found = condition(obj, type_) if obj else None
    if obj is None or found is None or found["status"] != "True":
        return False
    observed = (obj.get("status") or {}).get("observedGeneration")
    return observed in {None, obj["metadata"].get("generation")}


def readiness(obj: Raw) -> str:
    """The conditions of a custom resource: Ready, and whatever else is not as it should be."""
    ready = condition(obj, "Ready")
    if ready is None:
        return ""
    shown = [ready]
    for type_, normal in (("Stalled", "False"), ("ComponentsAccepted", "True")):
        other = condition(obj, type_)
        if other and other["status"] != normal and other["reason"] not in {one["reason"] for one in shown}:
            shown.append(other)
    return "; ".join(_worded(one) for one in shown)


def short(text: str) -> str:
    """The text on one line, cut where nobody reads on."""
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else f"{flat[: LONGEST - 3]}..."


def _worded(one: Raw) -> str:
    message = f": {one['message']}" if one.get("message") and one["status"] != "True" else ""
    return f"{one['type']}={one['status']} {one['reason']}{message}"


def _edited(old: Raw, new: Raw) -> str:
    if old["kind"] == "ConfigMap" and old.get("data") != new.get("data"):
        return "content changed"
    if new["apiVersion"].startswith("kaspr.io/"):
        generation = new["metadata"].get("generation")
        if generation != old["metadata"].get("generation"):
            return f"edited, generation {generation}"
    return ""


def _pod(pod: Raw) -> str:
    revision = pod["metadata"].get("labels", {}).get("controller-revision-hash", "")
    return f"{_pod_state(pod)}, revision {revision.rpartition('-')[2]}"


def _pod_state(pod: Raw) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "terminating"
    status = pod.get("status") or {}
    ready = condition(pod, "Ready")
    if ready and ready["status"] == "True":
        return "ready"
    for container in status.get("containerStatuses") or ():
        waiting = container.get("state", {}).get("waiting", {}).get("reason", "")
        if waiting not in {"", "ContainerCreating", "PodInitializing"}:
            return str(waiting)
    return "running, not ready" if status.get("phase") == "Running" else "pending"


def _stateful_set(obj: Raw) -> str:
    status = obj.get("status") or {}
    revision = status.get("updateRevision", "").rpartition("-")[2]
    text = f"{status.get('readyReplicas', 0)}/{obj['spec'].get('replicas', 1)} ready"
    return f"{text}, revision {revision}" if revision else text


def _revision(obj: Raw) -> str:
    return f"revision {obj['revision']} of the pod template"


def _claim(obj: Raw) -> str:
    return str((obj.get("status") or {}).get("phase", ""))


_SUMMARIES: Mapping[str, Callable[[Raw], str]] = {
    "Pod": _pod,
    "StatefulSet": _stateful_set,
    "ControllerRevision": _revision,
    "PersistentVolumeClaim": _claim,
}
