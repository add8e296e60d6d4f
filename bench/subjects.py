"""Who is measured: a command line, an environment, and a process with credentials of its own.

In: a built-in subject by name, or a TOML file that describes another operator. Out: `Subject`, and `Running` for one
process of it. Called by `__main__.py` and `scenarios.py` on the main thread, which owns the processes: they die with it.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench import proc, workload
from hack.controlplane.processes import leashed, tail

_STOP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Subject:
    """One operator, or the floor.

    Attributes:
        name: in the report.
        command: with {kubeconfig}, {account}, {namespace}, {python}, {floor} and {plan} to be filled in.
        environment: on top of ours.
        is_floor: it does nothing at a restart, and ratios refer to it.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    is_floor: bool = False


OURS = Subject(
    "ours",
    ("{python}", "-m", "bench.in_pod", "{account}", "run", "--namespace", "{namespace}"),
    # Pods of the bench never run: the deadline of their rollouts would be news in the middle of the silence.
    {"METRICS_PORT": "0", "ENV_FILE": os.devnull, "ROLLOUT_DEADLINE_SECONDS": "86400"},
)
FLOOR = Subject(
    "floor", ("{floor}", "write", "--kubeconfig", "{kubeconfig}", "--plan", "{plan}"), is_floor=True
)
BUILT_IN = {subject.name: subject for subject in (OURS, FLOOR)}


def find(text: str) -> Subject:
    """A built-in subject, or the one that a TOML file describes (bench/README.md has an example).

    Raises:
        OSError: there is no such file.
        KeyError: it has no command.
    """
    if text in BUILT_IN:
        return BUILT_IN[text]
    found = tomllib.loads(Path(text).read_text("utf-8"))
    environment = {name: str(value) for name, value in found.get("environment", {}).items()}
    return Subject(found.get("name", Path(text).stem), tuple(found["command"]), environment)


class Running:
    """One process of a subject.

    Args:
        subject: what to run.
        floor: the Go program.
        kubeconfig: its credentials; in a pod those are files, which are made of it.
        folder: for its log and the plan of the floor.
        core: the only CPU core it may use; None for any.
    """

    def __init__(
        self, subject: Subject, floor: Path, kubeconfig: Path, folder: Path, *, core: int | None = None
    ) -> None:
        plan = folder / "plan.json"
        plan.write_text(json.dumps(workload.floor_plan()))
        self.log = folder / f"{subject.name}.log"
        command = [
            word.format(
                kubeconfig=kubeconfig,
                account=folder,
                namespace=workload.NAMESPACE,
                python=sys.executable,
                floor=floor,
                plan=plan,
            )
            for word in subject.command
        ]
        account = _account(kubeconfig, folder) if "{account}" in subject.command else {}
        self.began = time.time()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                leashed(command),
                env={**os.environ, **account, **subject.environment},
                stdout=log,
                stderr=log,
            )
        self.pid = self._process.pid
        if core is not None:
            os.sched_setaffinity(self.pid, {core})
        self.memory = proc.Watcher(self.pid)

    def cpu(self) -> float:
        """CPU seconds so far.

        Raises:
            RuntimeError: the process has ended; holds the end of its log.
        """
        if self._process.poll() is not None:
            raise RuntimeError(f"the subject ended with {self._process.returncode}:\n{tail(self.log)}")
        return proc.cpu_seconds(self.pid)

    def resident(self) -> float:
        """Memory now, in MiB."""
        return proc.resident(self.pid)

    def stop(self) -> float:
        """SIGTERM; seconds until it has ended."""
        self.memory.stop()
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(_STOP_SECONDS)
        return time.monotonic() - began

    def kill(self) -> None:
        """End it at once; nothing happens when it has ended."""
        self._process.kill()
        self._process.wait()


def _account(kubeconfig: Path, folder: Path) -> dict[str, str]:
    """The files that a kubelet mounts and the variables that it sets."""
    config = json.loads(kubeconfig.read_text("utf-8"))
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    (folder / "token").write_text(user["token"], "utf-8")
    (folder / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    (folder / "namespace").write_text(workload.NAMESPACE, "utf-8")
    address = urlsplit(cluster["server"])
    return {
        "KUBERNETES_SERVICE_HOST": address.hostname or "",
        "KUBERNETES_SERVICE_PORT": str(address.port),
    }
