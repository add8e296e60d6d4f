"""The pod status a kubelet writes, made from the state of one pod.

In: the pod as last seen and a `PodState`. Out: the body of a strategic merge patch of `/status`. Called by the pod
workers; pure, times are given. Invariant: a condition keeps its `lastTransitionTime` while its status stays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hack.nodesim.environment import Raw


@dataclass(frozen=True, slots=True)
class Exit:
    """How a container ended last."""

    code: int
    message: str
    started_at: str
    finished_at: str

    def as_json(self) -> dict[str, Any]:
        """Return the `terminated` state."""
        reason = "Completed" if self.code == 0 else "Error"
        state = {
            "exitCode": self.code,
            "reason": reason,
            "startedAt": self.started_at,
            "finishedAt": self.finished_at,
        }
        return state | ({"message": self.message} if self.message else {})


@dataclass(slots=True)
class ContainerState:
    """One container: waiting for a reason, running since, or (init only) done."""

    name: str
    image: str
    waiting: str = "ContainerCreating"
    message: str = ""
    started_at: str = ""
    running: bool = False
    done: Exit | None = None
    last: Exit | None = None
    restarts: int = 0
    ready: bool = False

    def as_json(self, uid: str) -> dict[str, Any]:
        """Return the container status."""
        result: dict[str, Any] = {
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "ready": self.ready,
            "started": self.running,
            "restartCount": self.restarts,
            "state": self.state(),
            "lastState": {"terminated": self.last.as_json()} if self.last else {},
        }
        if self.running or self.done or self.last:
            result["imageID"] = f"sim://{self.image}"
            result["containerID"] = f"sim://{uid}-{self.name}-{self.restarts}"
        return result

    def state(self) -> dict[str, Any]:
        """Return the current state."""
        if self.done:
            return {"terminated": self.done.as_json()}
        if self.running:
            return {"running": {"startedAt": self.started_at}}
        return {"waiting": {"reason": self.waiting} | ({"message": self.message} if self.message else {})}


@dataclass(slots=True)
class PodState:
    """Everything the kubelet knows about a pod it runs."""

    init: list[ContainerState]
    containers: list[ContainerState]
    host_ip: str
    start_time: str
    pod_ip: str = ""
    initialized: bool = False
    conditions: dict[str, tuple[str, str]] = field(default_factory=dict)  # type -> status, since

    @property
    def all(self) -> list[ContainerState]:
        """Return init containers and containers."""
        return [*self.init, *self.containers]


def new_state(pod: Raw, host_ip: str, now: str) -> PodState:
    """Return the state of a pod that was just bound."""

    def states(kind: str) -> list[ContainerState]:
        return [ContainerState(one["name"], one.get("image", "")) for one in pod["spec"].get(kind) or ()]

    state = PodState(states("initContainers"), states("containers"), host_ip, now)
    for waiting in [*state.init, *(state.containers if state.init else ())]:
        waiting.waiting = "PodInitializing"
    return state


def phase(state: PodState) -> str:
    """Return the pod's phase: Pending until a container has run; members never end for good."""
    begun = any(one.running or one.last for one in state.containers)
    return "Running" if begun and state.initialized else "Pending"


def gates_open(pod: Raw) -> bool:
    """Whether every readiness gate's condition was set to True by whoever owns it."""
    given = {one["type"]: one["status"] for one in (pod.get("status") or {}).get("conditions") or ()}
    return all(given.get(gate["conditionType"]) == "True" for gate in pod["spec"].get("readinessGates") or ())


def conditions(pod: Raw, state: PodState, now: str) -> Iterator[dict[str, Any]]:
    """Yield the kubelet's own conditions."""
    ready = all(one.ready for one in state.containers)
    unready = [one.name for one in state.containers if not one.ready]
    waiting = f"containers with unready status: [{' '.join(unready)}]"
    values = {
        "PodReadyToStartContainers": (bool(state.pod_ip), "", ""),
        "Initialized": (state.initialized, "ContainersNotInitialized", "containers with incomplete status"),
        "ContainersReady": (ready, "ContainersNotReady", waiting),
        "Ready": (ready and gates_open(pod), *(("ReadinessGatesNotReady", "") if ready else ("ContainersNotReady", waiting))),
    }  # fmt: skip
    for kind, (holds, reason, message) in values.items():
        status = "True" if holds else "False"
        if state.conditions.get(kind, ("", ""))[0] != status:
            state.conditions[kind] = (status, now)
        # Null takes away the reason of the condition before.
        yield {
            "type": kind,
            "status": status,
            "lastTransitionTime": state.conditions[kind][1],
            "reason": None if holds else reason or None,
            "message": None if holds else message or None,
        }


def status(pod: Raw, state: PodState, now: str) -> dict[str, Any]:
    """Return the status to write."""
    uid = pod["metadata"]["uid"]
    result: dict[str, Any] = {
        "phase": phase(state),
        "hostIP": state.host_ip,
        "hostIPs": [{"ip": state.host_ip}],
        "startTime": state.start_time,
        "conditions": list(conditions(pod, state, now)),
        "containerStatuses": [one.as_json(uid) for one in state.containers],
        "qosClass": (pod.get("status") or {}).get("qosClass") or "BestEffort",
    }
    if state.init:
        result["initContainerStatuses"] = [one.as_json(uid) for one in state.init]
    if state.pod_ip:
        result |= {"podIP": state.pod_ip, "podIPs": [{"ip": state.pod_ip}]}
    return result
