"""Runs the little Python of a definition the way the runtime picks its function, with few builtins.

In: Python text and an entry point. Out: the chosen callable's result. Called by `definitions` for table default
selectors, the only component code the runtime executes while it starts. The texts come from our own tests; the
small set of builtins keeps a slip in one of them from touching files, it is no security border.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MODULES = {
    "collections",
    "dataclasses",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "json",
    "math",
    "typing",
    "uuid",
}
FORBIDDEN = {"open", "input", "exec", "eval", "compile", "breakpoint", "exit", "quit", "help"}


def import_known(name: str, *rest: Any) -> Any:
    """Import one of the harmless standard modules, else fail as if it were not installed."""
    if name.split(".", maxsplit=1)[0] not in MODULES:
        raise ModuleNotFoundError(f"No module named {name!r}")
    return __import__(name, *rest)


BUILTINS = {name: value for name, value in vars(builtins).items() if name not in FORBIDDEN}
BUILTINS["__import__"] = import_known


def entry_point(python: str, entrypoint: str | None) -> Callable[..., Any]:
    """Execute the text and return the named callable, or the first one in scope order.

    A misspelled entry point silently falls back to the first callable, as in the runtime.
    """
    scope: dict[str, Any] = {"__builtins__": BUILTINS, "__name__": "compiled_python"}
    exec(compile(python, "compiled_python", "exec"), scope)  # noqa: S102  # the whole purpose of this file
    found = [value for name, value in scope.items() if not name.startswith("__") and callable(value)]
    named = scope.get(entrypoint or "")
    if callable(named):
        return named  # type: ignore[no-any-return]
    if not found:
        raise ValueError("No callable found in python code")
    return found[0]  # type: ignore[no-any-return]
