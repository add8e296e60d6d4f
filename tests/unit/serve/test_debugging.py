"""The debug pages show what is going on, never what is inside of objects."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.kube.kinds import ObjectKey
from kaspr_controller.serve.debugging import DebugViews
from kaspr_controller.serve.servers import debug_server
from tests.unit.serve.asking import Asker, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Level:
    def __init__(self) -> None:
        self.value = "info"

    def get(self) -> str:
        return self.value

    def set(self, level: str) -> None:
        if level not in {"debug", "info"}:
            raise ValueError(f"there is no level {level}")
        self.value = level


def why(key: ObjectKey) -> Sequence[dict[str, Any]]:
    if key == ObjectKey("KasprApp", "shop", "orders"):
        return [{"trigger": "Pod/shop/orders-app-0", "decision": "rollout"}]
    if key == ObjectKey("Namespace", "", "shop"):
        return [{"decision": "none"}]
    return ()


@pytest.fixture
def level() -> Level:
    return Level()


@pytest.fixture
def ask(level: Level) -> Iterator[Asker]:
    views = DebugViews(
        queues={"app": lambda: {"ready": ["KasprApp/shop/orders"], "later": 2}},
        caches={"Pod": lambda: [("shop/orders-app-1", "12"), ("shop/orders-app-0", "9")], "Secret": list},
        why=why,
        log_level=level,
    )
    with running(debug_server(views, port=0)) as asker:
        yield asker


def test_stacks_of_all_threads(ask: Asker) -> None:
    """Each thread is there by name, with the line where it stands."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait, args=(5,), name="the-waiting-one")
    thread.start()
    stacks = ask("/debug/threads").text
    done.set()
    thread.join()
    assert "--- the-waiting-one" in stacks
    assert "--- MainThread" in stacks
    assert "threading.py" in stacks


def test_queue(ask: Asker) -> None:
    """Each queue gives its own snapshot."""
    assert json.loads(ask("/debug/queue").text) == {"app": {"ready": ["KasprApp/shop/orders"], "later": 2}}


def test_cache_shows_keys_and_versions_only(ask: Asker) -> None:
    """Counts of all kinds, or the keys of one."""
    assert json.loads(ask("/debug/cache").text) == {"Pod": 2, "Secret": 0}
    assert json.loads(ask("/debug/cache/Pod").text) == {"shop/orders-app-0": "9", "shop/orders-app-1": "12"}
    assert ask("/debug/cache/Job").status == 404
    assert "there are Pod, Secret" in ask("/debug/cache/Job").text


def test_why(ask: Asker) -> None:
    """The decisions about one object, namespaced or not."""
    assert json.loads(ask("/debug/why/KasprApp/shop/orders").text)[0]["decision"] == "rollout"
    assert json.loads(ask("/debug/why/Namespace/shop").text) == [{"decision": "none"}]
    assert ask("/debug/why/KasprApp/shop/other").status == 404
    assert ask("/debug/why").status == 400


def test_the_log_level_can_be_set(ask: Asker, level: Level) -> None:
    """More detail without a restart; nonsense is refused with the reason."""
    assert ask("/debug/loglevel").text == "info\n"
    assert ask("/debug/loglevel", "PUT", body=b"debug\n").text == "debug\n"
    assert level.value == "debug"
    refused = ask("/debug/loglevel", "PUT", body=b"loud")
    assert (refused.status, refused.text) == (400, "there is no level loud\n")


def test_it_listens_to_this_machine_only() -> None:
    """The pages are for a person who may already exec into the pod."""
    server = debug_server(DebugViews(), port=0)
    with running(server) as ask:
        assert server._server is not None
        assert server._server.socket.getsockname()[0] == "127.0.0.1"
        assert ask("/debug/loglevel").status == 404
