"""The folder of a control plane: its lock, its ports, its keys, and the removal of folders whose owner died.

In: a path, or none for a temporary folder. Out: `Home`. Called by `cluster.py`. Invariant: a folder is used by one
living process at a time; the lock is the kernel's, so it ends with the process.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import random
import secrets
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self

from hack.controlplane.kubeconfig import write_private

PREFIX = "kaspr-controlplane-"
# Below the range from which the kernel gives ports to outgoing connections (32768 and up): any client could take a
# port of that range while the API server is down, and the server could not come back to its address.
PORTS = range(20_000, 32_000)
# Longer than it takes from making a temporary folder to locking it.
STALE_SECONDS = 60.0


class FolderInUseError(Exception):
    """Another control plane runs in the folder."""


@dataclass(frozen=True, slots=True)
class Home:
    """A locked folder.

    Attributes:
        path: absolute.
        temporary: removed by `close`.
        ports: three free ports; the same ones again for a kept folder, as long as they are free.
        token: the administrator's token.
    """

    path: Path
    temporary: bool
    lock: IO[str]
    ports: tuple[int, int, int]
    token: str

    @classmethod
    def open(cls, folder: Path | None, keys: tuple[str, str]) -> Self:
        """Make or reuse a folder; `keys` (private, public) are stored when it has none yet.

        Raises:
            FolderInUseError: another process holds the folder.
        """
        remove_stale()
        path = folder.absolute() if folder else Path(tempfile.mkdtemp(prefix=PREFIX))
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _locked(path)
        if lock is None:
            raise FolderInUseError(
                f"a control plane runs in {path} already; stop it or choose another folder"
            )
        (path / "logs").mkdir(exist_ok=True)
        for name, text in zip(("service-accounts.key", "service-accounts.pub"), keys, strict=True):
            if not (path / name).exists():
                write_private(path / name, text)
        return cls(path, folder is None, lock, _ports(path), _token(path))

    def close(self) -> None:
        """Give the folder free; remove it when temporary."""
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)
        self.lock.close()


def remove_stale() -> None:
    """Remove temporary folders whose owner was killed before it could do so."""
    for path in Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime < STALE_SECONDS:
                continue
            lock = _locked(path)
            if lock is not None:
                with lock:
                    shutil.rmtree(path, ignore_errors=True)


def _locked(path: Path) -> IO[str] | None:
    lock = (path / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    return lock


def _ports(path: Path) -> tuple[int, int, int]:
    file = path / "ports.json"
    known = json.loads(file.read_text()) if file.exists() else []
    if not known or not all(map(_free, known)):
        known = []
        while len(known) < 3:  # noqa: PLR2004  # API server, etcd for clients, etcd for peers
            port = random.choice(PORTS)  # noqa: S311  # spreads parallel runs, guards nothing
            if port not in known and _free(port):
                known.append(port)
        file.write_text(json.dumps(known))
    api, client, peer = known
    return api, client, peer


def _free(port: int) -> bool:
    with socket.socket() as probe:
        # As the programs do: a port whose old connections still time out is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _token(path: Path) -> str:
    file = path / "tokens.csv"
    if not file.exists():
        write_private(file, f'{secrets.token_urlsafe(24)},admin,admin,"system:masters"\n')
    return file.read_text().split(",", 1)[0]
