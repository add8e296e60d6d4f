"""The generated pages about settings and conditions: complete, and nothing in them that the program does not do."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from types import ModuleType

import pytest

from hack.manifests import conditions, configuration
from kaspr_controller.desired import problems
from kaspr_controller.reconcilers import reporting
from kaspr_controller.settings import Settings
from kaspr_controller.status import reasons

SOURCES = sorted((Path(__file__).parents[4] / "src" / "kaspr_controller").rglob("*.py"))


def used() -> tuple[set[str], set[str]]:
    """Names and texts that the program uses anywhere but where the reasons are defined."""
    names: set[str] = set()
    texts: set[str] = set()
    for path in SOURCES:
        if path.name in {"reasons.py", "problems.py"}:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
    return names, texts


@pytest.mark.parametrize("module", [reasons, problems])
def test_every_reason_is_documented_and_used(module: ModuleType) -> None:
    """A reason that nothing sets would be a promise; one without a row would be a riddle."""
    names, texts = used()
    constants = {
        name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, str)
    }
    documented = [row.reason for row in conditions.rows(module)]
    assert sorted(documented) == sorted(constants.values())
    unused = {name for name, value in constants.items() if name not in names and value not in texts}
    assert not unused


def test_every_condition_that_is_written_has_a_row() -> None:
    """No more, no less; a new one without a description stops the generation."""
    assert {type_ for type_, _, _ in conditions.types()} == reporting._TYPES
    assert [type_ for type_, _, _ in conditions.types(frozenset({"Ready"}))] == ["Ready"]
    with pytest.raises(ValueError, match=r"say in hack/manifests/conditions\.py what Brandnew means"):
        conditions.types(frozenset({"Ready", "Brandnew"}))


def test_every_row_names_a_condition_that_exists() -> None:
    """In the form `Type=Status`; `status.app.status` is the one exception."""
    types = {type_ for type_, _, _ in conditions.DESCRIPTIONS}
    for row in (*conditions.rows(reasons), *conditions.rows(problems)):
        carriers = {part.partition("=")[0] for part in row.carriers.split("`")[1::2] if "=" in part}
        assert carriers <= types, row
        assert carriers or "status.app.status" in row.carriers, row


def test_every_problem_has_a_place_on_the_page() -> None:
    """A reason whose condition no table is about would be lost."""
    page = conditions.text()
    for row in conditions.rows(problems):
        assert f"| `{row.reason}` | {row.carriers} |" in page


def test_rows_have_as_many_cells_as_their_heads() -> None:
    """A bar or a colon at the wrong place shows."""
    lines = conditions.text().splitlines()
    for line, above in zip(lines[1:], lines, strict=False):
        if line.startswith("|") and above.startswith("|"):
            assert line.count("|") == above.count("|"), line


def test_a_constant_without_a_text_stops_the_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So nobody adds a reason and forgets what it means."""
    file = tmp_path / "undocumented.py"
    for text in ('A = "A"\n', 'A = "A"\n"""No condition."""\n', 'A = "A"\nB = "B"\n"""`Ready`: x."""\n'):
        file.write_text(text)
        module = ModuleType("undocumented")
        monkeypatch.setattr(inspect, "getsource", lambda _: file.read_text())
        with pytest.raises(ValueError, match=r"undocumented:1: write `condition: meaning"):
            list(conditions.rows(module))


def test_every_setting_is_on_the_page() -> None:
    """With its default, once."""
    page = configuration.text()
    for name in Settings.model_fields:
        assert page.count(f"| `{name.upper()}` |") == 1


def test_settings_that_nothing_reads_are_named() -> None:
    """Found in the source text, so the page follows when one comes to life."""
    everything = "\n".join(f"settings.{name}" for name in Settings.model_fields)
    assert configuration.without_effect(everything) == []
    assert configuration.without_effect(everything.replace("settings.workers\n", "")) == ["workers"]
    assert "env_file" not in configuration.without_effect("")
    assert "log_level" in configuration.without_effect("self._settings.log_style")
