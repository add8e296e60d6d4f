"""What the demo prints: scenes, commands with their output, and lines of the timeline.

In: text, from the main thread and from the threads that follow the cluster. Out: whole lines, flushed, never mixed.
Colours only on a terminal and not with NO_COLOR; nothing ever moves the cursor, so a CI log reads like the screen.
Times are seconds since the scene began.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

    from hack.demo.timeline import Line

_COLOURS = {"+": "32", "~": "33", "-": "31", "title": "1", "command": "36", "bad": "31"}
KIND_WIDTH = 21
NAME_WIDTH = 28


class Voice:
    """Prints to one stream, from any thread.

    Args:
        out: where to.
        colours: whether to use terminal colours; None: decide by `out` and NO_COLOR.
        clock: monotonic seconds.
    """

    def __init__(
        self, out: TextIO, *, colours: bool | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out = out
        self._colours = out.isatty() and not os.environ.get("NO_COLOR") if colours is None else colours
        self._clock = clock
        self._lock = threading.Lock()
        self._scenes = 0
        self._began = clock()

    def scene(self, title: str) -> None:
        """Begin a scene: a numbered heading, and the time starts at 0."""
        self._began = self._clock()
        self._scenes += 1
        self._print("", self._painted(f"{self._scenes}. {title}", "title"))

    def say(self, text: str, colour: str = "") -> None:
        """A sentence of the narrator, or several lines."""
        self._print(*(self._painted(line, colour) for line in text.splitlines()))

    def command(self, command: str) -> None:
        """A command that is run, as a person would type it."""
        self._print(self._painted(f"  $ {command}", "command"))

    def block(self, text: str, colour: str = "") -> None:
        """Output of a program, indented."""
        self._print(*(self._painted(f"  {line}", colour) for line in text.splitlines()))

    def happened(self, line: Line) -> None:
        """Something changed in the cluster."""
        seconds = f"{self._clock() - self._began:6.1f}s"
        mark = self._painted(line.mark, line.mark)
        self._print(f"{seconds}  {mark} {line.kind:<{KIND_WIDTH}} {line.name:<{NAME_WIDTH}} {line.text}")

    def _painted(self, text: str, colour: str) -> str:
        if not self._colours or colour not in _COLOURS:
            return text
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"

    def _print(self, *lines: str) -> None:
        with self._lock:
            try:
                self._out.write("".join(f"{line.rstrip()}\n" for line in lines))
                self._out.flush()
            except BrokenPipeError:
                # Whoever listened, `head` perhaps, has heard enough. The rest goes nowhere, and the show ends as by
                # Ctrl-C, which reaches the main thread from any other.
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._out.fileno())
                os.kill(os.getpid(), signal.SIGINT)
