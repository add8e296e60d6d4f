"""The StatefulSet of an app and its pod template (contract 2.8 to 2.10).

In: plans of every concern and the definition files. Out: one object. Pure, and the only writer of the pod template: a
template that lacked its components, if only for a second, would restart every member twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kaspr_controller.api.v1alpha1.app import (
    PROBE_DEFAULTS,
    ContainerTemplate,
    KasprApp,
    MetadataTemplate,
    PodTemplate,
    Volume,
)
from kaspr_controller.desired.app import environment, packages
from kaspr_controller.desired.app.config import DEFINITIONS_DIRECTORY, Settings
from kaspr_controller.desired.app.hardening import Hardening, harden
from kaspr_controller.desired.app.identity import Identity
from kaspr_controller.desired.app.marks import Marks
from kaspr_controller.desired.app.network import PORT_NAME, annotated
from kaspr_controller.desired.app.packages import PackagesPlan
from kaspr_controller.desired.app.scaling import ScalingPlan
from kaspr_controller.desired.app.storage import StoragePlan
from kaspr_controller.desired.facts import Raw
from kaspr_controller.desired.options import Options

CONTAINER = "kaspr"
_HANDLERS = ("httpGet", "exec", "tcpSocket", "grpc")


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that the pod template is made of, decided elsewhere.

    Attributes:
        image: of both containers.
        definitions: ConfigMaps with one definition file each, in the order of their mounts.
        hashes: kind -> hash of its files.
        annotations: of the pod template, ours.
    """

    app: KasprApp
    identity: Identity
    options: Options
    image: str
    settings: Settings
    storage: StoragePlan
    scaling: ScalingPlan
    packages: PackagesPlan | None
    definitions: Sequence[str]
    hashes: Mapping[str, str]
    annotations: Mapping[str, str]


def stateful_set(parts: Parts, marks: Marks) -> dict[str, Any]:
    """The StatefulSet object."""
    identity = parts.identity
    spec: dict[str, Any] = {
        "serviceName": identity.workload,
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate"},
        "selector": {"matchLabels": identity.selector()},
        "persistentVolumeClaimRetentionPolicy": parts.storage.retention,
        "template": pod_template(parts, marks),
    }
    if parts.scaling.replicas is not None:
        spec["replicas"] = parts.scaling.replicas
    if parts.storage.claim_templates:
        spec["volumeClaimTemplates"] = list(parts.storage.claim_templates)
    metadata = annotated(
        identity.metadata(identity.workload), {**parts.scaling.annotations, **marks.workload}
    )
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": spec}


def pod_template(parts: Parts, marks: Marks) -> dict[str, Any]:
    """The pod template; generated labels win over the user's, or the selector would not find the pods."""
    pod = parts.app.spec.template.pod or PodTemplate()
    given = pod.metadata or MetadataTemplate()
    hardening = harden(parts.app, parts.identity, parts.options, has_definitions=bool(parts.definitions))
    spec: dict[str, Any] = {
        "serviceAccountName": parts.identity.workload,
        "containers": [_main_container(parts, hardening)],
        **_pod_settings(pod),
    }
    if hardening.pod:
        spec["securityContext"] = hardening.pod
    if parts.packages is not None:
        spec["initContainers"] = [_installer(parts, parts.packages, hardening)]
    if volumes := _volumes(parts, pod, hardening):
        spec["volumes"] = volumes
    metadata = {"labels": given.labels | parts.identity.labels()}
    return {
        "metadata": annotated(metadata, {**marks.template, **given.annotations, **parts.annotations}),
        "spec": spec,
    }


def with_partition(stateful_set: Raw, partition: int) -> Raw:
    """The StatefulSet, with the older revision kept below this ordinal."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}
    return {**stateful_set, "spec": {**stateful_set["spec"], "updateStrategy": strategy}}


def _pod_settings(pod: PodTemplate) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "imagePullSecrets": list(pod.image_pull_secrets),
        "terminationGracePeriodSeconds": pod.termination_grace_period_seconds,
        "nodeSelector": pod.node_selector,
        "affinity": pod.affinity,
        "tolerations": list(pod.tolerations),
        "topologySpreadConstraints": list(pod.topology_spread_constraints),
        "priorityClassName": pod.priority_class_name,
        "schedulerName": pod.scheduler_name,
        "hostAliases": list(pod.host_aliases),
        "enableServiceLinks": pod.enable_service_links,
    }
    return {name: value for name, value in settings.items() if value is not None and value not in ([], {})}


def _main_container(parts: Parts, hardening: Hardening) -> dict[str, Any]:
    spec, identity, settings = parts.app.spec, parts.identity, parts.settings
    template = spec.template.kaspr_container or ContainerTemplate()
    generated = environment.main_environment(
        parts.app, identity, settings, hashes=parts.hashes, packages=parts.packages, options=parts.options
    )
    mounts = [
        {"name": identity.tables_volume, "mountPath": settings.table_directory},
        *(_definition_mount(name) for name in parts.definitions),
        *template.volume_mounts,
        *((parts.packages.mount,) if parts.packages else ()),
        *hardening.mounts,
    ]
    container = {
        "name": CONTAINER,
        "image": parts.image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": PORT_NAME, "containerPort": settings.web_port, "protocol": "TCP"}],
        "env": environment.with_users([*generated, *hardening.environment], template.env),
        "volumeMounts": mounts,
        "livenessProbe": _probe(spec.liveness_probe),
        "readinessProbe": _probe(spec.readiness_probe),
        "resources": spec.resources,
        "securityContext": hardening.main,
    }
    return {name: value for name, value in container.items() if value}


def _installer(parts: Parts, plan: PackagesPlan, hardening: Hardening) -> dict[str, Any]:
    template = parts.app.spec.template.python_packages_init_container or ContainerTemplate()
    container = {
        "name": packages.CONTAINER,
        "image": parts.image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", packages.INSTALLER],
        "env": environment.with_users(plan.environment, template.env),
        "volumeMounts": [*plan.mounts, *template.volume_mounts],
        "resources": plan.resources,
        "securityContext": hardening.installer,
    }
    return {name: value for name, value in container.items() if value}


def _probe(probe: Raw | None) -> Raw | None:
    """A probe that the user asked for: `/` answers as soon as the member's server listens."""
    if probe is None:
        return None
    handler = (
        {} if any(name in probe for name in _HANDLERS) else {"httpGet": {"path": "/", "port": PORT_NAME}}
    )
    return {**PROBE_DEFAULTS, **handler, **probe}


def _definition_mount(config_map: str) -> Raw:
    # One file each: a mounted directory would show every file twice to the runtime's recursive search.
    file = f"{config_map}.yaml"
    return {
        "name": config_map,
        "mountPath": f"{DEFINITIONS_DIRECTORY}/{file}",
        "subPath": file,
        "readOnly": True,
    }


def _volumes(parts: Parts, pod: PodTemplate, hardening: Hardening) -> list[Raw]:
    return [
        *parts.storage.volumes,
        *(_definition_volume(name) for name in parts.definitions),
        *_user_volumes(pod.volumes),
        *(parts.packages.volumes if parts.packages else ()),
        *hardening.volumes,
    ]


def _definition_volume(config_map: str) -> Raw:
    file = f"{config_map}.yaml"
    return {"name": config_map, "configMap": {"name": config_map, "items": [{"key": file, "path": file}]}}


def _user_volumes(volumes: Iterable[Volume]) -> list[Raw]:
    rendered: list[Raw] = []
    for volume in volumes:
        sources = {
            "secret": volume.secret,
            "configMap": volume.config_map,
            "emptyDir": volume.empty_dir,
            "persistentVolumeClaim": volume.persistent_volume_claim,
            "csi": volume.csi,
        }
        given = {name: value for name, value in sources.items() if value is not None}
        rendered.append({"name": volume.name, **given})
    return rendered
