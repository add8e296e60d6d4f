"""Finds Kafka's jars, and gets them with Maven when there are none.

In: the environment. Out: the folder of the jars, or `KafkaUnavailableError` with the reason a test is skipped for.
Called by `broker.py` and `__main__.py`. Invariant: a folder in the cache is complete or absent, and parallel runs wait
for one another instead of downloading twice.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

VERSION = "3.9.1"
OLDEST_JAVA = 11
DOWNLOAD_SECONDS = 600
_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies"
# slf4j-simple, because Kafka without a binding logs nothing at all and a failed start could not be explained.
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>io.kaspr.hack</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
"""


class KafkaUnavailableError(Exception):
    """There can be no broker on this machine; the message says what is missing."""


def java() -> str:
    """The path of a Java that runs Kafka.

    Raises:
        KafkaUnavailableError: there is none, or it is too old.
    """
    path = shutil.which("java")
    if path is None:
        raise KafkaUnavailableError(f"no java on PATH (version {OLDEST_JAVA} or newer is needed)")
    run = subprocess.run([path, "-version"], capture_output=True, text=True, timeout=30, check=False)
    found = re.search(r'version "(\d+)(?:\.(\d+))?', run.stderr + run.stdout)
    if run.returncode or found is None:
        raise KafkaUnavailableError(f"{path} does not tell its version")
    major = int(found[2] or 0) if found[1] == "1" else int(found[1])
    if major < OLDEST_JAVA:
        raise KafkaUnavailableError(f"{path} is Java {major}; {OLDEST_JAVA} or newer is needed")
    return path


def fetch(*, say: Callable[[str], None] = print, environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of the jars; takes about 20 s and 46 MB the first time on a machine.

    Raises:
        KafkaUnavailableError: they are not here and Maven cannot get them.
    """
    folder = cache_root(environ) / VERSION
    if folder.is_dir():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaUnavailableError(f"no Kafka {VERSION} in {folder.parent} and no mvn on PATH to get it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():  # made while we waited
            say(f"getting Kafka {VERSION} with Maven (46 MB)")
            _download(maven, folder)
    return folder


def cache_root(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of everything that is kept between runs; safe to remove."""
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kaspr-controller" / "kafka"


def _download(maven: str, folder: Path) -> None:
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)  # what a killed run left
    part.mkdir()
    pom = part / "pom.xml"
    pom.write_text(_POM)
    command = [maven, "-B", "-q", "-ntp", "-f", str(pom), _PLUGIN]
    command += [f"-DoutputDirectory={part}", "-DincludeScope=runtime"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise KafkaUnavailableError(f"mvn did not get Kafka {VERSION} in {DOWNLOAD_SECONDS} s") from error
    if run.returncode:
        words = next((line for line in run.stdout.splitlines() if line.startswith("[ERROR]")), "no words")
        raise KafkaUnavailableError(f"mvn could not get Kafka {VERSION}: {words[:400]}")
    part.rename(folder)
