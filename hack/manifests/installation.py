"""What `kubectl apply -k manifests` installs beside the CRDs: the program, its rights, and the kustomizations of both modes.

In: the rules of `rbac.py`, the version. Out: path below manifests/ -> text. Invariants: the pod passes Pod Security
`restricted`; its account may do what docs/rbac.md lists and nothing else; there is one text of everything that both modes
share. The chart renders the same objects from its values.
"""

from __future__ import annotations

from typing import Any

import yaml

from hack.image import building
from hack.manifests import crds, rbac
from kaspr_controller.reconcilers import kinds

NAME = "kaspr-controller"
NAMESPACE = "kaspr-system"
PORT = 8000
CLUSTER_RIGHTS = "rbac/cluster/rbac.yaml"
NAMESPACED_RIGHTS = "rbac/namespaced/rbac.yaml"

HEADER = "# Generated from hack/manifests/installation.py by `make manifests`. Do not edit.\n"
_RBAC = "rbac.authorization.k8s.io"
_READING = ("get", "list", "watch")

Raw = dict[str, Any]


def files() -> dict[str, str]:
    """Every file below manifests/ but the CRDs."""
    return {
        "kustomization.yaml": _text(_everything()),
        "namespaced/kustomization.yaml": _text(_one_namespace()),
        "namespace/namespace.yaml": _text(_namespace()),
        "namespace/kustomization.yaml": _text(_kustomization(["namespace.yaml"])),
        CLUSTER_RIGHTS: _text(*rights("cluster")),
        "rbac/cluster/kustomization.yaml": _text(_kustomization(["rbac.yaml"])),
        NAMESPACED_RIGHTS: _text(*rights("namespaced")),
        "rbac/namespaced/kustomization.yaml": _text(_kustomization(["rbac.yaml"])),
        "deployment/deployment.yaml": _text(*deployment()),
        "deployment/kustomization.yaml": _text(_kustomization(["deployment.yaml"])),
    }


def rights(mode: rbac.Mode) -> list[Raw]:
    """Roles and their bindings."""
    kind = "ClusterRole" if mode == "cluster" else "Role"
    lease = "kaspr-controller-lease"
    return [
        _role(kind, NAME, rbac.rules(mode)),
        _binding(kind, NAME),
        _role("Role", lease, rbac.own_rules()),
        _binding("Role", lease),
        *(_for_users() if mode == "cluster" else ()),
    ]


def deployment() -> list[Raw]:
    """The program with what belongs to it."""
    return [_service_account(), _service(), _disruption_budget(), _network_policy(), _deployment()]


def _deployment() -> Raw:
    spec = {
        "replicas": 2,
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": _selector()},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {
            "metadata": {
                "labels": _labels(),
                "annotations": {"kubectl.kubernetes.io/default-container": "controller"},
            },
            "spec": _pod(),
        },
    }
    return _object("apps/v1", "Deployment", NAME, spec=spec)


def _pod() -> Raw:
    return {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": True,
        # A Service called "metrics" would otherwise set METRICS_PORT.
        "enableServiceLinks": False,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        # Longer than a stop takes: the lease is given back at its end.
        "terminationGracePeriodSeconds": 30,
        "containers": [_container()],
        "topologySpreadConstraints": [
            {
                "topologyKey": key,
                "maxSkew": 1,
                "whenUnsatisfiable": "ScheduleAnyway",
                "matchLabelKeys": ["pod-template-hash"],
                "labelSelector": {"matchLabels": _selector()},
            }
            for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
        ],
    }


def _container() -> Raw:
    return {
        "name": "controller",
        "image": building.default_image(),
        "imagePullPolicy": "IfNotPresent",
        "args": ["run"],
        "env": [{"name": "POD_SECURITY", "value": "restricted"}],
        "ports": [{"name": "metrics", "containerPort": PORT, "protocol": "TCP"}],
        "livenessProbe": _probe("/healthz", initialDelaySeconds=10, periodSeconds=20),
        "readinessProbe": _probe("/readyz", periodSeconds=5),
        # No limit of CPU: it throttles a burst and saves nothing. 1000 apps need 120 MiB.
        "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def _probe(path: str, **timing: int) -> Raw:
    return {
        "httpGet": {"path": path, "port": "metrics"},
        **timing,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    }


def _network_policy() -> Raw:
    members = {
        "namespaceSelector": {},
        "podSelector": {"matchLabels": {"kaspr.io/kind": "KasprApp"}},
    }
    spec = {
        "podSelector": {"matchLabels": _selector()},
        "policyTypes": ["Ingress", "Egress"],
        # Metrics; the kubelet asks for health and readiness on the same port.
        "ingress": [{"ports": [{"port": "metrics", "protocol": "TCP"}]}],
        "egress": [
            # Names, the API server, the members (each app chooses its own port), Kafka.
            {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
            {"ports": [{"port": port, "protocol": "TCP"} for port in (443, 6443)]},
            {"to": [members]},
            {"ports": [{"port": port, "protocol": "TCP"} for port in (9092, 9093, 9094)]},
        ],
    }
    return _object("networking.k8s.io/v1", "NetworkPolicy", NAME, spec=spec)


def _disruption_budget() -> Raw:
    spec = {
        "maxUnavailable": 1,
        # A pod that is not ready protects nothing, and must not keep a node from being drained.
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
        "selector": {"matchLabels": _selector()},
    }
    return _object("policy/v1", "PodDisruptionBudget", NAME, spec=spec)


def _service() -> Raw:
    spec = {
        "clusterIP": "None",  # each replica is scraped by itself
        "selector": _selector(),
        "ports": [{"name": "metrics", "port": PORT, "targetPort": "metrics", "protocol": "TCP"}],
    }
    return _object("v1", "Service", f"{NAME}-metrics", spec=spec)


def _service_account() -> Raw:
    return _object("v1", "ServiceAccount", NAME, automountServiceAccountToken=False)


def _namespace() -> Raw:
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": NAMESPACE, "labels": labels},
    }


def _for_users() -> list[Raw]:
    """What the cluster's own roles `view`, `edit` and `admin` gain: without it only administrators may write apps."""
    verbs = {
        "view": _READING,
        "edit": ("create", "update", "patch", "delete", "deletecollection"),
    }
    found = []
    for name, granted in verbs.items():
        resources = sorted(kind.plural for kind in (kinds.APP, *kinds.COMPONENTS))
        rules = [{"apiGroups": [kinds.APP.group], "resources": resources, "verbs": list(granted)}]
        if name == "edit":
            scale = {
                "apiGroups": [kinds.APP.group],
                "resources": [f"{kinds.APP.plural}/scale"],
                "verbs": ["get", "update", "patch"],
            }
            rules.append(scale)
        role = _role("ClusterRole", f"kaspr-{name}", rules)
        for target in ("admin", "edit", "view") if name == "view" else ("admin", "edit"):
            role["metadata"]["labels"][f"{_RBAC}/aggregate-to-{target}"] = "true"
        found.append(role)
    return found


def _role(kind: str, name: str, rules: list[rbac.Rule]) -> Raw:
    return _object(f"{_RBAC}/v1", kind, name, rules=rules)


def _binding(kind: str, name: str) -> Raw:
    return _object(
        f"{_RBAC}/v1",
        f"{kind}Binding",
        name,
        roleRef={"apiGroup": _RBAC, "kind": kind, "name": name},
        subjects=[{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
    )


def _everything() -> Raw:
    names = [f"crds/{name}" for name in sorted(crds.files())]
    return _kustomization([*names, "namespace", "rbac/cluster", "deployment"], namespace=NAMESPACE)


def _one_namespace() -> Raw:
    """Works where it is installed and asks for nothing cluster-wide; the CRDs and the namespace are there before."""
    env = [{"name": "WATCH_NAMESPACES", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}]
    container = {"name": "controller", "env": env}
    patch = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": NAME},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    return {
        **_kustomization(["../rbac/namespaced", "../deployment"], namespace=NAMESPACE),
        "patches": [
            {"target": {"kind": "Deployment", "name": NAME}, "patch": yaml.safe_dump(patch, sort_keys=False)}
        ],
    }


def _kustomization(resources: list[str], *, namespace: str = "") -> Raw:
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        **({"namespace": namespace} if namespace else {}),
        "resources": resources,
    }


def _object(api_version: str, kind: str, name: str, **content: Any) -> Raw:
    metadata: Raw = {"name": name}
    if not kind.startswith("Cluster"):
        metadata["namespace"] = NAMESPACE
    metadata["labels"] = _labels()
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def _selector() -> dict[str, str]:
    return {"app.kubernetes.io/name": NAME, "app.kubernetes.io/instance": NAME}


def _labels() -> dict[str, str]:
    # Not `managed-by`: its value on our children says that they belong to an app.
    return {
        **_selector(),
        "app.kubernetes.io/version": building.version(),
        "app.kubernetes.io/part-of": "kaspr",
    }


class _Dumper(yaml.SafeDumper):
    """Without anchors, and with blocks for texts of several lines."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature is yaml's
        return True


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _block)


def _text(*objects: Raw) -> str:
    return HEADER + yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=120)
