"""Programs as the Kubernetes and etcd projects publish them.

In: `Recipe`. Out: verified programs in a folder. Called by `assets.py`. The archives of envtest are no source: they
lack kube-controller-manager and kube-scheduler, without which no StatefulSet gets pods. Invariant: a file gets its
final name only when its bytes have the published SHA-256.
"""

from __future__ import annotations

import hashlib
import sys
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from hack.controlplane.recipe import PROGRAMS, Recipe, architecture
from hack.controlplane.sources import SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from hack.controlplane.sources import Say

# A machine without Internet must not wait long for that to show; a slow download may take its time.
TIMEOUT = httpx.Timeout(30.0, connect=3.0)


@dataclass(frozen=True, slots=True)
class Sites:
    """Base URLs; tests put their own server here."""

    kubernetes: str = "https://dl.k8s.io/release"
    etcd: str = "https://github.com/etcd-io/etcd/releases/download"


def download(recipe: Recipe, target: Path, say: Say, *, sites: Sites | None = None) -> str:
    """Fetch all programs (about 280 MB).

    Raises:
        SourceError: nothing is published for this machine, a site cannot be reached, or a checksum differs.
    """
    arch = architecture()
    if sys.platform != "linux" or arch is None:
        raise SourceError(
            "no published binaries: Kubernetes publishes servers for Linux on amd64 and arm64 only"
        )
    sites = sites or Sites()
    try:
        with httpx.Client(timeout=TIMEOUT, follow_redirects=True) as client:
            _etcd(client, f"{sites.etcd}/{recipe.etcd}", f"etcd-{recipe.etcd}-linux-{arch}", target, say)
            for name in PROGRAMS:
                if name != "etcd":
                    url = f"{sites.kubernetes}/{recipe.kubernetes}/bin/linux/{arch}/{name}"
                    verified(client, url, text_of(client, url + ".sha256").split()[0], target / name, say)
                    (target / name).chmod(0o755)
    except httpx.TransportError as error:
        raise SourceError(
            f"no published binaries: {error.request.url.host} is not reachable ({error})"
        ) from error
    except (httpx.HTTPError, tarfile.TarError, OSError, LookupError) as error:
        raise SourceError(f"no published binaries: {error!r}") from error
    return f"downloaded from {sites.kubernetes} and {sites.etcd}"


def _etcd(client: httpx.Client, base: str, name: str, target: Path, say: Say) -> None:
    lines = map(str.split, text_of(client, f"{base}/SHA256SUMS").splitlines())
    sums = {words[1]: words[0] for words in lines if words}
    archive = target / f"{name}.tar.gz"
    verified(client, f"{base}/{archive.name}", sums[archive.name], archive, say)
    with tarfile.open(archive) as tar:
        member = tar.extractfile(f"{name}/etcd")
        if member is None:
            raise SourceError(f"no published binaries: {archive.name} has no etcd program")
        (target / "etcd").write_bytes(member.read())
    (target / "etcd").chmod(0o755)
    archive.unlink()


def text_of(client: httpx.Client, url: str) -> str:
    """A small file, such as a list of checksums."""
    return client.get(url).raise_for_status().text


def verified(client: httpx.Client, url: str, expected: str, target: Path, say: Say) -> None:
    """Fetch a file; it gets its name only when its bytes have the SHA-256 `expected`, in hexadecimal digits."""
    part = target.with_name(target.name + ".download")
    digest = hashlib.sha256()
    with client.stream("GET", url) as answer, part.open("wb") as file:
        answer.raise_for_status()
        size = int(answer.headers.get("Content-Length", 0)) / 1e6
        say(f"fetching {url}" + (f" ({size:.0f} MB)" if size else ""))
        for chunk in answer.iter_bytes():
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != expected:
        part.unlink()
        raise SourceError(f"no published binaries: {url} has not the checksum published for it; not used")
    part.rename(target)
