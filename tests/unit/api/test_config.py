"""Settings: known ones are typed, others pass through, one setting has one value."""

from __future__ import annotations

from typing import Any

import pytest

from kaspr_controller.api.parsing import InvalidSpec, parse
from kaspr_controller.api.v1alpha1.app import KasprApp, KasprAppConfig
from tests.corpus.loading import BASES


def config(settings: dict[str, Any]) -> KasprAppConfig:
    """The parsed settings of an app."""
    base = BASES["app"]
    app = parse({**base, "spec": {**base["spec"], "config": settings}})
    assert isinstance(app, KasprApp)
    return app.spec.config


def test_unknown_keys_pass_through_as_written() -> None:
    """Users reach settings of the runtime that way; a null says nothing."""
    found = config(
        {"broker_session_timeout": 300, "stream_wait_empty": False, "x": None, "topicPartitions": 3}
    )
    assert found.passthrough == {"broker_session_timeout": 300, "stream_wait_empty": False}
    assert found.topic_partitions == 3


@pytest.mark.parametrize(
    ("written", "attribute", "value"),
    [
        ({"topic_partitions": 5}, "topic_partitions", 5),
        ({"topic_partitions": "5"}, "topic_partitions", 5),
        ({"topic_allow_declare": "True"}, "topic_allow_declare", True),
        ({"scheduler_enabled": "false"}, "scheduler_enabled", False),
        ({"topicPartitions": "5"}, "topic_partitions", 5),
        ({"schedulerEnabled": "True"}, "scheduler_enabled", True),
        ({"schedulerCronTickIntervalSeconds": "2.5"}, "scheduler_cron_tick_interval_seconds", 2.5),
        ({"web_base_path": "/x"}, "web_base_path", "/x"),
        ({"topic_partitions": 5, "topicPartitions": 6}, "topic_partitions", 6),
        ({"scheduler_cron_tick_interval_seconds": 2}, "scheduler_cron_tick_interval_seconds", 2.0),
    ],
)
def test_spelling_and_quotes_make_no_difference(written: dict[str, Any], attribute: str, value: Any) -> None:
    """Both became one variable before; the documented spelling wins, and a text gets the type of its setting."""
    found = config(written)
    assert getattr(found, attribute) == value
    assert found.passthrough == {}


@pytest.mark.parametrize("written", [{"web_port": "80"}, {"web_port": "x"}, {"topic_allow_declare": "yes"}])
def test_the_snake_case_spelling_has_the_same_bounds(written: dict[str, Any]) -> None:
    """`yes` would be true for a boolean setting of the runtime by accident only."""
    with pytest.raises(InvalidSpec):
        config(written)


@pytest.mark.parametrize("written", [{"a b": 1}, {"a.b": 1}, {"1a": 1}, {"": 1}, {"a": []}, {"a": {}}])
def test_what_cannot_become_a_variable_is_refused(written: dict[str, Any]) -> None:
    """A name that is none, or a value without a text."""
    with pytest.raises(InvalidSpec) as refused:
        config(written)
    assert [error.path for error in refused.value.errors] == ["spec.config"]
