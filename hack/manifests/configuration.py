"""docs/configuration.md: every setting, from the model that reads them.

In: `settings.describe` and the sources of the program. Out: one Markdown text. Invariant: a setting that nothing reads is
said to have no effect, so the page cannot promise more than the program does.
"""

from __future__ import annotations

import re
from pathlib import Path

from kaspr_controller.settings import Settings, describe

SOURCES = Path(__file__).parents[2] / "src" / "kaspr_controller"
_READ_AT_ONCE = {"env_file"}
"""Read while the settings themselves are read."""

INTRODUCTION = """\
# Configuration

Generated from `src/kaspr_controller/settings.py` by `make manifests`.

Settings are environment variables. Where a value is looked for, the first that has one wins:

1. an argument of `kaspr-controller run`; `kaspr-controller run --help` lists the settings that have one
2. the environment
3. the file that `ENV_FILE` names, lines of `NAME=value`
4. the default

An empty variable counts as absent. Values that cannot be used, all of them at once, end the program with exit code 2 before
it does anything. `kaspr-controller render` and `kaspr-controller diff` read the same settings: run them with those of the
controller, or they show what another controller would do. The chart takes them below its value `settings`, by the same names;
those that it sets itself are refused there.

Names from `INITIAL_MAX_REPLICAS` to `ENV_FILE` are those of the existing operator and mean the same.
"""

IDLE = """\
## Without effect

This version reads them, checks them, and does nothing with them yet: {names}.
"""


def text() -> str:
    """The whole page."""
    names = without_effect(program())
    idle = [IDLE.format(names=", ".join(f"`{name.upper()}`" for name in names))] if names else []
    return "\n".join([INTRODUCTION, describe(), *idle])


def without_effect(source: str) -> list[str]:
    """Settings that this source text never reads."""
    read = set(re.findall(r"settings\.(\w+)", source)) | _READ_AT_ONCE
    return [name for name in Settings.model_fields if name not in read]


def program() -> str:
    """The source text of the program."""
    return "\n".join(path.read_text("utf-8") for path in sorted(SOURCES.rglob("*.py")))
