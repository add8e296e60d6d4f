"""Faults and warnings of single components (T7, T16, T18, C12)."""

from __future__ import annotations

import sys

import pytest

from kaspr_controller.api import code as python
from kaspr_controller.desired.components import DOCUMENT_LIMIT, Prepared, Unparsable, prepare, prepare_all
from tests.unit.desired.resources import agent, code, join, table, task, view


def reasons(prepared: Prepared) -> list[tuple[str, str]]:
    return [(warning.reason, warning.field) for warning in prepared.warnings]


@pytest.mark.parametrize(
    "text",
    [
        "def f(v) return v",
        "X = 1",
        "",
        "def f(v):\n    return (",
        "\tdef f(v): return v",
        "def f(v): return '\x00'",
    ],
)
def test_python_that_cannot_run_holds_the_component_back(text: str) -> None:
    """The runtime would start with it and crash at every message, telling nobody (C12)."""
    found = prepare(agent("a", map_=text or "# nothing"))
    assert found.problem is not None
    assert (found.problem.reason, found.problem.field) == ("InvalidCode", "spec.processors.operations[0].map")
    assert found.entry is None
    assert found.text == ""


def test_every_place_for_code_is_looked_at() -> None:
    """A selector is as deadly as an operation."""
    bad = code("def (")
    both = {"onSuccess": bad, "onError": code()}
    topic = {"name": "out", "predicate": bad}
    send = {"name": "s", "topicSend": {"name": "out", "keySelector": bad}}
    window = {"tumbling": {"size": "1m"}, "relativeTo": "custom", "relativeToSelector": bad}
    held = [
        agent("a", output={"topics": [topic]}),
        agent("a", processors={"pipeline": ["s"], "operations": [send]}),
        agent("a", processors={"pipeline": ["f"], "operations": [{"name": "f", "filter": bad}]}),
        agent("a", processors={"init": bad}),
        table("t", defaultSelector=bad),
        table("t", window=window),
        join("j", "l", "r", extractor=bad),
        view("v", "/x", response={"bodySelector": both}),
        view("v", "/x", response={"headersSelector": both}),
        view("v", "/x", response={"statusCodeSelector": {"onError": bad}}),
        task("t", {"name": "r", "map": bad}),
    ]
    fields = []
    for component in held:
        problem = prepare(component).problem
        assert problem is not None
        assert problem.reason == "InvalidCode"
        fields.append(problem.field)
    assert fields == [
        "spec.output.topics[0].predicate",
        "spec.processors.operations[0].topicSend.keySelector",
        "spec.processors.operations[0].filter",
        "spec.processors.init",
        "spec.defaultSelector",
        "spec.window.relativeToSelector",
        "spec.extractor",
        "spec.response.bodySelector.onSuccess",
        "spec.response.headersSelector.onSuccess",
        "spec.response.statusCodeSelector.onError",
        "spec.processors.operations[0].map",
    ]


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("def d(): return dict", True),
        ("def d():\n    from collections import Counter\n    return Counter", True),
        ("d = lambda: int", True),
        ("def d():\n    class D(dict):\n        def __missing__(self, key): return 0\n    return D", True),
        ("def d():\n    f = lambda: 0\n    def g(): return 0\n    return dict", True),
        ("def d():\n    try:\n        return x.Thing\n    except NameError:\n        return None", True),
        ("class D(dict): pass\ndef d(): return D", True),
        ("def d():\n    raise KeyError", True),
        ("import x\ndef d(): return x.Thing", True),
        ("def d(): return {}", False),
        ("def d(): return 0", False),
        ("def d(): return dict()", False),
        ("def d(): return [x for x in ()]", False),
        ("def d(): return None", False),
        ("def d(): pass", False),
        ("def d(): return f'{1}'", False),
    ],
)
def test_a_tables_default_is_a_class(text: str, *, fine: bool) -> None:
    """A value ends the start of the whole app (T7); what cannot be told for certain is let through."""
    assert (prepare(table("t", defaultSelector=code(text))).problem is None) is fine


def test_the_named_function_is_judged() -> None:
    """Other functions may return what they like."""
    text = "def helper(): return 1\ndef d(): return int\n"
    assert prepare(table("t", defaultSelector=code(text, entrypoint="d"))).problem is None
    assert prepare(table("t", defaultSelector=code(text, entrypoint="helper"))).problem is not None
    text = "def helper(): return 1\nd = lambda: int\n"
    assert prepare(table("t", defaultSelector=code(text, entrypoint="d"))).problem is None


def test_things_without_effect_are_said() -> None:
    """They hold nothing back (D16, D34)."""
    windowed = prepare(table("t", window={"hopping": {"size": 60, "step": "10s"}}, options={"a": "b"}))
    assert windowed.problem is None
    assert reasons(windowed) == [("NoEffect", "spec.window"), ("NoEffect", "spec.options")]
    pattern = prepare(agent("a", input={"topic": {"pattern": "x.*"}}))
    assert reasons(pattern) == [("BrokenInRuntime", "spec.input.topic.pattern")]
    send, keep = {"name": "s", "topicSend": {"name": "out"}}, {"name": "k", "filter": code()}
    assert reasons(prepare(task("t", send, keep))) == [
        ("BrokenInRuntime", "spec.processors.operations[0].topicSend"),
        ("BrokenInRuntime", "spec.processors.operations[1].filter"),
    ]
    assert reasons(prepare(task("t", {"name": "r", "map": code()}, send))) == []


def test_a_callable_of_init_shadows_an_operation_without_entrypoint() -> None:
    """The runtime calls the first callable of the whole scope (T16)."""
    for init, expected in (("from json import loads", 1), ("LIMIT = 3", 0)):
        chain = {"pipeline": ["m"], "init": code(init), "operations": [{"name": "m", "map": code()}]}
        found = reasons(prepare(agent("a", processors=chain)))
        assert found == [("AmbiguousCode", "spec.processors.operations[0].map")] * expected
    named = {"name": "m", "map": code(entrypoint="f")}
    chain = {"pipeline": ["m"], "init": code("import json"), "operations": [named]}
    assert reasons(prepare(agent("a", processors=chain))) == []


def test_a_document_that_no_config_map_holds_is_refused() -> None:
    """One MiB is a limit of the API server (422), counted in bytes of UTF-8."""
    filler = "# " + "ä" * 250_000
    operations = [{"name": f"m{n}", "map": code(f"def f(v): return v {filler}")} for n in (1, 2)]
    found = prepare(agent("a", processors={"pipeline": ["m1", "m2"], "operations": operations}))
    assert found.problem is not None
    assert found.problem.reason == "DocumentTooBig"
    assert str(DOCUMENT_LIMIT) in found.problem.message
    assert prepare(agent("a", processors={"pipeline": ["m1"], "operations": operations[:1]})).problem is None


def test_a_key_that_no_reader_takes_is_refused() -> None:
    """A YAML reader gives up on keys of more than 1024 characters, and with it the whole file."""
    found = prepare(table("t", extraTopicConfigs={"k" * 1001: "v"}))
    assert found.problem is not None
    assert found.problem.field == "spec.extraTopicConfigs"


def test_what_cannot_be_parsed_says_why() -> None:
    """The first few errors are enough to begin with."""
    found = prepare(Unparsable("KasprAgent", "a", ("one", "two", "three", "four")))
    assert found.key == ("KasprAgent", "a")
    assert found.problem is not None
    assert str(found.problem) == "one; two; three; ..."


def test_preparing_again_changes_nothing() -> None:
    """Whoever keeps what was prepared may hand it over in place of the resource, in any order."""
    components = [table("b"), agent("a"), table("a")]
    prepared = prepare_all(components)
    assert [one.key for one in prepared] == [("KasprAgent", "a"), ("KasprTable", "a"), ("KasprTable", "b")]
    assert prepare_all(reversed(prepared)) == prepared


NEWER = [
    ("type Key = str\ndef f(v):\n    return v\n", "type statements", (3, 11)),
    ("def f[T](v: T) -> T:\n    return v\n", "type parameters", (3, 11)),
    ("def f(v):\n    return f'{v['a']}'\n", "f-strings", (3, 11)),
    (
        "def f(v):\n    try:\n        return v\n    except KeyError, ValueError:\n        return None\n",
        "except",
        (3, 13),
    ),
    ("def f(v):\n    return t'{v}'\n", "template strings", (3, 13)),
]


@pytest.mark.parametrize(("text", "what", "here"), NEWER, ids=[what for _, what, _ in NEWER])
def test_grammar_of_a_newer_python_is_told_from_a_mistake(
    text: str, what: str, here: tuple[int, int]
) -> None:
    """A member's image may have a newer Python than the controller: what that may accept holds nothing back."""
    if sys.version_info[:2] > here:
        pytest.skip("this Python knows it")
    with pytest.raises(SyntaxError) as caught:
        compile(text, "x", "exec")
    assert what in python.later_grammar(text, caught.value, here=here)
    assert python.later_grammar(text, caught.value, here=(3, 99)) == "", "who knows it calls it a mistake"
    prepared = prepare(agent("a", map_=text))
    assert prepared.problem is None
    assert [warning.reason for warning in prepared.warnings] == ["UncheckedCode"]
    assert "line" in prepared.warnings[0].message


@pytest.mark.parametrize(
    "text",
    ["def f(v) return v", "def f(v):\n    return (", "typo x = 1\n", "class A(\n", "\tdef f(v): return v"],
)
def test_a_mistake_is_no_new_grammar(text: str) -> None:
    """Only what looks like grammar that came later gets the benefit of the doubt."""
    assert python.unchecked(text) == ""
    assert prepare(agent("a", map_=text)).problem is not None
