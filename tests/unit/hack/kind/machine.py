"""A machine of its own for a test: a PATH with scripts in the place of docker, kind, kubectl and go."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

# Notes what it is asked for, with standard input where it has any, and behaves as `state.json` says.
SCRIPT = """#!{python}
import json, sys
from pathlib import Path
home, name, words = Path("{home}"), Path(sys.argv[0]).name, sys.argv[1:]
with (home / "log").open("a") as log:
    log.write(json.dumps([name, *words]) + "\\n")
state = json.loads((home / "state.json").read_text())
option = {{word.split("=", 1)[0]: word.split("=", 1)[1] for word in words if "=" in word}}
if name == "docker":
    if words == ["info"] and not state["engine"]:
        sys.exit("no engine")
    if words[:2] == ["image", "inspect"] and words[-1] not in state["images"]:
        sys.exit("no such image")
if name == "kind":
    if words == ["version"]:
        print("kind", state["kind"], "go1.24 linux/amd64")
    elif words[:2] == ["get", "clusters"]:
        print("\\n".join(state["clusters"]))
    elif words[:2] == ["create", "cluster"]:
        (home / "config.yaml").write_text(Path(option["--config"]).read_text())
        state["clusters"].append(option["--name"])
        if state["failures"]:
            state["failures"] -= 1
            (home / "state.json").write_text(json.dumps(state))
            sys.exit("the kubelet is not healthy")
    elif words[:2] == ["delete", "cluster"]:
        state["clusters"] = [found for found in state["clusters"] if found != option["--name"]]
    elif words[:2] == ["export", "logs"]:
        Path(words[-1]).mkdir(parents=True)
    (home / "state.json").write_text(json.dumps(state))
if name == "go" and words == ["env", "GOVERSION"]:
    print("go1.26.0")
if name == "go" and words[0] == "install":
    import os
    target = Path(os.environ["GOBIN"]) / "kind"
    target.parent.mkdir(parents=True)
    target.write_text("built from " + words[1])
"""


class Machine:
    """Folders and scripts of one test; `state` is what the scripts go by."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        self.said: list[str] = []
        self.state(engine=True, images=[], kind="v0.30.0", clusters=[], failures=0)
        monkeypatch.setenv("PATH", str(self.bin))
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))

    def has(self, *names: str) -> None:
        """Put programs on PATH."""
        for name in names:
            path = self.bin / name
            path.write_text(SCRIPT.format(python=sys.executable, home=self.home))
            path.chmod(0o755)

    def state(self, **changes: Any) -> dict[str, Any]:
        """Change what the programs go by; gives all of it."""
        file = self.home / "state.json"
        state: dict[str, Any] = {**(json.loads(file.read_text()) if file.exists() else {}), **changes}
        file.write_text(json.dumps(state))
        return state

    def asked(self, name: str) -> list[list[str]]:
        """The arguments of every call of a program so far."""
        file = self.home / "log"
        calls = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [words for program, *words in calls if program == name]
