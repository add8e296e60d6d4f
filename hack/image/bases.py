"""Base images made from Debian packages, for machines that reach no container registry.

In: a Docker engine and debootstrap. Out: two local images, one with pip to build in, one with Python and its libraries to
run in: no shell, no package manager. Called by `building.py`. The tree of packages is kept in the cache, so the minute that
it takes is spent once. Invariant: what a company adds to this machine's CA bundle gets into the first image only.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

SUITE = "bookworm"
_RECIPE = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
BUILD = f"local/python-build:{SUITE}-{_RECIPE}"
RUNTIME = f"local/python-runtime:{SUITE}-{_RECIPE}"
PACKAGES = ("ca-certificates", "python3", "python3-pip")
CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
NONROOT = 65532

INCLUDED = (
    "base-files",
    "libbz2-1.0",
    "libc6",
    "libcrypt1",
    "libdb5.3",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libncursesw6",
    "libnsl2",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libreadline8",
    "libsqlite3-0",
    "libssl3",
    "libtinfo6",
    "libtirpc3",
    "libuuid1",
    "python3-minimal",
    "python3.11-minimal",
    "tzdata",
    "zlib1g",
)
"""Python and the libraries that its modules load."""

_LEFT_OUT = re.compile(
    r"usr/share/(?!doc/[^/]+/copyright$|zoneinfo/)|.*/gconv/|etc/(update-motd\.d|default|logrotate\.d)/|usr/bin/(?!python3)|"
    r"usr/sbin/|usr/lib/python3\.11/(ensurepip|idlelib|lib2to3|pydoc_data|test|tkinter|turtledemo)/"
)
"""Papers, character sets that Python brings itself, tools, modules that no server needs."""

_FILES = {
    "etc/passwd": f"root:x:0:0:root:/:/nologin\nnonroot:x:{NONROOT}:{NONROOT}:nonroot:/:/nologin\n",
    "etc/group": f"root:x:0:\nnonroot:x:{NONROOT}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
_LINKS = {
    "bin": "usr/bin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "sbin": "usr/sbin",
    "usr/lib/ssl/cert.pem": f"/{CA_BUNDLE}",  # where libssl looks; package openssl would bring it
}

Say = Callable[[str], None]


class ImageError(RuntimeError):
    """The image cannot be made; the message says what to do."""


class Bases(NamedTuple):
    """The two images that the Dockerfile starts from."""

    build: str
    runtime: str


def ensure(say: Say) -> Bases:
    """The local bases; made when they are not there.

    Raises:
        ImageError: this machine cannot make them.
    """
    if not (_exists(BUILD) and _exists(RUNTIME)):
        root = _root(say)
        say("image: importing the local base images")
        _import(BUILD, _everything(root))
        _import(RUNTIME, _selection(root))
    return Bases(BUILD, RUNTIME)


def _root(say: Say) -> Path:
    """The tree of Debian packages, from the cache or made now."""
    base = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(base) if base else Path.home() / ".cache") / "kaspr-controller" / "image"
    root = folder / SUITE
    if root.exists():
        return root
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        raise ImageError(
            "no registry answers, and a local base needs root and debootstrap (Debian, Ubuntu: apt-get install debootstrap); "
            "or name images that are here: make image BASE=... BUILD_BASE=..."
        )
    say(f"image: no registry answers; making a base from Debian packages, once ({root})")
    folder.mkdir(parents=True, exist_ok=True)
    making = folder / f"{SUITE}.{os.getpid()}"
    command = [
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        SUITE,
        str(making),
    ]
    log = folder / "debootstrap.log"
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=output, check=False)
    if done.returncode:
        shutil.rmtree(making, ignore_errors=True)
        raise ImageError(f"debootstrap failed, see {log}")
    making.rename(root)  # complete or absent, also for whoever runs beside us
    return root


def _everything(root: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """The whole tree, for the build: with this machine's CA bundle, so that pip works behind its proxy."""
    replaced = {}
    bundle = Path(os.environ.get("SSL_CERT_FILE") or "/etc/ssl/certs/ca-certificates.crt")
    if bundle.exists():
        replaced = {
            CA_BUNDLE: bundle.read_bytes(),
            "etc/pip.conf": f"[global]\ncert = /{CA_BUNDLE}\n".encode(),
        }
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if not name.startswith(("var/cache/apt/", "var/lib/apt/lists/")) and name not in replaced:
            yield _entry(path, name)
    for name, data in replaced.items():
        yield _made(name, data)


def _selection(root: Path) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """What a Python program needs, file by file from the lists of the packages."""
    names = (
        {name for package in INCLUDED for name in _files_of(root, package)} - _FILES.keys() - _LINKS.keys()
    )
    names |= {compiled for name in names for compiled in _bytecode(root, name)}
    folders = {str(parent) for name in names for parent in Path(name).parents} - {"."}
    for name in sorted(folders | names):
        yield _entry(root / name, name)
    for name, target in _LINKS.items():
        link = tarfile.TarInfo(name)
        link.type, link.linkname = tarfile.SYMTYPE, target
        yield link, b""
    yield _entry(root / CA_BUNDLE, CA_BUNDLE)
    for name, text in _FILES.items():
        yield _made(name, text.encode())
    temporary = tarfile.TarInfo("tmp")
    temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
    yield temporary, b""
    for package, text in _status(root).items():
        # Where scanners look for packages in images that have no package manager.
        yield _made(f"var/lib/dpkg/status.d/{package}", text.encode())


def _files_of(root: Path, package: str) -> Iterator[str]:
    info = root / "var/lib/dpkg/info"
    lists = [path for path in (info / f"{package}.list", *info.glob(f"{package}:*.list")) if path.exists()]
    if not lists:
        raise ImageError(f"package {package} is not in {root}: remove that folder and try again")
    for line in lists[0].read_text().splitlines():
        # /lib and its like are links into /usr.
        name = re.sub(r"^(bin|lib|lib64|sbin)/", r"usr/\1/", line.strip("/"))
        path = root / name
        if (path.is_symlink() or path.is_file()) and not _LEFT_OUT.match(name):
            yield name


def _bytecode(root: Path, name: str) -> Iterator[str]:
    """Made when the package was installed, so in no list."""
    if name.endswith(".py"):
        path = Path(name)
        for compiled in (root / path.parent / "__pycache__").glob(f"{path.stem}.cpython-*.pyc"):
            yield str(compiled.relative_to(root))


def _status(root: Path) -> dict[str, str]:
    paragraphs = (root / "var/lib/dpkg/status").read_text().split("\n\n")
    found = {text.split("\n", 1)[0].removeprefix("Package: "): text + "\n" for text in paragraphs}
    return {package: found[package] for package in INCLUDED}


def _entry(path: Path, name: str) -> tuple[tarfile.TarInfo, bytes]:
    with tarfile.open(fileobj=io.BytesIO(), mode="w") as archive:
        entry = archive.gettarinfo(str(path), name)
    if entry.islnk():
        entry.type, entry.linkname = tarfile.REGTYPE, ""
        entry.size = path.stat().st_size
    entry.uname = entry.gname = ""
    return entry, path.read_bytes() if entry.isreg() else b""


def _made(name: str, data: bytes) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    return entry, data


def _exists(image: str) -> bool:
    command = ["docker", "image", "inspect", image]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _import(image: str, entries: Iterator[tuple[tarfile.TarInfo, bytes]]) -> None:
    command = ["docker", "import", "--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin", "-", image]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as engine:
        assert engine.stdin is not None  # noqa: S101  # for the type checker
        with tarfile.open(fileobj=engine.stdin, mode="w|", format=tarfile.GNU_FORMAT) as archive:
            for entry, data in entries:
                archive.addfile(entry, io.BytesIO(data))
    if engine.returncode:
        raise ImageError(f"docker import {image} failed")
