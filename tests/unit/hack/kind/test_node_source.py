"""Which node image: by the switch, by what is there, by what answers."""

from __future__ import annotations

import http.server
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from hack.kind import engine, node_image, pins
from hack.kind.node_source import SWITCH, NodeImage, choose
from hack.kind.running import KindError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.unit.hack.kind.machine import Machine

PUBLIC = NodeImage(pins.PUBLIC_NODE_IMAGE, local=False)
LOCAL = NodeImage(node_image.tag(), local=True)


class Handler(http.server.BaseHTTPRequestHandler):
    """A registry that asks for a login, or a site that knows nothing of registries."""

    def do_GET(self) -> None:
        self.send_response(401 if self.path == "/v2/" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the inherited name
        pass


@pytest.fixture
def site() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def nobody() -> str:
    """An address at which nothing answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/v2/"


@pytest.fixture(autouse=True)
def ordinary(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with an engine and all rights; a local image is not built but named."""
    machine.has("docker")
    monkeypatch.setattr(engine, "has_sys_resource", lambda: True)
    monkeypatch.setattr(node_image, "build", lambda _: node_image.tag())


def test_a_registry_that_answers_gives_the_public_image(machine: Machine, site: str) -> None:
    """A demand for a login is an answer."""
    assert choose(machine.said.append, environ={}, registry=f"{site}/v2/") == PUBLIC


@pytest.mark.parametrize("what", ["nobody", "another site"])
def test_without_a_registry_it_is_built_here(machine: Machine, site: str, nobody: str, what: str) -> None:
    """Also where something else answers in its place, such as the portal of a network."""
    registry = nobody if what == "nobody" else f"{site}/portal"
    assert choose(machine.said.append, environ={}, registry=registry) == LOCAL


def test_what_the_engine_has_is_taken_and_nobody_is_asked(machine: Machine, site: str, nobody: str) -> None:
    """A run offline works when one online went before, and a local image is not left for a download."""
    machine.state(images=[pins.PUBLIC_NODE_IMAGE])
    assert choose(machine.said.append, environ={}, registry=nobody) == PUBLIC
    machine.state(images=[node_image.tag()])
    assert choose(machine.said.append, environ={}, registry=f"{site}/v2/") == LOCAL


def test_without_the_right_to_raise_limits_it_is_the_local_one(
    machine: Machine, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The public one would come up and start no pod."""
    machine.state(images=[pins.PUBLIC_NODE_IMAGE])
    monkeypatch.setattr(engine, "has_sys_resource", lambda: False)
    assert choose(machine.said.append, environ={}, registry=f"{site}/v2/") == LOCAL


def test_the_switch_decides(machine: Machine, site: str, nobody: str) -> None:
    """Against what would be found out."""
    assert choose(machine.said.append, environ={SWITCH: "public"}, registry=nobody) == PUBLIC
    assert choose(machine.said.append, environ={SWITCH: "local"}, registry=f"{site}/v2/") == LOCAL
    with pytest.raises(KindError, match="auto, public or local"):
        choose(machine.said.append, environ={SWITCH: "yes"})


def test_the_choice_is_said_with_its_reason(machine: Machine, nobody: str) -> None:
    """And with the name of the switch."""
    choose(machine.said.append, environ={}, registry=nobody)
    (line,) = machine.said
    assert "local" in line
    assert "no container registry answered" in line
    assert SWITCH in line
