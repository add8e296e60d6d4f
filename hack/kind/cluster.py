"""Makes and removes a kind cluster.

In: a name. Out: a cluster with DNS and volumes, whose kubeconfig is written. Called by the command
line and by the fixture of `tests/e2e`. Invariant: an existing cluster of that name is used as it is, and only `down`
removes one that this module did not just fail to make.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hack.kind import engine, node_source, tools
from hack.kind.running import KindError, run, succeeds

if TYPE_CHECKING:
    from hack.controlplane.sources import Say
    from hack.kind.node_source import NodeImage

CREATE_SECONDS = 600.0
READY_SECONDS = 120
# Whether a virtual machine comes up is nothing that a second look at our own work could change: it may be tried twice.
ATTEMPTS = 2
ADDONS = (("kube-system", "coredns"), ("local-path-storage", "local-path-provisioner"))
FAILURES = Path(__file__).parents[2] / ".cache" / "kind-failures"


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a cluster.

    Attributes:
        name: kind's name of it.
        kind: the program.
        kubectl: the program.
        kubeconfig: the file that has its context; None is kubectl's own default.
    """

    name: str
    kind: Path
    kubectl: Path
    kubeconfig: Path | None = None

    @property
    def context(self) -> str:
        """Its name in a kubeconfig."""
        return f"kind-{self.name}"

    @property
    def file(self) -> list[str]:
        """The option of kind and of kubectl that names the kubeconfig."""
        return [f"--kubeconfig={self.kubeconfig}"] if self.kubeconfig else []

    def kubectl_run(self, *words: str, text: str | None = None, timeout: float | None = None) -> str:
        """The output of kubectl, always for this cluster, whatever the current context is."""
        command = [str(self.kubectl), *self.file, f"--context={self.context}", *words]
        return run(command, text=text, timeout=timeout)

    def exists(self) -> bool:
        """Whether there is such a cluster in the engine."""
        return self.name in run([self.kind, "get", "clusters"]).splitlines()

    def load(self, image: str) -> None:
        """Give an image of the engine to the node."""
        run([self.kind, "load", "docker-image", f"--name={self.name}", image])


def access(name: str, say: Say, *, kubeconfig: Path | None = None) -> Access:
    """The way to a cluster that may not exist yet.

    Raises:
        KindError: no Docker engine answers, or a program is not to be had.
    """
    engine.require()
    return Access(name, tools.kind(say), tools.kubectl(say), kubeconfig)


def up(name: str, say: Say, *, kubeconfig: Path | None = None) -> Access:
    """Have a cluster; ten seconds once the node image is there.

    Raises:
        KindError: it does not come up, twice; its logs are in .cache/kind-failures.
    """
    found = access(name, say, kubeconfig=kubeconfig)
    if found.exists():
        say(f"using the cluster {name}")
        run([found.kind, "export", "kubeconfig", f"--name={name}", *found.file])
        return found
    image = node_source.choose(say)
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _create(found, image, say)
        except KindError as error:
            _keep_logs(found, attempt, say)
            if attempt == ATTEMPTS:
                raise
            say(f"{error}\nonce more, from the beginning")
        else:
            break
    return found


def down(name: str, say: Say, *, kubeconfig: Path | None = None) -> None:
    """Remove a cluster and its context; nothing happens when there is none."""
    found = access(name, say, kubeconfig=kubeconfig)
    run([found.kind, "delete", "cluster", f"--name={name}", *found.file])


def configuration(*, local: bool, sys_resource: bool) -> dict[str, Any]:
    """What kind is told.

    Args:
        local: the node image was built here; it brings a network for its one node, as the public one does for many.
        sys_resource: root has CAP_SYS_RESOURCE. Without it the kubelet must forgive what the kernel then refuses.
    """
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "networking": {"ipFamily": "ipv4", "disableDefaultCNI": local},
        "featureGates": {} if sys_resource else {"KubeletInUserNamespace": True},
        "nodes": [{"role": "control-plane"}],
    }


def _create(found: Access, image: NodeImage, say: Say) -> None:
    say(f"creating the cluster {found.name}")
    settings = configuration(local=image.local, sys_resource=engine.has_sys_resource())
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump(settings, file)
        file.flush()
        words = [f"--name={found.name}", f"--image={image.name}", f"--config={file.name}", *found.file]
        command = [str(found.kind), "create", "cluster", "--retain", f"--wait={READY_SECONDS}s", *words]
        run(command, timeout=CREATE_SECONDS)
    # A Ready node says nothing about names and volumes: the first pods of a test would wait for both.
    limit = f"--timeout={READY_SECONDS}s"
    for namespace, name in ADDONS:
        found.kubectl_run(f"--namespace={namespace}", "rollout", "status", f"deployment/{name}", limit)


def _keep_logs(found: Access, attempt: int, say: Say) -> None:
    folder = FAILURES / f"{found.name}-{attempt}"
    if succeeds([found.kind, "export", "logs", f"--name={found.name}", folder], timeout=120):
        say(f"the logs of the cluster that did not come up are in {folder}")
    succeeds([found.kind, "delete", "cluster", f"--name={found.name}", *found.file], timeout=120)
