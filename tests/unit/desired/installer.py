"""Runs the installer text for real, as an init container would: own folder, fake pip first on PATH, nothing mocked inside.

The fake pip is a program that notes how it was called and writes a module per package; what it does is told by files in
its folder, so that a test can let it fail, hang or be slow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kaspr_controller.desired.app.packages import INSTALLER

HASH = "0123456789abcdef"

PIP = f"""#!{sys.executable}
import json, os, pathlib, sys, time
home = pathlib.Path(__file__).parent
settings = pathlib.Path(os.environ["PIP_CONFIG_FILE"])
with open(home / "calls", "a") as calls:
    calls.write(json.dumps({{
        "argv": sys.argv[1:], "settings": settings.read_text(), "readable": settings.parent.stat().st_mode & 0o77,
    }}) + "\\n")
count = len((home / "calls").read_text().splitlines())
plan = json.loads((home / "plan").read_text())
step = plan[min(count, len(plan)) - 1]
print(step.get("says", ""), flush=True)
if "wait_for" in step:
    while not pathlib.Path(step["wait_for"]).exists():
        time.sleep(0.02)
time.sleep(step.get("sleeps", 0))
target = pathlib.Path(sys.argv[sys.argv.index("--target") + 1])
if step.get("status"):
    (target / "half").write_text("")
    sys.exit(step["status"])
for package in sys.argv[sys.argv.index("--") + 1:]:
    name = package.rpartition("/")[2].partition("=")[0]
    (target / f"{{name}}.py").write_text(f"VERSION = {{package!r}}")
"""


@dataclass
class Pod:
    """One init container: a volume (maybe shared), its own environment, its own fake pip."""

    root: Path
    home: Path
    config: dict[str, Any] = field(default_factory=dict)
    env: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(parents=True, exist_ok=True)
        pip = self.home / "pip"
        pip.write_text(PIP)
        pip.chmod(0o755)
        self.plan({})

    def plan(self, *steps: dict[str, Any]) -> None:
        """What the fake pip does, call by call; the last step repeats."""
        (self.home / "plan").write_text(json.dumps(steps))

    def start(self, **changes: Any) -> subprocess.Popen[str]:
        """Start the container."""
        config = {
            "root": str(self.root),
            "hash": HASH,
            "mode": "emptydir",
            "packages": ["requests"],
            "index_url": None,
            "extra_index_urls": [],
            "trusted_hosts": [],
            "retries": 1,
            "timeout": 60,
            "on_failure": "block",
            "termination_log": str(self.home / "termination-log"),
            "pause": 0.01,
            "heartbeat": 0.05,
            "stale": 1.0,
            **self.config,
            **changes,
        }
        env = {
            "PATH": f"{self.home}{os.pathsep}{os.environ['PATH']}",
            "PACKAGES_CONFIG": json.dumps(config),
            **self.env,
        }
        return subprocess.Popen(
            [sys.executable, "-c", INSTALLER],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, **changes: Any) -> Ended:
        """Run the container to its end."""
        return self.end(self.start(**changes))

    def end(self, process: subprocess.Popen[str]) -> Ended:
        """Wait for a started container."""
        output, _ = process.communicate(timeout=30)
        log = self.home / "termination-log"
        return Ended(process.returncode, output, json.loads(log.read_text()) if log.exists() else {})

    @property
    def calls(self) -> list[dict[str, Any]]:
        """How pip was called so far."""
        path = self.home / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def installed(self, digest: str = HASH) -> set[str]:
        """The modules of a finished set."""
        return {path.name for path in (self.root / digest).glob("*.py")}

    def marker(self, digest: str = HASH) -> dict[str, Any]:
        """The marker of a finished set."""
        found: dict[str, Any] = json.loads((self.root / digest / f".installed-{digest}").read_text())
        return found


@dataclass(frozen=True)
class Ended:
    """How a container ended."""

    status: int
    output: str
    message: dict[str, Any]
