"""What the decisions need to know of a pod, and what is wrong with it in the words of its own status.

In: a pod as the API server shows it. Out: `Pod` with its `Trouble`. Called by the reconciler once a pass; pure. The
kubelet's and the scheduler's own sentences are passed on: they name the image, the claim or the node condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kaspr_controller.status.conditions import bounded
from kaspr_controller.status.moments import seconds_of

MAIN_CONTAINER = "kaspr"
_WORDS = 300
_STEPS = (2, 5, 20, 100, 1000)
_PULL = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
_CONFIG = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod does not get to run: a word for conditions and a sentence."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod of the app.

    Attributes:
        name: `<app>-app-<ordinal>`, which is its `group.instance.id` too.
        uid: of this incarnation.
        ordinal: its number.
        running: the member's container runs.
        ready: the kubelet calls the pod ready.
        deleting: it is on its way out; it still exists and may still hold its seat.
        revision: the controller revision that it was made from.
        subscriptions: what it was told to read (annotation `kaspr.io/subscriptions`), None when it does not say.
        running_for: seconds since the container started, None when it does not run.
        trouble: what keeps it from running.
    """

    name: str
    uid: str
    ordinal: int
    running: bool = True
    ready: bool = True
    deleting: bool = False
    revision: str = ""
    subscriptions: str | None = None
    running_for: float | None = None
    trouble: Trouble | None = None


def read_pod(pod: Mapping[str, Any], *, annotation: str, now: float) -> Pod:
    """The facts of a pod.

    Args:
        pod: as stored.
        annotation: name of the annotation that holds the subscriptions.
        now: seconds since 1970.
    """
    metadata, status = pod["metadata"], pod.get("status", {})
    name = str(metadata["name"])
    number = name.rpartition("-")[2]
    state = _main(status).get("state", {})
    started = seconds_of(started_at(pod))
    return Pod(
        name=name,
        uid=str(metadata["uid"]),
        ordinal=int(number) if number.isdecimal() else -1,
        running="running" in state,
        ready=_condition(status, "Ready").get("status") == "True",
        deleting="deletionTimestamp" in metadata,
        revision=str(metadata.get("labels", {}).get("controller-revision-hash", "")),
        subscriptions=(metadata.get("annotations") or {}).get(annotation),
        running_for=max(0.0, now - started) if started is not None else None,
        trouble=trouble_of(status),
    )


def started_at(pod: Mapping[str, Any]) -> str:
    """When the member's container started, in the kubelet's words; "" when it does not run."""
    running = _main(pod.get("status", {})).get("state", {}).get("running") or {}
    return str(running.get("startedAt", ""))


def trouble_of(status: Mapping[str, Any]) -> Trouble | None:
    """What is wrong, from a pod's status; None when nothing is, or nothing is known yet."""
    return _unschedulable(status) or next(
        (found for container in _containers(status) if (found := _container_trouble(container)) is not None),
        _evicted(status),
    )


def _unschedulable(status: Mapping[str, Any]) -> Trouble | None:
    condition = _condition(status, "PodScheduled")
    if condition.get("status") != "False":
        return None
    message = str(condition.get("message", ""))
    if "persistentvolumeclaim" in message.lower():
        return Trouble("VolumeClaimPending", bounded(message, _WORDS))
    return Trouble("Unschedulable", bounded(message or "no node takes the pod", _WORDS))


def _evicted(status: Mapping[str, Any]) -> Trouble | None:
    if status.get("phase") != "Failed":
        return None
    return Trouble(str(status.get("reason") or "PodFailed"), bounded(str(status.get("message", "")), _WORDS))


def _container_trouble(container: Mapping[str, Any]) -> Trouble | None:
    name, state = str(container.get("name", "")), container.get("state", {})
    waiting = state.get("waiting") or {}
    reason, message = str(waiting.get("reason", "")), str(waiting.get("message", ""))
    if reason in _PULL:
        # While the kubelet waits before it tries again it puts a sentence of its own before the same words.
        message = message.rpartition("ErrImagePull: ")[2]
        return Trouble("ImagePullFailed", bounded(message or f"{name}: {reason}", _WORDS))
    if reason in _CONFIG:
        return Trouble("ContainerConfigError", bounded(message or f"{name}: {reason}", _WORDS))
    if reason == "CrashLoopBackOff" or (state.get("terminated") or {}).get("exitCode"):
        return Trouble("CrashLoop", _last_words(name, container))
    return None


def _last_words(name: str, container: Mapping[str, Any]) -> str:
    """How the container ended, with the end of what it said: the error is on the last lines."""
    ended = (
        container.get("state", {}).get("terminated") or container.get("lastState", {}).get("terminated") or {}
    )
    code = ended.get("exitCode", "unknown")
    often = _often(container.get("restartCount", 0))
    said = str(ended.get("message", "")).strip()[-_WORDS:]
    return f"container {name} ended with exit code {code}{often}" + (f": {said}" if said else "")


def _often(restarts: int) -> str:
    """How often it was restarted, in few words: a number that grows would be another status with each restart."""
    steps = [step for step in _STEPS if step <= restarts]
    return f", restarted {steps[-1]} times or more" if steps else ""


def _containers(status: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()


def _main(status: Mapping[str, Any]) -> Mapping[str, Any]:
    found = status.get("containerStatuses") or ()
    return next((item for item in found if item.get("name") == MAIN_CONTAINER), {})


def _condition(status: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    return next((item for item in status.get("conditions") or () if item.get("type") == type_), {})
