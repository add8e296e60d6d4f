"""Where Kafka comes from, that it is got once, and the words of a test that is skipped for want of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hack.kafka import jars

Program = Callable[[str, str], None]

# What Maven does as far as we are concerned: one file in the folder that it is told.
MAVEN = """
for word in "$@"; do case "$word" in -DoutputDirectory=*) folder="${word#*=}";; esac; done
echo called >> "$folder/../calls"
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Puts a shell script on a PATH that has nothing else of interest."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def write(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return write


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_CACHE_HOME": str(tmp_path / "cache")}


def test_no_java(program: Program) -> None:
    """The reason names what to install."""
    with pytest.raises(jars.KafkaUnavailableError, match="no java on PATH"):
        jars.java()


@pytest.mark.parametrize(
    ("words", "major"), [("1.8.0_402", 8), ("10.0.2", 10), ("11.0.22", 11), ("17.0.15", 17), ("21", 21)]
)
def test_the_version_of_java_is_read(program: Program, words: str, major: int) -> None:
    """Kafka's broker needs 11; Java 8 calls itself 1.8."""
    program("java", f"echo 'openjdk version \"{words}\" 2026-01-01' >&2")
    if major >= jars.OLDEST_JAVA:
        assert jars.java().endswith("/java")
    else:
        with pytest.raises(jars.KafkaUnavailableError, match=f"Java {major};"):
            jars.java()


def test_a_java_that_does_not_run(program: Program) -> None:
    """As the stub of a system without one."""
    program("java", "echo 'Unable to locate a Java Runtime' >&2; exit 1")
    with pytest.raises(jars.KafkaUnavailableError, match="does not tell its version"):
        jars.java()


def test_no_maven(program: Program, environ: dict[str, str]) -> None:
    """Only needed as long as the cache is empty."""
    with pytest.raises(jars.KafkaUnavailableError, match="no mvn on PATH"):
        jars.fetch(environ=environ)
    folder = jars.cache_root(environ) / jars.VERSION
    folder.mkdir(parents=True)
    assert jars.fetch(environ=environ) == folder


def test_jars_are_got_once(program: Program, environ: dict[str, str]) -> None:
    """The folder appears when it is complete."""
    program("mvn", MAVEN + 'echo jar > "$folder/kafka.jar"')
    said: list[str] = []
    folders = {jars.fetch(environ=environ, say=said.append) for _ in range(3)}
    assert folders == {jars.cache_root(environ) / jars.VERSION}
    assert (folders.pop() / "kafka.jar").read_text() == "jar\n"
    assert len((jars.cache_root(environ) / "calls").read_text().split()) == 1
    assert len(said) == 1


def test_a_failed_download_leaves_nothing_and_says_why(program: Program, environ: dict[str, str]) -> None:
    """Half a folder would be taken for a whole one the next time."""
    program("mvn", MAVEN + 'echo "[ERROR] Could not transfer artifact"; exit 1')
    for _ in range(2):
        with pytest.raises(jars.KafkaUnavailableError, match="Could not transfer artifact"):
            jars.fetch(environ=environ, say=lambda _: None)
    assert not (jars.cache_root(environ) / jars.VERSION).exists()
    assert len((jars.cache_root(environ) / "calls").read_text().split()) == 2
