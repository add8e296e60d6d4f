"""What the figures were measured on: without it they mean nothing.

In: the machine. Out: texts by name. Called once by `__main__.py`.
"""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from hack.controlplane import assets

_ROOT = Path(__file__).parents[1]


def describe(go: Path) -> dict[str, str]:
    """Date, machine, versions; the load average tells whether others were using the machine.

    Args:
        go: the Go program of the bench, for its compiler.
    """
    programs = assets.fetch(say=lambda _text: None)
    memory = int(_field("/proc/meminfo", "MemTotal").split()[0]) / 1024**2
    return {
        "date": datetime.now(tz=UTC).isoformat(timespec="minutes"),
        "machine": f"{os.cpu_count()} x {_field('/proc/cpuinfo', 'model name')}, {memory:.0f} GiB",
        "kernel": platform.release(),
        "load at the start": " ".join(f"{load:.1f}" for load in os.getloadavg()),
        "Kubernetes": programs.version,
        "Python": platform.python_version(),
        "Go": _output("go", "version", str(go)).rpartition(" ")[2] or "unknown",
        "commit": _output("git", "-C", str(_ROOT), "describe", "--always", "--dirty"),
    }


def _field(file: str, name: str) -> str:
    lines = Path(file).read_text("utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
