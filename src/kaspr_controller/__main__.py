"""The entry of `kaspr-controller` and of `python -m kaspr_controller`: arguments in, exit code out.

Nothing but the chosen command is imported. Errors that a command raises on purpose become one line on standard error and
exit code 2; anything else is a fault of ours and keeps its traceback.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from kaspr_controller.cli import parser

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = parser.parse(sys.argv[1:] if argv is None else argv)
    try:
        code: int = arguments.execute(arguments)
        sys.stdout.flush()
    except parser.CommandError as error:
        sys.stderr.write(f"{parser.PROGRAM}: {error}\n")
        return 2
    except BrokenPipeError:
        # Who reads has seen enough; without this, Python would complain about it while it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
