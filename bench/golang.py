"""The bench's Go program, compiled once per version of its sources.

In: bench/floor. Out: the path of the program, in the cache of the control plane. Called by `__main__.py` on the main
thread. Go is the one that hack/controlplane builds with: from PATH, else from PyPI.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

from hack.controlplane import assets
from hack.controlplane.building import find_go

SOURCES = Path(__file__).parent / "floor"


def build(say: Callable[[str], None]) -> Path:
    """The compiled program.

    Raises:
        subprocess.CalledProcessError: it does not compile.
        hack.controlplane.sources.SourceError: there is no Go and none can be installed.
    """
    files = sorted([*SOURCES.glob("*.go"), SOURCES / "go.mod"])
    digest = blake2b(b"".join(file.read_bytes() for file in files), digest_size=6).hexdigest()
    cache = assets.cache_root()
    target = cache / f"bench-floor-{digest}"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(f".{os.getpid()}")
        environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
        subprocess.run(
            [find_go(cache, say), "build", "-o", part, "."], cwd=SOURCES, env=environment, check=True
        )
        part.rename(target)
    return target
