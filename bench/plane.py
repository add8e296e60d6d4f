"""A control plane for one run: CRDs, a namespace for the apps, a subject with credentials that count.

In: nothing. Out: `Plane`. Called by `scenarios.py`; a run never sees what an earlier one left, not even in memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench import counting
from bench.counting import ACCOUNT, ACCOUNTS
from bench.hand import Hand
from bench.workload import NAMESPACE
from hack.controlplane.access import Access
from hack.controlplane.cluster import ControlPlane
from kaspr_controller.reconcilers import kinds

_CRDS = Path(__file__).parents[1] / "manifests" / "crds"
_DAY = 86_400
_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Plane:
    """A control plane, and who works on it.

    Attributes:
        cluster: the control plane.
        hand: requests of the administrator.
        kubeconfig: the subject's credentials.
    """

    cluster: ControlPlane
    hand: Hand
    kubeconfig: Path

    def counts(self) -> counting.Counts:
        """The subject's requests so far."""
        return counting.read(self.cluster.admin)


@contextmanager
def start() -> Iterator[Plane]:
    """A fresh control plane that is gone afterwards."""
    with ControlPlane.start(say=lambda _text: None) as cluster, closing(Hand(cluster)) as hand:
        for file in sorted(_CRDS.glob("*.yaml")):
            for crd in yaml.safe_load_all(file.read_text("utf-8")):
                name = crd["metadata"]["name"]
                hand.apply(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}", crd)
        kubeconfig = _credentials(cluster, hand)
        _namespace(cluster, hand, NAMESPACE)
        for kind in (kinds.APP, *kinds.COMPONENTS):
            path = kind.collection(NAMESPACE)
            _await(lambda path=path: cluster.admin.answers(path), f"{kind.kind} to be served")  # type: ignore[misc]
        yield Plane(cluster, hand, kubeconfig)


def _credentials(cluster: ControlPlane, hand: Hand) -> Path:
    """A service account that may do everything, with its flow schemas."""
    _namespace(cluster, hand, ACCOUNTS)
    hand.apply(
        f"/api/v1/namespaces/{ACCOUNTS}/serviceaccounts/{ACCOUNT}", _object("v1", "ServiceAccount", ACCOUNT)
    )
    rbac = "rbac.authorization.k8s.io"
    binding = {
        **_object(f"{rbac}/v1", "ClusterRoleBinding", "bench"),
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "namespace": ACCOUNTS, "name": ACCOUNT}],
    }
    hand.apply(f"/apis/{rbac}/v1/clusterrolebindings/bench", binding)
    kubeconfig = cluster.service_account_kubeconfig(ACCOUNTS, ACCOUNT, seconds=_DAY)
    token = yaml.safe_load(kubeconfig.read_text("utf-8"))["users"][0]["user"]["token"]
    counting.install(cluster.admin, Access(cluster.server, token, cluster.ca_file))
    return kubeconfig


def _namespace(cluster: ControlPlane, hand: Hand, name: str) -> None:
    """A namespace, with what the controller manager puts into it: the observer must not take that for a child."""
    hand.apply(f"/api/v1/namespaces/{name}", _object("v1", "Namespace", name))
    for path in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
        full = f"/api/v1/namespaces/{name}/{path}"
        _await(lambda full=full: cluster.admin.answers(full), path)  # type: ignore[misc]


def _object(version: str, kind: str, name: str) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}


def _await(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while not check():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {_SECONDS:g} s for {what}")
        time.sleep(0.05)
