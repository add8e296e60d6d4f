"""KasprAppTemplate: what users add to the objects we render.

In: `spec.template`. Out: frozen parts whose Kubernetes types stay raw JSON. Invariant: what is accepted here is accepted by
the API server in the rendered pod, as far as schemas can tell.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from kaspr_controller.api.kubernetes_types import (
    Affinity,
    ConfigMapKeySelector,
    ConfigMapVolumeSource,
    CsiVolumeSource,
    EmptyDirVolumeSource,
    HostAlias,
    LocalObjectReference,
    ObjectFieldSelector,
    PersistentVolumeClaimVolumeSource,
    PodSecurityContext,
    ResourceFieldSelector,
    SecretKeySelector,
    SecretVolumeSource,
    SecurityContext,
    Toleration,
    TopologySpreadConstraint,
    VolumeMount,
)
from kaspr_controller.api.modelling import (
    DnsLabel,
    Hint,
    Items,
    Keyed,
    LabelValue,
    ObjectName,
    Part,
)
from kaspr_controller.api.rules import late, rule
from kaspr_controller.api.v1alpha1.qualified import is_qualified_name

EnvName = Annotated[
    str,
    Field(min_length=1, max_length=256, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$"),
    Hint("the name of an environment variable"),
]


class MetadataTemplate(Part):
    """Labels and annotations for a rendered object."""

    labels: dict[str, LabelValue] = Field({}, max_length=64, description="Labels to add.")
    annotations: dict[str, Annotated[str, Field(max_length=65536)]] = Field(
        {}, max_length=64, description="Annotations to add."
    )

    @late(
        "CEL cannot bound the length of map keys, which makes the rule too expensive",
        "a label or annotation key is not a name with an optional prefix (example.com/name)",
    )
    def _keys_are_names(self) -> bool:
        return all(map(is_qualified_name, (*self.labels, *self.annotations)))


class ResourceTemplate(Part):
    """A template that can only add metadata."""

    metadata: MetadataTemplate | None = Field(None, description="Labels and annotations.")


class EnvVarSource(Part):
    """Where the value of a variable comes from: exactly one of the four."""

    secret_key_ref: SecretKeySelector | None = Field(None, description="A key of a Secret.")
    config_map_key_ref: ConfigMapKeySelector | None = Field(None, description="A key of a ConfigMap.")
    field_ref: ObjectFieldSelector | None = Field(None, description="A field of the pod.")
    resource_field_ref: ResourceFieldSelector | None = Field(None, description="A resource of the container.")

    @rule(
        "[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef),"
        " has(self.resourceFieldRef)].exists_one(source, source)",
        "set exactly one of secretKeyRef, configMapKeyRef, fieldRef and resourceFieldRef",
    )
    def _one_source(self) -> bool:
        sources = (self.secret_key_ref, self.config_map_key_ref, self.field_ref, self.resource_field_ref)
        return sources.count(None) == len(sources) - 1


class EnvVar(Part):
    """An environment variable. A name the controller sets itself is overridden by the one given here."""

    name: EnvName = Field(description="Name of the variable.")
    value: str | None = Field(None, max_length=32768, description="Its value; exclusive with `valueFrom`.")
    value_from: EnvVarSource | None = Field(None, description="Source of its value; exclusive with `value`.")

    @rule("has(self.value) != has(self.valueFrom)", "set exactly one of value and valueFrom")
    def _one_value(self) -> bool:
        return (self.value is None) != (self.value_from is None)


class Volume(Part):
    """A volume of the pods: a name and exactly one source."""

    name: DnsLabel = Field(description="Name of the volume, for `volumeMounts`.")
    secret: SecretVolumeSource | None = Field(None, description="Files from a Secret.")
    config_map: ConfigMapVolumeSource | None = Field(None, description="Files from a ConfigMap.")
    empty_dir: EmptyDirVolumeSource | None = Field(
        None, description="An empty directory that lives as long as the pod."
    )
    persistent_volume_claim: PersistentVolumeClaimVolumeSource | None = Field(
        None, description="An existing claim."
    )
    csi: CsiVolumeSource | None = Field(None, description="An ephemeral volume of a CSI driver.")

    @rule(
        "[has(self.secret), has(self.configMap), has(self.emptyDir), has(self.persistentVolumeClaim),"
        " has(self.csi)].exists_one(source, source)",
        "set exactly one of secret, configMap, emptyDir, persistentVolumeClaim and csi",
    )
    def _one_source(self) -> bool:
        return self.sources.count(None) == len(self.sources) - 1

    @property
    def sources(self) -> tuple[Any, ...]:
        """The five sources; all but one are None."""
        return self.secret, self.config_map, self.empty_dir, self.persistent_volume_claim, self.csi


class PodTemplate(Part):
    """Pod settings, copied into the pod template."""

    metadata: MetadataTemplate | None = Field(None, description="Labels and annotations.")
    image_pull_secrets: Annotated[Items[LocalObjectReference], Keyed(("name",))] = Field(
        (), max_length=16, description="Secrets for pulling images."
    )
    security_context: PodSecurityContext | None = Field(None, description="Security settings of the pod.")
    termination_grace_period_seconds: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = Field(
        None, description="Seconds a member has to stop; absent means 30."
    )
    node_selector: dict[str, LabelValue] | None = Field(
        None, max_length=64, description="Labels a node must have."
    )
    affinity: Affinity | None = Field(None, description="Scheduling constraints of the pod.")
    tolerations: Items[Toleration] = Field((), max_length=64, description="Taints the pod tolerates.")
    topology_spread_constraints: Annotated[
        Items[TopologySpreadConstraint], Keyed(("topologyKey", "whenUnsatisfiable"))
    ] = Field((), max_length=16, description="How members spread over the cluster.")
    priority_class_name: ObjectName | None = Field(None, description="Priority class of the pod.")
    scheduler_name: ObjectName | None = Field(None, description="Scheduler of the pod.")
    host_aliases: Annotated[Items[HostAlias], Keyed(("ip",))] = Field(
        (), max_length=64, description="Entries for the pod's hosts file."
    )
    enable_service_links: bool | None = Field(
        None, description="Whether variables for all Services of the namespace are set; absent means true."
    )
    volumes: Annotated[Items[Volume], Keyed(("name",))] = Field(
        (), max_length=64, description="Additional volumes."
    )


class ContainerTemplate(Part):
    """Additions to a container."""

    env: Items[EnvVar] = Field(
        (), max_length=100, description="Additional environment variables; they win over ours."
    )
    volume_mounts: Annotated[Items[VolumeMount], Keyed(("mountPath",))] = Field(
        (), max_length=64, description="Additional mounts."
    )
    security_context: SecurityContext | None = Field(None, description="Security settings of the container.")


class KasprAppTemplate(Part):
    """Customisation of the objects the controller creates."""

    service_account: ResourceTemplate | None = Field(
        None, description="Of the ServiceAccount; given values win."
    )
    service: ResourceTemplate | None = Field(None, description="Of both Services; generated labels win.")
    pod: PodTemplate | None = Field(None, description="Of the pods; generated labels win.")
    kaspr_container: ContainerTemplate | None = Field(None, description="Of the main container.")
    python_packages_init_container: ContainerTemplate | None = Field(
        None, description="Of the init container that installs packages."
    )
