"""The state of the workload is judged by revisions."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.status.rollout import Rollout, judge, tag_of


def stateful_set(**status: Any) -> dict[str, Any]:
    return {
        "metadata": {"generation": 3},
        "spec": {
            "replicas": 4,
            "template": {"spec": {"containers": [{"name": "kaspr", "image": "k/kaspr:1"}]}},
        },
        "status": {
            "observedGeneration": 3,
            "currentRevision": "a",
            "updateRevision": "a",
            "replicas": 4,
            "updatedReplicas": 4,
            **status,
        },
    }


def test_half_way_is_not_finished() -> None:
    """D52: two of four updated pods are a rollout in progress although current and updated counts are equal."""
    rollout = judge(stateful_set(updateRevision="b", currentReplicas=2, updatedReplicas=2, readyReplicas=4))
    assert (rollout.updated, rollout.total) == (2, 4)
    assert not rollout.complete
    assert not rollout.settled


def test_an_edit_that_was_taken_back_halfway_is_not_finished() -> None:
    """Both revisions are the old one again while a pod of the abandoned one is left: neither complete nor settled."""
    rollout = judge(stateful_set(updatedReplicas=3, readyReplicas=4, availableReplicas=4))
    assert not rollout.complete
    assert not rollout.settled
    assert not rollout.current


def test_all_pods_current_and_ready_is_complete() -> None:
    """Complete needs one revision, the desired number and readiness."""
    rollout = judge(stateful_set(readyReplicas=4, availableReplicas=4))
    assert rollout.complete
    assert rollout.settled
    assert rollout.image == "k/kaspr:1"


@pytest.mark.parametrize(
    "status",
    [
        {"readyReplicas": 3},
        {"readyReplicas": 4, "observedGeneration": 2},
        {"readyReplicas": 4, "replicas": 5},
    ],
)
def test_anything_missing_is_not_complete(status: dict[str, Any]) -> None:
    """An unready pod, an unseen generation or a surplus pod each keep the rollout open."""
    assert not judge(stateful_set(**status)).complete


def test_settled_ignores_readiness_but_not_revisions() -> None:
    """Content of old revisions may go once no pod of one is left, even if a new pod is not ready yet."""
    assert judge(stateful_set(readyReplicas=0)).settled
    assert not judge(stateful_set(readyReplicas=0, replicas=5)).settled


def test_absent_and_departing_workloads_do_not_exist() -> None:
    """A StatefulSet with a deletion timestamp cannot carry anything."""
    departing = stateful_set()
    departing["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert judge(None) == judge(departing) == Rollout()


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("kasprio/kaspr:0.11.19", "0.11.19"),
        ("reg:5000/kaspr", ""),
        ("reg:5000/kaspr:1.2", "1.2"),
        ("kaspr:1.2@sha256:abc", "1.2"),
        ("kaspr@sha256:abc", "sha256:abc"),
        ("", ""),
    ],
)
def test_the_version_of_an_image(image: str, tag: str) -> None:
    """D30: a registry port is no version and a digest does not hide the tag."""
    assert tag_of(image) == tag
