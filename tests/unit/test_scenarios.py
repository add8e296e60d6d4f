"""The table of scenarios names tests that exist: a promise whose test was renamed or removed is noticed."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:unit|integration)/[\w/]+\.py)::(test_\w+)`", TABLE)))


def test_every_test_that_the_table_names_exists() -> None:
    """A row that points nowhere proves nothing."""
    texts = {path: (ROOT / "tests" / path).read_text(encoding="utf-8") for path, _ in NAMED}
    missing = [f"{path}::{name}" for path, name in NAMED if f"def {name}(" not in texts[path]]
    assert missing == []


def test_every_scenario_has_one_row_with_a_test_or_a_reason() -> None:
    """The numbers are those that docstrings use."""
    wanted = [
        *(f"D{number:02}" for number in (*range(1, 33), *range(40, 60))),
        *(f"H{number}" for number in range(1, 5)),
        *(f"P{number}" for number in range(1, 4)),
        *(f"S{number}" for number in range(1, 4)),
    ]
    rows = re.findall(r"^\| ([DHPS]\d+) \| ([^|]+) \| ([^|]+) \|$", TABLE, re.MULTILINE)
    assert [number for number, _, _ in rows] == wanted
    unproven = [number for number, _, proof in rows if "::" not in proof and "yet" not in proof]
    assert unproven == []
