"""Runs the Python of components by the runtime's rules (contract 3.6).

In: code entries of a definition and the names they may use. Out: functions, and every value one call of them produces.
Called by `pipeline`, `webviews` and `tables`, on the thread that processes or serves. Invariant: the named function, else the
first callable in the order of the scope: `init` first, then the context, then the code itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

Code = Mapping[str, Any]


def function(code: Code, scope: Mapping[str, Any] | None = None) -> Callable[..., Any]:
    """Return the function of a code entry; the scope comes before what the code defines.

    Raises:
        Exception: whatever the text raises; ValueError where it defines nothing callable.
    """
    names = executed(code, scope or {})
    named = names.get(code["entrypoint"] or "")
    if callable(named):
        return named  # type: ignore[no-any-return]
    for name, value in names.items():
        if not name.startswith("__") and callable(value):
            return value  # type: ignore[no-any-return]
    raise ValueError("No callable found in python code")


def executed(code: Code | None, scope: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names after a text was executed with those of a scope."""
    names = dict(scope)
    if code is not None:
        exec(compile(code["python"], "compiled_python", "exec"), names)  # noqa: S102  # this is what a member is for
    return names


async def outcomes(call: Callable[..., Any], *arguments: Any, **tables: Any) -> list[Any]:
    """Return what a call produces: one value, or those of a generator; a list is one value."""
    produced = call(*arguments, **tables)
    if inspect.isasyncgen(produced):
        return [value async for value in produced]
    if inspect.isgenerator(produced):
        return list(produced)
    return [await produced if inspect.isawaitable(produced) else produced]
