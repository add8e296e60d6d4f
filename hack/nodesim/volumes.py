"""What a container finds in its file system from ConfigMaps and Secrets.

In: the pod and the objects its volumes name. Out: path -> text, or `FailedMount` with the kubelet's words.
Called by the pod workers at every container start; pure.
Invariant: a `subPath` file is what the object held at that moment; a mounted directory shows every file twice, once
in the kubelet's timestamped directory (T5); a `subPath` that names nothing becomes a directory, here `DIRECTORY`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

from hack.nodesim.environment import Raw, Sources

DIRECTORY = "\0directory"
TIMESTAMPED = "..2025_01_01_00_00_00.1"


class FailedMount(Exception):  # noqa: N818  # the kubelet's word for it
    """A volume cannot be set up; the pod stays in ContainerCreating and is tried again."""


def object_sources(volume: Raw) -> Iterator[tuple[str, Raw]]:
    """Yield (kind, source) of every ConfigMap and Secret behind a volume; other volumes have no texts."""
    if volume.get("configMap"):
        yield "configmap", volume["configMap"]
    if volume.get("secret"):
        secret = volume["secret"]
        yield "secret", {**secret, "name": secret["secretName"]}
    for source in (volume.get("projected") or {}).get("sources") or ():
        if source.get("configMap"):
            yield "configmap", source["configMap"]
        if source.get("secret"):
            yield "secret", source["secret"]


def needed(volume: Raw) -> bool:
    """Tell whether a volume matters here; the injected API token is for processes that are not simulated."""
    return not volume["name"].startswith("kube-api-access-")


def references(pod: Raw) -> tuple[set[str], set[str]]:
    """Return the names of ConfigMaps and Secrets behind the pod's volumes."""
    names: dict[str, set[str]] = {"configmap": set(), "secret": set()}
    for volume in filter(needed, pod["spec"].get("volumes") or ()):
        for kind, source in object_sources(volume):
            names[kind].add(source["name"])
    return names["configmap"], names["secret"]


def claims(pod: Raw) -> list[str]:
    """Return the names of the pod's persistent volume claims."""
    volumes = pod["spec"].get("volumes") or ()
    return [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in volumes
        if volume.get("persistentVolumeClaim")
    ]


def contents(pod: Raw, sources: Sources) -> dict[str, dict[str, str]]:
    """Return volume name -> path inside it -> text.

    Raises:
        FailedMount: an object or a key of one is missing and not optional.
    """
    return {
        volume["name"]: volume_files(volume, sources)
        for volume in filter(needed, pod["spec"].get("volumes") or ())
        if next(object_sources(volume), None)
    }


def volume_files(volume: Raw, sources: Sources) -> dict[str, str]:
    """Return the files of one volume."""
    files: dict[str, str] = {}
    for kind, source in object_sources(volume):
        objects = sources.config_maps if kind == "configmap" else sources.secrets
        data = objects.get(source["name"])
        if data is None and not source.get("optional"):
            raise failed(volume, f'{kind} "{source["name"]}" not found')
        data = data or {}
        if not source.get("items"):
            files |= data
            continue
        for item in source["items"]:
            if item["key"] in data:
                files[item["path"]] = data[item["key"]]
            elif not source.get("optional"):
                word = "config" if kind == "configmap" else "secret"
                raise failed(volume, f"{kind} references non-existent {word} key: {item['key']}")
    return files


def failed(volume: Raw, reason: str) -> FailedMount:
    """Return the fault in the kubelet's words."""
    return FailedMount(f'MountVolume.SetUp failed for volume "{volume["name"]}" : {reason}')


def files(container: Raw, volumes: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return path -> text of everything mounted into a container from such volumes."""
    result: dict[str, str] = {}
    for mount in container.get("volumeMounts") or ():
        inside = volumes.get(mount["name"])
        if inside is None:
            continue
        path, sub_path = mount["mountPath"].rstrip("/"), (mount.get("subPath") or "").strip("/")
        if sub_path:
            result |= sub_path_files(path, sub_path, inside)
        else:
            for name, text in inside.items():
                result[posixpath.join(path, name)] = text
                result[posixpath.join(path, TIMESTAMPED, name)] = text
    return result


def sub_path_files(path: str, sub_path: str, inside: Mapping[str, str]) -> dict[str, str]:
    """Return what a `subPath` mount shows: a file, a directory's files, or an empty directory nobody wanted."""
    if sub_path in inside:
        return {path: inside[sub_path]}
    below = {
        posixpath.join(path, name.removeprefix(f"{sub_path}/")): text
        for name, text in inside.items()
        if name.startswith(f"{sub_path}/")
    }
    return below or {path: DIRECTORY}


def below(directory: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the files below a directory."""
    return {path: text for path, text in found.items() if path.startswith(f"{directory.rstrip('/')}/")}
