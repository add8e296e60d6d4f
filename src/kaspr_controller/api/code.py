"""Does a piece of user's Python compile, and does it define what will be called?

In: the text of a `Code` and its entrypoint. Out: sentences, empty when all is well. Called at reconcile time, before code is
handed to members: the runtime starts with broken code and fails on the first message, where nobody looks. Nothing is
executed. Any thread. Invariant: only certain faults are reported; names that a star import may bring count as defined. The
grammar is that of the Python this program runs on. Members may have a newer one: what does not compile here and looks like
grammar that came later is let through unchecked, and `unchecked` says so.
"""

from __future__ import annotations

import ast
import functools
import re
import sys
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LENGTH_LIMIT = 512 * 1024
"""Characters beyond which nothing is compiled: the compiler's memory and time grow with the text."""
_SHORT = 4096
"""Characters up to which a verdict is remembered; with the number of verdicts this bounds the memory to 4 MB."""
_FILE = "<definition>"
Version = tuple[int, int]
_HERE: Version = sys.version_info[:2]
_LATER: tuple[tuple[Version, str, re.Pattern[str]], ...] = (
    ((3, 12), "type statements", re.compile(r"\s*type\s+\w+\s*(\[.*\]\s*)?=")),
    ((3, 12), "type parameters", re.compile(r"\s*(async\s+def|def|class)\s+\w+\s*\[")),
    (
        (3, 12),
        "f-strings with quotes or lines of their own",
        re.compile(r".*(?<!\w)([fF][rR]?|[rR][fF])[\"']"),
    ),
    ((3, 14), "except without parentheses", re.compile(r"\s*except\*?\s+[\w.]+\s*,")),
    ((3, 14), "template strings", re.compile(r".*(?<!\w)([tT][rR]?|[rR][tT])[\"']")),
)
"""Since which Python, what, and how a line looks that has it."""
_NEVER_CALLED = (ast.Constant, ast.List, ast.Dict, ast.Set, ast.Tuple, ast.JoinedStr)


@dataclass(frozen=True, slots=True)
class Definitions:
    """The names a text binds at its top level, in order.

    `callables` can be called as far as one can see (functions, classes, imports, results of calls); `asynchronous` are
    functions that return coroutines or async generators; `complete` is false after a star import.
    """

    names: frozenset[str] = frozenset()
    callables: tuple[str, ...] = ()
    asynchronous: frozenset[str] = frozenset()
    complete: bool = True


def problems(
    python: str,
    entrypoint: str | None = None,
    *,
    scope: Definitions | None = None,
    needs_callable: bool = True,
    synchronous: bool = False,
) -> list[str]:
    """What is certainly wrong with a piece of code.

    `scope` holds the names that are there before the code runs (of `init`), `needs_callable` is false for `init` itself, and
    `synchronous` is true where the runtime cannot await (selectors, predicates).
    """
    fault, own, _ = _verdict(python)
    if fault:
        return [fault]
    if not needs_callable:
        return []
    before = scope or Definitions()
    complete = before.complete and own.complete
    if entrypoint is not None and entrypoint not in own.names | before.names:
        return [_missing(entrypoint, own)] if complete else []
    # Without an entrypoint the runtime takes the first callable in scope order, that of `init` included.
    called = entrypoint or next(iter((*before.callables, *own.callables)), None)
    if called is None:
        return ["defines no function to call"] if complete else []
    if synchronous and called in own.asynchronous:
        return [f"function {called} is async; the runtime calls this one without awaiting it"]
    return []


def unchecked(python: str) -> str:
    """The grammar for which a text that does not compile here may be too new, with its Python; "" when it is no such text."""
    return _verdict(python)[2]


def later_grammar(python: str, error: Exception | None, *, here: Version = _HERE) -> str:
    """The same, for the error of a compiler of Python `here`."""
    if not isinstance(error, SyntaxError):
        return ""
    number = error.lineno or 1
    line = next(iter(python.splitlines()[number - 1 : number]), "")
    for since, what, look in _LATER:
        if since > here and look.match(line):
            return f"line {number}: {what} need Python {since[0]}.{since[1]}, and this is checked with {here[0]}.{here[1]}"
    return ""


def _verdict(python: str) -> tuple[str | None, Definitions, str]:
    return _remembered(python) if len(python) <= _SHORT else _looked_through(python)


def _looked_through(python: str) -> tuple[str | None, Definitions, str]:
    fault = syntax_problem(python)
    if fault is None:
        return None, definitions(python), ""
    later = later_grammar(python, _compiled(python)) if len(python) <= LENGTH_LIMIT else ""
    return (None, Definitions(complete=False), later) if later else (fault, Definitions(), "")


_remembered = functools.lru_cache(maxsize=1024)(_looked_through)
"""The same text comes with every pass over its app, and compiling is the dearest part of a render."""


def syntax_problem(python: str) -> str | None:
    """Why a text does not compile, with the line; None when it does."""
    if len(python) > LENGTH_LIMIT:
        return f"has more than {LENGTH_LIMIT} characters"
    error = _compiled(python)
    if isinstance(error, SyntaxError):
        return f"does not compile: line {error.lineno or 1}: {error.msg}"
    if isinstance(error, ValueError):
        return f"does not compile: {error}"
    return "does not compile: it is nested too deeply" if error else None


def _compiled(python: str) -> Exception | None:
    # What the compiler merely dislikes is the user's business; the filter is idempotent and names our file only.
    warnings.filterwarnings("ignore", module=_FILE)
    try:
        compile(python, _FILE, "exec", dont_inherit=True)
    except (ValueError, SyntaxError, RecursionError, MemoryError, OverflowError) as error:
        return error
    return None


def definitions(python: str) -> Definitions:
    """The top-level names of a text that compiles; of one that does not, nothing."""
    warnings.filterwarnings("ignore", module=_FILE)
    try:
        tree = ast.parse(python, _FILE)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Definitions(complete=not unchecked(python))
    names: dict[str, bool] = {}
    waits: dict[str, bool] = {}
    for name, can_be_called, must_wait in _bindings(tree.body):
        names[name] = names.get(name, False) or can_be_called
        waits[name] = waits.get(name, True) and must_wait
    complete = "*" not in names
    names.pop("*", None)
    return Definitions(
        names=frozenset(names),
        callables=tuple(name for name, yes in names.items() if yes),
        asynchronous=frozenset(name for name, yes in waits.items() if yes),
        complete=complete,
    )


def _missing(entrypoint: str, own: Definitions) -> str:
    has = f"it defines {', '.join(own.callables)}" if own.callables else "it defines no function"
    return f"entrypoint {entrypoint} is not defined by the code; {has}"


def _bindings(body: Iterable[ast.stmt]) -> Iterator[tuple[str, bool, bool]]:
    """Name, whether it can be called, whether the call must be awaited; blocks at the top level included."""
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, True, False
            case ast.AsyncFunctionDef(name=name):
                yield name, True, True
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from ((alias.asname or alias.name.split(".")[0], True, False) for alias in aliases)
            case _:
                yield from _assigned(statement)
                for block in ("body", "orelse", "finalbody"):
                    yield from _bindings(getattr(statement, block, ()))
                for handler in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
                    yield from _bindings(handler.body)


def _assigned(statement: ast.stmt) -> Iterator[tuple[str, bool, bool]]:
    """Names bound by assignments, loops, `with` and walrus in a statement's own line."""
    value = getattr(statement, "value", None)
    unpacked = any(isinstance(target, ast.Tuple | ast.List) for target in getattr(statement, "targets", ()))
    can_be_called = unpacked or not isinstance(value, _NEVER_CALLED)
    blocks = {id(inner) for inner in ast.iter_child_nodes(statement) if isinstance(inner, ast.stmt)}
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, can_be_called, False
        waiting.extend(
            child
            for child in ast.iter_child_nodes(node)
            if id(child) not in blocks and not isinstance(child, ast.Lambda | ast.stmt | ast.ExceptHandler)
        )
