"""The Docker engine: what is found out about the machine, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hack.kind import engine
from hack.kind.running import KindError
from tests.unit.hack.kind.machine import Machine


@pytest.mark.parametrize(
    ("bounding", "has"),
    [("000001ffffffffff", True), ("000001fffeffffff", False), ("0000000001000000", True), ("0", False)],
)
def test_the_right_to_raise_limits_is_read_off_the_bounding_set(bounding: str, *, has: bool) -> None:
    """Bit 24 of CapBnd; a process can never give a container more than that set."""
    status = f"Name:\tx\nCapEff:\t000001ffffffffff\nCapBnd:\t{bounding}\nCapAmb:\t0000000000000000\n"
    assert engine.has_sys_resource(status) is has


def test_where_there_are_no_capabilities_there_is_nothing_to_lack() -> None:
    """On other systems than Linux, Docker runs in a virtual machine with all rights."""
    assert engine.has_sys_resource("")


def test_it_is_the_engine_that_is_asked(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container that uses the machine's engine, this process has fewer rights than what it starts."""
    for number, name in ((1, "init"), (7, "dockerd")):
        folder = machine.home / "proc" / str(number)
        folder.mkdir(parents=True)
        (folder / "comm").write_text(f"{name}\n")
    assert engine.engine_process(machine.home / "proc") == machine.home / "proc" / "7"
    assert engine.engine_process(machine.home) is None
    monkeypatch.setattr(engine, "engine_process", lambda: machine.home / "proc" / "7")
    for bounding, has in (("000001ffffffffff", True), ("000001fffeffffff", False)):
        (machine.home / "proc" / "7" / "status").write_text(f"CapBnd:\t{bounding}\n")
        assert engine.has_sys_resource() is has


def test_only_root_installs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how; nothing is started."""
    machine.has("docker", "apt-get", "dockerd")
    machine.state(engine=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(KindError, match="sudo make docker"):
        engine.install(machine.said.append)
    assert not engine.installable()
    assert machine.asked("apt-get") == []
    assert machine.asked("dockerd") == []


def test_an_engine_that_runs_is_left_alone(machine: Machine) -> None:
    """Whoever set it up knows why."""
    machine.has("docker", "apt-get", "dockerd")
    engine.install(machine.said.append)
    assert machine.asked("apt-get") == []
    assert machine.asked("dockerd") == []


def test_an_engine_that_is_not_there_does_not_run(machine: Machine) -> None:
    """No docker command, or one whose engine does not answer."""
    assert not engine.runs()
    machine.has("docker")
    assert engine.runs()
    machine.state(engine=False)
    assert not engine.runs()


def test_a_configuration_that_somebody_wrote_stays(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lean runtime is made the default where there is no configuration, and only offered where there is one."""
    theirs, installed = machine.home / "theirs.json", machine.home / "lib" / "runc"
    theirs.write_text('{"debug": true}')
    monkeypatch.setattr(engine, "INSTALLED_RUNTIME", installed)
    for path in (theirs, machine.home / "etc" / "ours.json"):
        monkeypatch.setattr(engine, "CONFIGURATION", path)
        engine._lean_runtime(machine.said.append)
    assert theirs.read_text() == '{"debug": true}'
    ours = json.loads((machine.home / "etc" / "ours.json").read_text())
    assert ours["runtimes"][ours["default-runtime"]]["path"] == str(installed)
    assert os.access(installed, os.X_OK)
    assert str(theirs) in machine.said[0]
    assert Path(installed).read_bytes() == engine.RUNTIME.read_bytes()
