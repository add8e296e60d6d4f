"""How the object of `explain` is named."""

from __future__ import annotations

import pytest

from kaspr_controller.__main__ import main
from kaspr_controller.cli.explain import chosen


@pytest.mark.parametrize("word", ["KasprApp", "kasprapp", "kasprapps", "kapp", "KAPPS"])
def test_kinds_are_written_as_for_kubectl(word: str) -> None:
    """Kind, plural, singular and short names, in any case."""
    kind, name = chosen(f"{word}/shop")
    assert (kind.kind, name) == ("KasprApp", "shop")


@pytest.mark.parametrize(
    ("text", "words"),
    [("shop", "KIND/NAME"), ("KasprApp/", "KIND/NAME"), ("a/b/c", "KIND/NAME"), ("pods/x", "KasprTask")],
)
def test_anything_else_is_refused_with_the_way_out(
    capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    """Exit code 2 before any cluster is asked."""
    assert main(["explain", text]) == 2
    assert words in capsys.readouterr().err
