"""Files are read as kubectl reads them, and every field knows its line."""

from __future__ import annotations

import io
import json
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaspr_controller.cli.documents import STDIN, Document, Loaded, UnreadableError, load


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file.yaml"


def read(file: Path, text: str) -> Loaded:
    file.write_text(dedent(text).lstrip("\n"))
    return load([str(file)])


def one(file: Path, text: str) -> Document:
    loaded = read(file, text)
    assert loaded.faults == ()
    (document,) = loaded.documents
    return document


EXAMPLE = """
    # a comment
    kind: KasprAgent
    metadata:
      name: enrich
    spec:
      config:
        a.b: 1
        a:
          b: 2
      operations:
      - name: first
        map:
          python: |
            def f(x):
                return x
      - {name: second, filter: {}}
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", 2),
        ("kind", 2),
        ("metadata.name", 4),
        ("metadata.labels", 3),
        ("metadata.labels[kaspr.io/app]", 3),
        ("spec", 5),
        ("spec.config.a.b", 7),
        ("spec.config[a.b]", 7),
        ("spec.config.a", 8),
        ("spec.config[a].b", 9),
        ("spec.operations", 10),
        ("spec.operations[0]", 11),
        ("spec.operations[0].name", 11),
        ("spec.operations[0].map.python", 13),
        ("spec.operations[1].filter", 16),
        ("spec.operations[1].filter.python", 16),
        ("spec.operations[2].name", 10),
        ("spec.operations.name", 10),
        ("status", 2),
        ("..[", 2),
    ],
)
def test_lines_of_fields(file: Path, path: str, line: int) -> None:
    """A field that is there has its line, one that is missing that of the nearest around it."""
    assert one(file, EXAMPLE).line_of(path) == line


def test_lines_go_on_over_documents(file: Path) -> None:
    """Lines are those of the file; empty documents are none."""
    loaded = read(file, "---\n---\nkind: A\n---\n# nothing\n---\nkind: B\nspec: {}\n...\n")
    assert [(each.value["kind"], each.line) for each in loaded.documents] == [("A", 3), ("B", 7)]
    assert loaded.documents[1].line_of("spec") == 8


def test_items_of_a_list_stand_by_themselves(file: Path) -> None:
    """`kubectl get -o yaml` writes lists."""
    loaded = read(file, "kind: List\nitems:\n- kind: A\n- kind: List\n  items:\n  - kind: B\n    x: 1\n")
    assert [(each.value["kind"], each.line) for each in loaded.documents] == [("A", 3), ("B", 6)]
    assert loaded.documents[1].line_of("x") == 7


def test_values_are_those_that_kubectl_reads(file: Path) -> None:
    """Dates, times and hours stay text, keys become text, the words of YAML 1.1 for booleans are booleans."""
    document = one(
        file,
        """
        date: 2026-01-02
        time: 12:30:45
        text: "12"
        int: 12
        octal: 0o17
        old: 017
        hex: 0x1f
        exponent: 1e3
        float: 1.5
        yes: on
        1: one
        null_: ~
        empty:
        version: 1.2.3
        merged: {<<: {a: 1}, b: 2}
        """,
    )
    assert document.value == {
        "date": "2026-01-02",
        "time": "12:30:45",
        "text": "12",
        "int": 12,
        "octal": 15,
        "old": 15,
        "hex": 31,
        "exponent": 1000.0,
        "float": 1.5,
        "true": True,
        "1": "one",
        "null_": None,
        "empty": None,
        "version": "1.2.3",
        "merged": {"a": 1, "b": 2},
    }


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "the key 'a' is written twice"),
        ("a: 1\n b: 2\n", 2, "mapping values are not allowed here"),
        ("a: [1\n", 2, "expected ',' or ']'"),
        ("a: 1\nb: *none\n", 2, "found undefined alias"),
        ("a: &x\n  b: *x\n", 1, "an alias contains itself"),
        ("- a\n- b\n", 1, "is not an object"),
        ("a: !!binary aGk=\n", 1, "a bytes has no place in JSON"),
        ("a: !python/object:os.system x\n", 1, "could not determine a constructor"),
        ("? [a]\n: b\n", 1, "a key is not text"),
        ("~: b\n", 1, "a key is not text"),
        ('a: "\\ud83d"\n', 1, "has half a character"),
        ("a: \x01\n", 1, "special characters are not allowed"),
        ("a: " + "[" * 5000 + "]" * 5000, 1, "is nested too deeply"),
    ],
)
def test_faults_have_their_line(file: Path, text: str, line: int, says: str) -> None:
    """Whatever is wrong with the text is a finding on its line, not a traceback."""
    (fault,) = read(file, text).faults
    assert (fault.source, fault.line) == (str(file), line)
    assert says in fault.message


def test_documents_before_a_fault_are_kept(file: Path) -> None:
    """One run tells as much as it can."""
    loaded = read(file, "kind: A\n---\nb: [\n")
    assert [each.value for each in loaded.documents] == [{"kind": "A"}]
    assert len(loaded.faults) == 1


def test_aliases_cannot_grow_without_bound(file: Path) -> None:
    """A billion laughs in a few lines."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (fault,) = read(file, "\n".join(lines)).faults
    assert fault.message == "the aliases make it too large"


def test_a_folder_is_its_yaml_files_in_order(tmp_path: Path) -> None:
    """Other files and folders in it are left alone."""
    for name in ("b.yml", "a.yaml", "c.json", "d.txt", "e.yaml.bak"):
        (tmp_path / name).write_text('{"kind": "' + name + '"}')
    (tmp_path / "deeper").mkdir()
    kinds = [each.value["kind"] for each in load([str(tmp_path)]).documents]
    assert kinds == ["a.yaml", "b.yml", "c.json"]


def test_standard_input_and_files_are_read_in_the_given_order(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`-f -` takes its place among the others."""
    file.write_text("kind: A\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("kind: B\n"))
    sources = [(each.source, each.value["kind"]) for each in load(["-", str(file)]).documents]
    assert sources == [(STDIN, "B"), (str(file), "A")]


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A wrong name is a mistake of the command line, not a finding in a file."""
    with pytest.raises(UnreadableError, match="none: No such file"):
        load([str(tmp_path / "none")])
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe4\n")
    with pytest.raises(UnreadableError, match="is not UTF-8 text"):
        load([str(tmp_path / "latin.yaml")])


# A simple key of YAML ends at 1024 characters, escapes included.
_KEYS = st.text(min_size=1, max_size=50)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(_KEYS, _VALUES, min_size=1))
def test_what_was_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, value: dict[str, object]
) -> None:
    """Any JSON object survives the way through a file."""
    file = tmp_path_factory.getbasetemp() / "round.yaml"
    file.write_text(json.dumps({**value, "kind": "Any"}), encoding="ascii")
    loaded = load([str(file)])
    assert loaded.faults == ()
    assert loaded.documents[0].value == {**value, "kind": "Any"}
