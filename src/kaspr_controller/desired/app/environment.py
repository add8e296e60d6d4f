"""Environment variables of the containers: order, hashes, and the user's own (contract 2.9).

In: settings, hashes, the user's list. Out: lists for `env`. Pure. Invariant: no name occurs twice (server-side apply
answers 500 to that), the user's value wins, and `POD_NAME` stands before everything that refers to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kaspr_controller.api import labels
from kaspr_controller.api.v1alpha1.app import EnvVar, KasprApp
from kaspr_controller.desired.app.config import Settings
from kaspr_controller.desired.app.identity import Identity
from kaspr_controller.desired.app.packages import PYTHONPATH, PackagesPlan
from kaspr_controller.desired.facts import Raw
from kaspr_controller.desired.options import Options
from kaspr_controller.desired.problems import OVERRIDDEN, Problem

# Kind -> variable with the hash of its files, in the order of the contract; the last one is ours.
HASHES = {
    "KasprAgent": "AGENTS_HASH",
    "KasprWebView": "WEBVIEWS_HASH",
    "KasprTable": "TABLES_HASH",
    "KasprTask": "TASKS_HASH",
    "KasprJoin": "JOINS_HASH",
}
RESTARTS = frozenset({*HASHES.values(), "CONFIG_HASH", "PACKAGES_HASH"})
"""Variables that exist to restart pods when content changes."""
REFERRED = "POD_NAME"


def main_environment(
    app: KasprApp,
    identity: Identity,
    settings: Settings,
    *,
    hashes: Mapping[str, str],
    packages: PackagesPlan | None,
    options: Options,
) -> list[Raw]:
    """The generated variables of the main container, in the order of the contract."""
    entries = [_from_config_map(name, identity.settings) for name in settings.data]
    secret = app.spec.authentication.password_secret
    if settings.sasl and secret is not None:
        reference = {"name": secret.secret_name, "key": secret.password_key}
        entries.append({"name": "K_KAFKA_AUTH_PASSWORD", "valueFrom": {"secretKeyRef": reference}})
    if static_membership(app):
        entries.append(_pod_name("K_CONSUMER_GROUP_INSTANCE_ID"))
    if packages is not None:
        entries.append({"name": "PYTHONPATH", "value": PYTHONPATH})
    host = f"$({REFERRED}).{identity.workload}.{identity.namespace}.svc.{options.cluster_domain}"
    entries += [_pod_name(REFERRED), {"name": "K_WEB_HOST", "value": host}]
    entries.append({"name": "CONFIG_HASH", "value": settings.hash})
    entries += [{"name": name, "value": hashes[kind]} for kind, name in HASHES.items() if kind in hashes]
    if packages is not None:
        entries.append({"name": "PACKAGES_HASH", "value": packages.hash})
    return entries


def with_users(generated: Iterable[Raw], users: Iterable[EnvVar]) -> list[Raw]:
    """One list without duplicates: the user's variables come last and win.

    What the user sets twice counts once, as the last one says. `POD_NAME` keeps its place, because `$(POD_NAME)` works
    only behind it.
    """
    own = {variable.name: _rendered(variable) for variable in users}
    entries = []
    for entry in generated:
        if entry["name"] == REFERRED:
            entries.append(own.pop(REFERRED, entry))
        elif entry["name"] not in own:
            entries.append(entry)
    return [*entries, *own.values()]


def overridden_hashes(users: Iterable[EnvVar]) -> tuple[Problem, ...]:
    """Warnings about hashes that the user fixed: changes of that content restart nothing any more."""
    return tuple(
        Problem(
            OVERRIDDEN,
            "spec.template.kasprContainer.env",
            f"{variable.name} is set by hand: changes it stands for do not restart the pods any more",
        )
        for variable in users
        if variable.name in RESTARTS
    )


def static_membership(app: KasprApp) -> bool:
    """Whether members keep their place in the Kafka group over a restart."""
    return not labels.truthy(app.metadata.annotations.get(labels.DISABLE_STATIC_MEMBERSHIP))


def _rendered(variable: EnvVar) -> Raw:
    source = variable.value_from
    if source is None:
        return {"name": variable.name, "value": variable.value or ""}
    sources: dict[str, Any] = {
        "secretKeyRef": source.secret_key_ref,
        "configMapKeyRef": source.config_map_key_ref,
        "fieldRef": source.field_ref,
        "resourceFieldRef": source.resource_field_ref,
    }
    return {
        "name": variable.name,
        "valueFrom": {name: value for name, value in sources.items() if value is not None},
    }


def _from_config_map(name: str, config_map: str) -> Raw:
    return {"name": name, "valueFrom": {"configMapKeyRef": {"name": config_map, "key": name}}}


def _pod_name(name: str) -> Raw:
    return {"name": name, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}}
