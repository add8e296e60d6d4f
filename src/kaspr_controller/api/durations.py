"""Durations as users write them: a whole number with a unit, or plain seconds.

In: `"30s"`, `"5m"`, `"90"`, `90`. Out: seconds. Used by the renderer for fields the runtime wants as integers. Any thread.
"""

from __future__ import annotations

import re

_TEXT = re.compile("([0-9]+)([smhd]?)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(value: int | str) -> int:
    """Seconds of a duration.

    Raises:
        ValueError: the text is neither a number nor a number with one of the units s, m, h, d.
    """
    match = _TEXT.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a duration such as 30s, 5m or a number of seconds")
    number, unit = match.groups()
    return int(number) * _UNITS[unit or "s"]
