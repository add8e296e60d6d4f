"""Command line: `python -m hack.gotools fetch helm` gets a program, `python -m hack.gotools helm ARGUMENTS` runs it."""

from __future__ import annotations

import os
import sys

from hack.gotools.fetching import ToolError, fetch
from hack.gotools.tools import TOOLS


def main(words: list[str] | None = None) -> None:
    """Get programs, or become one of them; exits with 1 and a message when it cannot."""
    words = sys.argv[1:] if words is None else words
    names = words[1:] if words[:1] == ["fetch"] else words[:1]
    if not names or not set(names) <= TOOLS.keys():
        sys.exit(f"usage: python -m hack.gotools [fetch] {'|'.join(TOOLS)} [argument ...]")
    try:
        programs = [fetch(TOOLS[name], say=_say) for name in names]
    except ToolError as error:
        sys.exit(f"gotools: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    if words[0] != "fetch":
        os.execv(programs[0], words)  # noqa: S606  # same standard streams, same exit code


def _say(line: str) -> None:
    # stderr and unbuffered: progress must not mix with the output of the program, nor come late through a pipe.
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
