"""`kaspr-controller crds`: the six CustomResourceDefinitions of this version as YAML, ready for `kubectl apply -f -`.

They are generated from the same models that the controller parses with, so a controller and the definitions it prints
agree. Server-side apply is advised, as the definitions are too large for the annotation of the client-side one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from kaspr_controller.api.crdgen import crd
from kaspr_controller.api.parsing import MODELS

if TYPE_CHECKING:
    import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    """The arguments of this command."""
    parser.add_argument(
        "--kind", choices=sorted(MODELS), action="append", help="print this kind only; can be repeated"
    )


def execute(arguments: argparse.Namespace) -> int:
    """Print the definitions."""
    print(text(arguments.kind or list(MODELS)), end="")
    return 0


def text(kinds: list[str]) -> str:
    """The definitions of these kinds as one stream of YAML documents."""
    definitions = [crd(MODELS[kind]) for kind in kinds]
    return yaml.safe_dump_all(definitions, sort_keys=False, explicit_start=True, width=110)
