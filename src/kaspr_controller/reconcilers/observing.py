"""Observe: what the caches hold about an app's live objects, as the facts that rendering and judging take.

In: the stores and a key. Out: values. Reads stores only; what is not there is left out, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from kaspr_controller.api import labels
from kaspr_controller.desired.facts import Facts, LiveWorkload
from kaspr_controller.kube.kinds import ObjectKey, Raw
from kaspr_controller.members.targets import Target
from kaspr_controller.reconcilers.loading import Stores
from kaspr_controller.status import rollout

POD_INDEX = "app"
"""Pods by `namespace/app`, from the label that the workload's selector uses."""

_DEFAULT_PORT = 6065
_REVISION = "controller-revision-hash"


def workload(stores: Stores, app: ObjectKey) -> Raw | None:
    """The live StatefulSet of an app, if it is one of ours."""
    return stores["StatefulSet"].get(ObjectKey("StatefulSet", app.namespace, f"{app.name}-app"))


def facts(stores: Stores, app: ObjectKey, uids: Iterable[str]) -> Facts:
    """What the render takes from live objects.

    Args:
        stores: the caches.
        app: key of the KasprApp.
        uids: owners whose ConfigMaps may hold last good definitions: the app's UID and, from the predecessor, those of
            its components.
    """
    live = workload(stores, app)
    definitions = _Definitions(stores, tuple(uids))
    return Facts(
        workload=LiveWorkload.of(live) if live else None,
        live_definitions=definitions,
        parsed=_Parsed(definitions),
        packages_size=_packages_size(stores, app),
        settings_in_use=_settings_in_use(stores, app, live) if live else {},
    )


def _packages_size(stores: Stores, app: ObjectKey) -> str:
    """What the live claim of the packages cache asks for, "" when there is none."""
    claim = stores["PersistentVolumeClaim"].get(
        ObjectKey("PersistentVolumeClaim", app.namespace, f"{app.name}-app-python-packages")
    )
    requests = claim["spec"].get("resources", {}).get("requests", {}) if claim else {}
    return str(requests.get("storage", ""))


def _settings_in_use(stores: Stores, app: ObjectKey, live: Raw) -> dict[str, str]:
    """The live settings that the live template names; all of them while it is being rolled out."""
    found = stores["ConfigMap"].get(ObjectKey("ConfigMap", app.namespace, f"{app.name}-app-config"))
    data: Mapping[str, str] = (found or {}).get("data") or {}
    if not rollout.judge(live).settled:
        return {name: text for name, text in data.items() if name.startswith("K_")}
    named = {
        variable["name"]
        for container in live["spec"].get("template", {}).get("spec", {}).get("containers", ())
        for variable in container.get("env", ())
        if "configMapKeyRef" in variable.get("valueFrom", {})
    }
    return {name: text for name, text in data.items() if name in named}


class _Definitions(Mapping[str, str]):
    """The definitions in the ConfigMaps of some owners; read only when somebody looks, which takes a fault."""

    def __init__(self, stores: Stores, uids: tuple[str, ...]) -> None:
        self._stores = stores
        self._uids = uids

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {
            file: text
            for uid in self._uids
            for item in self._stores["ConfigMap"].by_owner(uid)
            for file, text in (item.get("data") or {}).items()
            if file.endswith(".yaml")
        }

    def __getitem__(self, file: str) -> str:
        return self._texts[file]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


class _Parsed(Mapping[str, Any]):
    """The definitions that are no JSON, since the predecessor wrote YAML; read only when somebody looks.

    What we write ourselves begins with a brace and is left to the render.
    """

    def __init__(self, definitions: Mapping[str, str]) -> None:
        self._definitions = definitions

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {file: text for file, text in self._definitions.items() if not text.startswith("{")}

    def __getitem__(self, file: str) -> Any:
        import yaml  # 30 ms at start for something that most processes never need

        try:
            return yaml.safe_load(self._texts[file])
        except yaml.YAMLError:
            return None

    def __contains__(self, file: object) -> bool:
        return file in self._texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def all_pods(stores: Stores, app: ObjectKey) -> list[Raw]:
    """The pods of an app, departing ones included, by ordinal."""
    return sorted(stores["Pod"].list(POD_INDEX, f"{app.namespace}/{app.name}"), key=ordinal)


def progress(stores: Stores, app: ObjectKey) -> rollout.Rollout:
    """How far the workload is, with what its pods say of their revisions."""
    revisions = {pod["metadata"].get("labels", {}).get(_REVISION, "") for pod in all_pods(stores, app)}
    return rollout.judge(workload(stores, app), revisions)


def pods(stores: Stores, app: ObjectKey) -> list[Raw]:
    """The pods of an app that are not on their way out, by ordinal."""
    return [pod for pod in all_pods(stores, app) if "deletionTimestamp" not in pod["metadata"]]


def mounted(stores: Stores, app: ObjectKey) -> frozenset[str]:
    """Names of the ConfigMaps that any pod of the app mounts, departing ones and those to come included."""
    live = workload(stores, app)
    to_come = live["spec"].get("template", {}).get("spec", {}) if live else {}
    return frozenset(
        volume["configMap"]["name"]
        for spec in (to_come, *(item["spec"] for item in all_pods(stores, app)))
        for volume in spec.get("volumes", ())
        if "configMap" in volume
    )


def ordinal(pod: Raw) -> int:
    """The number at the end of a member's name; -1 for a name without one."""
    _, _, number = pod["metadata"]["name"].rpartition("-")
    return int(number) if number.isdecimal() else -1


def ready(pod: Raw) -> bool:
    """Whether the kubelet calls the pod ready."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def targets(members: Sequence[Raw]) -> tuple[Target, ...]:
    """Where the members can be asked: by pod UID and address, on the port that each was started with."""
    return tuple(
        Target(
            pod_uid=pod["metadata"]["uid"],
            name=pod["metadata"]["name"],
            ip=pod.get("status", {}).get("podIP", ""),
            port=_port(pod),
        )
        for pod in members
        if pod.get("status", {}).get("podIP")
    )


def _port(pod: Raw) -> int:
    ports = (port for item in pod["spec"].get("containers", ()) for port in item["ports"])
    return next((int(port["containerPort"]) for port in ports if port.get("name") == "http"), _DEFAULT_PORT)


def static_membership(app: Raw) -> bool:
    """Whether members keep their place in the Kafka group over a restart (the default)."""
    annotations = app["metadata"].get("annotations") or {}
    return not labels.truthy(annotations.get(labels.DISABLE_STATIC_MEMBERSHIP))
