"""Python packages for an app: claim, volume, init container, and what the main container gets (contract 2.12, 2.13).

In: `spec.pythonPackages`. Out: `PackagesPlan`. Pure. What users write travels as JSON in one variable and as arguments of
a process, never through a shell; credentials are references to Secrets. The main container mounts the folder of its own
package set (named by the hash), so a change of packages cannot change what running members import.

The installer is text, not a module: it runs in the member's image. It is read once when this module is imported, the one
piece of I/O in this room, because a render must not read files and the text is part of the program like any constant.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

from kaspr_controller.api import labels, quantities
from kaspr_controller.api.v1alpha1.app import KasprApp, PythonPackagesCache, PythonPackagesSpec
from kaspr_controller.desired import hashing
from kaspr_controller.desired.app.identity import Identity
from kaspr_controller.desired.facts import Raw

INSTALLER = resources.files(__package__).joinpath("install_packages.py.txt").read_text(encoding="utf-8")
"""The program of the init container. It contains no dollar sign, which the kubelet would take for a reference."""

CONTAINER = "install-packages"
DIRECTORY = "/opt/kaspr/packages"
PYTHONPATH = f"{DIRECTORY}:${{PYTHONPATH}}"
"""The tail is not expanded by Kubernetes; it is harmless, and the value is the predecessor's."""

GCS_KEY_VOLUME = "gcs-sa-key"
GCS_KEY_DIRECTORY = "/var/run/secrets/gcs"
DEFAULT_ATTEMPTS = 3
DEFAULT_TIMEOUT = 600

Mode = Literal["ephemeral", "persistent", "gcs"]
"""Words of `status.pythonPackages.cacheMode`."""
_SCRIPT_MODES = {"ephemeral": "emptydir", "persistent": "shared", "gcs": "gcs"}


@dataclass(frozen=True, slots=True)
class PackagesPlan:
    """What `spec.pythonPackages` turns into.

    Attributes:
        mode: where packages are kept.
        hash: of what is to be installed.
        packages: as written.
        claim: the shared claim object, None in other modes.
        volumes: for the pod.
        environment: of the init container, without the user's additions.
        mounts: of the init container, without the user's additions.
        mount: of the main container.
        resources: of the init container.
    """

    mode: Mode
    hash: str
    packages: tuple[str, ...]
    claim: dict[str, Any] | None
    volumes: tuple[Raw, ...]
    environment: tuple[Raw, ...]
    mounts: tuple[Raw, ...]
    mount: Raw
    resources: Raw | None


def plan_packages(app: KasprApp, identity: Identity, *, live_size: str = "") -> PackagesPlan | None:
    """The packages of an app, None when it asks for none.

    `live_size` is what the live claim asks for: a volume that somebody grew by hand cannot shrink again, and to insist
    would have every later change of the app wait for a claim that the API server refuses.
    """
    spec = app.spec.python_packages
    if spec is None:
        return None
    cache = spec.cache or PythonPackagesCache()
    mode = cache_mode(spec)
    digest = packages_hash(spec)
    volume = identity.packages_volume
    mounts: list[Raw] = [{"name": volume, "mountPath": DIRECTORY}]
    if mode == "gcs":
        mounts.append({"name": GCS_KEY_VOLUME, "mountPath": GCS_KEY_DIRECTORY, "readOnly": True})
    return PackagesPlan(
        mode=mode,
        hash=digest,
        packages=spec.packages,
        claim=_claim(cache, identity, live_size) if mode == "persistent" else None,
        volumes=_volumes(cache, identity, mode),
        environment=_environment(spec, cache, identity, mode=mode, digest=digest),
        mounts=tuple(mounts),
        mount={"name": volume, "mountPath": DIRECTORY, "subPath": digest, "readOnly": True},
        resources=spec.resources,
    )


def cache_mode(spec: PythonPackagesSpec) -> Mode:
    """Where the packages are kept."""
    cache = spec.cache or PythonPackagesCache()
    return "gcs" if cache.type == "gcs" else "persistent" if cache.enabled else "ephemeral"


def packages_hash(spec: PythonPackagesSpec) -> str:
    """The hash of what is installed, from where, and how (not by whom: credentials and cache are not in it)."""
    policy = spec.install_policy
    return hashing.of_packages(
        spec.packages,
        index_url=spec.index_url,
        extra_index_urls=spec.extra_index_urls,
        trusted_hosts=spec.trusted_hosts,
        install_policy={"retries": policy.retries, "timeout": policy.timeout, "on_failure": policy.on_failure}
        if policy
        else None,
    )


def _claim(cache: PythonPackagesCache, identity: Identity, live_size: str) -> dict[str, Any]:
    metadata = identity.metadata(identity.packages_claim)
    metadata["labels"][labels.COMPONENT] = "python-packages"
    if not cache.delete_claim:  # without an owner it survives the app
        del metadata["ownerReferences"]
    spec: dict[str, Any] = {
        "accessModes": [cache.access_mode],
        "resources": {"requests": {"storage": _larger(cache.size, live_size)}},
    }
    if cache.storage_class:
        spec["storageClassName"] = cache.storage_class
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}


def _larger(size: str, live: str) -> str:
    """The live size if it is more, else the one of the spec in its own spelling."""
    return live if live and quantities.parse(live) > quantities.parse(size) else size


def _volumes(cache: PythonPackagesCache, identity: Identity, mode: Mode) -> tuple[Raw, ...]:
    if mode == "persistent":
        source: Raw = {"persistentVolumeClaim": {"claimName": identity.packages_claim}}
    else:
        source = {"emptyDir": {}}
    volume = {"name": identity.packages_volume, **source}
    if mode != "gcs" or cache.gcs is None:
        return (volume,)
    key = cache.gcs.secret_ref.key
    secret = {"secretName": cache.gcs.secret_ref.name, "items": [{"key": key, "path": key}]}
    return volume, {"name": GCS_KEY_VOLUME, "secret": secret}


def _environment(
    spec: PythonPackagesSpec, cache: PythonPackagesCache, identity: Identity, *, mode: Mode, digest: str
) -> tuple[Raw, ...]:
    policy = spec.install_policy
    config: dict[str, Any] = {
        "root": DIRECTORY,
        "hash": digest,
        "mode": _SCRIPT_MODES[mode],
        "packages": spec.packages,
        "index_url": spec.index_url,
        "extra_index_urls": spec.extra_index_urls,
        "trusted_hosts": spec.trusted_hosts,
        "retries": (policy and policy.retries) or DEFAULT_ATTEMPTS,
        "timeout": (policy and policy.timeout) or DEFAULT_TIMEOUT,
        "on_failure": (policy and policy.on_failure) or "block",
    }
    if mode == "gcs" and cache.gcs is not None:
        prefix = cache.gcs.prefix if cache.gcs.prefix.endswith("/") else f"{cache.gcs.prefix}/"
        config["gcs"] = {
            "bucket": cache.gcs.bucket,
            "object_key": f"{prefix}{identity.workload}/{digest}.tar.gz",
            "max_bytes": int(quantities.parse(cache.gcs.max_archive_size)),
            "key_file": f"{GCS_KEY_DIRECTORY}/{cache.gcs.secret_ref.key}",
        }
    entries: list[Raw] = [
        {"name": "PACKAGES_CONFIG", "value": _without_references(config)},
        {"name": "PACKAGES_HASH", "value": digest},
    ]
    if spec.credentials:
        secret = spec.credentials.secret_ref
        entries += [
            _from_secret("PYPI_USERNAME", secret.name, secret.username_key),
            _from_secret("PYPI_PASSWORD", secret.name, secret.password_key),
        ]
    return tuple(entries)


def _without_references(config: dict[str, Any]) -> str:
    """JSON text without a dollar sign: the kubelet would replace `$(NAME)` and halve `$$` in a variable's value."""
    return json.dumps(config, sort_keys=True, separators=(",", ":")).replace("$", "\\u0024")


def _from_secret(name: str, secret: str, key: str) -> Raw:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}
