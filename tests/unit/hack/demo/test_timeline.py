"""Which changes of objects become a line, and what the line says."""

from __future__ import annotations

from typing import Any

from hack.demo.timeline import LONGEST, Line, holds, line, readiness


def custom(*conditions: dict[str, str], generation: int = 1, observed: int = 1) -> dict[str, Any]:
    return {
        "apiVersion": "kaspr.io/v1alpha1",
        "kind": "KasprApp",
        "metadata": {"name": "shop", "generation": generation},
        "status": {"observedGeneration": observed, "conditions": list(conditions)},
    }


def condition(type_: str, status: str, reason: str, message: str = "") -> dict[str, str]:
    return {"type": type_, "status": status, "reason": reason, "message": message}


def built_in(kind: str, name: str = "shop-app", **fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, **fields.pop("metadata", {})},
        **fields,
    }


def pod(**status: Any) -> dict[str, Any]:
    labels = {"controller-revision-hash": "shop-app-abc"}
    return built_in("Pod", "shop-app-0", metadata={"labels": labels}, status=status)


def test_new_changed_and_gone_objects_have_their_marks() -> None:
    """+ for new, - for gone, ~ for a change that matters."""
    before = built_in("ConfigMap", data={"a": "1"})
    after = built_in("ConfigMap", data={"a": "2"})
    assert line(None, before) == Line("+", "ConfigMap", "shop-app", "")
    assert line(before, after) == Line("~", "ConfigMap", "shop-app", "content changed")
    assert line(after, None) == Line("-", "ConfigMap", "shop-app", "")


def test_a_change_that_nobody_would_call_one_gives_no_line() -> None:
    """Bookkeeping moves, nothing that a person reads does."""
    before = built_in("ConfigMap", data={"a": "1"}, metadata={"resourceVersion": "1"})
    after = built_in("ConfigMap", data={"a": "1"}, metadata={"resourceVersion": "2"})
    assert line(before, after) is None


def test_the_furniture_of_a_namespace_is_not_told() -> None:
    """Every namespace has these two objects."""
    assert line(None, built_in("ConfigMap", "kube-root-ca.crt")) is None
    assert line(None, built_in("ServiceAccount", "default")) is None
    assert line(None, built_in("ServiceAccount", "shop-app")) is not None


def test_a_custom_resource_shows_why_it_is_not_ready() -> None:
    """Reason and message of a False condition, the reason alone of a True one."""
    waiting = custom(condition("Ready", "False", "WaitingForMembers", "1 of 2 members"))
    ready = custom(condition("Ready", "True", "Healthy", "all is well"))
    assert line(None, custom()) == Line("+", "KasprApp", "shop", "")
    assert line(custom(), waiting) == Line(
        "~", "KasprApp", "shop", "Ready=False WaitingForMembers: 1 of 2 members"
    )
    assert line(waiting, ready) == Line("~", "KasprApp", "shop", "Ready=True Healthy")


def test_an_edit_is_told_by_its_generation() -> None:
    """The status may stay the same at first."""
    ready = condition("Ready", "True", "Healthy")
    assert line(custom(ready), custom(ready, generation=2)) == Line(
        "~", "KasprApp", "shop", "edited, generation 2"
    )


def test_other_conditions_are_shown_when_they_say_something_new() -> None:
    """A second condition with the reason of the first one is a repetition."""
    held = condition("ComponentsAccepted", "False", "SomeHeldBack", "1 held back")
    assert readiness(custom(condition("Ready", "True", "Healthy"), held)) == (
        "Ready=True Healthy; ComponentsAccepted=False SomeHeldBack: 1 held back"
    )
    stalled = [
        condition(type_, status, "InvalidSpec", "x")
        for type_, status in (("Ready", "False"), ("Stalled", "True"))
    ]
    assert readiness(custom(*stalled)) == "Ready=False InvalidSpec: x"
    fine = condition("ComponentsAccepted", "True", "AllAccepted")
    assert readiness(custom(condition("Ready", "True", "Healthy"), fine)) == "Ready=True Healthy"


def test_a_long_message_is_one_short_line() -> None:
    """A traceback in a message must not tear the timeline."""
    broken = custom(condition("Ready", "False", "InvalidSpec", "line 1\nline 2 " + "x" * 500))
    told = line(None, broken)
    assert told is not None
    assert "line 1 line 2" in told.text
    assert len(told.text) == LONGEST
    assert told.text.endswith("...")


def test_pods_and_sets_tell_state_and_revision() -> None:
    """The revision shows which pods are old."""
    starting = pod(phase="Running", containerStatuses=[{"state": {"running": {}}}])
    crashing = pod(
        phase="Running", containerStatuses=[{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]
    )
    ready = pod(phase="Running", conditions=[condition("Ready", "True", "")])
    doomed = {**ready, "metadata": {**ready["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    texts = [told.text for one in (pod(), starting, crashing, ready, doomed) if (told := line(None, one))]
    assert texts == [
        "pending, revision abc",
        "running, not ready, revision abc",
        "CrashLoopBackOff, revision abc",
        "ready, revision abc",
        "terminating, revision abc",
    ]
    stateful_set = built_in(
        "StatefulSet", spec={"replicas": 2}, status={"readyReplicas": 1, "updateRevision": "shop-app-abc"}
    )
    assert line(None, stateful_set) == Line("+", "StatefulSet", "shop-app", "1/2 ready, revision abc")


def test_a_condition_holds_only_for_the_newest_generation() -> None:
    """Right after an edit the old Ready says nothing."""
    ready = condition("Ready", "True", "Healthy")
    assert holds(custom(ready), "Ready")
    assert not holds(custom(ready, generation=2), "Ready")
    assert holds(custom(ready, generation=2, observed=2), "Ready")
    assert not holds(custom(condition("Ready", "False", "NotReady")), "Ready")
    assert not holds(None, "Ready")
