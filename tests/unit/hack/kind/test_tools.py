"""Where kind comes from: PATH, a release, its Go module."""

from __future__ import annotations

import hashlib
import http.server
import os
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from hack.controlplane.recipe import architecture
from hack.kind import pins, tools

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.hack.kind.machine import Machine

RELEASE = f"/{pins.KIND}/kind-{sys.platform}-{architecture()}"
FILES: dict[str, bytes] = {}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves FILES."""

    def do_GET(self) -> None:
        body = FILES.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the inherited name
        pass


@pytest.fixture
def site() -> Iterator[str]:
    FILES.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def publish(content: bytes, *, checksum: bytes) -> None:
    FILES[RELEASE] = content
    FILES[RELEASE + ".sha256sum"] = hashlib.sha256(checksum).hexdigest().encode() + b"  kind\n"


@pytest.mark.parametrize("version", [pins.KIND, "v0.99.0"])
def test_one_on_path_is_taken(machine: Machine, site: str, version: str) -> None:
    """When it is not older than the one that the node image was made for."""
    machine.has("kind")
    machine.state(kind=version)
    assert tools.kind(machine.said.append, site=site) == machine.bin / "kind"


def test_an_old_one_on_path_is_not(machine: Machine, site: str) -> None:
    """The release is taken, executable, once."""
    machine.has("kind")
    machine.state(kind="v0.9.0")
    publish(b"released", checksum=b"released")
    path = tools.kind(machine.said.append, site=site)
    assert path.read_bytes() == b"released"
    assert os.access(path, os.X_OK)
    FILES.clear()
    assert tools.kind(machine.said.append, site=site) == path


@pytest.mark.parametrize("published", ["nothing", "something else than its checksum"])
def test_without_a_good_release_it_is_built(machine: Machine, site: str, published: str) -> None:
    """From its Go module at the pinned version; a file with a wrong checksum is never run."""
    machine.has("go")
    if published != "nothing":
        publish(b"tampered", checksum=b"released")
    path = tools.kind(machine.said.append, site=site)
    assert path.read_text() == f"built from sigs.k8s.io/kind@{pins.KIND}"
    assert os.access(path, os.X_OK)
    assert [found.name for found in path.parent.iterdir() if found.suffix != ".lock"] == [path.name]
