"""Kubernetes quantities as exact numbers.

In: `"10Gi"`, `"500m"`, `"1e3"`, `1`, `0.5`. Out: a `Fraction`. Used by rules that compare sizes, and by renderers. Any thread.
Invariant: the grammar is the API server's; what it refuses raises here.
"""

from __future__ import annotations

import re
from fractions import Fraction

_BINARY = {f"{letter}i": Fraction(1024) ** (power + 1) for power, letter in enumerate("KMGTPE")}
_DECIMAL = {letter: Fraction(1000) ** power for power, letter in enumerate("num", start=-3)} | {
    letter: Fraction(1000) ** (power + 1) for power, letter in enumerate("kMGTPE")
}
_SUFFIXES = {"": Fraction(1), **_BINARY, **_DECIMAL}
_TEXT = re.compile(
    r"([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(?:([eE][-+]?[0-9]{1,3})|([KMGTPE]i|[numkMGTPE])?)"
)


def parse(value: str | float) -> Fraction:
    """The number a quantity stands for, in its base unit (bytes, cores).

    Raises:
        ValueError: the text is not a quantity.
    """
    match = _TEXT.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{value!r} is not a quantity such as 512Mi or 10Gi")
    number, exponent, suffix = match.groups()
    return Fraction(number.rstrip(".") + (exponent or "")) * _SUFFIXES[suffix or ""]
