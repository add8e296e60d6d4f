"""YAML from files, folders and standard input, each value with the line it was written on.

In: the arguments of `-f`. Out: `Loaded`, the documents in the order of reading and the faults of what could not be read
as YAML. Used by the commands that work on files. Values are read as kubectl reads them (no dates, no base-60 numbers,
keys are text), a document is JSON afterwards; a key written twice is a fault, since one of the two values would be lost.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kaspr_controller.api.metadata import Raw
from kaspr_controller.cli.parser import CommandError

if TYPE_CHECKING:
    import argparse

STDIN = "<stdin>"
MAX_NODES = 1_000_000
"""Values of one document with its aliases written out; beyond it is an accident or an attack."""
_SUFFIXES = {".yaml", ".yml", ".json"}
_INDEX = re.compile(r"\[(\d+)\]")
_TEXT = "tag:yaml.org,2002:str"


class UnreadableError(CommandError):
    """A file that was named cannot be read at all."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is no YAML document, and where."""

    source: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """One object.

    Attributes:
        source: file name as given, or `<stdin>`.
        value: the object as JSON.
        node: its YAML, for the lines.
    """

    source: str
    value: Raw
    node: yaml.Node = field(repr=False)

    @property
    def line(self) -> int:
        """The line on which the object begins, from 1."""
        return int(self.node.start_mark.line) + 1

    def line_of(self, path: str) -> int:
        """The line of a field such as `spec.processors.operations[0].map` or `spec.config[a.b]`.

        For a field that is not there, the line of the nearest one around it.
        """
        line, node, rest = self.line, self.node, path
        while rest and (found := _step(node, rest)) is not None:
            key, node, rest = found
            line = int(key.start_mark.line) + 1
        return line


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything that was read."""

    documents: tuple[Document, ...]
    faults: tuple[Fault, ...]


def add_file_argument(parser: argparse.ArgumentParser) -> None:
    """The `-f` of every command that reads files; the names end up in `arguments.files`."""
    parser.add_argument(
        "-f",
        "--filename",
        dest="files",
        metavar="FILE",
        action="append",
        required=True,
        help="YAML file, a folder of them, or - for standard input; can be repeated",
    )


def load(names: Sequence[str]) -> Loaded:
    """Read all documents of the named files; empty ones are left out, the items of a `List` stand by themselves.

    Raises:
        UnreadableError: a name is no file or folder that can be read.
    """
    documents: list[Document] = []
    faults: list[Fault] = []
    for name in names:
        for source, text in _texts(name):
            _read(source, text, documents, faults)
    return Loaded(tuple(documents), tuple(faults))


def _texts(name: str) -> Iterator[tuple[str, str]]:
    if name == "-":
        yield STDIN, sys.stdin.read()
        return
    path = Path(name)
    try:
        paths = (
            sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES) if path.is_dir() else [path]
        )
        for each in paths:
            yield str(each), each.read_text(encoding="utf-8")
    except OSError as error:
        raise UnreadableError(f"{name}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UnreadableError(f"{name}: is not UTF-8 text") from None


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as Kubernetes reads it: what only PyYAML takes for a date or a number of base 60 stays text."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML fills it, below

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        """A mapping with keys of text, so that `1` and `true`, equal in Python, stay two."""
        self.flatten_mapping(node)
        return {
            _key(self.construct_object(key), key): self.construct_object(value, deep)
            for key, value in node.value
        }


_RESOLVERS = (
    ("bool", r"yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF", "yYnNtTfFoO"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("merge", r"<<", "<"),
    ("int", r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
)
for _tag, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern})$"), list(_first))


def is_number_or_word(text: str) -> bool:
    """Whether Kubernetes would read this text, written without quotes, as something else: PyYAML lets `1e3` pass."""
    tag = _Loader("").resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return bool(tag != _TEXT)


def _read(source: str, text: str, documents: list[Document], faults: list[Fault]) -> None:
    try:
        loader = _Loader(text)
        while loader.check_node() and (node := loader.get_node()) is not None:
            faults += [Fault(source, line, message) for line, message in _doubtful(node)]
            value = _json(loader.construct_document(node), node)
            documents.extend(_objects(source, value, node, faults))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        faults.append(Fault(source, mark.line + 1 if mark else 1, error.problem or "is not YAML"))
    except yaml.YAMLError as error:
        faults.append(Fault(source, 1, str(error).splitlines()[0]))
    except RecursionError:
        faults.append(Fault(source, 1, "is nested too deeply"))


def _objects(source: str, value: Any, node: yaml.Node, faults: list[Fault]) -> Iterator[Document]:
    if value is None:
        return
    if not isinstance(value, dict):
        faults.append(Fault(source, node.start_mark.line + 1, "is not an object"))
        return
    items = _step(node, "items")
    if value.get("kind") == "List" and isinstance(value.get("items"), list) and items is not None:
        for item, below in zip(value["items"], items[1].value, strict=True):
            yield from _objects(source, item, below, faults)
        return
    yield Document(source, value, node)


def _doubtful(node: yaml.Node) -> list[tuple[int, str]]:
    """Keys that are written twice in one mapping.

    Raises:
        yaml.YAMLError: an alias contains itself, or aliases make the document too large.
    """
    sizes: dict[int, int] = {}
    faults: list[tuple[int, str]] = []

    def size(at: yaml.Node, above: frozenset[int]) -> int:
        if id(at) in above:
            raise yaml.MarkedYAMLError(None, None, "an alias contains itself", at.start_mark)
        if id(at) not in sizes:
            if isinstance(at, yaml.MappingNode):
                faults.extend(_repeated(at))
            below = _below(at)
            sizes[id(at)] = 1 + sum(size(each, above | {id(at)}) for each in below)
            if sizes[id(at)] > MAX_NODES:
                raise yaml.MarkedYAMLError(None, None, "the aliases make it too large", at.start_mark)
        return sizes[id(at)]

    size(node, frozenset())
    return faults


def _below(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _repeated(node: yaml.MappingNode) -> Iterator[tuple[int, str]]:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen and key.value != "<<":
                yield key.start_mark.line + 1, f"the key {key.value!r} is written twice"
            seen.add(key.value)


def _json(value: Any, node: yaml.Node) -> Any:
    """The value without what JSON does not have; aliases stay shared."""
    done: dict[int, Any] = {}

    def plain(each: Any) -> Any:
        if isinstance(each, dict | list):
            if id(each) not in done:
                done[id(each)] = (
                    {_text(key, node): plain(below) for key, below in each.items()}
                    if isinstance(each, dict)
                    else [plain(below) for below in each]
                )
            return done[id(each)]
        if each is None or isinstance(each, bool | int | float):
            return each
        if isinstance(each, str):
            return _text(each, node)
        raise yaml.MarkedYAMLError(
            None, None, f"a {type(each).__name__} has no place in JSON", node.start_mark
        )

    return plain(value)


def _text(value: str, node: yaml.Node) -> str:
    """The text with the two halves joined of what JSON escapes as two (emoji); half a character is a fault."""
    try:
        return value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise yaml.MarkedYAMLError(None, None, "has half a character", node.start_mark) from None


def _key(key: Any, node: yaml.Node) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, str | int | float):
        return str(key)
    raise yaml.MarkedYAMLError(None, None, "a key is not text", node.start_mark)


def _step(node: yaml.Node, path: str) -> tuple[yaml.Node, yaml.Node, str] | None:
    """The key and the value that the beginning of the path leads to, and the rest of the path.

    The longest key that fits wins, because keys may contain dots.
    """
    if isinstance(node, yaml.SequenceNode):
        found = _INDEX.match(path)
        if found is None or int(found[1]) >= len(node.value):
            return None
        item = node.value[int(found[1])]
        return item, item, path[found.end() :].removeprefix(".")
    best: tuple[yaml.Node, yaml.Node, str] | None = None
    length = -1
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        for spelled in (str(key.value), f"[{key.value}]"):
            rest = path[len(spelled) :]
            if path.startswith(spelled) and rest[:1] in {"", ".", "["} and len(spelled) > length:
                best, length = (key, value, rest.removeprefix(".")), len(spelled)
    return best
