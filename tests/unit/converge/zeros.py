"""Zero, `false`, empty texts, maps and lists in every place that takes one."""

from __future__ import annotations

from typing import Any

from tests.unit.converge.objects import SELECTOR, autoscaler, config_map, service, stateful_set


def zero_objects(namespace: str) -> dict[str, dict[str, Any]]:  # long: one object
    """By name of the case."""
    probe = {
        "httpGet": {"port": "http", "path": "", "scheme": "", "host": "", "httpHeaders": []},
        **dict.fromkeys(
            (
                "initialDelaySeconds",
                "timeoutSeconds",
                "periodSeconds",
                "successThreshold",
                "failureThreshold",
            ),
            0,
        ),
    }
    container = {
        "name": "kaspr",
        "image": "x",
        "imagePullPolicy": "Never",
        "command": [],
        "args": [],
        "workingDir": "",
        "env": [{"name": "EMPTY", "value": ""}, {"name": "NONE"}],
        "envFrom": [],
        "ports": [{"name": "http", "containerPort": 80, "protocol": "", "hostPort": 0, "hostIP": ""}],
        "resources": {"limits": {}, "requests": {}, "claims": []},
        "volumeMounts": [
            {"name": "scratch", "mountPath": "/s", "readOnly": False, "subPath": "", "subPathExpr": ""}
        ],
        "volumeDevices": [],
        "livenessProbe": probe,
        "readinessProbe": {"grpc": {"port": 1, "service": ""}},
        "startupProbe": {"tcpSocket": {"port": 80, "host": ""}},
        "lifecycle": {},
        "securityContext": {"capabilities": {"add": [], "drop": []}, "runAsUser": 0, "privileged": False},
        "terminationMessagePath": "",
        "terminationMessagePolicy": "",
        "stdin": False,
        "stdinOnce": False,
        "tty": False,
    }
    pod = {
        "containers": [container],
        "initContainers": [],
        "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {"name": "medium", "emptyDir": {"medium": "", "sizeLimit": "0"}},
            {"name": "host", "hostPath": {"path": "/", "type": ""}},
            {"name": "files", "configMap": {"name": "x", "items": [], "optional": False}},
            {"name": "mine", "persistentVolumeClaim": {"claimName": "c", "readOnly": False}},
            {"name": "nfs", "nfs": {"server": "s", "path": "/", "readOnly": False}},
            {
                "name": "driver",
                "csi": {"driver": "d", "fsType": "", "readOnly": False, "volumeAttributes": {}},
            },
        ],
        "affinity": {},
        "nodeSelector": {},
        "tolerations": [],
        "topologySpreadConstraints": [],
        "imagePullSecrets": [],
        "hostAliases": [],
        "readinessGates": [],
        "securityContext": {},
        "schedulerName": "",
        "priorityClassName": "",
        "serviceAccountName": "",
        "restartPolicy": "",
        "dnsPolicy": "",
        "nodeName": "",
        "hostname": "",
        "subdomain": "",
        "runtimeClassName": None,
        "hostNetwork": False,
        "hostPID": False,
        "hostIPC": False,
        "enableServiceLinks": False,
        "shareProcessNamespace": False,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
    }
    zero = stateful_set(namespace)
    zero["spec"]["template"] = {"metadata": {"labels": dict(SELECTOR), "annotations": {}}, "spec": pod}
    zero["spec"] |= {
        "volumeClaimTemplates": [],
        "minReadySeconds": 0,
        "replicas": 0,
        "podManagementPolicy": "",
    }
    zero["spec"]["updateStrategy"] = {"type": "", "rollingUpdate": {"partition": 0}}
    zero["metadata"] |= {"annotations": {}, "finalizers": []}
    return {
        "zero workload": zero,
        "zero service": _zero_service(namespace),
        "zero config": {**config_map("zero", {}, namespace=namespace), "binaryData": {}},
        "zero autoscaler": _zero_autoscaler(namespace),
    }


def _zero_service(namespace: str) -> dict[str, Any]:
    return service(
        "zero",
        namespace,
        type="",
        sessionAffinity="",
        externalName="",
        externalIPs=[],
        loadBalancerSourceRanges=[],
        publishNotReadyAddresses=False,
        healthCheckNodePort=0,
        ports=[{"name": "", "port": 80, "protocol": "", "nodePort": 0, "targetPort": 80}],
    )


def _zero_autoscaler(namespace: str) -> dict[str, Any]:
    scaler = autoscaler(namespace)
    scaler["spec"]["behavior"] = {"scaleUp": {"stabilizationWindowSeconds": 0}, "scaleDown": {}}
    return scaler
