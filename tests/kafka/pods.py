"""The member of the end-to-end tests as a plain process: what a pod would run, without the pod.

In: definitions and variables, as the controller renders them. Out: a process with its two ports, to be asked, frozen and killed.
Used by `test_e2e_member.py`; a process dies with its owner.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hack.controlplane.processes import leashed

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).parents[2]
SCALE = "0.02"
"""A start takes half a second on top of what Python needs; the session timeout of 120 s becomes 2.4 s."""
LOOK_SECONDS = 0.05


class Pod:
    """One member; `folder` stands for its volume and its mounts."""

    def __init__(self, folder: Path, name: str, app: str, bootstrap: str, **variables: str) -> None:
        self.folder = folder
        self.name = name
        self.port, self.control_port = _free_port(), _free_port()
        self.definitions = folder / "definitions"
        self.definitions.mkdir(parents=True, exist_ok=True)
        self.variables = {
            "K_APP_NAME": app,
            "K_KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "K_WEB_PORT": str(self.port),
            "K_WEB_HOST": name,
            "K_TABLE_DIR": str(folder / f"tables-{name}"),
            "K_DEFINITIONS_DIR": str(self.definitions),
            "K_CONSUMER_GROUP_INSTANCE_ID": name,
            "K_TOPIC_PARTITIONS": "4",
            "F_DATADIR": str(folder / f"work-{name}"),
            "KASPR_MEMBER_SCALE": SCALE,
            "KASPR_MEMBER_CONTROL_PORT": str(self.control_port),
        } | variables
        self.popen: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.popen is not None:
            self.kill()

    def start(self) -> Self:
        """Start the process."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **self.variables}
        command = leashed([sys.executable, "-m", "tests.e2e.member"])
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.popen = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process."""
        assert self.popen is not None
        return self.popen

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a lost node does."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        """End it as the kubelet does, and return its exit code."""
        self.process.terminate()
        return self.process.wait(10)

    def request(self, path: str, data: bytes | None = None, *, port: int | None = None) -> tuple[int, bytes]:
        """Status and body of a request; status 0 where nobody answers."""
        url = f"http://127.0.0.1:{port or self.port}{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data), timeout=2) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except OSError:
            return 0, b""

    def control(self, path: str, script: str = "") -> None:
        """Use the control port."""
        status, body = self.request(path, script.encode(), port=self.control_port)
        assert status == 200, body

    def status(self) -> dict[str, Any]:
        """The document at `/status/`, or {} where there is none."""
        code, body = self.request("/status/")
        return dict(json.loads(body)) if code == 200 else {}

    def actives(self) -> dict[str, list[int]]:
        """The partitions of a calm member, else nothing."""
        status = self.status()
        return dict(status["assignment"]["actives"]) if status and not status["rebalancing"] else {}

    def log(self) -> str:
        """What it has said so far."""
        return (self.folder / f"{self.name}.log").read_text()


def within(seconds: float, condition: Callable[[], object], what: Callable[[], object] = lambda: "") -> float:
    """Seconds until the condition holds; AssertionError when that is longer than allowed."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < seconds, f"not within {seconds} s: {what()}"
        time.sleep(LOOK_SECONDS)
    return time.monotonic() - begin


def definition(kind: str, **entry: Any) -> str:
    """The text of a definition file with one entry."""
    return json.dumps({kind: [entry]})


def agent(name: str, python: str, *, source: str, target: str | None = None, **more: Any) -> str:
    """The definition of an agent with one map."""
    operation: Mapping[str, Any] = {"name": "do", "tables": more.pop("tables", []), "map": {"python": python}}
    return definition(
        "agents",
        name=name,
        input={
            "declare": True,
            "topic": {"name": source, "key_serializer": "json", "value_serializer": "json"},
        },
        output={"topics": [{"name": target, "value_serializer": "json"}] if target else []},
        processors={"pipeline": ["do"], "operations": [operation]},
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
