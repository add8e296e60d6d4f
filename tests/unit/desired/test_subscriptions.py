"""What the pods' annotation says about who reads what: topics, and marks for what no topic shows (D44)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kaspr_controller.desired.bundle import render_app
from kaspr_controller.desired.subscriptions import ANNOTATION, annotation_of
from tests.unit.desired.cases import component
from tests.unit.desired.resources import agent, app, join, listener, raw, table

if TYPE_CHECKING:
    from kaspr_controller.desired.components import AnyComponent


def wide(name: str, **spec: object) -> AnyComponent:
    return component(raw("KasprTable", name, {"name": name, **spec}))


def text(*parts: AnyComponent) -> str:
    return annotation_of(render_app(app(), parts).subscriptions)[ANNOTATION]


BEFORE = (table("t"), table("u"), agent("a"))


@pytest.mark.parametrize(
    ("after", "mark"),
    [
        ((wide("t", **{"global": True}), *BEFORE[1:]), "global:t"),
        ((wide("t", partitions=8), *BEFORE[1:]), "partitions:t:8"),
        ((*BEFORE, join("j", "t", "u")), "join:j:t:u"),
        ((*BEFORE, join("j", "t", "u"), listener("l", "j-channel")), "channel:l:"),
    ],
    ids=["a table becomes global", "a table gets partitions", "a join comes", "an agent listens to it"],
)
def test_what_no_topic_shows_is_marked(after: tuple[AnyComponent, ...], mark: str) -> None:
    """D44: the fingerprint changes, so that one rebalance follows."""
    assert mark not in text(*BEFORE)
    assert mark in text(*after)
    assert text(*after) != text(*BEFORE)


def test_marks_are_no_topics() -> None:
    """Whoever looks for topics leaves out what has a colon in it; the order is always the same."""
    parts = (*BEFORE, wide("g", **{"global": True}), join("j", "t", "u"), listener("l", "j-channel"))
    bundle = render_app(app(), parts)
    topics = {item for item in text(*parts).split(",") if ":" not in item}
    assert topics == set(bundle.subscriptions.all)
    assert text(*parts) == text(*reversed(parts))


def test_an_ordinary_app_has_no_marks() -> None:
    """Nothing is said that means nothing."""
    assert ":" not in text(*BEFORE)
