"""Quantities, durations, cron expressions, keys of labels: small grammars with one reading."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest

from kaspr_controller.api import durations, quantities
from kaspr_controller.api.modelling import QUANTITY_PATTERN, scalar_text
from kaspr_controller.api.v1alpha1.cron import CRON_PATTERN
from kaspr_controller.api.v1alpha1.packages import PACKAGE_PATTERN
from kaspr_controller.api.v1alpha1.qualified import is_qualified_name


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("10", 10),
        ("+10", 10),
        ("-1", -1),
        ("1Ki", 1024),
        ("1k", 1000),
        ("10Gi", 10 * 1024**3),
        ("1.5Gi", 3 * 1024**3 // 2),
        ("1.", 1),
        (".5", Fraction(1, 2)),
        ("500m", Fraction(1, 2)),
        ("1n", Fraction(1, 10**9)),
        ("1u", Fraction(1, 10**6)),
        ("1e3", 1000),
        ("1E3", 1000),
        ("12E-1", Fraction(12, 10)),
        ("1E", 10**18),
        ("1Ei", 1024**6),
        (2, 2),
        (0.5, Fraction(1, 2)),
    ],
)
def test_quantities_are_exact(text: str | float, number: Fraction | int) -> None:
    """Binary and decimal suffixes, exponents, milli: no float is involved."""
    assert quantities.parse(text) == number


@pytest.mark.parametrize(
    "text", ["", "Gi", "1GB", "1 Gi", "1e", "1e1e1", "--1", "1Mi ", "0x10", "1K", "e3", "1e12345"]
)
def test_what_is_no_quantity_raises(text: str) -> None:
    """The message shows one."""
    with pytest.raises(ValueError, match="such as 512Mi"):
        quantities.parse(text)


@pytest.mark.parametrize("text", ["0", "1Gi", "1.5Gi", ".5", "1e3", "500m", "+1"])
def test_the_pattern_of_schemas_accepts_only_what_parses(text: str) -> None:
    """A size that passes admission can be compared."""
    assert re.search(QUANTITY_PATTERN, text)
    quantities.parse(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400), ("90", 90), (7, 7)]
)
def test_durations_become_seconds(text: str | int, seconds: int) -> None:
    """A bare number is seconds already."""
    assert durations.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5 m", "1w", "x", "-1s", "1.5h", "٣s"])
def test_what_is_no_duration_raises(text: str) -> None:
    """Admission refuses it before."""
    with pytest.raises(ValueError, match="is not a duration"):
        durations.seconds(text)


@pytest.mark.parametrize(
    "text",
    ["* * * * *", "*/5 * * * *", "0 0 1 1 0", "59 23 31 12 7", "0-30/2,45 8,9 L * mon-fri", "* * ? * 5#3", "* * * * L5",
     "@daily", "0 0 * * * 30", "0  0 * JAN *"],
)  # fmt: skip
def test_cron_expressions_in_range(text: str) -> None:
    """Five fields, a sixth for seconds, names, lists, steps, the last day."""
    assert re.search(CRON_PATTERN, text)


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * 32 * *", "* * * 13 *", "* * * * 8", "@often", "a b c d e",
     "*/x * * * *", "* * * * * 60", "* * * * * * *", " * * * * *", "1- * * * *"],
)  # fmt: skip
def test_cron_expressions_out_of_range(text: str) -> None:
    """The runtime would end at start."""
    assert not re.search(CRON_PATTERN, text)


@pytest.mark.parametrize("key", ["a", "A-b_c.d", "example.com/name", "a" * 63, "kaspr.io/app", "x/1"])
def test_keys_of_labels(key: str) -> None:
    """A name of 63 characters, with a DNS name before a slash or without."""
    assert is_qualified_name(key)


@pytest.mark.parametrize(
    "key", ["", "a b", "a/b/c", "/a", "a/", "-a", "a" * 64, "Example.com/a", "x" * 254 + "/a"]
)
def test_other_texts_are_no_keys(key: str) -> None:
    """The API server would refuse the object that carries them."""
    assert not is_qualified_name(key)


@pytest.mark.parametrize(
    "text",
    ["a$(id)", "$(id)", "https://x/`id`", "https://x/$(id)", "git+https://$HOME/x", "a;id", "a|b", "a&b"],
)
def test_no_package_can_carry_a_command(text: str) -> None:
    """Old installers expanded packages in a shell."""
    assert not re.search(PACKAGE_PATTERN, text)


@pytest.mark.parametrize(
    ("value", "text"), [("a", "a"), (1, "1"), (True, "true"), (False, "false"), (0.5, "0.5"), (-3, "-3")]
)
def test_scalars_as_text(value: object, text: str) -> None:
    """As Kafka spells them."""
    assert scalar_text(value) == text
