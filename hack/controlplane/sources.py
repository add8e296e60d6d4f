"""What every source of programs has in common.

A `Source` gets the recipe and an empty folder, puts the programs there under their names and returns in words where
they come from. When it cannot, it raises SourceError and the next source has its turn.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hack.controlplane.recipe import Recipe

Say = Callable[[str], None]
Source = Callable[[Recipe, Path, Say], str]


class SourceError(Exception):
    """This source cannot give the programs; the message says why, for people."""
