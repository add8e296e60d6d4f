"""The base made of Debian packages: which files get in."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from hack.image import bases

if TYPE_CHECKING:
    import tarfile
    from pathlib import Path

PYTHON = "usr/lib/python3.11"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A tree as debootstrap leaves it, with one file of each sort."""
    info = tmp_path / "var/lib/dpkg/info"
    info.mkdir(parents=True)
    for package in bases.INCLUDED:
        (info / f"{package}.list").write_text("/.\n")
    files = {
        "libc6": ["lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/gconv/UTF-7.so"],
        "libpython3.11-stdlib": [f"{PYTHON}/json/decoder.py", f"{PYTHON}/test/test_json.py"],
        "python3.11-minimal": ["usr/bin/python3.11", "usr/share/doc/python3.11-minimal/copyright"],
        "python3-minimal": ["usr/bin/py3compile", "usr/share/man/man1/python3.1.gz"],
    }
    for package, names in files.items():
        (info / f"{package}.list").write_text("/.\n" + "".join(f"/{name}\n" for name in names))
        for name in names:
            path = tmp_path / name.replace("lib/x86", "usr/lib/x86", name.startswith("lib/"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    for name in (f"{PYTHON}/json/__pycache__/decoder.cpython-311.pyc", "usr/bin/sh", bases.CA_BUNDLE):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    paragraphs = [
        f"Package: {package}\nStatus: install ok installed\nVersion: 1"
        for package in (*bases.INCLUDED, "dash")
    ]
    (tmp_path / "var/lib/dpkg/status").write_text("\n\n".join(paragraphs) + "\n")
    return tmp_path


def _selected(root: Path) -> dict[str, tarfile.TarInfo]:
    entries = [entry for entry, _ in bases._selection(root)]
    assert len({entry.name for entry in entries}) == len(entries), (
        "the engine refuses a path that comes twice"
    )
    return {entry.name: entry for entry in entries}


def test_python_and_its_libraries_get_in(root: Path) -> None:
    """Modules with the bytecode that no list names, libraries at their merged place, the CA bundle, licences."""
    assert {
        "usr/lib/x86_64-linux-gnu/libc.so.6",
        f"{PYTHON}/json/decoder.py",
        f"{PYTHON}/json/__pycache__/decoder.cpython-311.pyc",
        "usr/bin/python3.11",
        "usr/share/doc/python3.11-minimal/copyright",
        bases.CA_BUNDLE,
    } <= _selected(root).keys()


def test_no_shell_no_tool_and_no_test_gets_in(root: Path) -> None:
    """What is not there cannot be used by whoever breaks in."""
    names = _selected(root).keys()
    assert not names & {"usr/bin/sh", "usr/bin/py3compile", "var/lib/dpkg/status.d/dash"}
    assert not [name for name in names if "/gconv/" in name or "/test/" in name or "/man/" in name]


def test_the_user_of_the_image_is_known_and_tmp_is_there(root: Path) -> None:
    """A non-root user with a name, `/tmp` for whoever mounts nothing there, and links for the merged folders."""
    found = _selected(root)
    assert "nonroot:x:65532" in bases._FILES["etc/passwd"]
    assert found["tmp"].mode == 0o1777
    assert found["lib"].linkname == "usr/lib"


def test_a_machine_that_can_make_no_base_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without debootstrap: a message with the two ways out."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setattr(
        "subprocess.run", lambda command, **_: subprocess.CompletedProcess(command, 1, b"", b"")
    )
    with pytest.raises(bases.ImageError, match=r"debootstrap.*BUILD_BASE"):
        bases.ensure(lambda _line: None)
