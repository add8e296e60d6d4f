"""A container's environment as the kubelet makes it: references resolved, `$(VAR)` expanded backwards.

In: the pod and the ConfigMaps and Secrets it names. Out: name -> value, or `ContainerConfigError` with the words the
kubelet puts behind `CreateContainerConfigError`. Called by the kubelet's pod workers at every container start.
Pure. Invariant: order matters as in the pod; a later entry of one name wins, a `$(VAR)` sees only earlier ones.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Raw = Mapping[str, Any]
REFERENCE = re.compile(r"\$(\$|\(([^()]*)\))")
FIELD_MAP = re.compile(r"metadata\.(labels|annotations)\['(.+)'\]")


class ContainerConfigError(Exception):
    """The container cannot be created; the pod waits with `CreateContainerConfigError` and is tried again."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the pod's references point at: object name -> key -> text. A name that is absent does not exist."""

    config_maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def config_map_texts(obj: Raw) -> dict[str, str]:
    """Return the texts of a ConfigMap; binary data cannot become a variable or a definition."""
    return dict(obj.get("data") or {})


def secret_texts(obj: Raw) -> dict[str, str]:
    """Return the decoded texts of a Secret."""
    data = obj.get("data") or {}
    return {key: base64.b64decode(value).decode("utf-8", "replace") for key, value in data.items()}


def references(pod: Raw) -> tuple[set[str], set[str]]:
    """Return the names of ConfigMaps and Secrets that the environments of all containers name."""
    spec = pod["spec"]
    config_maps: set[str] = set()
    secrets: set[str] = set()
    for container in [*spec.get("initContainers", ()), *spec["containers"]]:
        entries = [entry.get("valueFrom") or {} for entry in container.get("env") or ()]
        for source in [*entries, *(container.get("envFrom") or ())]:
            for kinds, names in ((("configMapKeyRef", "configMapRef"), config_maps),
                                 (("secretKeyRef", "secretRef"), secrets)):  # fmt: skip
                names.update(source[kind]["name"] for kind in kinds if source.get(kind))
    return config_maps, secrets


def resolve(pod: Raw, container: Raw, sources: Sources) -> dict[str, str]:
    """Return the environment of one container.

    Raises:
        ContainerConfigError: a ConfigMap, Secret, key or field that is named does not exist and is not optional.
    """
    resolved: dict[str, str] = {}
    for source in container.get("envFrom") or ():
        resolved |= whole_object(source, sources)
    for entry in container.get("env") or ():
        if entry.get("valueFrom"):
            value = referenced(pod, entry["valueFrom"], sources)
            if value is None:  # an optional source that is not there leaves the variable out
                continue
        else:
            value = expand(entry.get("value") or "", resolved)
        resolved[entry["name"]] = value
    return resolved


def whole_object(source: Raw, sources: Sources) -> dict[str, str]:
    """Return all keys of an `envFrom` source, prefixed."""
    for kind, objects, word in (
        ("configMapRef", sources.config_maps, "configmap"),
        ("secretRef", sources.secrets, "secret"),
    ):
        reference = source.get(kind)
        if reference is None:
            continue
        data = objects.get(reference["name"])
        if data is None and not reference.get("optional"):
            raise ContainerConfigError(f'{word} "{reference["name"]}" not found')
        return {f"{source.get('prefix') or ''}{key}": value for key, value in (data or {}).items()}
    return {}


def referenced(pod: Raw, source: Raw, sources: Sources) -> str | None:
    """Return the value of a `valueFrom`, or None for an optional one that is not there."""
    namespace = pod["metadata"]["namespace"]
    for kind, objects, word in (
        ("configMapKeyRef", sources.config_maps, "ConfigMap"),
        ("secretKeyRef", sources.secrets, "Secret"),
    ):
        reference = source.get(kind)
        if reference is None:
            continue
        name, key = reference["name"], reference["key"]
        if key in (data := objects.get(name) or {}):
            return data[key]
        if reference.get("optional"):
            return None
        if name not in objects:
            raise ContainerConfigError(f'{word.lower()} "{name}" not found')
        raise ContainerConfigError(f"couldn't find key {key} in {word} {namespace}/{name}")
    if source.get("fieldRef"):
        return field_value(pod, source["fieldRef"]["fieldPath"])
    return ""  # resourceFieldRef: numbers of the node, no member reads one


def field_value(pod: Raw, path: str) -> str:
    """Return a pod field as the downward API gives it; a missing label or annotation is empty text."""
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    if found := FIELD_MAP.fullmatch(path):
        return str((metadata.get(found[1]) or {}).get(found[2], ""))
    values = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata.get("uid", ""),
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": status.get("podIP", ""),
        "status.hostIP": status.get("hostIP", ""),
        "status.hostIPs": status.get("hostIP", ""),
    }
    if path not in values:
        raise ContainerConfigError(f"unsupported fieldPath: {path}")
    return str(values[path])


def expand(value: str, known: Mapping[str, str]) -> str:
    """Expand `$(VAR)` from the variables defined so far; `$$` escapes, unknown names and `${VAR}` stay as they are."""

    def replaced(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else known.get(match[2], match[0])

    return REFERENCE.sub(replaced, value)
