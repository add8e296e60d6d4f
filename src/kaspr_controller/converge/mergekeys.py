"""The table: merge keys, units, quantities and defaults of the kinds this program writes.

Values only; read by `covering.py`. It repeats what the API server publishes as OpenAPI (`x-kubernetes-list-type`,
`x-kubernetes-list-map-keys`, `x-kubernetes-map-type`, quantities) and, for `implied`, `zeros` and `pointers`, what its
Go types do, which is published nowhere. tests/integration/test_converge.py walks the published part of a live server
and compares every place; the rest is proved there by objects that are applied, read back and must be covered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspr_controller.converge.shapes import (
    ATOMIC,
    ATOMIC_TEXTS,
    PLAIN,
    QUANTITIES,
    QUANTITY,
    SET,
    TEXTS,
    Shape,
    items,
    keyed,
    struct,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_METADATA = struct(
    {
        "labels": TEXTS,
        "annotations": TEXTS,
        "finalizers": SET,
        "ownerReferences": keyed(ATOMIC, "uid"),
    }
)
_REFERENCE = struct(atomic=True)
_SELECTOR = struct(
    {"matchLabels": TEXTS, "matchExpressions": items(PLAIN)},
    atomic=True,
)

# --- environment ---

_FIELD_REF = struct(atomic=True, implied={"apiVersion": "v1"})
_RESOURCE_FIELD_REF = struct({"divisor": QUANTITY}, atomic=True, implied={"divisor": "0"})
_ENV = struct(
    {
        "valueFrom": struct(
            {
                "fieldRef": _FIELD_REF,
                "resourceFieldRef": _RESOURCE_FIELD_REF,
                "configMapKeyRef": _REFERENCE,
                "secretKeyRef": _REFERENCE,
                "fileKeyRef": struct(atomic=True, implied={"optional": False}),
            }
        )
    }
)

# --- container ---

_HTTP_GET = struct({"httpHeaders": items(PLAIN)}, implied={"path": "/", "scheme": "HTTP"})
_PROBE = struct(
    {
        "httpGet": _HTTP_GET,
        "grpc": struct(pointers=("service",), implied={"service": ""}),
        "exec": struct({"command": items(PLAIN)}),
    },
    implied={"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3},
    zeros=("initialDelaySeconds",),
)
_HANDLER = struct({"httpGet": _HTTP_GET, "exec": struct({"command": items(PLAIN)})})
_WINDOWS = struct(pointers=("gmsaCredentialSpecName", "gmsaCredentialSpec", "runAsUserName"))
_SECURITY_PROFILE = struct(pointers=("localhostProfile",))
_RESOURCES = struct({"limits": QUANTITIES, "requests": QUANTITIES, "claims": keyed(PLAIN, "name")})
_CONTAINER = struct(
    {
        "args": items(PLAIN),
        "command": items(PLAIN),
        "env": keyed(_ENV, "name"),
        "envFrom": items(PLAIN),
        "ports": keyed(
            struct(implied={"protocol": "TCP"}, zeros=("hostPort",)),
            "containerPort",
            "protocol",
        ),
        "resizePolicy": items(PLAIN),
        "resources": _RESOURCES,
        "restartPolicyRules": items(struct({"exitCodes": struct({"values": SET})})),
        "volumeDevices": keyed(PLAIN, "devicePath"),
        "volumeMounts": keyed(struct(zeros=("readOnly",)), "mountPath"),
        "livenessProbe": _PROBE,
        "readinessProbe": _PROBE,
        "startupProbe": _PROBE,
        "lifecycle": struct({"preStop": _HANDLER, "postStart": _HANDLER}),
        "securityContext": struct(
            {
                "capabilities": struct({"add": items(PLAIN), "drop": items(PLAIN)}),
                "seccompProfile": _SECURITY_PROFILE,
                "appArmorProfile": _SECURITY_PROFILE,
                "windowsOptions": _WINDOWS,
            }
        ),
    },
    implied={"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"},
    zeros=("stdin", "stdinOnce", "tty"),
)

# --- claims and volumes ---

_CLAIM_SPEC = struct(
    {
        "accessModes": items(PLAIN),
        "dataSource": struct(atomic=True, pointers=("apiGroup",)),
        "resources": struct({"limits": QUANTITIES, "requests": QUANTITIES}),
        "selector": _SELECTOR,
    },
    implied={"volumeMode": "Filesystem"},
    pointers=("storageClassName", "volumeAttributesClassName"),
)
_CLAIM_TEMPLATE = struct(
    {"metadata": _METADATA, "spec": _CLAIM_SPEC},
    implied={"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"phase": "Pending"}},
)
_KEY_TO_PATH = items(PLAIN)
_DOWNWARD = items(struct({"fieldRef": _FIELD_REF, "resourceFieldRef": _RESOURCE_FIELD_REF}))
_PROJECTION = struct(
    {
        "clusterTrustBundle": struct({"labelSelector": _SELECTOR}, pointers=("name", "signerName")),
        "configMap": struct({"items": _KEY_TO_PATH}),
        "secret": struct({"items": _KEY_TO_PATH}),
        "downwardAPI": struct({"items": _DOWNWARD}),
        "serviceAccountToken": struct(implied={"expirationSeconds": 3600}),
        "podCertificate": struct(implied={"maxExpirationSeconds": 86400}),
    }
)
_READ_ONLY = struct({"secretRef": _REFERENCE}, zeros=("readOnly",))
_VOLUME = struct(
    {
        "configMap": struct({"items": _KEY_TO_PATH}),
        "secret": struct({"items": _KEY_TO_PATH}),
        "downwardAPI": struct({"items": _DOWNWARD}),
        "projected": struct({"sources": items(_PROJECTION)}),
        "emptyDir": struct({"sizeLimit": QUANTITY}),
        "persistentVolumeClaim": _READ_ONLY,
        "hostPath": struct(implied={"type": ""}, pointers=("type",)),
        "csi": struct({"nodePublishSecretRef": _REFERENCE, "volumeAttributes": TEXTS}, pointers=("fsType",)),
        "ephemeral": struct({"volumeClaimTemplate": struct({"metadata": _METADATA, "spec": _CLAIM_SPEC})}),
        "flexVolume": struct({"options": TEXTS, "secretRef": _REFERENCE}, zeros=("readOnly",)),
        "awsElasticBlockStore": struct(zeros=("readOnly", "partition")),
        "gcePersistentDisk": struct(zeros=("readOnly", "partition")),
        "iscsi": struct(
            {"portals": items(PLAIN), "secretRef": _REFERENCE},
            implied={"iscsiInterface": "default"},
            zeros=("readOnly", "chapAuthDiscovery", "chapAuthSession"),
        ),
        "scaleIO": struct({"secretRef": _REFERENCE}, zeros=("readOnly", "sslEnabled")),
        **dict.fromkeys(
            (
                "azureFile",
                "cephfs",
                "cinder",
                "fc",
                "glusterfs",
                "nfs",
                "portworxVolume",
                "quobyte",
                "rbd",
                "storageos",
            ),
            _READ_ONLY,
        ),
    }
)

# --- scheduling ---

_NODE_TERM = struct({"matchExpressions": items(PLAIN), "matchFields": items(PLAIN)}, atomic=True)
_POD_TERM = struct(
    {
        "labelSelector": _SELECTOR,
        "namespaceSelector": _SELECTOR,
        "namespaces": items(PLAIN),
        "matchLabelKeys": items(PLAIN),
        "mismatchLabelKeys": items(PLAIN),
    }
)
_POD_AFFINITY = struct(
    {
        "requiredDuringSchedulingIgnoredDuringExecution": items(_POD_TERM),
        "preferredDuringSchedulingIgnoredDuringExecution": items(struct({"podAffinityTerm": _POD_TERM})),
    }
)
_AFFINITY = struct(
    {
        "nodeAffinity": struct(
            {
                "requiredDuringSchedulingIgnoredDuringExecution": struct(
                    {"nodeSelectorTerms": items(_NODE_TERM)}, atomic=True
                ),
                "preferredDuringSchedulingIgnoredDuringExecution": items(struct({"preference": _NODE_TERM})),
            }
        ),
        "podAffinity": _POD_AFFINITY,
        "podAntiAffinity": _POD_AFFINITY,
    }
)
_SPREAD = struct({"labelSelector": _SELECTOR, "matchLabelKeys": items(PLAIN)})

# --- pod ---

_POD_SPEC = struct(
    {
        "containers": keyed(_CONTAINER, "name"),
        "initContainers": keyed(_CONTAINER, "name"),
        "ephemeralContainers": keyed(_CONTAINER, "name"),
        "volumes": keyed(_VOLUME, "name"),
        "imagePullSecrets": keyed(_REFERENCE, "name"),
        "hostAliases": keyed(struct({"hostnames": items(PLAIN)}), "ip"),
        "topologySpreadConstraints": keyed(_SPREAD, "topologyKey", "whenUnsatisfiable"),
        "tolerations": items(PLAIN),
        "readinessGates": items(PLAIN),
        "schedulingGates": keyed(PLAIN, "name"),
        "resourceClaims": keyed(struct(), "name"),
        "affinity": _AFFINITY,
        "nodeSelector": ATOMIC_TEXTS,
        "overhead": QUANTITIES,
        "resources": _RESOURCES,
        "dnsConfig": struct(
            {
                "nameservers": items(PLAIN),
                "searches": items(PLAIN),
                "options": items(struct(pointers=("value",))),
            }
        ),
        "securityContext": struct(
            {
                "supplementalGroups": items(PLAIN),
                "sysctls": items(PLAIN),
                "seccompProfile": _SECURITY_PROFILE,
                "appArmorProfile": _SECURITY_PROFILE,
                "windowsOptions": _WINDOWS,
            }
        ),
    },
    implied={"restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler"},
    zeros=("hostNetwork", "hostPID", "hostIPC"),
    pointers=("runtimeClassName", "hostnameOverride"),
)

# --- kinds ---

_STATEFUL_SET = struct(
    {
        "selector": _SELECTOR,
        "template": struct({"metadata": _METADATA, "spec": _POD_SPEC}),
        "volumeClaimTemplates": items(_CLAIM_TEMPLATE),
        "updateStrategy": struct(implied={"type": "RollingUpdate"}),
    },
    implied={"podManagementPolicy": "OrderedReady"},
    zeros=("minReadySeconds",),
)
_SERVICE = struct(
    {
        "ports": keyed(
            struct(implied={"protocol": "TCP"}, zeros=("nodePort",), pointers=("appProtocol",)),
            "port",
            "protocol",
        ),
        "selector": ATOMIC_TEXTS,
        **dict.fromkeys(
            ("clusterIPs", "externalIPs", "ipFamilies", "loadBalancerSourceRanges"), items(PLAIN)
        ),
    },
    implied={"type": "ClusterIP", "sessionAffinity": "None"},
    zeros=("publishNotReadyAddresses", "healthCheckNodePort"),
    pointers=("loadBalancerClass", "trafficDistribution"),
)
_TARGET = struct({"value": QUANTITY, "averageValue": QUANTITY})
_METRIC = struct({"target": _TARGET, "metric": struct({"selector": _SELECTOR})})
_SCALING_RULES = struct({"policies": items(PLAIN), "tolerance": QUANTITY})
_AUTOSCALER = struct(
    {
        "metrics": items(
            struct(dict.fromkeys(("resource", "containerResource", "pods", "object", "external"), _METRIC))
        ),
        "behavior": struct({"scaleUp": _SCALING_RULES, "scaleDown": _SCALING_RULES}),
    }
)

BY_KIND: Mapping[str, Shape] = {
    "ConfigMap": struct({"metadata": _METADATA, "data": TEXTS, "binaryData": TEXTS}),
    "Secret": struct({"metadata": _METADATA, "data": TEXTS}),
    "Service": struct({"metadata": _METADATA, "spec": _SERVICE}),
    "ServiceAccount": struct(
        {
            "metadata": _METADATA,
            "secrets": keyed(ATOMIC, "name"),
            "imagePullSecrets": items(_REFERENCE),
        }
    ),
    "StatefulSet": struct({"metadata": _METADATA, "spec": _STATEFUL_SET}),
    "HorizontalPodAutoscaler": struct({"metadata": _METADATA, "spec": _AUTOSCALER}),
    "PersistentVolumeClaim": struct({"metadata": _METADATA, "spec": _CLAIM_SPEC}),
}
"""The shape of a whole object, by kind."""

UNKNOWN = struct({"metadata": _METADATA})
"""Any other kind, a custom resource for instance: lists are units, maps are compared member by member."""


def shape_of(kind: str) -> Shape:
    """The shape of an object of this kind."""
    return BY_KIND.get(kind, UNKNOWN)
