"""The Docker engine: whether one answers, and on request its installation from the distribution's packages.

In: the machine. Out: a running engine, or `KindError` with what to do. Called by `cluster.py`, `deploy.py`, the
command line and `.ci/run`. Invariant: nothing is installed and no file outside the cache is written but by `install`,
which only `make docker` calls.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hack.kind import pins
from hack.kind.running import KindError, run, succeeds

if TYPE_CHECKING:
    from hack.controlplane.sources import Say

CAP_SYS_RESOURCE = 24
RUNTIME = Path(__file__).with_name("node") / "runc"
INSTALLED_RUNTIME = Path("/usr/local/lib/kaspr-controller/runc")
CONFIGURATION = Path("/etc/docker/daemon.json")
LOG = Path("/var/log/dockerd.log")
START_SECONDS = 60.0


def runs() -> bool:
    """Whether an engine answers."""
    return shutil.which("docker") is not None and succeeds(["docker", "info"])


def require() -> None:
    """Do nothing when an engine answers.

    Raises:
        KindError: none does.
    """
    if not runs():
        raise KindError(
            "no Docker engine answers (docker info fails). Start one, or let `make docker` install and start the "
            "distribution's one; it needs root and apt-get"
        )


def install(say: Say) -> None:
    """Have an engine: start the one that is there, or install the distribution's packages first.

    Raises:
        KindError: it takes root or apt-get and there is none, or the engine does not start; holds the end of its log.
    """
    if runs():
        say("a Docker engine runs already")
        return
    if os.geteuid() != 0:
        raise KindError("only root can install and start a Docker engine; run `sudo make docker`")
    if shutil.which("dockerd") is None:
        _install_packages(say)
    own = Path("/proc/self/status")
    if own.exists() and not has_sys_resource(own.read_text()):
        _lean_runtime(say)
    _start(say)


def installable() -> bool:
    """Whether `install` can be expected to work."""
    return os.geteuid() == 0 and (shutil.which("dockerd") or shutil.which("apt-get")) is not None


def has_sys_resource(status: str | None = None) -> bool:
    """Whether the engine may raise limits; some virtual machines and all user namespaces take that away, even from root.

    Args:
        status: the text of a process's /proc/PID/status; None is that of the engine. An engine that this process cannot see,
            because it runs elsewhere, is taken for an ordinary one.
    """
    if status is None:
        process = engine_process()
        status = (process / "status").read_text() if process else ""
    for line in status.splitlines():
        if line.startswith("CapBnd:"):
            return bool(int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1)
    return True


def engine_process(root: Path = Path("/proc")) -> Path | None:
    """The folder of the engine's process."""
    for comm in root.glob("[0-9]*/comm"):
        # A process may end while we look.
        with contextlib.suppress(OSError):
            if comm.read_text() == "dockerd\n":
                return comm.parent
    return None


def _install_packages(say: Say) -> None:
    if shutil.which("apt-get") is None:
        raise KindError("there is no apt-get: install a Docker engine the way this distribution does it")
    say("installing " + ", ".join(pins.ENGINE_PACKAGES))
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], env=env)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *pins.ENGINE_PACKAGES], env=env)


def _lean_runtime(say: Say) -> None:
    """Make ours the default OCI runtime; a configuration that somebody wrote stays as it is."""
    if CONFIGURATION.exists():
        say(
            f"{CONFIGURATION} is left as it is; if containers do not start, make {RUNTIME} the default runtime"
        )
        return
    INSTALLED_RUNTIME.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(RUNTIME, INSTALLED_RUNTIME)
    INSTALLED_RUNTIME.chmod(0o755)
    CONFIGURATION.parent.mkdir(parents=True, exist_ok=True)
    runtimes = {"lean": {"path": str(INSTALLED_RUNTIME)}}
    CONFIGURATION.write_text(json.dumps({"default-runtime": "lean", "runtimes": runtimes}) + "\n")
    say("root lacks CAP_SYS_RESOURCE here: containers are started without it")


def _start(say: Say) -> None:
    if Path("/run/systemd/system").is_dir():
        run(["systemctl", "restart", "docker"])
    else:
        # No init system: the engine gets a session of its own, so that it outlives the shell that asked for it.
        with LOG.open("ab") as log:
            subprocess.Popen(
                ["dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    deadline = time.monotonic() + START_SECONDS
    while not runs():
        if time.monotonic() > deadline:
            end = LOG.read_text(errors="replace")[-3000:] if LOG.exists() else ""
            raise KindError(f"the Docker engine does not answer after {START_SECONDS:.0f} s\n{end}")
        time.sleep(0.3)
    say("a Docker engine runs")
