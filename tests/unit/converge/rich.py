"""Objects that use every part of what users may write, in spellings that the API server does not keep."""

from __future__ import annotations

from typing import Any

from tests.unit.converge.objects import (
    SELECTOR,
    autoscaler,
    claim,
    config_map,
    edited,
    metadata,
    service,
    stateful_set,
)

_POD = ("spec", "template", "spec")
_CONTAINER = (*_POD, "containers", 0)


def rich_objects(namespace: str) -> dict[str, dict[str, Any]]:
    """By name of the case."""
    return {
        "pod": _pod(namespace),
        "quantities": _quantities(namespace),
        "claim templates": _claim_templates(namespace),
        "claim": _claim(namespace),
        "autoscaler": _autoscaler(namespace),
        "service": _service(namespace),
        "headless service": service(
            "head", namespace, clusterIP="None", publishNotReadyAddresses=True, sessionAffinity="None"
        ),
        "service account": {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": metadata(
                "account", namespace, None, annotations={"a.b/c": ""}, finalizers=["kaspr.io/x"]
            ),
            "automountServiceAccountToken": False,
            "imagePullSecrets": [{"name": "one"}, {"name": "two"}],
        },
        "config": {
            **config_map(
                "config",
                {"empty": "", "lines": "a\nb\n", "unicode": "\u00fc\u2028\U0001f600"},
                namespace=namespace,
            ),
            "binaryData": {"bytes": "AAEC"},
            "immutable": False,
        },
    }


def _quantities(namespace: str) -> dict[str, Any]:
    amounts = {
        "cpu": 0.1,
        "memory": "1500000Ki",
        "ephemeral-storage": "1e3",
        "example.com/a": 3,
        "hugepages-2Mi": "2048Ki",
    }
    resources = {"limits": amounts, "requests": {"cpu": "0.0001", "memory": ".5G"}}
    return edited(stateful_set(namespace), *_CONTAINER, "resources", to=resources)


def _claim_templates(namespace: str) -> dict[str, Any]:
    templates = [
        {
            "metadata": {"name": "demo-app-pv", "annotations": {"a": "b"}, "labels": {"c": "d"}},
            "spec": {
                "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
                "resources": {"requests": {"storage": "1024Mi"}, "limits": {"storage": "2048Mi"}},
                "storageClassName": "",
                "selector": {"matchLabels": {"x": "y"}},
            },
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "two", "creationTimestamp": None},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": 1073741824}},
                "volumeMode": "Filesystem",
                "dataSource": {"kind": "PersistentVolumeClaim", "name": "z"},
            },
            "status": {"phase": "Pending"},
        },
    ]
    return edited(stateful_set(namespace), "spec", "volumeClaimTemplates", to=templates)


def _claim(namespace: str) -> dict[str, Any]:
    made = claim(namespace)
    made["spec"] |= {
        "storageClassName": "",
        "volumeMode": "Filesystem",
        "resources": {"requests": {"storage": "2048Mi"}},
        "selector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b"]}]},
    }
    return made


def _autoscaler(namespace: str) -> dict[str, Any]:  # long: one object
    scaler = autoscaler(namespace)
    selector = {"matchLabels": {"a": "b"}}
    target = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "demo-app"}
    scaler["spec"]["metrics"] = [
        {
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}},
        },
        {
            "type": "ContainerResource",
            "containerResource": {
                "name": "memory",
                "container": "kaspr",
                "target": {"type": "AverageValue", "averageValue": "1024Ki"},
            },
        },
        {
            "type": "Pods",
            "pods": {
                "metric": {"name": "lag", "selector": selector},
                "target": {"type": "AverageValue", "averageValue": "1000m"},
            },
        },
        {
            "type": "Object",
            "object": {
                "metric": {"name": "lag"},
                "describedObject": target,
                "target": {"type": "Value", "value": "2000"},
            },
        },
        {
            "type": "External",
            "external": {
                "metric": {"name": "lag", "selector": selector},
                "target": {"type": "Value", "value": 5},
            },
        },
    ]
    return scaler


def _service(namespace: str) -> dict[str, Any]:
    return service(
        "rich",
        namespace,
        type="NodePort",
        sessionAffinity="ClientIP",
        sessionAffinityConfig={"clientIP": {"timeoutSeconds": 10}},
        externalTrafficPolicy="Local",
        internalTrafficPolicy="Local",
        ipFamilies=["IPv4"],
        ipFamilyPolicy="SingleStack",
        externalIPs=["192.0.2.1"],
        ports=[
            {"name": "http", "port": 80, "targetPort": "http", "appProtocol": "http"},
            {"name": "dns", "port": 80, "targetPort": 53, "protocol": "UDP"},
        ],
    )


def _pod(namespace: str) -> dict[str, Any]:  # long: one object
    made = stateful_set(namespace)
    container: dict[str, Any] = made["spec"]["template"]["spec"]["containers"][0]
    container["env"] += [
        {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {
            "name": "LIMIT_M",
            "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1000m"}},
        },
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP", "apiVersion": "v1"}}},
    ]
    container |= _container_parts()
    sidecar = {"name": "init", "image": "i", "command": ["/bin/sh", "-c", "x"], "restartPolicy": "Always"}
    made["spec"]["template"]["spec"] |= {
        "initContainers": [
            sidecar,
            {"name": "init2", "image": "i", "resources": {"limits": {"cpu": "1000m"}}},
        ],
        "volumes": [*made["spec"]["template"]["spec"]["volumes"], *_volumes()],
        **_scheduling(),
        "imagePullSecrets": [{"name": "one"}, {"name": "two"}],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a", "b"]}, {"ip": "10.0.0.2"}],
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 120,
        "priorityClassName": "system-node-critical",
        "schedulerName": "other",
        "dnsConfig": {
            "nameservers": ["10.0.0.9"],
            "options": [{"name": "ndots", "value": "2"}, {"name": "debug"}],
        },
        "overhead": {"cpu": "1000m"},
        "runtimeClassName": "gvisor",
        "readinessGates": [{"conditionType": "a.b/c"}],
        "securityContext": {
            "runAsUser": 0,
            "fsGroup": 1000,
            "fsGroupChangePolicy": "OnRootMismatch",
            "supplementalGroups": [1, 2],
            "sysctls": [{"name": "net.core.somaxconn", "value": "1024"}],
            "seccompProfile": {"type": "RuntimeDefault"},
            "seLinuxOptions": {"level": "s0:c1,c2"},
        },
    }
    made["spec"] |= {"minReadySeconds": 5, "revisionHistoryLimit": 3, "ordinals": {"start": 1}}
    made["spec"]["updateStrategy"]["rollingUpdate"] = {"partition": 2}
    return made


def _container_parts() -> dict[str, Any]:
    headers = [{"name": "X-A", "value": "1"}]
    return {
        "command": ["python", "-m", "kaspr"],
        "args": ["worker"],
        "envFrom": [
            {"configMapRef": {"name": "c"}},
            {"prefix": "P_", "secretRef": {"name": "s", "optional": False}},
        ],
        "ports": [
            {"name": "http", "containerPort": 6065},
            {"name": "udp", "containerPort": 6065, "protocol": "UDP"},
            {"containerPort": 7000, "hostPort": 7001, "hostIP": "127.0.0.1"},
        ],
        "livenessProbe": {"httpGet": {"port": 6065, "httpHeaders": headers}, "initialDelaySeconds": 3},
        "readinessProbe": {"exec": {"command": ["true"]}, "timeoutSeconds": 5},
        "startupProbe": {"grpc": {"port": 9000}, "terminationGracePeriodSeconds": 1},
        "lifecycle": {
            "preStop": {"exec": {"command": ["sleep", "1"]}},
            "postStart": {"httpGet": {"port": "http"}},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": False,
            "capabilities": {"add": ["NET_ADMIN"], "drop": ["ALL"]},
            "seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"},
        },
    }


def _volumes() -> list[dict[str, Any]]:  # long: one object
    downward = [
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}},
        {
            "path": "cpu",
            "resourceFieldRef": {"containerName": "kaspr", "resource": "limits.cpu"},
            "mode": 256,
        },
    ]
    token = {"path": "token", "audience": "x"}
    return [
        {"name": "secret", "secret": {"secretName": "s", "items": [{"key": "a", "path": "b", "mode": 292}]}},
        {"name": "secret2", "secret": {"secretName": "s", "defaultMode": 256, "optional": True}},
        {"name": "empty", "emptyDir": {}},
        {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1024Mi"}},
        {"name": "claim", "persistentVolumeClaim": {"claimName": "c", "readOnly": True}},
        {
            "name": "csi",
            "csi": {"driver": "d", "volumeAttributes": {"a": "b"}, "nodePublishSecretRef": {"name": "s"}},
        },
        {"name": "downward", "downwardAPI": {"items": downward}},
        {"name": "host", "hostPath": {"path": "/x"}},
        {
            "name": "projected",
            "projected": {
                "sources": [
                    {"serviceAccountToken": token},
                    {"configMap": {"name": "c", "items": [{"key": "a", "path": "b"}]}},
                    {"downwardAPI": {"items": downward}},
                    {"secret": {"name": "s"}},
                ]
            },
        },
        {
            "name": "ephemeral",
            "ephemeral": {
                "volumeClaimTemplate": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {
                        "accessModes": ["ReadWriteOnce"],
                        "resources": {"requests": {"storage": "1024Mi"}},
                    },
                }
            },
        },
    ]


def _scheduling() -> dict[str, Any]:
    terms = [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]}]
    pod_term = {
        "topologyKey": "zone",
        "labelSelector": {"matchLabels": dict(SELECTOR)},
        "namespaceSelector": {},
        "namespaces": ["x"],
    }
    return {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [
            {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0},
            {"operator": "Exists"},
            {"key": "b", "value": "c"},
        ],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "zone",
                "whenUnsatisfiable": policy,
                "labelSelector": {"matchLabels": dict(SELECTOR)},
                "matchLabelKeys": ["pod-template-hash"],
            }
            for policy in ("DoNotSchedule", "ScheduleAnyway")
        ],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms},
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": terms[0]}],
            },
            "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [pod_term]},
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {"weight": 1, "podAffinityTerm": pod_term}
                ]
            },
        },
    }
