"""KasprApp: a program that runs the components of a distributed stream-processing application.

In: the JSON of the custom resource. Out: `KasprApp`. Invariant: what cannot change on a living app (storage class and type,
shrinking, partitions) is refused as a change, so a reconcile never meets it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from pydantic import Field

from kaspr_controller.api import quantities
from kaspr_controller.api.kubernetes_types import Probe, ResourceRequirements
from kaspr_controller.api.metadata import APP, CustomKind, Raw
from kaspr_controller.api.modelling import CountOrZero, Part
from kaspr_controller.api.rules import late, rule, transition
from kaspr_controller.api.v1alpha1.config import KasprAppConfig
from kaspr_controller.api.v1alpha1.connection import (
    TLS,
    BootstrapServers,
    KafkaAuthentication,
    PasswordSecret,
)
from kaspr_controller.api.v1alpha1.packages import (
    REFERENCE_PATTERN,
    GCSCacheConfig,
    GCSSecretReference,
    PythonPackagesCache,
    PythonPackagesCredentials,
    PythonPackagesInstallPolicy,
    PythonPackagesSpec,
    SecretReference,
)
from kaspr_controller.api.v1alpha1.resource import Resource, name_fits, service_name
from kaspr_controller.api.v1alpha1.status import KasprAppStatus
from kaspr_controller.api.v1alpha1.storage import StorageRequirements
from kaspr_controller.api.v1alpha1.template import (
    ContainerTemplate,
    EnvVar,
    EnvVarSource,
    KasprAppTemplate,
    MetadataTemplate,
    PodTemplate,
    ResourceTemplate,
    Volume,
)

DEFAULT_TOPIC_PARTITIONS = 3
PROBE_DEFAULTS = {
    "failureThreshold": 3,
    "initialDelaySeconds": 15,
    "periodSeconds": 10,
    "successThreshold": 1,
    "timeoutSeconds": 5,
}
"""What a probe gets for fields the user left out, once the user asked for one."""
TABLES_DIR = "/var/lib/data/tables"
DEFINITIONS_DIR = "/var/lib/data/definitions"
WORK_DIR = "/var/lib/data/work"
PACKAGES_DIR = "/opt/kaspr/packages"
GCS_KEY_DIR = "/var/run/secrets/gcs"
OWN_VOLUMES = ("-app-pv", "-app-packages", "-app-definitions")
"""What the names of our own volumes add to the name of the app."""
GCS_KEY_VOLUME = "gcs-sa-key"

_OWN_VOLUMES = (
    f"[{', '.join(['self.metadata.name + ' + repr(suffix) for suffix in OWN_VOLUMES])}, {GCS_KEY_VOLUME!r}]"
)
_REFERENCE = re.compile(REFERENCE_PATTERN)
_HANDLERS = ("httpGet", "exec", "tcpSocket", "grpc")


class KasprAppSpec(Part):
    """Specification of the desired settings of the application."""

    version: str | None = Field(
        None,
        min_length=1,
        max_length=64,
        pattern=r"^[0-9A-Za-z][0-9A-Za-z._-]*$",
        description="The kaspr version. Defaults to the latest the controller knows.",
    )
    replicas: CountOrZero = Field(1, description="The number of desired instances; 0 stops the app.")
    image: str | None = Field(
        None,
        min_length=1,
        max_length=1024,
        pattern=r"^\S+$",
        description="The container image to use. Defaults to the corresponding image of the version.",
    )
    bootstrap_servers: BootstrapServers = Field(
        description="Bootstrap servers to connect to: a comma separated list of `<hostname>:<port>` pairs."
    )
    tls: TLS | None = Field(
        None, description="TLS configuration. Provide an empty entry `{}` to turn TLS on."
    )
    authentication: KafkaAuthentication = Field(
        KafkaAuthentication(type="plain"),
        description="Authentication configuration for Kafka. The default is none.",
    )
    config: KasprAppConfig = Field(
        KasprAppConfig(), description="Configuration parameters of the application."
    )
    resources: ResourceRequirements | None = Field(
        None, description="Compute Resources required by each instance of the application."
    )
    liveness_probe: Probe | None = Field(
        None, description="Liveness probe of the main container; without a handler it asks `/` over HTTP."
    )
    readiness_probe: Probe | None = Field(
        None, description="Readiness probe of the main container; without a handler it asks `/` over HTTP."
    )
    storage: StorageRequirements = Field(
        description="Disk storage required by each instance of the application."
    )
    python_packages: PythonPackagesSpec | None = Field(
        None, description="Python packages that an init container installs before the application starts."
    )
    template: KasprAppTemplate = Field(
        KasprAppTemplate(), description="Customisation of the objects the controller creates."
    )

    @rule(
        """!has(self.pythonPackages) || self.pythonPackages.packages.all(p, !p.contains('$')
           || (has(self.template) && has(self.template.pythonPackagesInitContainer)
               && has(self.template.pythonPackagesInitContainer.env)
               && [p.find('[$][{][A-Za-z_][A-Za-z0-9_]*[}]'), p.find('[$][{][A-Za-z_][A-Za-z0-9_]*[}][^$]*$')].all(r,
                   self.template.pythonPackagesInitContainer.env.exists(e, r.startsWith('${' + e.name + '}')))))""",
        "a package refers to a `${NAME}` that template.pythonPackagesInitContainer.env does not declare",
        at="pythonPackages.packages",
    )
    def _references_are_declared(self) -> bool:
        if self.python_packages is None:
            return True
        container = self.template.python_packages_init_container
        declared = {f"${{{variable.name}}}" for variable in (container.env if container else ())}
        return all(
            declared.issuperset(_REFERENCE.findall(package)) for package in self.python_packages.packages
        )

    @rule(
        f"""!has(self.template) || !has(self.template.kasprContainer) || !has(self.template.kasprContainer.volumeMounts)
            || self.template.kasprContainer.volumeMounts.all(m,
                !(m.mountPath in ['{DEFINITIONS_DIR}', '{WORK_DIR}'])
                && m.mountPath != (has(self.config) && has(self.config.tableDir) ? self.config.tableDir : '{TABLES_DIR}')
                && (m.mountPath != '{PACKAGES_DIR}' || !has(self.pythonPackages)))""",
        f"a mount covers one of the directories the controller mounts: the tables (config.tableDir), {DEFINITIONS_DIR}, "
        f"{WORK_DIR} or {PACKAGES_DIR}",
        at="template.kasprContainer.volumeMounts",
    )
    def _own_directories_are_free(self) -> bool:
        taken = {DEFINITIONS_DIR, WORK_DIR, self.config.table_dir or TABLES_DIR}
        if self.python_packages:
            taken.add(PACKAGES_DIR)
        return _free(self.template.kaspr_container, taken)

    @rule(
        f"""!has(self.template) || !has(self.template.pythonPackagesInitContainer)
            || !has(self.template.pythonPackagesInitContainer.volumeMounts)
            || self.template.pythonPackagesInitContainer.volumeMounts.all(m,
                !(m.mountPath in ['{PACKAGES_DIR}', '{GCS_KEY_DIR}']))""",
        f"a mount covers one of the directories the controller mounts: {PACKAGES_DIR} or {GCS_KEY_DIR}",
        at="template.pythonPackagesInitContainer.volumeMounts",
    )
    def _own_init_directories_are_free(self) -> bool:
        return _free(self.template.python_packages_init_container, {PACKAGES_DIR, GCS_KEY_DIR})

    @rule(
        "!has(self.livenessProbe) || (!has(self.livenessProbe.successThreshold)"
        " || self.livenessProbe.successThreshold == 1)",
        "successThreshold of a liveness probe must be 1",
        at="livenessProbe.successThreshold",
    )
    def _liveness_succeeds_once(self) -> bool:
        return self.liveness_probe is None or self.liveness_probe.get("successThreshold", 1) == 1

    @rule(
        "!has(self.livenessProbe) || [has(self.livenessProbe.httpGet), has(self.livenessProbe.exec),"
        " has(self.livenessProbe.tcpSocket), has(self.livenessProbe.grpc)].filter(h, h).size() <= 1",
        "a probe has at most one of httpGet, exec, tcpSocket and grpc",
        at="livenessProbe",
    )
    def _one_liveness_handler(self) -> bool:
        return _handlers(self.liveness_probe) <= 1

    @rule(
        "!has(self.readinessProbe) || [has(self.readinessProbe.httpGet), has(self.readinessProbe.exec),"
        " has(self.readinessProbe.tcpSocket), has(self.readinessProbe.grpc)].filter(h, h).size() <= 1",
        "a probe has at most one of httpGet, exec, tcpSocket and grpc",
        at="readinessProbe",
    )
    def _one_readiness_handler(self) -> bool:
        return _handlers(self.readiness_probe) <= 1

    @transition(
        """(has(self.config) && has(self.config.topicPartitions) ? int(self.config.topicPartitions) : 3)
           == (has(oldSelf.config) && has(oldSelf.config.topicPartitions) ? int(oldSelf.config.topicPartitions) : 3)""",
        "topicPartitions (3 when absent) cannot change: topics and tables already exist with the old number",
        at="config.topicPartitions",
    )
    def _keeps_its_partitions(self, old: KasprAppSpec) -> bool:
        now, before = self.config.topic_partitions, old.config.topic_partitions
        return (now or DEFAULT_TOPIC_PARTITIONS) == (before or DEFAULT_TOPIC_PARTITIONS)

    @late(
        "CEL does not know the type of quantities that may be numbers",
        "requests must not exceed limits",
        at="resources",
    )
    def _requests_within_limits(self) -> bool:
        requests, limits = ((self.resources or {}).get(key) or {} for key in ("requests", "limits"))
        return all(
            quantities.parse(requests[name]) <= quantities.parse(limit)
            for name, limit in limits.items()
            if name in requests
        )


def _mounts_rule(container: str) -> str:
    """Each mount of a container names a volume of the user's or of ours.

    The list of our names is bound once by a comprehension over one element: the server takes `metadata.name` for megabytes
    long when it estimates the cost of joining it to something in a loop.
    """
    mounts, volumes = f"self.spec.template.{container}.volumeMounts", "self.spec.template.pod.volumes"
    return f"""!has(self.spec.template) || !has(self.spec.template.{container}) || !has({mounts})
        || [{_OWN_VOLUMES}].all(own, {mounts}.all(m, m.name in own
               || (has(self.spec.template.pod) && has({volumes}) && {volumes}.exists(v, v.name == m.name))))"""


def _free(container: ContainerTemplate | None, taken: set[str]) -> bool:
    return not any(mount["mountPath"] in taken for mount in (container.volume_mounts if container else ()))


def _handlers(probe: Raw | None) -> int:
    return sum(handler in probe for handler in _HANDLERS) if probe else 0


class KasprApp(Resource):
    """A program that runs components of a distributed stream processing application."""

    custom_kind: ClassVar[CustomKind] = APP
    status_model: ClassVar[type[Part]] = KasprAppStatus
    _name_is_short: ClassVar[Callable[[Any], bool]] = name_fits(APP)
    _name_suits_services: ClassVar[Callable[[Any], bool]] = service_name()

    kind: Literal["KasprApp"] = Field(description="Always `KasprApp`.")
    spec: KasprAppSpec = Field(description="Specification of the desired settings of the application.")

    @rule(
        f"""!has(self.spec.template) || !has(self.spec.template.pod) || !has(self.spec.template.pod.volumes)
            || [{_OWN_VOLUMES}].all(own, self.spec.template.pod.volumes.all(v, !(v.name in own)))""",
        "a volume has the name of one the controller adds itself (<app>-app-pv, <app>-app-packages, "
        "<app>-app-definitions, gcs-sa-key); rename it",
        at="spec.template.pod.volumes",
    )
    def _own_volumes_are_free(self) -> bool:
        taken = self.reserved_volumes
        return not any(volume.name in taken for volume in self._volumes)

    @rule(
        _mounts_rule("kasprContainer"),
        "a mount names a volume that template.pod.volumes does not have",
        at="spec.template.kasprContainer.volumeMounts",
    )
    def _mounts_have_volumes(self) -> bool:
        return self._mounted(self.spec.template.kaspr_container)

    @rule(
        _mounts_rule("pythonPackagesInitContainer"),
        "a mount names a volume that template.pod.volumes does not have",
        at="spec.template.pythonPackagesInitContainer.volumeMounts",
    )
    def _init_mounts_have_volumes(self) -> bool:
        return self._mounted(self.spec.template.python_packages_init_container)

    @property
    def reserved_volumes(self) -> frozenset[str]:
        """Names of the volumes the controller adds to the pods."""
        return frozenset({GCS_KEY_VOLUME, *(self.name + suffix for suffix in OWN_VOLUMES)})

    @property
    def _volumes(self) -> tuple[Volume, ...]:
        pod = self.spec.template.pod
        return pod.volumes if pod else ()

    def _mounted(self, container: ContainerTemplate | None) -> bool:
        if container is None or not container.volume_mounts:
            return True
        known = self.reserved_volumes.union(volume.name for volume in self._volumes)
        return all(mount["name"] in known for mount in container.volume_mounts)


__all__ = [
    "DEFAULT_TOPIC_PARTITIONS",
    "DEFINITIONS_DIR",
    "PACKAGES_DIR",
    "PROBE_DEFAULTS",
    "TABLES_DIR",
    "TLS",
    "ContainerTemplate",
    "EnvVar",
    "EnvVarSource",
    "GCSCacheConfig",
    "GCSSecretReference",
    "KafkaAuthentication",
    "KasprApp",
    "KasprAppConfig",
    "KasprAppSpec",
    "KasprAppTemplate",
    "MetadataTemplate",
    "PasswordSecret",
    "PodTemplate",
    "PythonPackagesCache",
    "PythonPackagesCredentials",
    "PythonPackagesInstallPolicy",
    "PythonPackagesSpec",
    "ResourceTemplate",
    "SecretReference",
    "StorageRequirements",
    "Volume",
]
