"""An apply is JSON that the server reads as YAML."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kaspr_controller.kube.applying import apply
from kaspr_controller.kube.kinds import CONFIG_MAP


def body(text: str) -> bytes:
    obj = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": "b"},
        "data": {"k": text},
    }
    request = apply(
        obj,
        CONFIG_MAP,
        subresource=None,
        field_manager="m",
        field_validation="Warn",
        force=True,
        dry_run=False,
    )
    assert request.body is not None
    return request.body


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=50))
def test_a_yaml_reader_finds_the_same_text_in_an_apply(text: str) -> None:
    """Seen on a real server: DEL and U+FFFE were refused, U+0085 was stored as a blank (an apply that never settles)."""
    sent = body(text)
    assert yaml.safe_load(sent.decode())["data"]["k"] == text
    assert json.loads(sent)["data"]["k"] == text


@pytest.mark.parametrize(
    "character", ["\x7f", "\x80", "\x85", "\x9f", "\u2028", "\u2029", "\ufeff", "\ufffe", "\uffff"]
)
def test_characters_that_yaml_changes_are_escaped(character: str) -> None:
    """They never stand in the body as themselves."""
    assert character.encode() not in body(f"a{character}b")


def test_other_characters_stay_as_they_are() -> None:
    """Escaping an emoji as two surrogates would be refused."""
    assert "\N{GRINNING FACE}é".encode() in body("\N{GRINNING FACE}é")
