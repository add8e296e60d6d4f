"""Where helm and promtool come from: a named one, the cache, a download that is verified, a build; in this order."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import sys
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hack.controlplane.assets import ORIGIN
from hack.controlplane.sources import Say, SourceError
from hack.gotools import fetching
from hack.gotools.fetching import ToolError, download, fetch
from hack.gotools.tools import HELM, PROMTOOL, TOOLS, Tool

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = b"#!/bin/sh\necho v3\n"


def gives(content: bytes = PROGRAM) -> fetching.Source:
    """A source that has the program, and counts how often it is asked."""

    def source(tool: Tool, target: Path, say: Say) -> str:
        (target / tool.name).write_bytes(content)
        (target / tool.name).chmod(0o755)
        say(f"asked for {tool.name}")
        return "made for a test"

    return source


def fails(tool: Tool, target: Path, say: Say) -> str:
    (target / "half").write_text("left over")
    raise SourceError(f"no {tool.name} here")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path)}


@pytest.mark.parametrize("tool", TOOLS.values(), ids=TOOLS)
def test_versions_come_from_the_module_that_is_built(tool: Tool) -> None:
    """One place says it, and it is the one that Go reads; what is built is the module's own tool."""
    text = (tool.sources / "go.mod").read_text()
    assert f"{tool.module} {tool.version}" in text
    assert f"tool {tool.package}\n" in text
    assert tool.version in " ".join(tool.flags)
    assert tool.key.startswith(tool.version)


def test_whatever_changes_a_program_changes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new checksum, a new version, a new flag."""
    monkeypatch.setattr("hack.gotools.tools.HERE", tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "go.mod").write_text("require (\n\texample.com/one v1.0.0\n)\n")
    (tmp_path / "one" / "go.sum").write_text("a\n")
    keys = [Tool("one", "example.com/one", "example.com/one").key]
    keys.append(Tool("one", "example.com/one", "example.com/one", tags=("x",)).key)
    (tmp_path / "one" / "go.sum").write_text("b\n")
    keys.append(Tool("one", "example.com/one", "example.com/one").key)
    assert len(set(keys)) == len(keys)


def test_it_is_got_once(environ: dict[str, str]) -> None:
    """The second time no source is asked."""
    said: list[str] = []
    first = fetch(HELM, say=said.append, environ=environ, sources=[gives()])
    assert first.read_bytes() == PROGRAM
    assert first.parent.name == HELM.key
    assert fetch(HELM, say=said.append, environ=environ, sources=[fails]) == first
    assert said.count("asked for helm") == 1
    assert ORIGIN in {path.name for path in first.parent.iterdir()}


def test_a_source_that_fails_leaves_its_turn_and_nothing_else(environ: dict[str, str]) -> None:
    """What it had begun is not in the folder of the next one."""
    program = fetch(HELM, say=lambda _: None, environ=environ, sources=[fails, gives()])
    assert {path.name for path in program.parent.iterdir()} == {"helm", ORIGIN}


def test_without_any_source_the_reasons_are_said(environ: dict[str, str], tmp_path: Path) -> None:
    """All of them, and the way out; no folder that looks complete stays behind."""
    with pytest.raises(ToolError, match=r"(?s)no promtool here.*no promtool here.*Set PROMTOOL"):
        fetch(PROMTOOL, say=lambda _: None, environ=environ, sources=[fails, fails])
    folder = tmp_path / "kaspr-controller" / "promtool"
    assert [path.name for path in folder.iterdir()] == [f"{PROMTOOL.key}.lock"]


def test_the_one_that_is_named_is_taken(environ: dict[str, str], tmp_path: Path) -> None:
    """No source is asked; one that is not there or does not run is a mistake, not a reason to take another one."""
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(PROGRAM)
    bad.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    for path in (good, bad):
        path.chmod(0o755)
    assert fetch(HELM, environ=environ | {"HELM": str(good)}, sources=[fails]) == good
    with pytest.raises(ToolError, match=r"does not run: broken"):
        fetch(HELM, environ=environ | {"HELM": str(bad)}, sources=[gives()])
    with pytest.raises(ToolError, match=r"which is no program"):
        fetch(HELM, environ=environ | {"HELM": str(tmp_path / "none")}, sources=[gives()])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on loopback and the folder that it serves."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the inherited name
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))
    )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()
    server.server_close()


def publish(folder: Path, *, checksum: str | None = None) -> None:
    """Helm as its project publishes it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        info = tarfile.TarInfo("linux-amd64/helm")
        info.size = len(PROGRAM)
        tar.addfile(info, io.BytesIO(PROGRAM))
    name = f"helm-{HELM.version}-linux-amd64.tar.gz"
    (folder / name).write_bytes(packed.getvalue())
    digest = checksum or hashlib.sha256(packed.getvalue()).hexdigest()
    (folder / f"{name}.sha256sum").write_text(f"{digest}  {name}\n")


@pytest.fixture
def amd64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "architecture", lambda: "amd64")
    monkeypatch.setattr(sys, "platform", "linux")


@pytest.mark.usefixtures("amd64")
def test_a_download_is_unpacked(site: tuple[str, Path], tmp_path: Path) -> None:
    """Only the program remains, and it can be run."""
    url, folder = site
    publish(folder)
    target = tmp_path / "target"
    target.mkdir()
    assert url in download(HELM, target, lambda _: None, site=url)
    assert [path.name for path in target.iterdir()] == ["helm"]
    assert (target / "helm").read_bytes() == PROGRAM
    assert (target / "helm").stat().st_mode & 0o111


@pytest.mark.usefixtures("amd64")
def test_a_download_with_another_checksum_is_not_used(site: tuple[str, Path], tmp_path: Path) -> None:
    """Nothing of it stays."""
    url, folder = site
    publish(folder, checksum="0" * 64)
    with pytest.raises(SourceError, match="checksum"):
        download(HELM, tmp_path, lambda _: None, site=url)
    assert not (tmp_path / "helm").exists()


@pytest.mark.usefixtures("amd64")
def test_a_version_that_is_not_published_is_a_reason(site: tuple[str, Path], tmp_path: Path) -> None:
    """The next source has its turn."""
    url, _ = site
    with pytest.raises(SourceError, match="404"):
        download(HELM, tmp_path, lambda _: None, site=url)
    with pytest.raises(SourceError, match="only helm"):
        download(PROMTOOL, tmp_path, lambda _: None, site=url)
