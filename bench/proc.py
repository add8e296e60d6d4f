"""What a process costs, from /proc: CPU seconds and resident memory.

In: a pid. Out: readings, and a `Watcher` thread that keeps the peak of the memory. Linux only. The CPU time is what the
kernel accounts (user and system, all threads); children of the process are not included.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MIB = 1024 * 1024
_SAMPLE_SECONDS = 0.1


def cpu_seconds(pid: int) -> float:
    """CPU seconds since the start of the process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident(pid: int) -> float:
    """Resident memory in MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE / _MIB


def resident_here() -> float:
    """Resident memory of this process in MiB."""
    return resident(os.getpid())


def stolen_seconds() -> float:
    """CPU seconds, of all cores, that the host has given to other virtual machines since the boot."""
    return int(Path("/proc/stat").read_text().split(None, 9)[8]) / _TICKS


class Watcher:
    """Looks at the memory of a process ten times a second."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._stop = threading.Event()
        self._peak = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def peak(self) -> float:
        """The highest reading since the last call, in MiB."""
        peak, self._peak = self._peak, 0.0
        return max(peak, resident(self._pid))

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            with contextlib.suppress(OSError):  # it has ended
                self._peak = max(self._peak, resident(self._pid))
