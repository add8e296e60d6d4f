"""What the programs are made of: versions, build flags and the cache key that names the result.

In: the Go module in `go/`. Out: `Recipe`. Called by `assets.py`, `building.py` and `downloading.py`. Pure but for
reading these files. Invariant: whatever changes the programs changes the key.
"""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
SOURCES = Path(__file__).with_name("go")
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
# Both keep a copy: the first is what servers report, the second what kubectl and user agents report.
VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


@dataclass(frozen=True, slots=True)
class Recipe:
    """The Go module that lists the versions, and from which the programs can be built."""

    sources: Path = SOURCES

    @property
    def kubernetes(self) -> str:
        """For example v1.34.4."""
        return self._required("k8s.io/kubernetes")

    @property
    def etcd(self) -> str:
        """For example v3.6.4."""
        return self._required("go.etcd.io/etcd/server/v3")

    @property
    def flags(self) -> list[str]:
        """Flags of `go build`. Without the version variables the API server calls itself v0.0.0-master."""
        major, minor, _ = self.kubernetes.removeprefix("v").split(".")
        variables = {
            "gitVersion": self.kubernetes,
            "gitMajor": major,
            "gitMinor": minor,
            "gitTreeState": "clean",
            "gitCommit": "unknown",
            "buildDate": "1970-01-01T00:00:00Z",
        }
        words = ["-s", "-w"]
        for package in VERSION_PACKAGES:
            words += [f"-X={package}.{name}={value}" for name, value in variables.items()]
        return ["-trimpath", "-ldflags", " ".join(words)]

    @property
    def key(self) -> str:
        """Names the result: versions to be read by people, then a hash of everything that goes in."""
        digest = hashlib.sha256(repr([self.flags, sys.platform, platform.machine()]).encode())
        for path in sorted(self.sources.rglob("*")):
            if path.suffix == ".go" or path.name in {"go.mod", "go.sum"}:
                name = path.relative_to(self.sources)
                digest.update(f"\0{name}\0".encode() + path.read_bytes())
        return f"{self.kubernetes}-{digest.hexdigest()[:12]}"

    def _required(self, module: str) -> str:
        text = (self.sources / "go.mod").read_text()
        match = re.search(rf"^(?:require)?\s+{re.escape(module)} (v[0-9.]+)$", text, re.MULTILINE)
        if match is None:
            raise ValueError(f"{self.sources / 'go.mod'} requires no released version of {module}")
        return match[1]


def architecture() -> str | None:
    """This machine's name among published binaries, None when none are published for it."""
    return MACHINES.get(platform.machine().lower())


def minor(version: str) -> tuple[str, ...]:
    """The part of a version within which programs may be mixed: v1.34.4 gives ("v1", "34")."""
    return tuple(version.split(".")[:2])
