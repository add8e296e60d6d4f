"""Generated files: they are current, and a stale one is noticed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from hack.manifests import __main__ as manifests
from hack.manifests import crds, record, reference
from kaspr_controller.api.parsing import MODELS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_the_committed_files_are_current() -> None:
    """`make verify` would pass."""
    assert manifests.stale(manifests.files()) == []


def test_a_missing_a_different_and_a_left_over_file_are_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All three are written or removed, and nothing is stale afterwards."""
    monkeypatch.setattr(manifests, "ROOT", tmp_path)
    monkeypatch.setattr(manifests, "FOLDERS", (tmp_path / "manifests",))
    folder = tmp_path / "manifests" / "crds"
    folder.mkdir(parents=True)
    wanted = {folder / "a.yaml": "a", folder / "b.yaml": "b", tmp_path / "docs" / "api.md": "text"}
    (folder / "a.yaml").write_text("a")
    (folder / "b.yaml").write_text("old")
    (folder / "gone.yaml").write_text("kind of the past")
    changed = {tmp_path / "docs" / "api.md", folder / "b.yaml", folder / "gone.yaml"}
    assert set(manifests.stale(wanted)) == changed
    assert set(manifests.write(wanted)) == changed
    assert manifests.stale(wanted) == []
    assert not (folder / "gone.yaml").exists()


def test_a_crd_file_per_kind_without_anchors() -> None:
    """Each file is one object that any YAML reader understands."""
    files = crds.files()
    assert set(files) == {f"{model.custom_kind.plural}.yaml" for model in MODELS.values()}
    for text in files.values():
        assert "&id" not in text
        assert text.startswith("# Generated")
        assert yaml.safe_load(text)["kind"] == "CustomResourceDefinition"


def test_the_reference_has_a_section_for_every_type() -> None:
    """Every link leads somewhere, and no type appears twice."""
    text = reference.text()
    heads = [line.lstrip("# ").lower() for line in text.splitlines() if line.startswith("#")]
    assert len(heads) == len(set(heads))
    links = {part.split(")")[0] for part in text.split("](#")[1:]}
    assert links - set(heads) == set()
    assert {model.__name__.lower() for model in MODELS.values()} <= set(heads)


def test_cells_of_the_reference_stay_in_their_columns() -> None:
    """A bar in a text would end its cell."""
    rows = [line for line in reference.text().splitlines() if line.startswith("|")]
    for row in rows:
        assert row.replace("\\|", "").count("|") in {3, 6}, row


def test_recording_inlines_references_and_drops_prose() -> None:
    """What is left is structure: types, enums, lists, quantities by a marker."""
    definitions = {
        "io.k8s.api.core.v1.Inner": {
            "type": "object",
            "description": "prose",
            "properties": {
                "q": {
                    "allOf": [{"$ref": "#/x/io.k8s.apimachinery.pkg.api.resource.Quantity"}],
                    "description": "d",
                },
                "p": {"$ref": "#/x/io.k8s.apimachinery.pkg.util.intstr.IntOrString"},
                "description": {"type": "string", "default": "", "description": "a field of that name stays"},
            },
        }
    }
    schema = {"type": "array", "items": {"default": {}, "allOf": [{"$ref": "#/x/io.k8s.api.core.v1.Inner"}]}}
    assert record.trimmed(schema, definitions) == {
        "items": {
            "properties": {
                "description": {"type": "string"},
                "p": {"x-kubernetes-int-or-string": True},
                "q": {"x-kubernetes-quantity": True},
            },
            "type": "object",
        },
        "type": "array",
    }
