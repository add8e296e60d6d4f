"""How everything that belongs to an app is called, labelled, selected and owned (contract 2.1 to 2.3).

In: names from custom resources. Out: names, labels and owner references of the objects rendered for them. These are
interfaces: the consumer group, the changelog topics, the volume claims and the member URLs are derived from them, and a
workload's selector cannot be changed, so a name that differs in one letter loses state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kaspr_controller.api import labels
from kaspr_controller.api.metadata import API_VERSION, APP, BY_NAME


@dataclass(frozen=True, slots=True)
class Identity:
    """The names of one app."""

    app: str
    namespace: str
    uid: str

    @property
    def workload(self) -> str:
        """StatefulSet, headless Service, ServiceAccount, Kafka application id and consumer group."""
        return f"{self.app}-app"

    @property
    def service(self) -> str:
        """The Service for clients."""
        return f"{self.app}-app-api"

    @property
    def settings(self) -> str:
        """The ConfigMap with the runtime's settings."""
        return f"{self.app}-app-config"

    @property
    def autoscaler(self) -> str:
        """The HorizontalPodAutoscaler."""
        return f"{self.app}-app-hpa"

    @property
    def tables_volume(self) -> str:
        """Claim template and volume of the tables."""
        return f"{self.app}-app-pv"

    @property
    def packages_claim(self) -> str:
        """The shared claim of the packages cache."""
        return f"{self.app}-app-python-packages"

    @property
    def packages_volume(self) -> str:
        """The volume with the installed packages."""
        return f"{self.app}-app-packages"

    def labels(self) -> dict[str, str]:
        """Labels of every object of the app; a new dictionary each time."""
        return _labels(APP.kind, self.workload, self.app) | {labels.CLUSTER: self.app, labels.APP: self.app}

    def selector(self) -> dict[str, str]:
        """What finds the pods; immutable on a live workload."""
        return {labels.CLUSTER: self.app, labels.KIND: APP.kind, labels.NAME: self.workload}

    def component_labels(self, kind: str, name: str) -> dict[str, str]:
        """Labels of a component's ConfigMap: generated ones only, so that relabelling a component changes nothing."""
        return _labels(kind, content_name(kind, name), name) | {labels.APP: self.app}

    def owner(self) -> list[dict[str, Any]]:
        """The controller reference to the KasprApp, for `metadata.ownerReferences`."""
        return [
            {
                "apiVersion": API_VERSION,
                "kind": APP.kind,
                "name": self.app,
                "uid": self.uid,
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ]

    def metadata(self, name: str) -> dict[str, Any]:
        """Metadata of a child of the app: name, namespace, labels, owner; a new dictionary each time."""
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": self.labels(),
            "ownerReferences": self.owner(),
        }


def content_name(kind: str, name: str) -> str:
    """ConfigMap, volume and file stem of a component."""
    return f"{name}-{BY_NAME[kind].suffix}"


def file_name(kind: str, name: str) -> str:
    """The definition file of a component, which is also the key in its ConfigMap."""
    return f"{content_name(kind, name)}.yaml"


def _labels(kind: str, name: str, instance: str) -> dict[str, str]:
    return {
        labels.KIND: kind,
        labels.NAME: name,
        labels.COMPONENT_TYPE: kind,
        labels.K8S_NAME: kind,
        labels.K8S_INSTANCE: instance,
        labels.K8S_PART_OF: f"kaspr-{instance}",
        labels.K8S_MANAGED_BY: labels.MANAGED_BY_VALUE,
    }
