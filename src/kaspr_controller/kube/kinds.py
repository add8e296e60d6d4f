"""Kinds, keys and paths: how a Kubernetes object is named, by us and in a URL.

Values only. `ObjectKey` is the identity used everywhere inside (queue, stores, logs); it carries the namespace because
two apps of one name in two namespaces are strangers. A UID is added where an incarnation matters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

Raw: TypeAlias = Mapping[str, Any]
"""One Kubernetes object as JSON. Read-only by contract: a renderer builds a new one, a reader never edits."""


class ObjectKey(NamedTuple):
    """The name of one object: kind, namespace ("" when cluster-scoped), name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.namespace}/{self.name}" if self.namespace else f"{self.kind}/{self.name}"


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource type of the API server: where its objects live under /api or /apis."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`v1` for the core group, `group/version` elsewhere."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def collection(self, namespace: str | None = None) -> str:
        """The path of the collection; `None` means all namespaces."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        if namespace and self.namespaced:
            return f"{root}/namespaces/{namespace}/{self.plural}"
        return f"{root}/{self.plural}"

    def path(self, namespace: str, name: str, subresource: str | None = None) -> str:
        """The path of one object, or of its subresource (`status`, `scale`)."""
        path = f"{self.collection(namespace)}/{name}"
        return f"{path}/{subresource}" if subresource else path

    def key(self, namespace: str, name: str) -> ObjectKey:
        """The key of an object of this kind."""
        return ObjectKey(self.kind, namespace if self.namespaced else "", name)


CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps")
EVENT = Kind("events.k8s.io", "v1", "Event", "events")
HORIZONTAL_POD_AUTOSCALER = Kind("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases")
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", namespaced=False)
PERSISTENT_VOLUME_CLAIM = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims")
POD = Kind("", "v1", "Pod", "pods")
SECRET = Kind("", "v1", "Secret", "secrets")
SERVICE = Kind("", "v1", "Service", "services")
SERVICE_ACCOUNT = Kind("", "v1", "ServiceAccount", "serviceaccounts")
STATEFUL_SET = Kind("apps", "v1", "StatefulSet", "statefulsets")
STORAGE_CLASS = Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", namespaced=False)

_BUILT_IN = {
    (kind.api_version, kind.kind): kind
    for kind in (
        CONFIG_MAP,
        EVENT,
        HORIZONTAL_POD_AUTOSCALER,
        LEASE,
        NAMESPACE,
        PERSISTENT_VOLUME_CLAIM,
        POD,
        SECRET,
        SERVICE,
        SERVICE_ACCOUNT,
        STATEFUL_SET,
        STORAGE_CLASS,
    )
}


def built_in(obj: Raw) -> Kind:
    """The kind of a built-in object.

    Raises:
        KeyError: the object is of a kind this program never writes.
    """
    return _BUILT_IN[(obj["apiVersion"], obj["kind"])]


def key_of(obj: Raw) -> ObjectKey:
    """The key of any object that carries its kind."""
    meta = obj["metadata"]
    return ObjectKey(obj["kind"], meta.get("namespace", ""), meta["name"])
