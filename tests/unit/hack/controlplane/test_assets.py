"""Which source the programs are taken from, and that they are got once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from hack.controlplane import assets
from hack.controlplane.recipe import PROGRAMS, Recipe
from hack.controlplane.sources import Say, SourceError
from tests.unit.hack.controlplane import programs

OURS = Recipe().kubernetes
ENVTEST = ("etcd", "kube-apiserver", "kubectl")  # what its archives hold


class World:
    """An empty cache, an environment, and sources that note when they are asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"XDG_CACHE_HOME": str(folder / "cache")}
        self.said: list[str] = []
        self.asked: list[str] = []

    def given(self, version: str, *names: str) -> Path:
        folder = programs.write(self.folder / "given", version, *names)
        self.environ["KUBEBUILDER_ASSETS"] = str(folder)
        return folder

    def builds(self, recipe: Recipe, target: Path, say: Say) -> str:
        self.asked.append("build")
        programs.write(target, recipe.kubernetes, *PROGRAMS)
        return "built here"

    def unreachable(self, recipe: Recipe, target: Path, say: Say) -> str:
        self.asked.append("download")
        (target / "half-a-file").write_text("x")
        raise SourceError("no published binaries: dl.k8s.io is not reachable")

    def incomplete(self, recipe: Recipe, target: Path, say: Say) -> str:
        self.asked.append("incomplete")
        programs.write(target, recipe.kubernetes, *ENVTEST)
        return "an archive"

    def fetch(self, *sources: str) -> assets.Assets:
        chosen = [getattr(self, name) for name in sources]
        return assets.fetch(say=self.said.append, environ=self.environ, sources=chosen)

    def cached(self) -> list[str]:
        root = self.folder / "cache" / "kaspr-controller" / "controlplane"
        return sorted(path.name for path in root.iterdir())


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_complete_given_folder_is_used_as_it_is(world: World) -> None:
    """Whoever sets KUBEBUILDER_ASSETS chooses the version, whatever ours is."""
    folder = world.given("v1.31.2", *PROGRAMS)
    found = world.fetch("builds")
    assert found.version == "v1.31.2"
    assert found.programs == {name: folder / name for name in PROGRAMS}
    assert world.asked == []


def test_a_given_folder_of_our_minor_version_is_completed(world: World) -> None:
    """An envtest archive lacks two programs: those come from the next source, the others stay the given ones."""
    same_minor = OURS.rsplit(".", 1)[0] + ".99"
    folder = world.given(same_minor, *ENVTEST)
    found = world.fetch("builds")
    assert found.version == same_minor
    assert {name for name, path in found.programs.items() if path.parent == folder} == set(ENVTEST)
    assert found.programs["kube-scheduler"].exists()
    assert found.programs["kube-controller-manager"].exists()
    assert "KUBEBUILDER_ASSETS" in found.origin
    assert "built here" in found.origin


def test_minor_versions_are_not_mixed(world: World) -> None:
    """A controller manager of another minor version than its API server is a cluster that nobody supports."""
    folder = world.given("v1.31.2", *ENVTEST)
    found = world.fetch("builds")
    assert found.version == OURS
    assert folder not in {path.parent for path in found.programs.values()}
    assert "left aside" in world.said[0]
    assert "v1.31.2" in world.said[0]
    assert "kube-controller-manager, kube-scheduler" in world.said[0]


def test_a_given_etcd_alone_goes_with_our_kubernetes(world: World) -> None:
    """Etcd has versions of its own."""
    folder = world.given("3.5", "etcd")
    found = world.fetch("builds")
    assert found.programs["etcd"] == folder / "etcd"
    assert found.version == OURS


def test_an_empty_given_folder_is_said_and_left_aside(world: World) -> None:
    """A typing error in the variable must not go unnoticed."""
    world.environ["KUBEBUILDER_ASSETS"] = str(world.folder / "typo")
    assert world.fetch("builds").origin == "built here"
    assert "has none of the programs" in world.said[0]


def test_a_given_program_that_does_not_run_is_an_error(world: World) -> None:
    """For example one of another processor: the message says what to do."""
    folder = world.given("v1.31.2", *PROGRAMS)
    (folder / "kube-apiserver").write_text("#!/bin/sh\nexit 3\n")
    with pytest.raises(assets.AssetsError, match=r"does not run.*unset KUBEBUILDER_ASSETS"):
        world.fetch("builds")


def test_the_next_source_has_its_turn_when_one_cannot(world: World) -> None:
    """An unreachable site is said and passed over, and leaves no half-made files among the programs."""
    found = world.fetch("unreachable", "builds")
    assert world.asked == ["download", "build"]
    assert found.origin == "built here"
    assert any("dl.k8s.io is not reachable" in line for line in world.said)
    assert not (found.programs["etcd"].parent / "half-a-file").exists()


def test_programs_are_got_once(world: World) -> None:
    """The second run finds them in the cache and asks nobody."""
    first = world.fetch("builds")
    second = world.fetch("unreachable")
    assert second == first
    assert world.asked == ["build"]


def test_without_any_source_the_error_holds_every_reason(world: World) -> None:
    """And nothing incomplete stays, or the next run would take it for the programs."""
    with pytest.raises(assets.AssetsError) as error:
        world.fetch("unreachable", "incomplete")
    assert "dl.k8s.io is not reachable" in str(error.value)
    assert "an archive: lacks kube-controller-manager, kube-scheduler" in str(error.value)
    assert "Set KUBEBUILDER_ASSETS" in str(error.value)
    assert world.cached() == [f"{Recipe().key}.lock"]


def test_a_killed_build_leaves_nothing_that_disturbs_the_next_one(world: World) -> None:
    """SIGKILL leaves a part folder behind; the lock dies with its process."""
    part = world.folder / "cache" / "kaspr-controller" / "controlplane" / f"{Recipe().key}.part"
    programs.write(part, "v0.0.0", "leftover")
    found = world.fetch("builds")
    assert not (found.programs["etcd"].parent / "leftover").exists()
    assert not part.exists()


def test_two_runs_at_once_build_once(world: World) -> None:
    """The second one waits for the first, says so, and uses its result."""
    building, finish, waiting = threading.Event(), threading.Event(), threading.Event()

    def slow(recipe: Recipe, target: Path, say: Say) -> str:
        building.set()
        assert finish.wait(5)
        return world.builds(recipe, target, say)

    def heard(line: str) -> None:
        if "waiting" in line:
            waiting.set()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(assets.fetch, say=world.said.append, environ=world.environ, sources=[slow])
        assert building.wait(5)
        second = pool.submit(assets.fetch, say=heard, environ=world.environ, sources=[slow])
        assert waiting.wait(5)
        finish.set()
        assert first.result(5) == second.result(5)
    assert world.asked == ["build"]
