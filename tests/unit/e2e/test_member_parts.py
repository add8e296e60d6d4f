"""The parts of the end-to-end member that need no broker: code, pipelines, tables, joins, web views."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hack.nodesim.schema import validate
from tests.e2e.member.codecs import decode, encode
from tests.e2e.member.joins import Join, emitted
from tests.e2e.member.pipeline import Message, Pipeline
from tests.e2e.member.scripts import function
from tests.e2e.member.tables import Change, Tables
from tests.e2e.member.webviews import WebViews


class Desk:
    """A context that keeps what is sent."""

    key_serializer = "raw"
    value_serializer = "json"

    def __init__(self, tables: dict[str, Any] | None = None) -> None:
        self.names: dict[str, Any] = {"app": "the app"}
        self.tables = tables or {}
        self.sent: list[Message] = []

    def table(self, name: str) -> Any:
        return self.tables[name]

    def send(self, message: Message) -> dict[str, Any]:
        self.sent.append(message)
        return {"topic": message.topic, "partition": message.partition}


def checked(kind: str, **entry: Any) -> dict[str, Any]:
    """A definition with its defaults."""
    document, errors = validate({kind: [entry]})
    assert errors == []
    (found,) = document[kind]
    return dict(found)


def processors(*operations: dict[str, Any], init: str | None = None) -> dict[str, Any]:
    """Processors that run these operations in order."""
    named = [{"name": f"step{number}", **operation} for number, operation in enumerate(operations)]
    pipeline = [operation["name"] for operation in named]
    entry = {"pipeline": pipeline, "operations": named, "init": {"python": init} if init else None}
    source = {"topic": {"name": "in"}}
    return dict(checked("agents", name="a", input=source, processors=entry)["processors"])


def run(pipeline: Pipeline, *arguments: Any, **extra: Any) -> list[Any]:
    """What is left at the end."""
    return asyncio.run(pipeline.run(arguments, extra))


@pytest.fixture
def tables(tmp_path: Path) -> Iterator[Tables]:
    """Two tables, of which partition 0 is here."""
    changes: list[tuple[str, int, Change]] = []
    entries = [
        checked("tables", name=name, key_serializer="json", value_serializer="json")
        for name in ("left", "right")
    ]
    made = Tables(tmp_path, entries, lambda *change: changes.append(change))
    made.open([("left", 0), ("right", 0)])
    yield made
    made.open([])


def code(python: str, entrypoint: str | None = None) -> dict[str, Any]:
    return {"python": python, "entrypoint": entrypoint}


@pytest.mark.parametrize("serializer", ["raw", "json", "pickle", "binary"])
def test_serializers_give_back_what_they_took(serializer: str) -> None:
    """A tombstone stays one; raw gives bytes."""
    value: Any = b"some" if serializer in {"raw", "binary"} else {"some": [1, None]}
    assert decode(serializer, encode(serializer, value)) == value
    assert encode(serializer, None) is None
    assert decode(serializer, None) is None


def test_a_misspelled_entry_point_falls_back_to_the_first_callable() -> None:
    """Contract 3.6: also to one that comes from `init`, because the scope comes first."""
    text = code("def one(): return 1\ndef two(): return 2\n", "two")
    assert function(text)() == 2
    assert function({**text, "entrypoint": "tow"})() == 1
    assert function({**text, "entrypoint": None}, {"helper": lambda: 0})() == 0


def test_generators_fan_out_and_a_list_is_one_value() -> None:
    """Contract 3.6, for synchronous and asynchronous code."""
    fan = {"map": code("async def f(v):\n    for one in range(v):\n        yield one\n")}
    pair = {"map": code("def f(v):\n    return [v, v]\n")}
    odd = {"filter": code("def f(v):\n    return v[0] % 2\n")}
    assert run(Pipeline(processors(fan, pair, odd), Desk()), 4) == [[1, 1], [3, 3]]


def test_names_of_init_and_context_are_in_reach() -> None:
    """`init` runs once; `app` is in the scope of map and filter."""
    pipeline = Pipeline(
        processors({"map": code("def f(v): return (v + STEP, app)")}, init="STEP = 5"), Desk()
    )
    assert run(pipeline, 1) == [(6, "the app")]


def test_a_mistake_shows_at_the_first_message() -> None:
    """C12: making the pipeline compiles nothing."""
    pipeline = Pipeline(processors({"map": code("def f(v:")}), Desk())
    with pytest.raises(SyntaxError):
        run(pipeline, 1)


@pytest.mark.parametrize(
    ("ack", "passing", "left"),
    [
        (False, False, []),
        (True, False, [{"topic": "out", "partition": 3}]),
        (False, True, [7]),
        (True, True, [(7, {"topic": "out", "partition": 3})]),
    ],
)
def test_what_a_topic_send_leaves(*, ack: bool, passing: bool, left: list[Any]) -> None:
    """Contract 3.6: nothing, the metadata, the value, or both."""
    topic = {
        "name": "out",
        "ack": ack,
        "pass_through": passing,
        "key_selector": code("def k(v): return f'key {v}'"),
        "partition_selector": code("def p(v): return 3"),
    }
    desk = Desk()
    assert run(Pipeline(processors({"topic_send": topic}), desk), 7) == left
    assert desk.sent == [Message("out", b"key 7", b"7", 3)]


def test_rows_are_stored_when_they_are_committed(tables: Tables, tmp_path: Path) -> None:
    """Pending rows are seen at once, lost when discarded, and on the volume only with their offset."""
    left = tables.by_name["left"]
    left["a"] = 1
    tables.discard()
    assert "a" not in left
    left["b"] = 2
    tables.commit({("left", 0): 5})
    left["c"] = 3
    tables.open([])
    again = Tables(tmp_path, [left.entry], lambda *_: None)
    again.open([("left", 0)])
    assert dict(again.by_name["left"]) == {"b": 2}
    assert again.shards["left", 0].offset == 5
    again.replay("left", 0, [(b'"b"', None), (b'"d"', b"4")], 9)
    assert dict(again.by_name["left"]) == {"d": 4}
    again.open([])


def test_a_partition_that_is_elsewhere_is_not_written(tables: Tables) -> None:
    """The row of a message belongs to the partition of the message."""
    tables.partition = 3
    with pytest.raises(LookupError, match="partition 3 is not here"):
        tables.by_name["left"]["a"] = 1


def test_a_join_emits_for_either_side(tables: Tables) -> None:
    """`inner` waits for both; an update of the right row emits for every left row that points to it."""
    extract = code("def e(v): return v['of']")
    join = Join.of(checked("joins", name="j", left_table="left", right_table="right", extractor=extract))
    left, right = tables.by_name["left"], tables.by_name["right"]
    left["a"] = {"of": "x"}
    row = json.dumps(left["a"]).encode()
    assert list(emitted([join], tables.by_name, [("left", (b'"a"', row))])) == []
    right["x"] = 1
    found = list(emitted([join], tables.by_name, [("right", (b'"x"', b"1"))]))
    assert found == [("j-channel", ({"of": "x"}, 1))]


def test_web_views_answer_by_path_and_method() -> None:
    """Parameters of the path are arguments; another method is 405, another path is nobody's."""
    desk = Desk({"names": {"a": "Ann"}})
    operation = {
        "name": "get",
        "tables": [{"name": "names", "param_name": "names"}],
        "map": code("def get(request, key, names): return names[key] + request.query.get('mark', '')"),
    }
    entry = checked(
        "webviews",
        name="w",
        request={"method": "GET", "path": "/names/{key}"},
        response={"status_code": 203, "headers": {"X-App": "demo"}},
        processors={"pipeline": ["get"], "operations": [operation]},
    )
    views = WebViews([entry], desk)
    answer = views.answer("GET", "/names/a?mark=!", b"")
    assert answer is not None
    assert (answer.status, answer.body, answer.headers) == (203, b"Ann!", (("X-App", "demo"),))
    refused, failed = views.answer("POST", "/names/a", b""), views.answer("GET", "/names/b", b"")
    assert refused is not None
    assert refused.status == 405
    assert failed is not None
    assert failed.status == 500
    assert views.answer("GET", "/names/a/b", b"") is None
