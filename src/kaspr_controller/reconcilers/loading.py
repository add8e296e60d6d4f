"""Load: an app and its components, parsed, from the caches.

In: a key. Out: `LoadedApp`, or None when the app is gone. A component that cannot be parsed says why: it is held back, the
others are not. Reads stores only, on a worker's thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kaspr_controller.api import labels
from kaspr_controller.api.metadata import BY_NAME
from kaspr_controller.api.parsing import InvalidSpec, parse
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.desired.components import Prepared, Unparsable, prepare
from kaspr_controller.desired.definitions import Component
from kaspr_controller.engine.store import Store
from kaspr_controller.engine.union import StoreUnion
from kaspr_controller.kube.kinds import ObjectKey, Raw
from kaspr_controller.reconcilers import kinds

Stores = Mapping[str, Store] | Mapping[str, StoreUnion]

APP_INDEX = "app"
"""Components by `namespace/app`, from their label."""


@dataclass(frozen=True, slots=True)
class LoadedApp:
    """An app as it was read; `app` is None and `errors` say why when its spec cannot be used.

    `components` are in the order of `raws`.
    """

    raw: Raw
    app: KasprApp | None
    errors: tuple[str, ...]
    raws: tuple[Raw, ...]
    components: tuple[Prepared, ...]

    @property
    def paused(self) -> bool:
        """The user asked us to keep our hands off."""
        annotations = self.raw["metadata"].get("annotations") or {}
        return labels.truthy(annotations.get(labels.PAUSE_RECONCILIATION))


def load_app(
    stores: Stores,
    key: ObjectKey,
    prepared: Callable[[Raw], Prepared] = lambda raw: prepare(load_component(raw)),
) -> LoadedApp | None:
    """The app and everything that names it, or None when it is gone or going (its children go with it)."""
    raw = stores[key.kind].get(key)
    if raw is None or "deletionTimestamp" in raw["metadata"]:
        return None
    raws = tuple(component_objects(stores, key))
    components = tuple(map(prepared, raws))
    try:
        app = parse(raw)
    except InvalidSpec as fault:
        return LoadedApp(raw, None, messages(fault), raws, components)
    assert isinstance(app, KasprApp)  # noqa: S101  # the key's kind decides what parse gives
    return LoadedApp(raw, app, (), raws, components)


def component_objects(stores: Stores, app: ObjectKey) -> list[Raw]:
    """The live components that name the app, in a fixed order; those that are being deleted are no longer part of it."""
    value = f"{app.namespace}/{app.name}"
    return [
        item
        for kind in kinds.COMPONENTS
        for item in sorted(
            stores[kind.kind].list(APP_INDEX, value), key=lambda item: str(item["metadata"]["name"])
        )
        if "deletionTimestamp" not in item["metadata"]
    ]


def load_component(raw: Raw) -> Component | Unparsable:
    """A component, or the reasons why it is none."""
    try:
        return parse(raw)  # type: ignore[return-value]  # the kind of the object is a component's
    except InvalidSpec as fault:
        kind = BY_NAME[raw["kind"]].kind
        return Unparsable(kind=kind, name=raw["metadata"]["name"], errors=messages(fault))


def messages(fault: InvalidSpec) -> tuple[str, ...]:
    """The field errors as `path: message`."""
    return tuple(map(str, fault.errors))
