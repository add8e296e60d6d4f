"""What the existing operator leaves behind: the children of an app as it writes them, and its marks on custom resources.

In: custom resources as the API server has them. Out: objects by contract 2, in their order of creation. Its hashes come
from a client library's dumps of objects; here they are other texts, since nobody compares them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from kaspr_controller.api.metadata import BY_NAME
from kaspr_controller.desired.definitions import LISTS, entry_of
from kaspr_controller.reconcilers.loading import load_component

MANAGER = "OpenAPI-Generator"
FINALIZER = "kopf.zalando.org/KopfFinalizerMarker"
HANDLED = "kopf.zalando.org/last-handled-configuration"
DIRECTORY = "/var/lib/data/definitions"

Object = dict[str, Any]

_HASHES = {
    "KasprAgent": "AGENTS_HASH",
    "KasprWebView": "WEBVIEWS_HASH",
    "KasprTable": "TABLES_HASH",
    "KasprTask": "TASKS_HASH",
}


def marked(raw: Mapping[str, Any]) -> Object:
    """A custom resource that the operator has handled."""
    meta = raw["metadata"]
    note = json.dumps({"spec": raw["spec"], "metadata": {"labels": meta.get("labels", {})}})
    annotations = {**meta.get("annotations", {}), HANDLED: note}
    return {**raw, "metadata": {**meta, "finalizers": [FINALIZER], "annotations": annotations}}


def children(
    app: Mapping[str, Any], components: Sequence[Mapping[str, Any]], *, image: str = "kasprio/kaspr:0.11.19"
) -> list[Object]:
    """Every object of an app with its components; joins have none, since the operator does nothing about them."""
    mounted = [each for each in components if each["kind"] != "KasprJoin"]
    data = _settings(app)
    return [
        _child(app, "v1", "ServiceAccount", "app"),
        {**_child(app, "v1", "ConfigMap", "app-config"), "data": data},
        _service(app, "app-api", {"type": "ClusterIP"}),
        _service(app, "app", {"clusterIP": "None", "publishNotReadyAddresses": True}),
        *(_content(each) for each in mounted),
        _autoscaler(app),
        _workload(app, mounted, data, image),
    ]


def content_name(component: Mapping[str, Any]) -> str:
    return f"{component['metadata']['name']}-{BY_NAME[component['kind']].suffix}"


def _reference(owner: Mapping[str, Any]) -> Object:
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _labels(kind: str, name: str, instance: str) -> dict[str, str]:
    return {
        "kaspr.io/kind": kind,
        "kaspr.io/name": name,
        "kaspr.io/component-type": kind,
        "app.kubernetes.io/name": kind,
        "app.kubernetes.io/instance": instance,
        "app.kubernetes.io/part-of": f"kaspr-{instance}",
        "app.kubernetes.io/managed-by": "kaspr-operator",
    }


def _child(app: Mapping[str, Any], version: str, kind: str, suffix: str, *, labelled: bool = True) -> Object:
    name = app["metadata"]["name"]
    own = _labels("KasprApp", f"{name}-app", name) | {"kaspr.io/cluster": name, "kaspr.io/app": name}
    meta = {
        "name": f"{name}-{suffix}",
        "namespace": app["metadata"]["namespace"],
        "annotations": {"kaspr.io/resource-hash": "0123456789abcdef"},
        "ownerReferences": [_reference(app)],
    }
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {**meta, "labels": own} if labelled else meta,
    }


def _selector(app: Mapping[str, Any]) -> dict[str, str]:
    name = app["metadata"]["name"]
    return {"kaspr.io/cluster": name, "kaspr.io/name": f"{name}-app", "kaspr.io/kind": "KasprApp"}


def _settings(app: Mapping[str, Any]) -> dict[str, str]:
    return {
        "K_APP_NAME": f"{app['metadata']['name']}-app",
        "K_KAFKA_BOOTSTRAP_SERVERS": app["spec"]["bootstrapServers"],
        "K_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
        "K_WEB_PORT": "6065",
        "K_DATA_DIR": "/var/lib/data",
        "K_TABLE_DIR": "/var/lib/data/tables",
        "K_DEFINITIONS_DIR": DIRECTORY,
    }


def _service(app: Mapping[str, Any], suffix: str, more: Object) -> Object:
    ports = [{"name": "http", "protocol": "TCP", "port": 6065, "targetPort": 6065}]
    return {
        **_child(app, "v1", "Service", suffix),
        "spec": {"selector": _selector(app), "ports": ports, **more},
    }


def _content(component: Mapping[str, Any]) -> Object:
    """A ConfigMap that the component owns, with YAML in it."""
    meta, kind, name = component["metadata"], component["kind"], content_name(component)
    parsed = load_component(component)
    text = yaml.safe_dump({LISTS[kind]: [entry_of(parsed)]})  # type: ignore[arg-type]  # tests have usable ones
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": meta["namespace"],
            "labels": _labels(kind, name, meta["name"]) | meta.get("labels", {}),
            "annotations": {"kaspr.io/resource-hash": "fedcba9876543210"},
            "ownerReferences": [_reference(component)],
        },
        "data": {f"{name}.yaml": text},
    }


def _autoscaler(app: Mapping[str, Any]) -> Object:
    policies = [
        {"type": "Percent", "value": 100, "periodSeconds": 60},
        {"type": "Pods", "value": 4, "periodSeconds": 60},
    ]
    memory = {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Mi"}}
    name = f"{app['metadata']['name']}-app"
    return {
        **_child(app, "autoscaling/v2", "HorizontalPodAutoscaler", "app-hpa", labelled=False),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name},
            "minReplicas": 1,
            "maxReplicas": app["spec"].get("replicas", 1),
            "metrics": [{"type": "Resource", "resource": memory}],
            "behavior": {
                "scaleUp": {"policies": policies, "selectPolicy": "Max", "stabilizationWindowSeconds": 0},
                "scaleDown": {
                    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 1}],
                    "selectPolicy": "Max",
                    "stabilizationWindowSeconds": 0,
                },
            },
        },
    }


def _workload(
    app: Mapping[str, Any], mounted: Sequence[Mapping[str, Any]], data: Mapping[str, str], image: str
) -> Object:
    name = f"{app['metadata']['name']}-app"
    template = {
        "metadata": {"labels": _child(app, "v1", "Pod", "app")["metadata"]["labels"]},
        "spec": {
            "serviceAccountName": name,
            "containers": [_container(app, mounted, data, image)],
            "volumes": [
                {
                    "name": each,
                    "configMap": {"name": each, "items": [{"key": f"{each}.yaml", "path": f"{each}.yaml"}]},
                }
                for each in map(content_name, mounted)
            ],
        },
    }
    return {
        **_child(app, "apps/v1", "StatefulSet", "app", labelled=False),
        "spec": {
            "replicas": app["spec"].get("replicas", 1),
            "serviceName": name,
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "selector": {"matchLabels": _selector(app)},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "template": template,
            "volumeClaimTemplates": [_claim(app)],
        },
    }


def _claim(app: Mapping[str, Any]) -> Object:
    size = app["spec"]["storage"].get("size", "1Gi")
    return {
        "metadata": {
            "name": f"{app['metadata']['name']}-app-pv",
            "annotations": {"kaspr.io/resource-hash": "aaaaaaaaaaaaaaaa"},
        },
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }


def _container(
    app: Mapping[str, Any], mounted: Sequence[Mapping[str, Any]], data: Mapping[str, str], image: str
) -> Object:
    name, namespace = f"{app['metadata']['name']}-app", app["metadata"]["namespace"]
    own_name = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
    settings = [
        {"name": key, "valueFrom": {"configMapKeyRef": {"name": f"{name}-config", "key": key}}}
        for key in data
    ]
    present = {each["kind"] for each in mounted}
    hashes = {"CONFIG_HASH": "1111111111111111"}
    hashes |= {variable: "2222222222222222" for kind, variable in _HASHES.items() if kind in present}
    host = f"$(POD_NAME).{name}.{namespace}.svc.cluster.local"
    return {
        "name": "kaspr",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": 6065, "protocol": "TCP"}],
        "env": [
            *settings,
            {"name": "K_CONSUMER_GROUP_INSTANCE_ID", "valueFrom": own_name},
            {"name": "POD_NAME", "valueFrom": own_name},
            {"name": "K_WEB_HOST", "value": host},
            *({"name": key, "value": value} for key, value in hashes.items()),
        ],
        "volumeMounts": [
            {"name": f"{name}-pv", "mountPath": "/var/lib/data/tables"},
            *map(_mount, map(content_name, mounted)),
        ],
    }


def _mount(name: str) -> Object:
    file = f"{name}.yaml"
    return {"name": name, "mountPath": f"{DIRECTORY}/{file}", "subPath": file, "readOnly": True}
