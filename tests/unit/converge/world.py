"""A converger between a server in memory and the real stores, which follow the server when a test says so."""

from __future__ import annotations

from typing import Any

from kaspr_controller.converge.applying import Converger
from kaspr_controller.converge.changes import ChangeSet, Owner
from kaspr_controller.engine.store import Store
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
    key_of,
)
from tests.fakes.clock import FakeClock
from tests.fakes.ssa import FakeServer
from tests.unit.converge.objects import Wanted, owner

KASPR_APP = Kind("kaspr.io", "v1alpha1", "KasprApp", "kasprapps")
KINDS = (
    CONFIG_MAP,
    SERVICE_ACCOUNT,
    SERVICE,
    STATEFUL_SET,
    HORIZONTAL_POD_AUTOSCALER,
    PERSISTENT_VOLUME_CLAIM,
)


class World:
    """One process and one server."""

    def __init__(self) -> None:
        self.server = FakeServer()
        self.clock = FakeClock()
        self.owner: Owner = owner()
        self.app(self.owner.uid)
        self.restart()

    def app(self, uid: str, **meta: Any) -> None:
        """What the cache of KasprApps shows."""
        store = Store(KASPR_APP)
        store.apply(
            "ADDED",
            {
                "apiVersion": KASPR_APP.api_version,
                "kind": KASPR_APP.kind,
                "metadata": {"name": "demo", "namespace": "shop", "uid": uid, "resourceVersion": "1", **meta},
            },
        )
        self.apps = store
        if hasattr(self, "stores"):
            self.stores[KASPR_APP.kind] = store

    def restart(self) -> None:
        """Empty memories, caches in step with the server."""
        self.stores = {kind.kind: Store(kind) for kind in KINDS} | {KASPR_APP.kind: self.apps}
        self.sync()
        self.server.requests.clear()
        self.converger = Converger(client=self.server, stores=self.stores, clock=self.clock)

    def sync(self) -> None:
        """The watches have caught up."""
        for kind in KINDS:
            staged = self.stores[kind.kind].stage()
            for key, obj in self.server.objects.items():
                if key.kind == kind.kind:
                    staged.add(obj)
            staged.commit(
                str(
                    max(
                        [
                            100,
                            *(
                                int(each["metadata"]["resourceVersion"])
                                for each in self.server.objects.values()
                            ),
                        ]
                    )
                )
            )

    def converge(self, *wanted: Wanted | dict[str, Any]) -> ChangeSet:
        return self.converger.converge(
            self.owner, [each if isinstance(each, Wanted) else Wanted(each) for each in wanted]
        )

    def outcomes(self, *wanted: Wanted | dict[str, Any]) -> list[str]:
        return [entry.outcome for entry in self.converge(*wanted)]

    def live(self, obj: Raw | Wanted) -> dict[str, Any]:
        return self.server.objects[key_of(obj.obj if isinstance(obj, Wanted) else obj)]

    def prune(self, *wanted: ObjectKey, why: str | None = None) -> ChangeSet:
        return self.converger.prune(
            self.owner, wanted=frozenset(wanted), kinds=KINDS, may_delete=lambda _: why
        )
