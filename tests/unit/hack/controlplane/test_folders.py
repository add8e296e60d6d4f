"""The folder of a control plane: locked, kept or removed."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest

from hack.controlplane import folders
from hack.controlplane.folders import FolderInUseError, Home, remove_stale

KEYS = ("private", "public")


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary folders of these tests are made here."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def age(path: Path) -> None:
    old = path.stat().st_mtime - 2 * folders.STALE_SECONDS
    os.utime(path, (old, old))


def test_a_temporary_folder_is_removed_with_its_control_plane(temporary: Path) -> None:
    """Nothing stays in /tmp after a test run."""
    home = Home.open(None, KEYS)
    assert home.path.parent == temporary
    home.close()
    assert list(temporary.iterdir()) == []


def test_a_kept_folder_gives_the_same_cluster_again(tmp_path: Path) -> None:
    """Keys, token and ports stay; whoever has the kubeconfig keeps access."""
    first = Home.open(tmp_path / "kept", KEYS)
    first.close()
    second = Home.open(tmp_path / "kept", ("other", "other"))
    second.close()
    assert (second.token, second.ports) == (first.token, first.ports)
    assert (second.path / "service-accounts.key").read_text() == "private"


def test_a_port_that_was_taken_meanwhile_is_replaced(tmp_path: Path) -> None:
    """Another program may listen there now."""
    first = Home.open(tmp_path / "kept", KEYS)
    first.close()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first.ports[0]))
        taken.listen()
        second = Home.open(tmp_path / "kept", KEYS)
        second.close()
    assert first.ports[0] not in second.ports


def test_ports_are_distinct_and_not_those_of_outgoing_connections(tmp_path: Path) -> None:
    """A client could take a port of the ephemeral range while the API server is down for a restart."""
    home = Home.open(tmp_path / "kept", KEYS)
    home.close()
    assert len(set(home.ports)) == 3
    assert max(home.ports) < 32_768


def test_secrets_are_for_their_owner_only(tmp_path: Path) -> None:
    """Other users of the machine must not become administrators."""
    home = Home.open(tmp_path / "kept", KEYS)
    home.close()
    for name in ("tokens.csv", "service-accounts.key"):
        assert (home.path / name).stat().st_mode & 0o077 == 0


def test_a_folder_is_used_by_one_control_plane_at_a_time(tmp_path: Path) -> None:
    """Two etcds on one folder would destroy the data."""
    home = Home.open(tmp_path / "kept", KEYS)
    with pytest.raises(FolderInUseError, match=r"runs in .*kept already"):
        Home.open(tmp_path / "kept", KEYS)
    home.close()
    Home.open(tmp_path / "kept", KEYS).close()


def test_only_old_folders_without_a_living_owner_are_removed(temporary: Path) -> None:
    """A killed owner leaves its folder; a living one holds the lock; a fresh folder may be locked in a moment."""
    dead, living = temporary / f"{folders.PREFIX}dead", Home.open(None, KEYS)
    fresh, foreign = temporary / f"{folders.PREFIX}fresh", temporary / "foreign"
    for path in (dead, fresh, foreign):
        path.mkdir()
    for path in (dead, living.path, foreign):
        age(path)
    remove_stale()
    assert not dead.exists()
    assert living.path.exists()
    assert fresh.exists()
    assert foreign.exists()
    living.close()
