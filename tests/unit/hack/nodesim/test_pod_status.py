"""The status a kubelet writes."""

from __future__ import annotations

from typing import Any

from hack.nodesim.pod_status import Exit, PodState, new_state, status

T0, T1, T2 = "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"


def pod(**spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"uid": "u"},
        "spec": {"containers": [{"name": "kaspr", "image": "i"}], **spec},
        "status": {},
    }


def running(state: PodState) -> PodState:
    state.initialized, state.pod_ip = True, "127.1.1.1"
    state.containers[0].running, state.containers[0].started_at, state.containers[0].ready = True, T1, True
    return state


def conditions(written: dict[str, Any]) -> dict[str, tuple[str, str, str | None]]:
    return {
        one["type"]: (one["status"], one["lastTransitionTime"], one["reason"])
        for one in written["conditions"]
    }


def test_a_pod_begins_pending_and_creating() -> None:
    """Nothing runs, no address."""
    written = status(pod(), new_state(pod(), "127.0.0.1", T0), T0)
    assert written["phase"] == "Pending"
    assert "podIP" not in written
    assert written["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert conditions(written)["Ready"] == ("False", T0, "ContainersNotReady")


def test_a_running_pod_is_ready_with_its_address() -> None:
    """One patch says it all."""
    written = status(pod(), running(new_state(pod(), "127.0.0.1", T0)), T1)
    assert (written["phase"], written["podIPs"]) == ("Running", [{"ip": "127.1.1.1"}])
    assert written["containerStatuses"][0]["state"] == {"running": {"startedAt": T1}}
    assert {kind: value[0] for kind, value in conditions(written).items()} == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"), "True"
    )


def test_conditions_keep_their_time_while_they_hold() -> None:
    """Only what turns gets a new time."""
    state = new_state(pod(), "127.0.0.1", T0)
    status(pod(), state, T0)
    status(pod(), running(state), T1)
    state.containers[0].ready = False
    written = conditions(status(pod(), state, T2))
    assert written["Initialized"] == ("True", T1, None)
    assert written["Ready"] == ("False", T2, "ContainersNotReady")


def test_a_crashed_container_shows_how_it_ended() -> None:
    """Waiting with the reason, the exit in lastState, the pod still Running."""
    state = running(new_state(pod(), "127.0.0.1", T0))
    one = state.containers[0]
    one.running = one.ready = False
    one.waiting, one.message, one.restarts = "CrashLoopBackOff", "back-off 10s", 2
    one.last = Exit(42, "AssertionError", T1, T2)
    written = status(pod(), state, T2)
    shown = written["containerStatuses"][0]
    assert written["phase"] == "Running"
    assert shown["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    assert shown["lastState"]["terminated"]["exitCode"] == 42
    assert (shown["restartCount"], shown["ready"]) == (2, False)


def test_a_readiness_gate_holds_ready_back() -> None:
    """All containers ready, the gate's condition missing: not Ready, and the reason says why."""
    gated = pod(readinessGates=[{"conditionType": "kaspr.io/assigned"}])
    state = running(new_state(gated, "127.0.0.1", T0))
    assert conditions(status(gated, state, T1))["Ready"] == ("False", T1, "ReadinessGatesNotReady")
    gated["status"]["conditions"] = [{"type": "kaspr.io/assigned", "status": "True"}]
    assert conditions(status(gated, state, T2))["Ready"] == ("True", T2, None)


def test_containers_wait_for_init_containers() -> None:
    """Initialized is False and everything else PodInitializing until the last one is done."""
    made = pod(initContainers=[{"name": "install-packages", "image": "i"}])
    state = new_state(made, "127.0.0.1", T0)
    written = status(made, state, T0)
    assert written["containerStatuses"][0]["state"]["waiting"]["reason"] == "PodInitializing"
    assert conditions(written)["Initialized"][0] == "False"
    state.init[0].done = Exit(0, "", T0, T1)
    state.initialized = True
    done = status(made, state, T1)["initContainerStatuses"][0]
    assert done["state"]["terminated"]["reason"] == "Completed"
