"""Moves of components between apps: a farewell before a welcome (decision record 0001).

In: an app as loaded, and the caches. Out: the components that are here, and those that another app still has. A component
never runs in two apps, so the new one waits until the old one has let go: no ConfigMap of it carries the definition, and
its pods have been replaced since. An app that runs waits for that component alone: it goes on with everything else, and
above all it lets go of what has left it; otherwise two apps that swap components would wait for each other for ever. An
app without a workload waits as a whole, since its first pod must find all definitions. Reads stores only, on a worker's
thread.

The tables of a join, and the agents on its channel, have no ConfigMap of their own: they are found by what the document
of the join says. Where that goes on without them, the only trace of them is the component's own `status.configMap`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

from kaspr_controller.api import labels
from kaspr_controller.converge.changes import Owner
from kaspr_controller.desired.app.identity import content_name
from kaspr_controller.desired.components import Prepared
from kaspr_controller.desired.lastgood import keys_of
from kaspr_controller.desired.problems import ComponentKey
from kaspr_controller.kube.kinds import CONFIG_MAP, ObjectKey, Raw
from kaspr_controller.reconcilers import kinds, observing
from kaspr_controller.reconcilers.loading import LoadedApp, Stores
from kaspr_controller.status import rollout
from kaspr_controller.status.component import ComponentVerdict

CARRIED_INDEX = "carried"
"""ConfigMaps of joins by `namespace/kind/name` of the other components that their documents carry."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who still has a component: the ConfigMap that carries it, or did, and a sentence."""

    config_map: str
    text: str


Awaited: TypeAlias = Mapping[ComponentKey, Holder]
"""Components that another app still has."""
NOBODY: Awaited = MappingProxyType({})


def carried(config_map: Raw) -> Iterator[str]:
    """The values of `CARRIED_INDEX`."""
    meta = config_map["metadata"]
    if (meta.get("labels") or {}).get(labels.KIND) == "KasprJoin":
        for text in (config_map.get("data") or {}).values():
            for kind, name in keys_of(text):
                yield f"{meta['namespace']}/{kind}/{name}"


def split(
    stores: Stores, owner: Owner, loaded: LoadedApp, *, running: bool
) -> tuple[tuple[Prepared, ...], Awaited]:
    """The components of an app that are here, and those that are awaited.

    Of an app that does not run all count as here; awaited are those without a ConfigMap of their own, which would wait.
    """
    here: list[Prepared] = []
    awaited: dict[ComponentKey, Holder] = {}
    for component, raw in zip(loaded.components, loaded.raws, strict=True):
        holder = _holder(stores, owner, component.key, raw)
        # One that cannot be used claims nothing: it is judged like any other.
        if holder is None or component.problem is not None:
            here.append(component)
        elif running or holder.config_map != content_name(*component.key):
            awaited[component.key] = holder
    return (tuple(here) if running else loaded.components), awaited


def _holder(stores: Stores, owner: Owner, component: ComponentKey, raw: Raw) -> Holder | None:
    """Which other app has a component."""
    namespace = owner.key.namespace
    own = content_name(*component)
    if app := _app_of(stores, CONFIG_MAP.key(namespace, own), owner):
        return Holder(
            own, f"ConfigMap {own} belongs to KasprApp {app}; it is taken over when that lets go of it"
        )
    for live in stores[CONFIG_MAP.kind].list(CARRIED_INDEX, "/".join((namespace, *component))):
        name = str(live["metadata"]["name"])
        if app := _app_of(stores, CONFIG_MAP.key(namespace, name), owner):
            return Holder(
                name, f"ConfigMap {name} of KasprApp {app} carries it; it starts here when that lets go of it"
            )
    former = str((raw.get("status") or {}).get("configMap", ""))
    app = _app_of(stores, CONFIG_MAP.key(namespace, former), owner) if former else ""
    state = (
        rollout.judge(observing.workload(stores, owner.key._replace(name=app))) if app else rollout.Rollout()
    )
    if state.exists and not state.settled:
        return Holder(
            former, f"KasprApp {app} has pods that carry it; it starts here when they have been replaced"
        )
    return None


def _app_of(stores: Stores, key: ObjectKey, owner: Owner) -> str:
    """The name of another app that has a ConfigMap, "" when none does."""
    store = stores[key.kind]
    card = store.meta(key)
    live = store.get(key) if card is not None and owner.uid not in card.owners else None
    references = live["metadata"].get("ownerReferences", ()) if live is not None else ()
    names = (reference["name"] for reference in references if reference["kind"] == kinds.APP.kind)
    return next((str(name) for name in names if name != owner.key.name), "")


def verdicts(raws: Iterable[Raw], awaited: Awaited) -> dict[ObjectKey, ComponentVerdict]:
    """The verdicts on the awaited components; each names the ConfigMap that it is still in."""
    found: dict[ObjectKey, ComponentVerdict] = {}
    for raw in raws:
        meta = raw["metadata"]
        holder = awaited.get((raw["kind"], meta["name"]))
        if holder is not None:
            key = ObjectKey(raw["kind"], meta["namespace"], meta["name"])
            generation = meta.get("generation", 0)
            found[key] = ComponentVerdict(
                meta["uid"], generation, config_map=holder.config_map, waiting=holder.text
            )
    return found


def sentences(awaited: Awaited) -> tuple[str, ...]:
    """What the app says about them."""
    return tuple(f"{kind} {name}: {holder.text}" for (kind, name), holder in sorted(awaited.items()))
