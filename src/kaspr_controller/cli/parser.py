"""The command line: one module per command, imported only when that command is asked for.

Each module in the table has `configure(parser)`, which adds its arguments, and `execute(arguments) -> int`, which does the
work and returns the exit code: 0 done, 1 something was found or differs, 2 the command could not do its work.
Names of arguments that settings also know are the names of the settings, with dashes.
"""

from __future__ import annotations

import argparse
import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "kaspr-controller"


class CommandError(Exception):
    """A command cannot do its work for a reason that its user can change; the text says which."""


class Command(NamedTuple):
    """Where a command lives and what it does in one line."""

    module: str
    summary: str


COMMANDS = {
    "run": Command("kaspr_controller.cli.run", "run the controller until it is stopped"),
    "render": Command("kaspr_controller.cli.render", "print the objects that would be made of these files"),
    "validate": Command("kaspr_controller.cli.validate", "check files without a cluster"),
    "diff": Command("kaspr_controller.cli.diff", "show what would change in the cluster"),
    "explain": Command(
        "kaspr_controller.cli.explain", "say what a custom resource waits for, and since when"
    ),
    "crds": Command("kaspr_controller.cli.crds", "print the CustomResourceDefinitions"),
}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments with `execute`, the function of the command.

    Raises:
        SystemExit: the arguments are wrong (2), or help or the version was asked for (0).
    """
    chosen = next((word for word in argv if not word.startswith("-")), None)
    parser = argparse.ArgumentParser(
        PROGRAM, description="Kubernetes operator for Kaspr apps.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {version(PROGRAM)}")
    below = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        one = below.add_parser(name, help=command.summary, description=command.summary, allow_abbrev=False)
        if name == chosen:
            module = importlib.import_module(command.module)
            module.configure(one)
            one.set_defaults(execute=module.execute)
    return parser.parse_args(argv)
