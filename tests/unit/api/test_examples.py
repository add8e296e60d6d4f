"""The examples: what a newcomer copies is valid, complete and explained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from kaspr_controller.api import code
from kaspr_controller.api.metadata import KINDS
from kaspr_controller.api.parsing import parse
from kaspr_controller.api.v1alpha1.agent import KasprAgent
from kaspr_controller.api.v1alpha1.join import KasprJoin
from tests.unit.api.test_corpus import codes

EXAMPLES = Path(__file__).parents[3] / "examples"
FILES = sorted(EXAMPLES.rglob("*.yaml"))


def objects() -> list[dict[str, Any]]:
    """All objects of all examples."""
    return [obj for file in FILES for obj in yaml.safe_load_all(file.read_text("utf-8"))]


@pytest.mark.parametrize("obj", objects(), ids=lambda obj: f"{obj['kind']}/{obj['metadata']['name']}")
def test_an_example_parses_and_its_code_is_sound(obj: dict[str, Any]) -> None:
    """Entry points are named, since that is what we advise."""
    for path, item in codes(parse(obj)):
        init = path.endswith(".init")
        assert code.problems(item.python, item.entrypoint, needs_callable=not init) == []
        assert init or item.entrypoint


def test_every_kind_has_an_example() -> None:
    """A newcomer finds one of each."""
    assert {obj["kind"] for obj in objects()} == {kind.kind for kind in KINDS}


def test_references_lead_somewhere() -> None:
    """Components name the app, tables exist, channels are joins' outputs."""
    by_name = {(obj["kind"], obj["metadata"]["name"]): parse(obj) for obj in objects()}
    channels = {part.output_channel for part in by_name.values() if isinstance(part, KasprJoin)}
    for (kind, name), part in by_name.items():
        if kind != "KasprApp":
            assert ("KasprApp", part.metadata.labels["kaspr.io/app"]) in by_name, name
        processors = getattr(part.spec, "processors", None)
        for operation in processors.operations if processors else ():
            assert all(("KasprTable", table.name) in by_name for table in operation.tables)
        if isinstance(part, KasprAgent) and part.spec.input.channel:
            assert part.spec.input.channel.name in channels
        if isinstance(part, KasprJoin):
            assert {
                ("KasprTable", part.spec.left_table),
                ("KasprTable", part.spec.right_table),
            } <= by_name.keys()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_an_example_explains_itself(file: Path) -> None:
    """It opens with a comment, and at least one line in ten is one."""
    lines = file.read_text("utf-8").splitlines()
    comments = [line for line in lines if line.lstrip().startswith("#")]
    assert lines[0].startswith("#")
    assert len(comments) * 10 >= len(lines)
    assert file.name in (EXAMPLES / "README.md").read_text("utf-8")
