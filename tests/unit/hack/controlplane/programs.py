"""Stand-ins for the programs: scripts that tell a version."""

from __future__ import annotations

from pathlib import Path

KUBECTL = '#!/bin/sh\n[ "$1 $2" = "version --client" ] && echo "Client Version: {version}"\n'
SERVER = '#!/bin/sh\n[ "$1" = "--version" ] && echo "Kubernetes {version}"\n'


def write(folder: Path, version: str, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        script = KUBECTL if name == "kubectl" else SERVER
        (folder / name).write_text(script.format(version=version))
        (folder / name).chmod(0o755)
    return folder
