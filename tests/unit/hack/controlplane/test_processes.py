"""Children that never outlive their owner."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hack.controlplane.processes import Launcher, ProgramError, tail

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[4]
SLEEP = ["/bin/sleep", "60"]
OWNER = """
import signal, sys
from pathlib import Path
from hack.controlplane.processes import Launcher
print(Launcher(Path(sys.argv[1])).start("sleep", ["/bin/sleep", "60"]).process.pid, flush=True)
signal.pause()
"""


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    made = Launcher(tmp_path)
    yield made
    made.close()


def gone(pid: int, seconds: float = 5.0) -> bool:
    """Whether a process of somebody else ends in time."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


linux = pytest.mark.skipif(sys.platform != "linux", reason="the leash is the Linux kernel's")


@linux
def test_a_child_dies_with_an_owner_that_is_killed(tmp_path: Path) -> None:
    """SIGKILL gives the owner no chance to end its children."""
    command = [sys.executable, "-c", OWNER, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=env) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert not gone(pid, 0)
        owner.kill()
    assert gone(pid)


def test_a_child_outlives_the_thread_that_asked_for_it(launcher: Launcher, tmp_path: Path) -> None:
    """The kernel's signal is bound to the forking thread: a fixture on a short-lived thread must not lose its cluster."""
    children = []
    started = tmp_path / "started"
    os.mkfifo(started)

    def start() -> None:
        children.append(launcher.start("sleep", ["/bin/sh", "-c", f"echo up > {started}; exec sleep 60"]))
        started.read_text()  # only now the leash is tied for sure

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(10)
    assert not gone(children[0].process.pid, 0.2)


def test_closing_the_launcher_ends_its_children(tmp_path: Path) -> None:
    """Also those that were never killed one by one; the second call finds nothing to do."""
    launcher = Launcher(tmp_path)
    child = launcher.start("sleep", SLEEP)
    child.check()
    launcher.close()
    assert child.process.returncode == -signal.SIGKILL
    launcher.close()


@linux
def test_a_child_whose_owner_is_gone_already_does_not_start(tmp_path: Path) -> None:
    """The owner may die between the fork and the moment the leash is tied."""
    leash = ROOT / "hack" / "controlplane" / "leash.py"
    command = [sys.executable, "-I", "-S", str(leash), "1", "/bin/echo", "started"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stdout == ""
    assert "owner is gone" in run.stderr


def test_a_child_has_its_own_session_and_the_asked_program(launcher: Launcher) -> None:
    """Ctrl-C in a terminal reaches only the owner; the pid is the program's own, so that signals hit it."""
    code = "import json, os; print(json.dumps([os.getpid(), os.getsid(0)]), flush=True)"
    child = launcher.start("says", [sys.executable, "-c", code])
    assert child.process.wait(10) == 0
    assert json.loads(child.log.read_text()) == [child.process.pid, child.process.pid]


def test_a_frozen_child_can_be_killed(launcher: Launcher) -> None:
    """A test that fails while the API server is frozen must still end it."""
    child = launcher.start("sleep", SLEEP)
    child.signal(signal.SIGSTOP)
    child.kill()
    assert child.process.returncode == -signal.SIGKILL


def test_an_ended_program_is_reported_with_the_end_of_its_log(launcher: Launcher) -> None:
    """The reason of a failed start stands in the last lines."""
    child = launcher.start("fails", ["/bin/sh", "-c", "echo one; echo address in use >&2; exit 7"])
    child.process.wait(10)
    with pytest.raises(ProgramError, match=r"(?s)fails ended with code 7.*fails\.log:\none\naddress in use"):
        child.check()
    child.kill()  # no error: it has ended


def test_a_tail_is_the_last_lines_even_of_a_long_log(tmp_path: Path) -> None:
    """Logs of a long run have many megabytes; undecodable bytes are no reason to lose them."""
    log = tmp_path / "x.log"
    log.write_bytes(b"".join(b"line %d \xff\n" % number for number in range(50_000)))
    assert tail(log, lines=2).splitlines() == ["line 49998 \ufffd", "line 49999 \ufffd"]
    assert tail(tmp_path / "missing.log") == ""
