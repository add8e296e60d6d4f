"""Log set-up: JSON lines with the keys that controller-runtime users filter by (rule O3).

`configure` is called once by the command line; `get_logger(name)` anywhere. Messages are constant sentences, variables
are key-values, an error is logged once, by the worker that caught it. Values of Secrets never reach a logger: the rooms
that hold one keep it in a type without a readable `repr`.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TYPE_CHECKING, Any, Literal

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator


_NUMBERS = {
    name: logging.getLevelNamesMapping()[name.upper()] for name in ("debug", "info", "warning", "error")
}


class Level:
    """The least severity that is logged; the debug page changes it while the process runs (rule O2)."""

    def __init__(self) -> None:
        self._name = "info"

    def get(self) -> str:
        """The level in force."""
        return self._name

    def set(self, level: str) -> None:
        """Put another one in force, for every logger at once.

        Raises:
            ValueError: there is no such level.
        """
        if level not in _NUMBERS:
            raise ValueError(f"there is no level {level!r}: use {', '.join(_NUMBERS)}")
        self._name = level

    def admit(
        self, _logger: Any, method: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        """The first processor: drop what is less severe. Loggers are cached, so the filter cannot be one of theirs."""
        if _NUMBERS.get(method, logging.ERROR) < _NUMBERS[self._name]:
            raise structlog.DropEvent
        return event


LEVEL = Level()
"""That of this process."""


def configure(*, level: str = "info", style: Literal["json", "console"] = "json") -> None:
    """Send everything to standard error, one line each; `style` is `json` for machines, `console` for people."""
    LEVEL.set(level)
    renderer: Any = (
        structlog.processors.JSONRenderer() if style == "json" else structlog.dev.ConsoleRenderer()
    )
    structlog.configure(
        processors=[
            LEVEL.admit,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            _rename_logger,
            structlog.processors.EventRenamer("msg"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _rename_logger(
    _logger: Any, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """`get_logger` cannot bind `logger` itself: structlog has a parameter of that name."""
    if "logger_name" in event:
        event["logger"] = event.pop("logger_name")
    return event


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger whose lines carry `logger=name`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(logger_name=name)
    return logger


@contextlib.contextmanager
def bound(**values: Any) -> Iterator[None]:
    """Every line that this thread logs within the block carries these values."""
    with structlog.contextvars.bound_contextvars(**values):
        yield
