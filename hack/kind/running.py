"""Runs programs of others (docker, kind, kubectl, debootstrap), and says with their own words why one failed.

In: a command. Out: its standard output, or `KindError`. Called by every module of this folder, from any thread.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from typing import IO

LAST_LINES = 30


class KindError(Exception):
    """There is no cluster, or not what was asked for; the message says why and what to do."""


def run(
    command: Sequence[str | Path],
    *,
    text: str | None = None,
    stdin: IO[bytes] | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> str:
    """The standard output of a command, without the newline at the end.

    Args:
        command: program and arguments.
        text: what it reads from standard input.
        stdin: a file that it reads instead.
        cwd: where it runs.
        env: its whole environment.
        timeout: seconds; None waits for ever.

    Raises:
        KindError: it cannot be started, takes too long or fails; holds the end of what it printed.
    """
    shown = " ".join(str(word) for word in command[:4])
    # A file and a text exclude each other.
    source: dict[str, Any] = (
        {"stdin": stdin or subprocess.DEVNULL} if text is None else {"input": text.encode()}
    )
    try:
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            list(command), capture_output=True, cwd=cwd, env=env, timeout=timeout, check=False, **source
        )
    except FileNotFoundError as error:
        raise KindError(f"{command[0]} is not on this machine") from error
    except subprocess.TimeoutExpired as error:
        raise KindError(f"{shown} did not end within {timeout} s") from error
    if done.returncode:
        printed = (done.stdout + done.stderr).decode(errors="replace").splitlines()
        raise KindError(f"{shown} failed with {done.returncode}:\n" + "\n".join(printed[-LAST_LINES:]))
    return done.stdout.decode(errors="replace").rstrip("\n")


def succeeds(command: Sequence[str | Path], *, timeout: float = 30.0) -> bool:
    """Whether a command ends with 0 in time."""
    try:
        run(command, timeout=timeout)
    except KindError:
        return False
    return True
