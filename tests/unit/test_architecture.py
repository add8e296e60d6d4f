"""The import rules of the rooms: the tree reads as the data flow only while they hold."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "kaspr_controller"

LAYERS = [
    {"telemetry"},
    {"api"},
    {"kube"},
    {"engine"},
    {"desired", "status"},
    {"converge", "groups", "members"},
    {"serve", "reconcilers"},
    {"cli", "settings", "wiring", "__main__"},
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}
PURE = {"api", "desired", "status"}
PURE_ALLOWED = {"desired": {"api"}, "status": {"api"}, "api": set[str](), "telemetry": set[str]()}
IMPURE_MODULES = {"time", "random", "os", "threading", "logging", "socket", "subprocess", "secrets", "uuid"}
THIRD_PARTY = {
    "kubernetes": {"kube"},
    "urllib3": {"kube"},
    "httpx": {"kube", "members"},
    "kafka": {"groups"},
    "tenacity": {"kube/retrying.py", "members/client.py"},
    "prometheus_client": {"telemetry", "serve"},
    "structlog": {"telemetry"},
}
EXTRA = {("members", "status")}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
P90_FUNCTION_LINES = 30


def sources() -> list[Path]:
    return sorted(SRC.rglob("*.py"))


def room_of(path: Path) -> str:
    relative = path.relative_to(SRC)
    return relative.parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            if node.module == "kaspr_controller":
                yield from ((node.lineno, f"kaspr_controller.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, node.module


def room_imports(path: Path) -> Iterator[tuple[int, str]]:
    for line, module in imports(path):
        if module.startswith("kaspr_controller."):
            yield line, module.split(".")[1]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(SRC)))
def test_a_room_imports_only_rooms_below_it(path: Path) -> None:
    """A room may import the rooms in lower rows of the layout; rooms of one row are strangers."""
    room = room_of(path)
    if room == "__init__":
        return
    for line, target in room_imports(path):
        if target == room or (room, target) in EXTRA or RANK[room] == len(LAYERS) - 1:
            continue
        where = f"{path.relative_to(ROOT)}:{line}: {room} must not import {target}"
        assert RANK[target] < RANK[room], where
        assert room not in PURE_ALLOWED or target in PURE_ALLOWED[room], where


@pytest.mark.parametrize(
    "path", [path for path in sources() if room_of(path) in PURE], ids=lambda path: str(path.relative_to(SRC))
)
def test_pure_rooms_touch_no_clock_no_randomness_and_no_io(path: Path) -> None:
    """Rendering and decisions are functions of values."""
    for line, module in imports(path):
        assert module.split(".")[0] not in IMPURE_MODULES, (
            f"{path.relative_to(ROOT)}:{line}: {module} in a pure room"
        )
    for node in ast.walk(ast.parse(path.read_text())):
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and called.attr in {"now", "utcnow", "today"}:
            pytest.fail(f"{path.relative_to(ROOT)}:{called.lineno}: the clock is a parameter in a pure room")


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(SRC)))
def test_third_party_packages_stay_in_their_rooms(path: Path) -> None:
    """A library that is confined to one room can be replaced by changing that room."""
    relative = path.relative_to(SRC)
    for line, module in imports(path):
        allowed = THIRD_PARTY.get(module.split(".")[0])
        if allowed is not None:
            assert room_of(path) in allowed or str(relative) in allowed, f"{relative}:{line}: {module}"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(SRC)))
def test_threads_are_made_only_by_engine_and_serve(path: Path) -> None:
    """Everything else runs on a thread that engine owns, stops and watches."""
    if room_of(path) in {"engine", "serve"}:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and node.attr in {"Thread", "ThreadPoolExecutor", "Timer"}:
            pytest.fail(f"{path.relative_to(ROOT)}:{node.lineno}: a thread outside engine and serve")


def python_files() -> list[Path]:
    return sorted(path for top in ("src", "hack", "bench", "tests") for path in (ROOT / top).rglob("*.py"))


def test_files_and_functions_stay_readable() -> None:
    """No file over 400 lines, no function over 40 without its reason on the line, p90 of functions at most 30."""
    lengths: list[int] = []
    faults: list[str] = []
    for path in python_files():
        text = path.read_text()
        lines = text.splitlines()
        if len(lines) > MAX_FILE_LINES and "# long file:" not in lines[0]:
            faults.append(f"{path.relative_to(ROOT)}: {len(lines)} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if path.is_relative_to(SRC):
                    lengths.append(length)
                if length > MAX_FUNCTION_LINES and "# long:" not in lines[node.lineno - 1]:
                    faults.append(f"{path.relative_to(ROOT)}:{node.lineno}: {node.name} has {length} lines")
    assert not faults, "\n".join(faults)
    assert statistics.quantiles(lengths, n=10)[-1] <= P90_FUNCTION_LINES
