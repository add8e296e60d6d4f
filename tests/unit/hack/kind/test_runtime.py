"""The OCI runtime for machines whose root lacks CAP_SYS_RESOURCE, with a script in the place of runc."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hack.kind import engine

pytestmark = pytest.mark.skipif(
    shutil.which("jq") is None or shutil.which("bash") is None, reason="no jq, which the runtime needs"
)
LACKS, HAS = "000001fffeffffff", "000001ffffffffff"
SETS = {"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"], "effective": ["CAP_SYS_RESOURCE"], "ambient": None}


def run(folder: Path, bounding: str, *words: str) -> list[str]:
    """Run the script on a machine with that bounding set; gives what runc was called with."""
    status, runc = folder / "status", folder / "real-runc"
    status.write_text(f"CapBnd:\t{bounding}\n")
    runc.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {folder}/called\n')
    runc.chmod(0o755)
    text = engine.RUNTIME.read_text().replace("/proc/self/status", str(status))
    script = folder / "runc"
    script.write_text(text.replace("/usr/sbin/runc", str(runc)))
    subprocess.run(["bash", script, *words], check=True)
    return (folder / "called").read_text().splitlines()


def written(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("form", [["--bundle", "{}"], ["--bundle={}"], ["-b", "{}"]])
def test_a_container_is_created_without_the_capability_and_nothing_else_changes(
    tmp_path: Path, form: list[str]
) -> None:
    """In all sets of the bundle; the other capabilities, the arguments and the rest of the file stay."""
    bundle = tmp_path / "bundle"
    config = written(
        bundle / "config.json", {"process": {"capabilities": SETS, "args": ["sh"]}, "hostname": "x"}
    )
    words = ["--log", "x", "create", *(part.format(bundle) for part in form), "id"]
    assert run(tmp_path, LACKS, *words) == words
    assert json.loads(config.read_text()) == {
        "process": {
            "capabilities": {"bounding": ["CAP_CHOWN"], "effective": [], "ambient": None},
            "args": ["sh"],
        },
        "hostname": "x",
    }


def test_a_process_in_a_container_too(tmp_path: Path) -> None:
    """`exec` describes it by a file of its own."""
    process = written(tmp_path / "process.json", {"capabilities": SETS, "args": ["sh"]})
    run(tmp_path, LACKS, "exec", "--process", str(process), "id")
    assert json.loads(process.read_text())["capabilities"]["bounding"] == ["CAP_CHOWN"]


def test_a_process_without_capabilities_stays_without(tmp_path: Path) -> None:
    """No set is invented."""
    process = written(tmp_path / "process.json", {"args": ["sh"]})
    run(tmp_path, LACKS, "exec", "--process", str(process), "id")
    assert json.loads(process.read_text()) == {"args": ["sh"]}


def test_where_root_has_the_capability_nothing_changes(tmp_path: Path) -> None:
    """The node image has this runtime on every machine."""
    config = written(tmp_path / "bundle" / "config.json", {"process": {"capabilities": SETS}})
    before = config.read_bytes()
    words = ["create", "--bundle", str(config.parent), "id"]
    assert run(tmp_path, HAS, *words) == words
    assert config.read_bytes() == before
