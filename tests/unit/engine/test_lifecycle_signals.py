"""Signals, on real processes: how fast they end, with which code, and what they leave on standard error (rules X3, X4)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROGRAM = """
import os, sys, threading, time
from kaspr_controller.engine import threads
from kaspr_controller.engine.clock import SystemClock
from kaspr_controller.engine.lifecycle import Group, Lifecycle
from kaspr_controller.engine.threads import Loop

def say(text):
    os.write(1, (text + "\\n").encode())

def idle(stop):
    stop.wait()
    say("ended " + threading.current_thread().name)

def hang(stop):
    say("hanging")
    threading.Event().wait()

clock = SystemClock()
loops = [Loop(name, idle, time.monotonic, count=3) for name in ("http", "informers", "workers")]
stuck = Loop("stuck", hang, time.monotonic)
groups = [Group(loop.name, (loop,)) for loop in loops]
{change}
life = Lifecycle(groups, clock=clock)
code = life.run()
say("exit " + str(code))
sys.exit(code)
"""


@pytest.fixture
def program() -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []

    def start(change: str = "") -> subprocess.Popen[str]:
        source = PROGRAM.replace("{change}", textwrap.dedent(change))
        source = source.replace("life.run()", "(say('running'), life.run())[1]")
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", source],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": "src"},
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate(timeout=5)


def wait_for(process: subprocess.Popen[str], text: str) -> list[str]:
    """Read lines until one has the text."""
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or text not in lines[-1]:
        line = process.stdout.readline()
        assert line, f"{text!r} never came: {lines}"
        lines.append(line.strip())
    return lines


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_process_ends_at_once(
    program: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    """X3: SIGTERM or SIGINT to exit within half a second when idle, with code 0 and in order."""
    process = program()
    wait_for(process, "everything runs")
    began = time.monotonic()
    process.send_signal(number)
    output, _ = process.communicate(timeout=5)
    seconds = time.monotonic() - began
    assert process.returncode == 0
    ended = [line.split()[1][:-2] for line in output.splitlines() if line.startswith("ended")]
    assert ended == ["workers"] * 3 + ["informers"] * 3 + ["http"] * 3
    assert seconds < 0.5


def test_a_standby_ends_at_once(program: Callable[..., subprocess.Popen[str]]) -> None:
    """L5: waiting for leadership is no reason to be slow."""
    process = program("groups[1] = Group('election', (loops[1],), ready=lambda: False)")
    wait_for(process, "group=election")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=5)
    assert process.returncode == 0


def test_a_second_signal_ends_it_hard(program: Callable[..., subprocess.Popen[str]]) -> None:
    """Section 14: who asks twice gets it at once, code 1, whatever hangs."""
    process = program("groups.append(Group('stuck', (stuck,), grace=20))")
    wait_for(process, "everything runs")
    process.send_signal(signal.SIGTERM)
    wait_for(process, "stopping")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=5)
    assert process.returncode == 1
    assert "second signal (SIGTERM)" in errors


def test_what_hangs_is_left_behind(program: Callable[..., subprocess.Popen[str]]) -> None:
    """X3: a part that does not end within its grace does not hold the process, though its thread is no daemon."""
    process = program("groups.append(Group('stuck', (stuck,), grace=0.1))")
    wait_for(process, "everything runs")
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=5)
    assert process.returncode == 1
    assert "some parts did not end in time" in output
    assert "in hang" in errors


def test_sigusr1_shows_all_stacks(program: Callable[..., subprocess.Popen[str]]) -> None:
    """O2: the stacks of all threads, and the process goes on."""
    process = program("groups.append(Group('stuck', (stuck,), grace=0.1))")
    wait_for(process, "everything runs")
    process.send_signal(signal.SIGUSR1)
    assert process.stderr is not None
    lines: list[str] = []
    while not any("in hang" in line for line in lines):
        lines.append(process.stderr.readline())
    assert process.poll() is None


def test_a_dying_thread_ends_the_process(program: Callable[..., subprocess.Popen[str]]) -> None:
    """X4: an uncaught exception in any thread: code 1 and the stacks, though other threads would go on for ever."""
    process = program(
        """
        def die(stop):
            raise ValueError("a bug")
        groups.append(Group('dying', (Loop('dying', die, time.monotonic),)))
        """
    )
    output, errors = process.communicate(timeout=5)
    assert process.returncode == 1
    assert "a thread died" in output
    assert "in idle" in errors
