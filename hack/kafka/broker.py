"""`Broker`: one Kafka process (KRaft, broker and controller in one) on loopback.

In: nothing but a Java and Kafka's jars. Out: addresses of four listeners, a CA file, and handles for tests of outages.
Called by tests/kafka and by `python -m hack.kafka`. Invariant: nothing keeps running after `stop`, nor after the owner's
death (see hack/controlplane/leash.py), and no folder stays behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hack.controlplane.processes import Child, Launcher, ProgramError, tail
from hack.kafka import jars
from hack.kafka.listeners import LISTENERS, STORE_PASSWORD, properties, scram_users

if TYPE_CHECKING:
    from types import TracebackType

PREFIX = "kaspr-kafka-"
START_SECONDS = 60.0
TOOL_SECONDS = 60.0
POLL_SECONDS = 0.05
STALE_SECONDS = 60.0
# Below the range from which the kernel gives ports to outgoing connections, so that a restart finds them free.
PORTS = range(20_000, 32_000)
_CLUSTER = "a2FzcHItY29udHJvbGxlcg"
_READY = "Kafka Server started"
# One compiler and no parallel collector: the process lives for a minute and shares two cores with its clients.
_JVM = (
    "-Xms64m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.net.preferIPv4Stack=true",
)
_LOGGING = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
)


class Broker:
    """A running broker. Make one with `Broker.start()`, best in a `with` statement.

    Attributes:
        folder: everything it writes.
        ca_file: PEM file to trust on the TLS listeners, whose certificate is for `localhost` only.
        log: of the process.
    """

    def __init__(self, folder: Path) -> None:
        """Use `start` instead: this one runs nothing."""
        self.folder = folder
        self.ca_file = folder / "ca.pem"
        self.log = folder / "broker.log"
        self._lock = (folder / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._java = jars.java()
        self._classes = f"{jars.fetch()}/*"
        self._ports = dict(zip((*LISTENERS, "CONTROLLER"), _free_ports(len(LISTENERS) + 1), strict=True))
        self._config = folder / "server.properties"
        self._launcher = Launcher(folder)
        self._child: Child | None = None

    @classmethod
    def start(cls, *, say: Callable[[str], None] = print) -> Self:
        """Start a broker with no topics, groups or ACLs; returns when it serves, after about 3 s.

        Raises:
            KafkaUnavailableError: no Java, or no jars and no Maven.
            ProgramError: it ended or was not ready within a minute; holds the end of its log.
        """
        _remove_stale()
        jars.java()
        jars.fetch(say=say)
        begin = time.monotonic()
        broker = cls(Path(tempfile.mkdtemp(prefix=PREFIX)))
        try:
            broker._prepare()
            broker._run()
        except BaseException:
            broker.stop()
            raise
        say(f"Kafka {jars.VERSION} ready after {time.monotonic() - begin:.1f} s")
        return broker

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def address(self, listener: str = "PLAINTEXT") -> str:
        """The `host:port` of a listener: PLAINTEXT, SASL_PLAINTEXT, SSL or SASL_SSL."""
        return f"localhost:{self._ports[listener]}"

    def freeze(self) -> None:
        """Stop its clock: connections stay open, nothing answers."""
        self._running.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._running.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash would: connections are refused from now on."""
        self._running.kill()
        self._child = None

    def restart(self) -> None:
        """Start it again, same addresses and data; returns when it serves."""
        if self._child is not None:
            self.kill()
        self._run()

    def tool(self, main: str, *arguments: str) -> str:
        """Run one of Kafka's command line tools and return what it prints.

        Raises:
            ProgramError: it failed; holds its words.
        """
        run = subprocess.run(
            self._command(main, arguments), capture_output=True, text=True, timeout=TOOL_SECONDS, check=False
        )
        if run.returncode:
            raise ProgramError(f"{main} ended with code {run.returncode}:\n{run.stdout}{run.stderr}")
        return run.stdout

    def stop(self) -> None:
        """End it and remove its folder. May be called twice."""
        self._launcher.close()
        self._child = None
        shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.close()

    @property
    def _running(self) -> Child:
        if self._child is None:
            raise ProgramError("the broker does not run")
        return self._child

    def _prepare(self) -> None:
        keystore = self.folder / "broker.p12"
        self._config.write_text(properties(self._ports, self.folder / "data", keystore))
        store = ["-keystore", str(keystore), "-storepass", STORE_PASSWORD, "-alias", "broker"]
        keytool = str(Path(self._java).resolve().with_name("keytool"))
        # Two programs of about a second each, side by side.
        with subprocess.Popen(
            self._command(
                "kafka.tools.StorageTool",
                ["format", "-t", _CLUSTER, "-c", str(self._config), *scram_users()],
            ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as formatting:
            _succeed([keytool, "-genkeypair", *store, *_CERTIFICATE])
            _succeed([keytool, "-exportcert", "-rfc", *store, "-file", str(self.ca_file)])
            words, _ = formatting.communicate(timeout=TOOL_SECONDS)
        if formatting.returncode:
            raise ProgramError(f"the storage was not formatted:\n{words}")

    def _run(self) -> None:
        seen = self.log.stat().st_size if self.log.exists() else 0
        # The log's name is the child's name.
        self._child = self._launcher.start("broker", self._command("kafka.Kafka", [str(self._config)]))
        deadline = time.monotonic() + START_SECONDS
        while _READY not in self.log.read_text(errors="replace")[seen:]:
            self._child.check()
            if time.monotonic() > deadline:
                raise ProgramError(
                    f"the broker was not ready within {START_SECONDS:.0f} s:\n{tail(self.log)}"
                )
            time.sleep(POLL_SECONDS)

    def _command(self, main: str, arguments: Sequence[str]) -> list[str]:
        return [self._java, *_JVM, *_LOGGING, "-cp", self._classes, main, *arguments]


_CERTIFICATE = (
    *("-storetype", "PKCS12", "-keyalg", "EC", "-groupname", "secp256r1", "-validity", "2"),
    *("-dname", "CN=localhost", "-ext", "SAN=dns:localhost", "-ext", "BC=ca:true"),
)


def _succeed(command: Sequence[str]) -> None:
    run = subprocess.run(command, capture_output=True, text=True, timeout=TOOL_SECONDS, check=False)
    if run.returncode:
        raise ProgramError(
            f"{Path(command[0]).name} ended with code {run.returncode}:\n{run.stdout}{run.stderr}"
        )


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    while len(found) < count:
        port = random.choice(PORTS)  # noqa: S311  # spreads parallel runs, guards nothing
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            if port not in found:
                found.append(port)
    return found


def _remove_stale() -> None:
    """Remove folders whose owner was killed before it could do so."""
    for path in Path(tempfile.gettempdir()).glob(PREFIX + "*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime < STALE_SECONDS:
                continue
            with (path / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
