"""The programs: their modules, versions, build flags and the cache key that names the result.

In: a folder per program with `go.mod` and `go.sum`, whose `tool` line is what is built. Out: `Tool`. Called by
`fetching.py`. Invariant: whatever changes a program changes its key.
"""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from hack.controlplane.recipe import Recipe

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Tool:
    """One program.

    Attributes:
        name: of the program, and of the folder with its module.
        module: the Go module that it comes from; its version is that of the program.
        package: what is built.
        variables: linker variables, without which the program does not know its version.
        tags: build tags.
        minutes: how long a build takes on two cores with nothing cached, for people.
    """

    name: str
    module: str
    package: str
    variables: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    minutes: str = "2 to 4"

    @property
    def sources(self) -> Path:
        """The folder with go.mod and go.sum."""
        return HERE / self.name

    @property
    def version(self) -> str:
        """For example v3.19.5."""
        text = (self.sources / "go.mod").read_text()
        match = re.search(rf"^\s*{re.escape(self.module)} (v[0-9.]+)\b", text, re.MULTILINE)
        if match is None:
            raise ValueError(f"{self.sources / 'go.mod'} requires no released version of {self.module}")
        return match[1]

    @property
    def flags(self) -> list[str]:
        """Flags of `go build`."""
        words = ["-s", "-w", *(f"-X={name}={value}" for name, value in self.variables)]
        words = [word.replace("VERSION", self.version) for word in words]
        tags = ["-tags", ",".join(self.tags)] if self.tags else []
        return ["-trimpath", *tags, "-ldflags", " ".join(words)]

    @property
    def key(self) -> str:
        """Names the result: the version for people, then a hash of everything that goes in."""
        digest = hashlib.sha256(repr([self, self.flags, sys.platform, platform.machine()]).encode())
        for name in ("go.mod", "go.sum"):
            digest.update(f"\0{name}\0".encode() + (self.sources / name).read_bytes())
        return f"{self.version}-{digest.hexdigest()[:12]}"


def _helm() -> Tool:
    # What `helm template` takes for the version of the cluster, and `helm lint` for the newest one.
    major, minor, _ = Recipe().kubernetes.removeprefix("v").split(".")
    numbers = (("Major", major), ("Minor", minor))
    return Tool(
        "helm",
        "helm.sh/helm/v3",
        "helm.sh/helm/v3/cmd/helm",
        (
            ("helm.sh/helm/v3/internal/version.version", "VERSION"),
            *(
                (f"helm.sh/helm/v3/pkg/{package}.k8sVersion{name}", number)
                for package in ("chartutil", "lint/rules")
                for name, number in numbers
            ),
        ),
    )


HELM = _helm()
PROMTOOL = Tool(
    "promtool",
    "github.com/prometheus/prometheus",
    "github.com/prometheus/prometheus/cmd/promtool",
    (("github.com/prometheus/common/version.Version", "VERSION"),),
    # Rules need no service discovery, whose SDKs of every cloud would be most of the build.
    ("remove_all_sd", "netgo"),
)
TOOLS = {tool.name: tool for tool in (HELM, PROMTOOL)}
