"""The log level of a process that runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import structlog

from kaspr_controller.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _own_configuration() -> Iterator[None]:
    before, level = structlog.get_config(), logs.LEVEL.get()
    yield
    structlog.configure(**before)
    logs.LEVEL.set(level)


def test_a_new_level_counts_for_loggers_that_were_used_before(capsys: pytest.CaptureFixture[str]) -> None:
    """O2: whoever looks for a fault makes a running process talk, and quiet again."""
    logs.configure(level="info")
    log = logs.get_logger("test")
    log.debug("one")
    log.info("two")
    logs.LEVEL.set("debug")
    log.debug("three")
    logs.LEVEL.set("error")
    log.warning("four")
    try:
        raise ValueError("x")
    except ValueError:
        log.exception("five")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["msg"], line["level"]) for line in lines] == [
        ("two", "info"),
        ("three", "debug"),
        ("five", "error"),
    ]


def test_there_is_no_other_level() -> None:
    """What is misspelt changes nothing and is told what there is."""
    logs.LEVEL.set("warning")
    with pytest.raises(ValueError, match="'loud': use debug, info, warning, error"):
        logs.LEVEL.set("loud")
    assert logs.LEVEL.get() == "warning"
