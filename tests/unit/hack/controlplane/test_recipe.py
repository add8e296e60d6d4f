"""The recipe names versions, flags and the cache key."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.controlplane.recipe import Recipe, minor

GO_MOD = """module x

require k8s.io/kubernetes v1.34.4

require (
	go.etcd.io/etcd/server/v3 v3.6.4
)
"""


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    (tmp_path / "go.mod").write_text(GO_MOD)
    (tmp_path / "go.sum").write_text("sums")
    (tmp_path / "main.go").write_text("package main")
    return tmp_path


def test_versions_come_from_the_go_module(sources: Path) -> None:
    """One place names the versions: the file that the build uses."""
    recipe = Recipe(sources)
    assert (recipe.kubernetes, recipe.etcd) == ("v1.34.4", "v3.6.4")


def test_our_own_module_can_be_read() -> None:
    """The real go.mod is in a form that the recipe understands."""
    recipe = Recipe()
    assert minor(recipe.kubernetes)[0] == "v1"
    assert recipe.key.startswith(f"{recipe.kubernetes}-")


def test_a_missing_version_is_an_error_that_names_the_file(sources: Path) -> None:
    """A pseudo-version would give a server that calls itself something nobody released."""
    (sources / "go.mod").write_text(GO_MOD.replace("v1.34.4", "v0.0.0-2026-abc"))
    with pytest.raises(ValueError, match=r"go\.mod requires no released version of k8s.io/kubernetes"):
        _ = Recipe(sources).kubernetes


def test_the_server_is_told_its_version(sources: Path) -> None:
    """Without these variables it reports v0.0.0-master."""
    flags = " ".join(Recipe(sources).flags)
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        assert f"-X={package}.gitVersion=v1.34.4" in flags
        assert f"-X={package}.gitMinor=34" in flags


@pytest.mark.parametrize("name", ["go.mod", "go.sum", "main.go", "more.go"])
def test_the_key_changes_with_everything_that_is_built_from(sources: Path, name: str) -> None:
    """A stale binary would test the project against another server than the tree says."""
    before = Recipe(sources).key
    path = sources / name
    path.write_text((path.read_text() if path.exists() else "") + "\n// changed\n")
    assert Recipe(sources).key != before


def test_the_key_ignores_what_is_not_built_from(sources: Path) -> None:
    """A leftover binary or note in the folder must not cause a build."""
    before = Recipe(sources).key
    (sources / "notes.txt").write_text("x")
    (sources / "controlplane").write_text("binary")
    assert Recipe(sources).key == before
