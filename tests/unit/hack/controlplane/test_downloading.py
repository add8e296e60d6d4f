"""Published binaries, from a server on loopback: verified, or not used."""

from __future__ import annotations

import hashlib
import http.server
import io
import socket
import subprocess
import sys
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from hack.controlplane import downloading
from hack.controlplane.downloading import Sites, download
from hack.controlplane.recipe import PROGRAMS, Recipe
from hack.controlplane.sources import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator

RECIPE = Recipe()
KUBE = f"/k/{RECIPE.kubernetes}/bin/linux/amd64"
ETCD = f"/e/{RECIPE.etcd}"
ARCHIVE = f"etcd-{RECIPE.etcd}-linux-amd64"


class Site:
    """A web server: `files` by path, `moved` from path to path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.moved: dict[str, str] = {}
        site = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path in site.moved:
                    self.send_response(302)
                    self.send_header("Location", site.moved[self.path])
                    self.end_headers()
                    return
                body = site.files.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the inherited name
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        url = f"http://127.0.0.1:{self.server.server_port}"
        self.sites = Sites(kubernetes=f"{url}/k", etcd=f"{url}/e")

    def publish(self) -> None:
        """Everything as the projects publish it."""
        for name in PROGRAMS:
            if name != "etcd":
                content = script(name)
                self.files[f"{KUBE}/{name}"] = content
                self.files[f"{KUBE}/{name}.sha256"] = sha(content).encode()
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as tar:
            info = tarfile.TarInfo(f"{ARCHIVE}/etcd")
            info.size = len(script("etcd"))
            tar.addfile(info, io.BytesIO(script("etcd")))
        self.files[f"{ETCD}/{ARCHIVE}.tar.gz"] = packed.getvalue()
        other = f"{'0' * 64}  etcd-{RECIPE.etcd}-darwin-amd64.zip\n"
        self.files[f"{ETCD}/SHA256SUMS"] = f"{other}{sha(packed.getvalue())}  {ARCHIVE}.tar.gz\n".encode()


def script(name: str) -> bytes:
    return f"#!/bin/sh\necho {name}\n".encode()


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(downloading, "architecture", lambda: "amd64")
    made = Site()
    made.publish()
    thread = threading.Thread(target=made.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def test_everything_published_gives_programs_that_run(site: Site, tmp_path: Path) -> None:
    """All five, executable, and nothing else stays in the folder."""
    said: list[str] = []
    origin = download(RECIPE, tmp_path, said.append, sites=site.sites)
    assert {path.name for path in tmp_path.iterdir()} == set(PROGRAMS)
    for name in PROGRAMS:
        assert (
            subprocess.run([tmp_path / name], capture_output=True, text=True, check=True).stdout.strip()
            == name
        )
    assert origin.startswith("downloaded from")
    assert len(said) == len(PROGRAMS)


def test_a_redirect_is_followed(site: Site, tmp_path: Path) -> None:
    """The sites answer with the address of their delivery network."""
    for path in (f"{KUBE}/kubectl", f"{ETCD}/{ARCHIVE}.tar.gz"):
        site.files[f"/elsewhere{path}"] = site.files.pop(path)
        site.moved[path] = f"/elsewhere{path}"
    download(RECIPE, tmp_path, print, sites=site.sites)
    assert (tmp_path / "kubectl").read_bytes() == script("kubectl")


@pytest.mark.parametrize("path", [f"{KUBE}/kube-scheduler", f"{ETCD}/{ARCHIVE}.tar.gz"])
def test_a_wrong_checksum_is_never_used(site: Site, tmp_path: Path, path: str) -> None:
    """Neither under its final name nor under another one."""
    site.files[path] += b"tampered"
    with pytest.raises(SourceError, match="has not the checksum published for it"):
        download(RECIPE, tmp_path, print, sites=site.sites)
    assert not [file for file in tmp_path.iterdir() if b"tampered" in file.read_bytes()]


@pytest.mark.parametrize("path", [f"{KUBE}/kube-apiserver", f"{KUBE}/kubectl.sha256", f"{ETCD}/SHA256SUMS"])
def test_a_missing_file_is_a_reason_to_go_on_to_the_next_source(
    site: Site, tmp_path: Path, path: str
) -> None:
    """The message names the file."""
    del site.files[path]
    with pytest.raises(SourceError, match=f"404.*{path}"):
        download(RECIPE, tmp_path, print, sites=site.sites)


@pytest.mark.parametrize("sums", [b"", b"garbage\n", b"\xff\xfe"])
def test_a_list_of_checksums_without_ours_is_no_reason_to_trust(
    site: Site, tmp_path: Path, sums: bytes
) -> None:
    """For example a login page of a hotel's network."""
    site.files[f"{ETCD}/SHA256SUMS"] = sums
    with pytest.raises(SourceError, match="no published binaries"):
        download(RECIPE, tmp_path, print, sites=site.sites)


def test_an_unreachable_site_is_told_by_name(site: Site, tmp_path: Path) -> None:
    """Nobody listens there: the next source has its turn at once."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        closed = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(SourceError, match=r"127\.0\.0\.1 is not reachable"):
            download(RECIPE, tmp_path, print, sites=Sites(kubernetes=closed, etcd=closed))


def test_nothing_is_asked_for_where_nothing_is_published(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubernetes publishes servers for Linux only."""
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(SourceError, match="Linux"):
        download(RECIPE, tmp_path, print, sites=site.sites)
