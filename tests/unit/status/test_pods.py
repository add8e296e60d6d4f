"""What is wrong with a pod is said in the words of its own status."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.status.moments import seconds_of, text_of
from kaspr_controller.status.pods import read_pod, trouble_of


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return {
        "containerStatuses": [
            {"name": "kaspr", "state": {"waiting": {"reason": reason, "message": message}}, **more}
        ]
    }


def unscheduled(message: str) -> dict[str, Any]:
    return {"conditions": [{"type": "PodScheduled", "status": "False", "message": message}]}


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (waiting("ImagePullBackOff", "no such image kaspr:9"), "ImagePullFailed", "kaspr:9"),
        (waiting("CreateContainerConfigError", 'secret "x" not found'), "ContainerConfigError", 'secret "x"'),
        (
            waiting(
                "CrashLoopBackOff",
                restartCount=4,
                lastState={"terminated": {"exitCode": 1, "message": "long\nTypeError: App.channel()"}},
            ),
            "CrashLoop",
            "exit code 1, restarted 2 times or more: long\nTypeError: App.channel()",
        ),
        (
            {
                "initContainerStatuses": [
                    {"name": "install-packages", "state": {"terminated": {"exitCode": 2}}}
                ]
            },
            "CrashLoop",
            "install-packages ended with exit code 2",
        ),
        (unscheduled("0/3 nodes are available: insufficient memory"), "Unschedulable", "insufficient memory"),
        (unscheduled("pod has unbound immediate PersistentVolumeClaims"), "VolumeClaimPending", "unbound"),
        ({"phase": "Failed", "reason": "Evicted", "message": "disk pressure"}, "Evicted", "disk pressure"),
    ],
)
def test_trouble_is_named(status: dict[str, Any], reason: str, words: str) -> None:
    """R15: image pull, configuration, crash loop with its last words, scheduling, claims, eviction."""
    found = trouble_of(status)
    assert found is not None
    assert found.reason == reason
    assert words in found.message


@pytest.mark.parametrize("status", [{}, waiting("ContainerCreating"), {"phase": "Running"}])
def test_no_trouble_is_invented(status: dict[str, Any]) -> None:
    """A pod that is being made, or of which nothing is known yet, has none."""
    assert trouble_of(status) is None


def test_a_crash_loop_is_told_in_few_words() -> None:
    """O3: a member that crashes 3000 times for one reason gives a handful of messages, not 3000."""
    ended = {"terminated": {"exitCode": 1, "message": "TypeError"}}
    messages = {
        found.message
        for restarts in range(3000)
        if (found := trouble_of(waiting("CrashLoopBackOff", restartCount=restarts, lastState=ended)))
    }
    assert len(messages) == 6
    assert all("exit code 1" in each and each.endswith(": TypeError") for each in messages)


def test_a_pull_that_is_tried_again_is_the_same_trouble() -> None:
    """O3: the kubelet takes turns between the error and a sentence around it; the status need not."""
    error = 'failed to resolve "registry.example/kaspr:9": not found'
    messages = {
        found.message
        for found in (
            trouble_of(waiting("ErrImagePull", error)),
            trouble_of(
                waiting("ImagePullBackOff", f'Back-off pulling image "kaspr:9": ErrImagePull: {error}')
            ),
        )
        if found is not None
    }
    assert messages == {error}


def test_the_facts_of_a_pod() -> None:
    """Everything that the decisions read, from one object; times become ages."""
    raw = {
        "metadata": {
            "name": "demo-app-2",
            "uid": "u",
            "labels": {"controller-revision-hash": "demo-app-7f"},
            "annotations": {"kaspr.io/subscriptions": "a,b"},
            "deletionTimestamp": "2026-01-01T00:00:00Z",
        },
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {"name": "kaspr", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
            ],
        },
    }
    now = seconds_of("2026-01-01T00:00:30Z")
    assert now is not None
    found = read_pod(raw, annotation="kaspr.io/subscriptions", now=now)
    assert (found.ordinal, found.revision, found.subscriptions) == (2, "demo-app-7f", "a,b")
    assert (found.running, found.ready, found.deleting, found.running_for) == (True, True, True, 30.0)


def test_times_survive_being_written() -> None:
    """What a status part writes it reads again; what is no time is none."""
    assert seconds_of(text_of(1_700_000_000.125)) == 1_700_000_000.125
    assert [seconds_of(text) for text in ("", "soon", "2026-01-01T00:00:00", 5, None)] == [None] * 5
