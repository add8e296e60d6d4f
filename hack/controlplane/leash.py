"""Run a program that must not outlive the process that asked for it.

In: `leash.py OWNER_PID PROGRAM ARGUMENTS...`, run by `processes.py` as a script of its own. Out: the process becomes
PROGRAM, under the same pid. The kernel then kills it when its owner dies, even when the owner was killed with
SIGKILL and could clean up nothing.

It is a script and not a `preexec_fn`, because code between fork and exec can deadlock in a process with threads.
Linux only; elsewhere the program runs without the leash and only an orderly end of the owner stops it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Tie this process to its owner, then become the program."""
    owner, program = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The owner may have died before the line above: then nobody sends the signal any more.
        if os.getppid() != owner:
            sys.exit("the owner is gone")
    os.execv(program[0], program)  # noqa: S606  # the point of this script


if __name__ == "__main__":
    main()
