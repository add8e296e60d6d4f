"""`python -m hack.kind`: exit codes, which make and CI go by."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from hack.kind.__main__ import main

if TYPE_CHECKING:
    from tests.unit.hack.kind.machine import Machine


@pytest.mark.parametrize(
    ("programs", "engine", "user", "code"),
    [
        ((), False, 0, 1),
        (("docker",), True, 1000, 0),
        (("docker",), False, 1000, 1),
        (("docker", "dockerd"), False, 1000, 1),
        (("docker", "dockerd"), False, 0, 0),
        (("apt-get",), False, 0, 0),
    ],
)
def test_ci_learns_whether_there_can_be_a_cluster(
    machine: Machine,
    monkeypatch: pytest.MonkeyPatch,
    programs: tuple[str, ...],
    user: int,
    code: int,
    *,
    engine: bool,
) -> None:
    """An engine that answers, or root with an engine to start or a package manager to install one with."""
    machine.has(*programs)
    machine.state(engine=engine)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(SystemExit) as end:
        main(["possible"])
    assert end.value.code == code
    assert machine.asked("apt-get") == []


def test_what_cannot_be_done_ends_with_its_reason(machine: Machine) -> None:
    """Not with a traceback."""
    with pytest.raises(SystemExit) as end:
        main(["up"])
    assert "no Docker engine answers" in str(end.value.code)
