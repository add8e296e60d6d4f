"""A converger on a real API server: caches that are filled by lists, and requests that are counted."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from kaspr_controller.converge.applying import Converger
from kaspr_controller.converge.changes import Owner
from kaspr_controller.engine.store import Store
from kaspr_controller.kube.client import Client
from kaspr_controller.kube.credentials import from_kubeconfig
from kaspr_controller.kube.kinds import (
    CONFIG_MAP,
    HORIZONTAL_POD_AUTOSCALER,
    PERSISTENT_VOLUME_CLAIM,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
    ObjectKey,
    Raw,
)
from kaspr_controller.kube.transport import HttpTransport
from tests.fakes.clock import FakeClock
from tests.unit.converge.objects import reference

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.fixtures.oracle import Kube

KINDS = (
    SERVICE_ACCOUNT,
    CONFIG_MAP,
    SERVICE,
    STATEFUL_SET,
    HORIZONTAL_POD_AUTOSCALER,
    PERSISTENT_VOLUME_CLAIM,
)


class Counted(Client):
    """The real client; remembers which requests were sent, reads and writes apart."""

    reads: list[str]
    writes: list[str]

    def get(self, kind: Kind, namespace: str, name: str, **options: Any) -> Raw:
        self.reads.append(f"{kind.kind}/{name}")
        return super().get(kind, namespace, name, **options)

    def apply(self, obj: Raw, **options: Any) -> Raw:
        if not options.get("dry_run"):
            self.writes.append(f"{obj['kind']}/{obj['metadata']['name']}")
        return super().apply(obj, **options)

    def delete(self, kind: Kind, namespace: str, name: str, **options: Any) -> None:
        self.writes.append(f"-{kind.kind}/{name}")
        super().delete(kind, namespace, name, **options)


class Bench:
    """One process's view of one namespace; `restart` makes it that of a new process."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self.namespace = namespace
        self.clock = FakeClock()
        self.client = Counted(
            HttpTransport(from_kubeconfig(kubeconfig)),
            clock=self.clock,
            rng=random.Random(1),  # noqa: S311  # jitter
            field_validation="Strict",
        )
        self.restart()

    def restart(self) -> None:
        """Empty memories, full caches."""
        self.client.reads, self.client.writes = [], []
        self.stores = {kind.kind: Store(kind) for kind in KINDS}
        self.sync()
        self.converger = Converger(client=self.client, stores=self.stores, clock=self.clock)

    def sync(self) -> None:
        """The caches show what the server has."""
        for kind in KINDS:
            staged = self.stores[kind.kind].stage()
            version = ""
            for page in self.client.list_pages(kind, self.namespace):
                for item in page.items:
                    staged.add(item)
                version = page.resource_version
            staged.commit(version)

    def owner(self, kube: Kube, name: str = "demo") -> tuple[Owner, dict[str, Any]]:
        """A ConfigMap as owner, known to the garbage collector, and the reference to it."""
        made = kube.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": self.namespace}}
        )
        uid = made["metadata"]["uid"]
        self.sync()
        ref: dict[str, Any] = reference(uid, kind="ConfigMap", api_version="v1", name=name)
        return Owner(ObjectKey("ConfigMap", self.namespace, name), uid), ref
