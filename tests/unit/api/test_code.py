"""The check of users' Python: certain faults are told, everything else is let through."""

from __future__ import annotations

import warnings

import pytest

from kaspr_controller.api import code
from kaspr_controller.api.code import Definitions, definitions, problems


@pytest.mark.parametrize(
    "python",
    [
        "def f(v): return v",
        "async def f(v):\n  yield v\n",
        "f = lambda v: v",
        "from a.b import c as f",
        "import json",
        "class F:\n  def __call__(self, v): return v",
        "try:\n  from a import f\nexcept ImportError:\n  f = None",
        "if True:\n  def f(v): pass\nelse:\n  def f(v): pass",
        "from x import *",
        "f = make()",
        "x, f = 1, print",
        "for f in [print]: pass",
        "with open('a') as f: pass",
        "(f := print)",
        "match 1:\n  case 1:\n    f = print",
        "while False:\n  def f(): pass",
        "def f(v): return '\\d' is v  # the compiler merely dislikes this",
        "größe = len",
    ],
)
def test_code_that_defines_something_to_call_is_fine(python: str) -> None:
    """Functions, classes, imports, results: whatever may be callable."""
    assert problems(python) == []


@pytest.mark.parametrize(
    ("python", "words"),
    [
        ("def f(v) return v", "line 1"),
        ("def f(v):\n  return v\n   x", "line 3"),
        ("return 1", "'return' outside function"),
        ("x = 1\0", "null bytes"),
        ("(" * 5000, "nested"),
        ("1" + "+1" * 60000, "nested too deeply"),
        ("-" * 50000 + "1", "nested too deeply"),
        ("x" * (code.LENGTH_LIMIT + 1), "more than"),
        ("def f(v, v): pass", "duplicate argument"),
        ("\ud800 = 1", "does not compile"),
    ],
)
def test_code_that_does_not_compile_is_told_with_its_line(python: str, words: str) -> None:
    """The runtime would start and fail on the first message; nothing here ends the process, however deep the text."""
    (problem,) = problems(python)
    assert words in problem


@pytest.mark.parametrize("python", ["x = 1", "", "# nothing", "LIMITS = [1, 2]", "'docstring'", "x: int = 3"])
def test_code_without_anything_to_call_is_told(python: str) -> None:
    """The first callable is the entrypoint; there is none."""
    assert problems(python) == ["defines no function to call"]


def test_init_needs_nothing_to_call() -> None:
    """It runs for its names."""
    assert problems("LIMIT = 3", needs_callable=False) == []
    assert problems("LIMIT = ", needs_callable=False)


def test_an_entrypoint_must_be_defined() -> None:
    """A misspelt one silently calls something else; what the code does define is named."""
    assert problems("def enrich(v): pass", "enrich") == []
    assert problems("def enrich(v): pass", "enrhic") == [
        "entrypoint enrhic is not defined by the code; it defines enrich"
    ]
    assert problems("x = 1", "f") == ["entrypoint f is not defined by the code; it defines no function"]


def test_names_of_init_count() -> None:
    """They are in scope when the operation's code runs."""
    scope = definitions("def enrich(v): pass")
    assert problems("LIMIT = 3", "enrich", scope=scope) == []
    assert problems("LIMIT = 3", scope=scope) == []
    assert problems("LIMIT = 3", "other", scope=scope) != []


def test_a_star_import_may_bring_anything() -> None:
    """Only certain faults are told."""
    assert problems("from library import *\nx = 1", "f") == []
    assert problems("x = 1", "f", scope=definitions("from library import *")) == []


def test_async_is_told_where_the_runtime_does_not_wait() -> None:
    """Selectors and predicates are called, not awaited."""
    assert problems("async def s(v): pass", synchronous=True) == [
        "function s is async; the runtime calls this one without awaiting it"
    ]
    assert problems("async def s(v): pass\ndef t(v): pass", "t", synchronous=True) == []
    assert problems("async def s(v): pass") == []
    assert problems("async def s(v): pass\ns = make(s)", synchronous=True) == []


def test_definitions_keep_the_order_of_the_text() -> None:
    """Without an entrypoint the first callable counts."""
    found = definitions("import b\nX = 1\ndef a(): pass\nclass C: pass\nasync def d(): pass")
    assert found == Definitions(
        names=frozenset({"b", "X", "a", "C", "d"}),
        callables=("b", "a", "C", "d"),
        asynchronous=frozenset({"d"}),
    )


def test_names_inside_functions_are_not_defined() -> None:
    """Only the top level is in the scope that is searched."""
    assert definitions("def f():\n  g = print\n  def h(): pass").names == {"f"}
    assert definitions("x = [y for y in (lambda z: z,)]").names == {"x", "y"}


def test_broken_code_defines_nothing() -> None:
    """The syntax is told once, by the check of that text."""
    assert definitions("def (") == Definitions()


def test_nothing_is_executed_and_nobody_is_warned() -> None:
    """A check is no run, and dislikes of the compiler are not ours to print."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert problems("raise SystemExit(1)\ndef f(): return 1 is 1, '\\d'") == []
