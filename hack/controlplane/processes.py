"""The child processes of a control plane: start, freeze, kill, and never leave one behind.

In: command lines and a folder for logs. Out: `Child` objects. Called by `cluster.py` from any thread.
Invariant: no child outlives this process, whatever ends it (see `leash.py`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LEASH = Path(__file__).with_name("leash.py")


class ProgramError(Exception):
    """A program ended, or was not ready in time; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Child:
    """One running program and its log file."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; nothing happens when the program has ended."""
        self.process.send_signal(number)

    def check(self) -> None:
        """Raise ProgramError when the program has ended."""
        code = self.process.poll()
        if code is not None:
            raise ProgramError(f"{self.name} ended with code {code}; end of {self.log}:\n{tail(self.log)}")

    def kill(self) -> None:
        """End the program at once; returns when it is gone."""
        self.signal(signal.SIGKILL)
        self.process.wait()


def leashed(command: Sequence[str]) -> list[str]:
    """The command that runs `command` so that it dies with this process, or earlier with the calling thread."""
    return [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), *command]


class Launcher:
    """Starts children from one thread that lives as long as they do.

    The kernel's "parent died" signal is bound to the thread that forked, not to the process: children started from
    a short-lived thread would die with that thread.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="controlplane-launcher")

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start a program; its output is appended to `<name>.log`."""
        child = self._thread.submit(self._start, name, command).result()
        self._children.append(child)
        return child

    def _start(self, name: str, command: Sequence[str]) -> Child:
        log = self._logs / f"{name}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                leashed(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal must reach only the owner, which then stops the children in order.
                start_new_session=True,
            )
        return Child(name, process, log)

    def close(self) -> None:
        """Kill every child that still runs, all at once, and end the thread."""
        for child in self._children:
            child.signal(signal.SIGKILL)
        for child in self._children:
            child.process.wait()
        self._thread.shutdown(wait=True)


def tail(path: Path, *, lines: int = 30) -> str:
    """The last lines of a log file, "" when there is none."""
    if not path.exists():
        return ""
    with path.open("rb") as log:
        log.seek(max(0, path.stat().st_size - 64_000))
        return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])
