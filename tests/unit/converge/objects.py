"""Objects as the renderers make them: the eleven children of an app with five components, and variants for tests."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from kaspr_controller.converge.changes import Owner
from kaspr_controller.kube.kinds import ObjectKey

COMPONENTS = ("orders-agent", "clicks-agent", "users-table", "totals-webview", "nightly-task")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `desired.bundle.Intent` is."""

    obj: dict[str, Any]
    needs: frozenset[tuple[str, str]] = field(default_factory=frozenset)


def owner(
    namespace: str = "shop", uid: str = "app-uid", *, kind: str = "KasprApp", also: tuple[str, ...] = ()
) -> Owner:
    return Owner(ObjectKey(kind, namespace, "demo"), uid, frozenset(also))


def reference(
    uid: str, *, kind: str = "KasprApp", api_version: str = "kaspr.io/v1alpha1", name: str = "demo"
) -> Any:
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


SELECTOR = {"kaspr.io/cluster": "demo", "kaspr.io/name": "demo-app", "kaspr.io/kind": "KasprApp"}
LABELS = {
    **SELECTOR,
    "kaspr.io/app": "demo",
    "app.kubernetes.io/name": "KasprApp",
    "app.kubernetes.io/instance": "demo",
    "app.kubernetes.io/part-of": "kaspr-demo",
    "app.kubernetes.io/managed-by": "kaspr-operator",
}


def metadata(name: str, namespace: str, ref: Any | None, **more: Any) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": name, "namespace": namespace, "labels": dict(LABELS), **more}
    if ref is not None:
        meta["ownerReferences"] = [ref]
    return meta


def config_map(
    name: str, data: dict[str, Any], *, namespace: str = "shop", ref: Any | None = None
) -> dict[str, Any]:
    ref = ref or reference("app-uid")
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(name, namespace, ref),
        "data": data,
    }


def children(namespace: str = "shop", ref: Any | None = None) -> list[Wanted]:
    """Eleven intents in the order of writing."""
    ref = ref or reference("app-uid")
    settings = {f"K_SETTING_{number}": f"value-{number}" for number in range(20)}
    content = [Wanted(config_map("demo-app-config", settings, namespace=namespace, ref=ref))]
    content += [
        Wanted(config_map(name, {f"{name}.yaml": "kind: x\n" * 60}, namespace=namespace, ref=ref))
        for name in COMPONENTS
    ]
    needs = frozenset(("ConfigMap", each.obj["metadata"]["name"]) for each in content)
    return [
        Wanted(service_account(namespace, ref)),
        *content,
        Wanted(service("demo-app", namespace, ref, clusterIP="None", publishNotReadyAddresses=True)),
        Wanted(service("demo-app-api", namespace, ref, type="ClusterIP")),
        Wanted(stateful_set(namespace, ref, settings=tuple(settings)), needs),
        Wanted(autoscaler(namespace, ref), frozenset({("StatefulSet", "demo-app")})),
    ]


def service_account(namespace: str = "shop", ref: Any | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata("demo-app", namespace, ref or reference("app-uid"), annotations={"role": "r"}),
    }


def service(name: str, namespace: str = "shop", ref: Any | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(name, namespace, ref or reference("app-uid")),
        "spec": {
            "selector": dict(SELECTOR),
            "ports": [{"name": "http", "protocol": "TCP", "port": 6065, "targetPort": 6065}],
            **spec,
        },
    }


def autoscaler(namespace: str = "shop", ref: Any | None = None) -> dict[str, Any]:
    def rules(*policies: dict[str, Any]) -> dict[str, Any]:
        return {"policies": list(policies), "selectPolicy": "Max", "stabilizationWindowSeconds": 0}

    percent = {"type": "Percent", "value": 100, "periodSeconds": 60}
    target = {"type": "AverageValue", "averageValue": "1Mi"}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata("demo-app-hpa", namespace, ref or reference("app-uid")),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "demo-app"},
            "minReplicas": 1,
            "maxReplicas": 3,
            "metrics": [{"type": "Resource", "resource": {"name": "memory", "target": target}}],
            "behavior": {
                "scaleUp": rules(percent, {"type": "Pods", "value": 5, "periodSeconds": 60}),
                "scaleDown": rules({**percent, "periodSeconds": 1}),
            },
        },
    }


def claim(namespace: str = "shop", ref: Any | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": metadata("demo-app-python-packages", namespace, ref),
        "spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "256Mi"}}},
    }


def stateful_set(
    namespace: str = "shop", ref: Any | None = None, *, settings: tuple[str, ...] = ("K_A", "K_B")
) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata("demo-app", namespace, ref or reference("app-uid")),
        "spec": {
            "serviceName": "demo-app",
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate"},
            "selector": {"matchLabels": dict(SELECTOR)},
            "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
            "volumeClaimTemplates": [
                {
                    "metadata": {"name": "demo-app-pv"},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "storageClassName": "fast",
                        "resources": {"requests": {"storage": "1024Mi"}},
                    },
                }
            ],
            "template": {
                "metadata": {"labels": dict(LABELS), "annotations": {"note": "x"}},
                "spec": _pod_spec(settings),
            },
        },
    }


def _pod_spec(settings: tuple[str, ...]) -> dict[str, Any]:  # long: one object
    mounts = [
        {"name": name, "mountPath": f"/definitions/{name}.yaml", "subPath": f"{name}.yaml", "readOnly": True}
        for name in COMPONENTS
    ]
    return {
        "serviceAccountName": "demo-app",
        "containers": [
            {
                "name": "kaspr",
                "image": "kaspr:0.11.19",
                "imagePullPolicy": "IfNotPresent",
                "ports": [{"name": "http", "containerPort": 6065}],
                "env": [*_env(settings)],
                "resources": {
                    "limits": {"cpu": "1000m", "memory": "1024Mi"},
                    "requests": {"cpu": "0.5", "memory": "512Mi"},
                },
                "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 5},
                "volumeMounts": [{"name": "demo-app-pv", "mountPath": "/var/lib/data/tables"}, *mounts],
            }
        ],
        "volumes": [
            {
                "name": name,
                "configMap": {"name": name, "items": [{"key": f"{name}.yaml", "path": f"{name}.yaml"}]},
            }
            for name in COMPONENTS
        ],
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "kaspr", "effect": "NoSchedule"}],
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 100,
                        "podAffinityTerm": {
                            "topologyKey": "kubernetes.io/hostname",
                            "labelSelector": {"matchLabels": dict(SELECTOR)},
                        },
                    }
                ]
            }
        },
    }


def _env(settings: tuple[str, ...]) -> list[dict[str, Any]]:
    from_config = [
        {"name": name, "valueFrom": {"configMapKeyRef": {"name": "demo-app-config", "key": name}}}
        for name in settings
    ]
    pod_name = {"fieldRef": {"fieldPath": "metadata.name"}}
    return [
        *from_config,
        {"name": "K_CONSUMER_GROUP_INSTANCE_ID", "valueFrom": pod_name},
        {"name": "POD_NAME", "valueFrom": pod_name},
        {"name": "K_WEB_HOST", "value": "$(POD_NAME).demo-app.shop.svc.cluster.local"},
        {"name": "CONFIG_HASH", "value": "0f" * 16},
    ]


def edited(obj: dict[str, Any], *path: str | int, to: Any) -> dict[str, Any]:
    """A copy with one place set; `None` removes it."""
    result: Any = copy.deepcopy(obj)
    place = result
    for step in path[:-1]:
        place = place[step]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return result  # type: ignore[no-any-return]
