"""Tables on volumes: what a member knows survives its pod, and the user's data survives the app.

Rules: a claim belongs to an ordinal and returns with it (2.8); `deleteClaim` alone decides what becomes of the claims when the app is
deleted (1.4); a volume that is lost is rebuilt from Kafka.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.kube.kinds import PERSISTENT_VOLUME_CLAIM, STATEFUL_SET
from tests.e2e.running.preparing import gone
from tests.e2e.running.stage import SOON
from tests.integration.fixtures import shop
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from tests.e2e.running.stage import Stage

COUNT = """
def f(value, seen):
    seen[value["key"]] = seen.get(value["key"], 0) + 1
    return {"key": value["key"], "count": seen[value["key"]]}
"""


def counting(stage: Stage, source: str, **app: Any) -> None:
    """An app that counts keys in a table and shows the counts at `/seen/{key}`."""
    agent = stage.agent("count", source)
    (operation,) = agent["spec"]["processors"]["operations"]
    operation |= {
        "map": {"python": COUNT, "entrypoint": "f"},
        "tables": [{"name": "seen", "paramName": "seen"}],
    }
    table = shop.table(
        stage.namespace, "seen", app=stage.name, keySerializer="json", valueSerializer="json", partitions=4
    )
    view = shop.web_view(stage.namespace, "lookup", "/seen/{key}", app=stage.name)
    view["spec"]["response"] = {"contentType": "application/json"}
    view["spec"]["processors"] = {
        "pipeline": ["get"],
        "operations": [
            {
                "name": "get",
                "tables": [{"name": "seen", "paramName": "seen"}],
                "map": {
                    "python": "def get(request, key, seen):\n    return seen.get(key)\n",
                    "entrypoint": "get",
                },
            }
        ],
    }
    stage.apply(stage.app(**app), table, agent, view)
    stage.ready()


def send(stage: Stage, source: str, each: int) -> None:
    """Count every key so many times more."""
    for _ in range(each):
        for key in "abcdefgh":
            stage.kafka.send(source, {"key": key}, key=key)
    stage.kafka.flush()


def shows(stage: Stage, count: int) -> None:
    """Wait until the web view of the first member shows this count for each key."""

    def holds() -> None:
        for key in "abcdefgh":
            assert stage.ask(stage.member(0), f"/seen/{key}") == count, key

    eventually_holds(holds, timeout=60, what=f"every key counted {count} times")


def test_rows_return_with_the_pod(stage: Stage) -> None:
    """Purpose: a deleted pod. Its successor has the volume, knows the rows, and goes on counting from there."""
    source = stage.kafka.topic(f"{stage.namespace}-in")
    counting(stage, source)
    send(stage, source, 5)
    shows(stage, 5)
    claim = f"{stage.name}-app-pv-{stage.member(0)}"
    volume = stage.kube.get(PERSISTENT_VOLUME_CLAIM, stage.namespace, claim)["spec"]["volumeName"]
    before = stage.uids()
    stage.cluster.kubectl("delete", "pod", stage.member(0), f"--namespace={stage.namespace}")
    stage.rolled_out(before)
    shows(stage, 5)
    assert stage.kube.get(PERSISTENT_VOLUME_CLAIM, stage.namespace, claim)["spec"]["volumeName"] == volume
    send(stage, source, 2)
    shows(stage, 7)


def test_a_lost_volume_is_rebuilt_from_kafka(stage: Stage) -> None:
    """Purpose: ephemeral storage. The pod's directory is gone with it, and the changelog gives the rows back."""
    source = stage.kafka.topic(f"{stage.namespace}-in")
    counting(stage, source, storage={"type": "ephemeral"})
    send(stage, source, 3)
    shows(stage, 3)
    assert stage.kube.list_objects(PERSISTENT_VOLUME_CLAIM, stage.namespace) == []
    before = stage.uids()
    stage.cluster.kubectl("delete", "pod", stage.member(0), f"--namespace={stage.namespace}")
    stage.rolled_out(before)
    shows(stage, 3)


@pytest.mark.parametrize("delete", [False, True])
def test_what_becomes_of_the_claims(stage: Stage, *, delete: bool) -> None:
    """1.4: the app is deleted; its claims stay, unless `deleteClaim` says otherwise."""
    source = stage.kafka.topic(f"{stage.namespace}-in")
    storage = {"type": "persistent-claim", "class": stage.storage_class, "size": "1Gi", "deleteClaim": delete}
    stage.apply(stage.app(storage=storage), stage.agent("relay", source))
    stage.ready()
    claim = f"{stage.name}-app-pv-{stage.member(0)}"
    stage.kube.delete(shop.APP, stage.namespace, stage.name)
    gone(stage.kube, STATEFUL_SET, stage.namespace, f"{stage.name}-app")
    eventually(lambda: not stage.pods(), timeout=SOON, what="no pods")
    if delete:
        gone(stage.kube, PERSISTENT_VOLUME_CLAIM, stage.namespace, claim)
    else:
        found = stage.kube.get(PERSISTENT_VOLUME_CLAIM, stage.namespace, claim)
        assert found["status"]["phase"] == "Bound"
        assert "deletionTimestamp" not in found["metadata"]
