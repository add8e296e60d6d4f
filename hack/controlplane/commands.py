"""The command lines of the four programs: pure functions of a folder, ports and the programs' paths.

In: `Layout`. Out: argument lists. Called by `cluster.py`. The reason of each unusual flag stands beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Controllers that need nodes, clouds or load balancers. Without nodelifecycle a simulated node stays Ready though no
# kubelet renews its lease.
LEFT_OUT = (
    "nodelifecycle",
    "nodeipam",
    "cloud-node-lifecycle",
    "service-lb-controller",
    "node-route-controller",
    # Simulated members have loopback addresses, which the API server refuses in endpoints: these would retry for ever.
    "endpoints-controller",
    "endpointslice-controller",
    "endpointslice-mirroring-controller",
)
# The default of 20 requests a second makes the controllers the bottleneck of every test with many apps.
CLIENT_SPEED = ("--kube-api-qps=200", "--kube-api-burst=400")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a control plane keeps its files and which ports it uses."""

    folder: Path
    programs: Mapping[str, Path]
    api_port: int
    etcd_port: int
    peer_port: int

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return f"https://127.0.0.1:{self.api_port}"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    @property
    def certs(self) -> Path:
        """The folder in which the API server puts the certificate that it signs itself."""
        return self.folder / "certs"

    @property
    def ca_file(self) -> Path:
        """The certificate to trust. The API server writes its own one and, behind it, the CA that signed it."""
        return self.certs / "apiserver.crt"

    @property
    def logs(self) -> Path:
        """The folder of the log files, one per program."""
        return self.folder / "logs"

    @property
    def tokens(self) -> Path:
        """The API server's file of static tokens."""
        return self.folder / "tokens.csv"

    @property
    def signing_key(self) -> Path:
        """The private key of service account tokens."""
        return self.folder / "service-accounts.key"

    @property
    def verifying_key(self) -> Path:
        """The public key of service account tokens."""
        return self.folder / "service-accounts.pub"


def etcd(layout: Layout) -> list[str]:
    """Store without fsync: a test cluster need not survive a power cut, and fsync takes most of a write's time."""
    client, peer = f"http://127.0.0.1:{layout.etcd_port}", f"http://127.0.0.1:{layout.peer_port}"
    return [
        str(layout.programs["etcd"]),
        f"--data-dir={layout.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def kube_apiserver(layout: Layout) -> list[str]:
    """RBAC, one administrator with a static token, a certificate that it signs itself."""
    return [
        str(layout.programs["kube-apiserver"]),
        f"--etcd-servers=http://127.0.0.1:{layout.etcd_port}",
        "--bind-address=127.0.0.1",
        f"--secure-port={layout.api_port}",
        f"--cert-dir={layout.certs}",
        f"--token-auth-file={layout.tokens}",
        "--authorization-mode=RBAC",
        # Of OpenShift, off elsewhere: what is refused here would be refused there.
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={layout.verifying_key}",
        f"--service-account-signing-key-file={layout.signing_key}",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--allow-privileged",
    ]


def kube_controller_manager(layout: Layout) -> list[str]:
    """Every controller but LEFT_OUT, each with its own service account as in a real cluster."""
    return [
        str(layout.programs["kube-controller-manager"]),
        f"--kubeconfig={layout.kubeconfig}",
        f"--service-account-private-key-file={layout.signing_key}",
        "--use-service-account-credentials",
        "--controllers=" + ",".join(["*", *(f"-{name}" for name in LEFT_OUT)]),
        *without_server_and_leader(),
        *CLIENT_SPEED,
    ]


def kube_scheduler(layout: Layout) -> list[str]:
    """Binds pods to whatever Node objects a test or the demo makes."""
    return [
        str(layout.programs["kube-scheduler"]),
        f"--kubeconfig={layout.kubeconfig}",
        *without_server_and_leader(),
        *CLIENT_SPEED,
    ]


def without_server_and_leader() -> list[str]:
    """Nobody scrapes these two and nobody competes with them: no port, no certificate, no lease to wait for."""
    return ["--secure-port=0", "--leader-elect=false"]
