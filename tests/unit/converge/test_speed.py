"""The hot path: a reconcile that has nothing to do (design 0.5 and chapter 9)."""

from __future__ import annotations

import time
import timeit
from collections.abc import Callable

from kaspr_controller.converge.covering import differences
from tests.unit.converge.objects import children, stateful_set
from tests.unit.converge.world import World

# Measured on an unloaded machine with two cores, Python 3.11: 43 us and 0.40 ms; the design allows 60 us and 1 ms.
# A test runs beside others on machines of all kinds, so it fails only where something became a multiple slower.
COVER_MICROSECONDS = 180.0
PASS_MICROSECONDS = 3000.0


def fastest(call: Callable[[], object], number: int) -> float:
    """Microseconds of processor time of the best round: what the code needs, whatever else the machine did."""
    return min(timeit.repeat(call, timer=time.thread_time, number=number, repeat=7)) / number * 1e6


def test_a_pod_sized_object_is_compared_within_microseconds() -> None:
    """S2: the defaults of a server make the two unequal at every level, which is the slow case."""
    intent = stateful_set(settings=tuple(f"K_{number}" for number in range(25)))
    live = stateful_set(settings=tuple(f"K_{number}" for number in range(25)))
    live["spec"] |= {"replicas": 3, "revisionHistoryLimit": 10}
    live["spec"]["volumeClaimTemplates"][0]["status"] = {"phase": "Pending"}
    pod = live["spec"]["template"]["spec"]
    pod |= {"dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "securityContext": {}}
    container = pod["containers"][0]
    container |= {"terminationMessagePath": "/dev/termination-log"}
    container["ports"][0]["protocol"] = "TCP"
    container["readinessProbe"]["httpGet"]["scheme"] = "HTTP"
    container["resources"] = {
        "limits": {"cpu": "1", "memory": "1Gi"},
        "requests": {"cpu": "500m", "memory": "512Mi"},
    }
    for each in container["env"]:
        if "fieldRef" in each.get("valueFrom", {}):
            each["valueFrom"] = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
    for volume in pod["volumes"]:
        volume["configMap"]["defaultMode"] = 420
    assert differences(intent, live) == []
    assert fastest(lambda: differences(intent, live), 100) < COVER_MICROSECONDS


def test_a_pass_over_a_settled_app_takes_a_fraction_of_a_millisecond() -> None:
    """P1: eleven children read from the stores, hashed, compared; no request."""
    world = World()
    wanted = children()
    world.converge(*wanted)
    world.sync()
    world.server.requests.clear()
    assert fastest(lambda: world.converger.converge(world.owner, wanted), 20) < PASS_MICROSECONDS
    assert world.server.requests == []
