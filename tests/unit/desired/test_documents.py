"""Definition documents: what a YAML reader makes of them is exactly what was put in."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from kaspr_controller.desired import documents

LOADERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if hasattr(yaml, "CSafeLoader") else [])]
ANY_CHARACTER = st.characters(codec=None, categories=None)
TEXT = st.text(ANY_CHARACTER)
KEYS = st.text(ANY_CHARACTER, max_size=documents.MAX_KEY_LENGTH // 2)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
EVERY_CHARACTER = [chr(number) for number in range(sys.maxunicode + 1)]


@given(VALUES)
@settings(max_examples=300, deadline=None)
def test_any_value_survives(value: Any) -> None:
    """Strings of any code point, lone surrogates and look-alikes of YAML's own words included."""
    assert yaml.safe_load(documents.text_of(value)) == value
    assert documents.value_of(documents.text_of(value)) == value


@given(VALUES | st.floats(allow_nan=False, allow_infinity=False))
@settings(max_examples=300, deadline=None)
def test_the_layout_is_that_of_the_standard_library(value: Any) -> None:
    """Stored documents have it since the first version: one other byte would restart every pod."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2)
    assert documents.text_of(value) == documents._ESCAPED.sub(documents._escape, text) + "\n"


@pytest.mark.parametrize("first", range(0, 0x110000, 0x10000))
def test_every_character_survives(first: int) -> None:
    """All of Unicode, plane by plane, in one document each: no character is refused, folded or changed."""
    value = ["".join(EVERY_CHARACTER[start : start + 256]) for start in range(first, first + 0x10000, 256)]
    assert yaml.safe_load(documents.text_of(value)) == value


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    "word",
    [
        "on",
        "yes",
        "No",
        "1:30",
        "017",
        "=",
        "<<",
        "~",
        "null",
        "0x1F",
        "1e3",
        ".inf",
        "2020-01-01",
        "---",
        "# x",
        "!x",
        "&a",
        "*a",
    ],
)
def test_words_of_yaml_stay_text(loader: Any, word: str) -> None:
    """YAML 1.1 reads bare words as booleans, times, merges and anchors (contract 3.2)."""
    value = {word: [word, {"k": f" {word} "}]}
    assert yaml.load(documents.text_of(value), loader) == value  # noqa: S506 - safe loaders only


@pytest.mark.parametrize("loader", LOADERS)
def test_python_code_survives(loader: Any) -> None:
    """Line ends, tabs, trailing blanks and quotes of a program."""
    value = {"python": "def f(v):\r\n\treturn \"a\\n\" + 'b'  \n\n\n# ä € 😀\u2028\x85\n"}
    assert yaml.load(documents.text_of(value), loader) == value  # noqa: S506 - safe loaders only


def test_the_longest_key_survives() -> None:
    """A YAML reader gives up on longer ones."""
    value = {"k" * documents.MAX_KEY_LENGTH: "v"}
    assert yaml.safe_load(documents.text_of(value)) == value
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(documents.text_of({"k" * 1100: "v"}))


def test_equal_values_are_equal_bytes() -> None:
    """The order of keys does not show, and raw UTF-8 stays readable."""
    assert documents.text_of({"b": 1, "a": "ä😀"}) == documents.text_of({"a": "ä😀", "b": 1})
    assert "ä😀" in documents.text_of({"a": "ä😀"})


def test_another_text_is_no_value() -> None:
    """The predecessor's YAML is not guessed at."""
    assert documents.value_of("agents:\n- name: a\n") is None
