"""`ControlPlane`: etcd, kube-apiserver, kube-controller-manager and kube-scheduler on loopback.

In: a folder (or none, for a temporary one). Out: a kubeconfig of the administrator and handles for tests of outages
(freeze, kill, restart the API server). Called by the demo, by tests/integration and by `python -m hack.controlplane`.
Threads: one that starts the programs. Invariant: nothing keeps running after `stop`, nor after the owner's death.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hack.controlplane import assets, commands, kubeconfig
from hack.controlplane.access import Access
from hack.controlplane.commands import Layout
from hack.controlplane.folders import Home
from hack.controlplane.keys import key_pair
from hack.controlplane.processes import Child, Launcher, ProgramError, tail

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

START_SECONDS = 60.0
POLL_SECONDS = 0.05


class ControlPlane:
    """A running control plane. Make one with `ControlPlane.start()`, best in a `with` statement.

    Attributes:
        kubeconfig: the administrator's kubeconfig, with the CA inside, so TLS is verified.
        server: URL of the API server, https://127.0.0.1:<port>.
        token: the administrator's bearer token (group system:masters).
        ca_file: PEM file to trust for `server`.
        folder: everything this control plane writes.
        logs: folder with one log file per program.
        kubectl: the kubectl that belongs to it.
        version: Kubernetes version of the programs, for example v1.34.4.
        admin: requests as the administrator.
    """

    def __init__(self, home: Home, programs: assets.Assets, apiserver_arguments: Sequence[str] = ()) -> None:
        """Use `start` instead: this one runs nothing."""
        api, client, peer = home.ports
        self.folder = home.path
        self.layout = Layout(home.path, programs.programs, api_port=api, etcd_port=client, peer_port=peer)
        self.version = programs.version
        self.kubectl = programs.programs["kubectl"]
        self.kubeconfig = self.layout.kubeconfig
        self.server = self.layout.server
        self.ca_file = self.layout.ca_file
        self.logs = self.layout.logs
        self.token = home.token
        self.admin = Access(self.server, self.token, self.ca_file)
        self._home = home
        self._apiserver_arguments = apiserver_arguments
        self._children: dict[str, Child] = {}
        self._launcher = Launcher(self.logs)

    @classmethod
    def start(
        cls,
        folder: Path | str | None = None,
        *,
        say: Callable[[str], None] = print,
        apiserver_arguments: Sequence[str] = (),
    ) -> Self:
        """Start everything; returns when the API server is ready and namespaces get their service accounts.

        Args:
            folder: keeps data, keys and port between runs; default: a temporary one, removed by `stop`.
            say: receives a line for each thing worth knowing.
            apiserver_arguments: further flags of kube-apiserver.

        Raises:
            ProgramError: a program ended or was not ready within a minute; holds the end of its log.
            AssetsError: there are no programs and no way to get them.
            FolderInUseError: another control plane runs in `folder`.
        """
        programs = assets.fetch(say=say)
        begin = time.monotonic()
        home = Home.open(Path(folder) if folder else None, key_pair())
        plane = cls(home, programs, apiserver_arguments)
        try:
            plane._run()
        except BaseException:
            plane.stop()
            raise
        say(f"control plane {plane.version} ready after {time.monotonic() - begin:.1f} s: {plane.server}")
        return plane

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End all programs and remove a temporary folder. May be called twice."""
        # Killed, not asked: takes 30 ms instead of more than a second, and works on a frozen server too. What etcd has
        # written stays with the kernel, so the data of a folder that is kept is whole.
        self._launcher.close()
        self._children.clear()
        self._home.close()

    def freeze_apiserver(self) -> None:
        """Stop the API server's clock: connections stay open, nothing answers."""
        self._children["kube-apiserver"].signal(signal.SIGSTOP)

    def thaw_apiserver(self) -> None:
        """Let a frozen API server go on."""
        self._children["kube-apiserver"].signal(signal.SIGCONT)

    def kill_apiserver(self) -> None:
        """End the API server as a crash would: connections are refused from now on."""
        self._children.pop("kube-apiserver").kill()

    def restart_apiserver(self) -> None:
        """Start the API server again, same address, certificate and data; returns when it is ready."""
        if "kube-apiserver" in self._children:
            self.kill_apiserver()
        self._start_apiserver()
        self._wait_ready()

    def check(self) -> None:
        """Raise ProgramError when a program has ended that nobody killed."""
        for child in self._children.values():
            child.check()

    def pid(self, program: str) -> int:
        """The process id of a running program, for example of `etcd`."""
        return self._children[program].process.pid

    def log_tails(self, *, lines: int = 200) -> dict[str, str]:
        """The last lines of each program's log."""
        return {path.stem: tail(path, lines=lines) for path in sorted(self.logs.glob("*.log"))}

    def service_account_kubeconfig(self, namespace: str, name: str, *, seconds: int = 3600) -> Path:
        """A kubeconfig that acts as a service account, with a token of that many seconds (at least 600).

        Raises:
            ApiError: there is no such service account.
        """
        return kubeconfig.for_service_account(self.admin, self.folder, namespace, name, seconds=seconds)

    def _run(self) -> None:
        self._start("etcd", commands.etcd(self.layout))
        self._start_apiserver()
        # The other two need the kubeconfig, which needs the certificate that the API server signs as its first act.
        self._wait("kube-apiserver", "write its certificate", self._certificate_written)
        kubeconfig.write(self.kubeconfig, self.server, self.ca_file.read_bytes(), token=self.token)
        self._wait_ready()
        self._start("kube-controller-manager", commands.kube_controller_manager(self.layout))
        self._start("kube-scheduler", commands.kube_scheduler(self.layout))
        self._wait("kube-controller-manager", "make a service account", self._service_account_made)

    def _start(self, name: str, command: Sequence[str]) -> None:
        self._children[name] = self._launcher.start(name, command)

    def _start_apiserver(self) -> None:
        self._start("kube-apiserver", [*commands.kube_apiserver(self.layout), *self._apiserver_arguments])

    def _wait_ready(self) -> None:
        self._wait("kube-apiserver", "be ready", lambda: self.admin.answers("/readyz"))

    def _certificate_written(self) -> bool:
        # The key is written after the certificate.
        return (self.layout.certs / "apiserver.key").exists()

    def _service_account_made(self) -> bool:
        return self.admin.answers("/api/v1/namespaces/default/serviceaccounts/default")

    def _wait(self, program: str, what: str, check: Callable[[], bool]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not check():
            self.check()
            if time.monotonic() > deadline:
                end = tail(self.logs / f"{program}.log")
                raise ProgramError(
                    f"{program} did not {what} within {START_SECONDS:.0f} s; end of its log:\n{end}"
                )
            time.sleep(POLL_SECONDS)
