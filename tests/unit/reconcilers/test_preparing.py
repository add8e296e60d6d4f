"""Components are prepared once for each version of their spec."""

from __future__ import annotations

from kaspr_controller.desired.components import prepare
from kaspr_controller.reconcilers.loading import load_component
from kaspr_controller.reconcilers.preparing import PreparedComponents
from tests.unit.reconcilers import resources
from tests.unit.reconcilers.resources import Resource


def _agent(uid: str = "u1", generation: int = 1, python: str = "") -> Resource:
    found = resources.agent("a", python=python)
    return {**found, "metadata": {**found["metadata"], "uid": uid, "generation": generation}}


def test_it_is_what_the_render_would_prepare() -> None:
    """The memory changes nothing but the time that it takes; what cannot be used says why."""
    for raw in (_agent(), _agent(python="def f(:\n"), {**_agent(), "spec": {"input": 1}}):
        assert PreparedComponents().of(raw) == prepare(load_component(raw))


def test_one_version_is_prepared_once() -> None:
    """A status, a label or an annotation changes neither UID nor generation, and nothing that is prepared."""
    prepared, raw = PreparedComponents(), _agent()
    first = prepared.of(raw)
    other = {
        **raw,
        "status": {"x": 1},
        "metadata": {**raw["metadata"], "resourceVersion": "9", "labels": {"team": "b"}},
    }
    assert prepared.of(other) is first


def test_another_spec_or_incarnation_is_prepared_anew() -> None:
    """The server counts generations for each UID: a namesake begins at 1 again."""
    prepared = PreparedComponents()
    first = prepared.of(_agent())
    assert prepared.of(_agent(generation=2, python="def f(v):\n    return 2\n")).text != first.text
    assert prepared.of(_agent(uid="u2", python="def f(v):\n    return 3\n")).text != first.text
    assert prepared.of(_agent()) is first


def test_it_is_bounded() -> None:
    """What was not asked for longest goes first; it is prepared again when somebody asks."""
    prepared = PreparedComponents(capacity=2)
    first, second = prepared.of(_agent("u1")), prepared.of(_agent("u2"))
    assert prepared.of(_agent("u1")) is first
    prepared.of(_agent("u3"))
    assert len(prepared) == 2
    assert prepared.of(_agent("u1")) is first
    assert prepared.of(_agent("u2")) is not second
