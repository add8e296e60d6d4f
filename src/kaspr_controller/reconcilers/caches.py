"""The caches of every kind that is watched, empty or filled once.

In: kinds, with what is indexed and what is left out of each. Out: stores. Made by the composition root, which lets informers
fill them, and by commands that look and end.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kaspr_controller.api import labels
from kaspr_controller.engine.store import Store
from kaspr_controller.kube.client import Client
from kaspr_controller.kube.kinds import CONFIG_MAP, PERSISTENT_VOLUME_CLAIM, Kind
from kaspr_controller.reconcilers import kinds
from kaspr_controller.reconcilers.loading import APP_INDEX
from kaspr_controller.reconcilers.moving import CARRIED_INDEX, carried
from kaspr_controller.reconcilers.observing import POD_INDEX
from kaspr_controller.reconcilers.resizing import CLAIM_INDEX
from kaspr_controller.reconcilers.trimming import SELECTORS, TRANSFORMS, by_label


def make_store(kind: Kind) -> Store:
    """An empty store of one kind."""
    indexers: dict[str, Any] = {}
    if kind in kinds.COMPONENTS:
        indexers[APP_INDEX] = by_label(labels.APP)
    elif kind == PERSISTENT_VOLUME_CLAIM:
        indexers[CLAIM_INDEX] = by_label(labels.CLUSTER)
    elif kind.kind == "Pod":
        indexers[POD_INDEX] = by_label(labels.CLUSTER)
    elif kind == CONFIG_MAP:
        indexers[CARRIED_INDEX] = carried
    return Store(kind, indexers=indexers, transform=TRANSFORMS.get(kind.kind))


def make_stores() -> dict[str, Store]:
    """An empty store for every kind that is watched, by kind."""
    return {kind.kind: make_store(kind) for kind in kinds.WATCHED}


def fill(stores: Mapping[str, Store], client: Client, namespace: str | None) -> None:
    """List every kind once into its store: for commands that look and end."""
    for kind in kinds.WATCHED:
        staged = stores[kind.kind].stage()
        version = ""
        for page in client.list_pages(kind, namespace, label_selector=SELECTORS.get(kind.kind)):
            for item in page.items:
                staged.add(item)
            version = page.resource_version
        staged.commit(version)
