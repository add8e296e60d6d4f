"""Who counts the members, and that a count is never let go of while a default would replace it (contract 2.8, 2.11)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspr_controller.desired.app.scaling import ScalingPlan, plan_scaling
from kaspr_controller.desired.facts import WRITTEN_REPLICAS, LiveWorkload
from kaspr_controller.desired.options import Options
from tests.unit.desired.resources import IDENTITY


def plan(replicas: int, live: LiveWorkload | None = None, **options: Any) -> ScalingPlan:
    return plan_scaling(replicas, IDENTITY, options=Options(**options), workload=live)


def test_an_autoscaler_counts() -> None:
    """The StatefulSet says nothing; the autoscaler has the limit and is always exceeded."""
    found = plan(8, scale_up_pods=2, scale_up_period_seconds=30)
    assert (found.replicas, found.annotations) == (None, {})
    assert found.autoscaler is not None
    spec = found.autoscaler["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 8)
    assert spec["metrics"][0]["resource"]["target"] == {"type": "AverageValue", "averageValue": "1Mi"}
    assert spec["behavior"]["scaleUp"]["policies"] == [
        {"type": "Percent", "value": 100, "periodSeconds": 30},
        {"type": "Pods", "value": 2, "periodSeconds": 30},
    ]


@pytest.mark.parametrize("scaling", ["autoscaler", "direct"])
def test_zero_is_written_and_has_no_autoscaler(scaling: str) -> None:
    """An autoscaler's minimum is one."""
    found = plan(0, LiveWorkload(replicas=5), scaling=scaling)
    assert (found.replicas, found.autoscaler) == (0, None)


def test_direct_counting_always_writes() -> None:
    """No metrics API is needed."""
    found = plan(4, LiveWorkload(replicas=2), scaling="direct")
    assert (found.replicas, found.autoscaler) == (4, None)


@pytest.mark.parametrize(("replicas", "initial", "expected"), [(8, 1, 1), (8, 3, 3), (2, 3, 2)])
def test_what_stands_at_zero_is_woken(replicas: int, initial: int, expected: int) -> None:
    """An autoscaler leaves a workload at 0 alone."""
    assert (
        plan(replicas, LiveWorkload(replicas=0, written_replicas=0), initial_replicas=initial).replicas
        == expected
    )


def test_a_new_workload_starts_with_the_default() -> None:
    """The API server's default is one member."""
    assert plan(8).replicas is None


class Server:
    """What the API server and an autoscaler do to `spec.replicas`: server-side apply with ownership."""

    def __init__(self) -> None:
        self.replicas: int | None = None
        self.owned = False
        self.annotations: dict[str, str] = {}

    def apply(self, found: ScalingPlan) -> None:
        self.annotations = found.annotations
        if found.replicas is not None:
            self.replicas, self.owned = found.replicas, True
        elif self.replicas is None or self.owned:
            self.replicas, self.owned = (
                1,
                False,
            )  # a field that nobody owns any more falls back to its default

    def autoscale(self, count: int) -> None:
        if self.replicas and count != self.replicas:
            self.replicas, self.owned = count, False

    @property
    def live(self) -> LiveWorkload | None:
        if self.replicas is None:
            return None
        annotations = {**self.annotations}
        raw = {"metadata": {"annotations": annotations}, "spec": {"replicas": self.replicas}}
        return LiveWorkload.of(raw)


STEPS = st.one_of(
    st.tuples(st.just("spec"), st.integers(0, 9)),
    st.tuples(st.just("scaling"), st.sampled_from(["autoscaler", "direct"])),
    st.tuples(st.just("autoscale"), st.integers(1, 9)),
)


@given(st.lists(STEPS, max_size=12), st.integers(1, 4))
def test_a_group_never_collapses(steps: list[tuple[str, Any]], initial: int) -> None:
    """Through any history of counts, handovers and autoscaling, no apply of ours shrinks a group below the spec's count."""
    server, replicas, scaling = Server(), 3, "autoscaler"
    for what, value in steps:
        if what == "autoscale" and scaling == "autoscaler" and replicas:
            server.autoscale(min(value, replicas))
        elif what == "spec":
            replicas = value
        elif what == "scaling":
            scaling = value
        before = server.replicas
        for _ in range(2):
            server.apply(plan(replicas, server.live, scaling=scaling, initial_replicas=initial))
        now = server.replicas
        assert now is not None
        if replicas == 0 or scaling == "direct":
            assert now == replicas
        elif before:
            assert now >= min(before, replicas)
        else:
            assert now == (1 if before is None else min(replicas, initial))


def test_the_annotation_is_read_back() -> None:
    """A value that is no number counts as none."""
    raw = {"metadata": {"annotations": {WRITTEN_REPLICAS: "x"}}, "spec": {"replicas": 3}}
    assert LiveWorkload.of(raw).written_replicas is None
