"""What the documents name exists: links, files, make targets, commands with their arguments, settings, numbers.

Commands are parsed by the program's own parser, not run; those of README are run on a real cluster in
tests/integration/test_readme.py.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from hack.manifests import configuration
from kaspr_controller.api.metadata import KINDS
from kaspr_controller.api.parsing import parse
from kaspr_controller.cli import parser
from kaspr_controller.members.polling import SLOTS
from kaspr_controller.reconcilers import kinds
from kaspr_controller.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/*.md", "hack/*/README.md")
    for path in ROOT.glob(pattern)
)
OUR_ROOTS = (ROOT, ROOT / "src" / "kaspr_controller")
"""Where paths in running text begin: rooms are named without `src/kaspr_controller`."""
SCREEN = 40
"""Lines that one sees without scrolling."""

_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`(?P<text>[^`\n]+)`(?!`)")
_PATH = re.compile(r"[\w.-]+(/[\w.*-]+)+/?|[\w-]+\.(py|md|toml|lock)")
_TARGET = re.compile(r"^(?P<name>[a-z0-9-]+):", re.MULTILINE)
_SETTING = re.compile(r"`(?P<name>[A-Z][A-Z0-9]*(_[A-Z0-9]+)+)`")

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def prose(text: str) -> str:
    """The text without its blocks of code."""
    lines = _FENCE.sub("", text).splitlines()
    return "\n".join(line for line in lines if not line.startswith("    "))


def blocks(text: str) -> Iterator[str]:
    """The lines of all blocks of code that are no YAML and no Python."""
    for fence in _FENCE.finditer(text):
        if fence["language"] in {"", "bash", "sh", "console"}:
            yield from fence["body"].splitlines()
    yield from (line[4:] for line in _FENCE.sub("", text).splitlines() if line.startswith("    "))


def commands(text: str) -> Iterator[list[str]]:
    """Commands in blocks and in running text, as words; output that is shown beside a command is none."""
    for line in [*blocks(text), *(found["text"] for found in _INLINE.finditer(prose(text)))]:
        plain = re.sub(r"\s+#.*", "", line).strip().removeprefix("$ ")
        if re.match(r"(make|kubectl|python -m|(\.venv/bin/)?kaspr-controller)( |$)", plain):
            yield shlex.split(plain)


def anchors(path: Path) -> set[str]:
    """The names of a page's headings, as a browser calls them."""
    heads = re.findall(r"^#+ (.+)$", _FENCE.sub("", path.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@every_document
def test_links_lead_somewhere(path: Path) -> None:
    """To a file of this repository, and to a heading that exists; other sites are not asked."""
    for link in _LINK.finditer(prose(path.read_text("utf-8"))):
        name, _, anchor = link["target"].partition("#")
        if name.startswith(("http://", "https://")):
            continue
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link["target"]
        assert not anchor or anchor in anchors(target), link["target"]


@every_document
def test_paths_exist(path: Path) -> None:
    """What running text calls by path, from the root, from the package, or from the document itself."""
    for found in _INLINE.finditer(prose(path.read_text("utf-8"))):
        text = found["text"]
        if not _PATH.fullmatch(text) or not is_ours(text):
            continue
        places = [*OUR_ROOTS, path.parent]
        assert any(list(place.glob(text.rstrip("/"))) for place in places), text


def is_ours(text: str) -> bool:
    """Whether a path begins with something of this repository, not with a URL, an image or a Kubernetes group."""
    first, slash, _ = text.partition("/")
    return not slash or any((place / first).is_dir() for place in OUR_ROOTS)


@every_document
def test_commands_exist(path: Path) -> None:
    """Make targets, subcommands with arguments that the parser takes, modules, and the files that kubectl is to read."""
    targets = {found["name"] for found in _TARGET.finditer((ROOT / "Makefile").read_text())}
    for words in commands(path.read_text("utf-8")):
        shown = shlex.join(words)
        program = Path(words[0]).name
        if program == "make":
            names = [word for word in words[1:] if "=" not in word]
            assert set(names) <= targets, shown
        elif program == "kaspr-controller":
            assert parses(words[1:]), shown
        elif program == "python":
            assert importlib.util.find_spec(words[2]), shown
        # A decision record tells of a user's files.
        for flag, value in itertools.pairwise(words) if path.parent.name != "design" else ():
            if flag in {"-f", "--filename"} and value != "-":
                assert (ROOT / value).exists(), shown


def parses(words: list[str]) -> bool:
    """Whether the program's parser takes these arguments; a command alone, or with words that stand for others, is a name."""
    if len(words) <= 1 or "|" in words:
        return not words or words[0] in {*parser.COMMANDS, "--help", "--version"}
    try:
        parser.parse(words)
    except SystemExit as stop:
        return stop.code == 0
    return True


@every_document
def test_yaml_is_valid(path: Path) -> None:
    """Resources that a reader may copy are accepted by the parser."""
    for fence in _FENCE.finditer(path.read_text("utf-8")):
        if fence["language"] == "yaml":
            for obj in yaml.safe_load_all(fence["body"]):
                if str(obj.get("apiVersion", "")).startswith("kaspr.io/"):
                    parse(obj)


@every_document
def test_settings_exist(path: Path) -> None:
    """A name in capitals that ends like one of ours is one of ours."""
    names = {name.upper() for name in Settings.model_fields}
    endings = ("_SECONDS", "_PORT", "_MODE", "_NAMESPACES", "_ENABLED", "_QPS", "_BURST")
    for found in _SETTING.finditer(path.read_text("utf-8")):
        if found["name"].endswith(endings) and not found["name"].startswith(("K_", "KASPR_TEST")):
            assert found["name"] in names, found["name"]


@pytest.mark.parametrize(
    ("line", "setting"),
    [
        ("- no rebalance", "auto_rebalance_enabled"),
        ("- no recovery of members that hang", "hung_member_detection_enabled"),
    ],
)
def test_what_is_said_to_be_missing_is_missing_and_what_is_missing_is_said(line: str, setting: str) -> None:
    """Read off the settings that nothing reads yet."""
    missing = setting in configuration.without_effect(configuration.program())
    said = line in (ROOT / "README.md").read_text("utf-8")
    assert said == missing, (
        f"README.md, What is not there yet: {line!r} is {'missing' if missing else 'outdated'}"
    )


def test_the_first_screen_has_exactly_two_commands() -> None:
    """A newcomer need not choose."""
    top = (ROOT / "README.md").read_text("utf-8").splitlines()[:SCREEN]
    found = [line.split("#")[0].strip() for line in top if line.startswith("    ") and line.strip()]
    assert found == ["make demo", "make test"]


def test_every_document_can_be_reached_from_the_readme() -> None:
    """Following links, so no page is known only to who wrote it."""
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in reached or path.suffix != ".md":
            continue
        reached.add(path)
        for link in _LINK.finditer(path.read_text("utf-8")):
            name = link["target"].partition("#")[0]
            target = (path.parent / name).resolve()
            if name and "://" not in name and target.exists():
                # A folder is shown with its README.
                waiting.append(target / "README.md" if (target / "README.md").is_file() else target)
    lost = {path for path in DOCUMENTS if path.is_relative_to(ROOT / "docs")} - reached
    assert {str(path.relative_to(ROOT)) for path in lost} == set()


def test_numbers_of_threads_are_those_of_the_program() -> None:
    """Decision 0004 and the architecture page count them; a new kind or another share of workers changes the sum."""
    workers = Settings().workers
    counted = {"informers": len(kinds.WATCHED), "pollers": SLOTS}
    assert counted == {"informers": 13, "pollers": 4}
    assert max(1, workers // 2) + max(1, workers // 4) == 6
    text = (ROOT / "docs" / "design" / "0004-threads.md").read_text("utf-8")
    assert "| 13, one a kind" in text
    assert "| 4 and 2, from `WORKERS` |" in text


def test_the_readme_knows_every_kind_and_command() -> None:
    """Six kinds have an example, and each command is shown or named."""
    text = (ROOT / "README.md").read_text("utf-8")
    for kind in KINDS:
        word = {"KasprWebView": "web view"}.get(kind.kind, kind.kind.removeprefix("Kaspr").lower())
        assert word in text.lower(), kind.kind
    shown = {words[1] for words in commands(text) if Path(words[0]).name == "kaspr-controller"}
    assert {"run", "render", "validate", "diff"} <= shown
