"""The controller as users run it: `python -m kaspr_controller run` in a process of its own.

In: a kubeconfig and a folder for the log. Out: readiness, the count of its requests by method, the tail of its log.
Main thread only. Invariant: the process never outlives the demo, not even when the demo is killed with -9.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx

from hack.controlplane.processes import leashed, tail
from hack.demo.world import Stuck

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 10.0
_ASK_SECONDS = 5.0
_SAMPLE = re.compile(r"^rest_client_requests_total\{(?P<labels>[^}]*)\} (?P<value>\S+)$", re.MULTILINE)
_METHOD = re.compile(r'method="(\w+)"')
_READ_METHODS = {"GET", "HEAD"}


class Controller:
    """One controller process. It leads by a lease, as in production.

    Args:
        kubeconfig: the cluster.
        folder: for its log.
        scale: how fast the members live; the controller's patience with them is of the same measure.
    """

    def __init__(self, kubeconfig: Path, folder: Path, *, scale: float) -> None:
        self.port = _free_port()
        self.log = folder / "controller.log"
        self.arguments = ["run", "--kubeconfig", str(kubeconfig), "--scaling-mode", "direct"]
        self.arguments += ["--metrics-port", str(self.port), "--log-style", "json"]
        # Only what it needs: a LOG_LEVEL or WATCH_NAMESPACES of the user's shell would be a setting of the controller.
        kept = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
        environment = {
            **kept,
            "PYTHONPATH": str(ROOT / "src"),
            "METRICS_ADDRESS": "127.0.0.1",
            "MEMBER_TIME_SCALE": str(scale),
            "MEMBER_POLL_SECONDS": "0.2",
            "CLIENT_STATUS_CHECK_TIMEOUT_SECONDS": "0.4",
            "TMPDIR": str(folder),  # a process that is killed cannot remove its own files
        }
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                leashed([sys.executable, "-m", "kaspr_controller", *self.arguments]),
                cwd=folder,  # without anybody's .env file
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops this process in order
            )

    @property
    def command(self) -> str:
        """The command line, as a person would type it."""
        return " ".join(["kaspr-controller", *self.arguments])

    def check(self) -> None:
        """Raise Stuck when the process has ended although nobody stopped it."""
        code = self._process.poll()
        if code is not None:
            raise Stuck(f"the controller ended by itself, with exit code {code}")

    def ready(self) -> bool:
        """Whether its caches are filled."""
        try:
            return self._get("readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def requests(self) -> Counter[str]:
        """Requests to the API server so far, by method."""
        counts: Counter[str] = Counter()
        for sample in _SAMPLE.finditer(self._get("metrics").text):
            method = _METHOD.search(sample["labels"])
            if method:
                counts[method[1].upper()] += int(float(sample["value"]))
        return counts

    def tail(self, lines: int = 30) -> str:
        """The end of its log."""
        return tail(self.log, lines=lines)

    def stop(self) -> tuple[int, float]:
        """SIGTERM, and SIGKILL when that takes too long; the exit code and the seconds it took."""
        began = time.monotonic()
        self._process.terminate()
        try:
            code = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            code = self._process.wait()
        return code, time.monotonic() - began

    def _get(self, page: str) -> httpx.Response:
        # No proxy: a machine's HTTP_PROXY must not get requests for loopback.
        return httpx.get(f"http://127.0.0.1:{self.port}/{page}", timeout=_ASK_SECONDS, trust_env=False)


def writes(requests: Counter[str]) -> Counter[str]:
    """The requests that may change something."""
    return Counter({method: count for method, count in requests.items() if method not in _READ_METHODS})


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
