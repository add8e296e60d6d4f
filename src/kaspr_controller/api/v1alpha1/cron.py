"""The pattern of a cron expression: five fields, an optional sixth for seconds, or one of the @names.

In: nothing. Out: one regular expression in the syntax that RE2 and Rust share, so admission and parser refuse `61 * * * *`
alike. Used by the task model.
"""

from __future__ import annotations


def _names(*names: str) -> str:
    return "|".join("".join(f"[{letter.upper()}{letter}]" for letter in name) for name in names)


def _field(value: str, special: str = "") -> str:
    item = rf"(\*|({value})(-({value}))?)(/[0-9]{{1,3}})?"
    if special:
        item = f"({item}|{special})"
    return rf"{item}(,{item})*"


_SIXTY = "[0-5]?[0-9]"
_MONTHS = _names("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = _names("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WEEKDAY = f"[0-7]|{_WEEKDAYS}"
_FIELDS = (
    _field(_SIXTY),
    _field("[01]?[0-9]|2[0-3]"),
    _field("0?[1-9]|[12][0-9]|3[01]", "[lL?]"),
    _field(f"0?[1-9]|1[0-2]|{_MONTHS}"),
    _field(_WEEKDAY, rf"({_WEEKDAY})#[1-5]|[lL]({_WEEKDAY})|\?"),
)
_ALIASES = _names("hourly", "daily", "midnight", "weekly", "monthly", "yearly", "annually")

CRON_PATTERN = rf"^(@({_ALIASES})|{' +'.join(_FIELDS)}( +{_field(_SIXTY)})?)$"
