"""Record the schemas of Kubernetes' own types from a live API server.

In: the server's OpenAPI v3 document of `/api/v1` on stdin. Out: src/kaspr_controller/api/kubernetes-openapi.json: the types
the CRDs embed, references inlined, prose and defaults dropped. Run by hand when we build against another version; the result
is committed, so nothing else needs a server:

    kubectl get --raw /openapi/v3/api/v1 | python -m hack.manifests.record
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[2] / "src" / "kaspr_controller" / "api" / "kubernetes-openapi.json"
CORE = "io.k8s.api.core.v1."
TYPES = (
    "Affinity",
    "CSIVolumeSource",
    "ConfigMapKeySelector",
    "ConfigMapVolumeSource",
    "EmptyDirVolumeSource",
    "HostAlias",
    "LocalObjectReference",
    "ObjectFieldSelector",
    "PersistentVolumeClaimVolumeSource",
    "PodSecurityContext",
    "Probe",
    "ResourceFieldSelector",
    "ResourceRequirements",
    "SecretKeySelector",
    "SecretVolumeSource",
    "SecurityContext",
    "Toleration",
    "TopologySpreadConstraint",
    "VolumeMount",
)
KEPT = frozenset(
    {
        "type",
        "format",
        "enum",
        "required",
        "properties",
        "additionalProperties",
        "items",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-map-type",
    }
)


def trimmed(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """A schema with its references inlined and everything but its structure dropped."""
    reference = schema.get("$ref") or next((part["$ref"] for part in schema.get("allOf", ())), None)
    if reference:
        name = reference.rsplit("/", 1)[1]
        if name.endswith(".Quantity"):
            return {"x-kubernetes-quantity": True}
        if name.endswith(".IntOrString"):
            return {"x-kubernetes-int-or-string": True}
        return trimmed(definitions[name], definitions)
    return {key: _value(key, schema[key], definitions) for key in sorted(KEPT & schema.keys())}


def _value(key: str, value: Any, definitions: dict[str, Any]) -> Any:
    if key == "properties":
        return {name: trimmed(item, definitions) for name, item in sorted(value.items())}
    if key in {"items", "additionalProperties"}:
        return trimmed(value, definitions)
    return value


def record(document: dict[str, Any]) -> dict[str, Any]:
    """The recorded types of an OpenAPI v3 document."""
    definitions = document["components"]["schemas"]
    return {
        "version": document["info"]["version"],
        "schemas": {name: trimmed(definitions[CORE + name], definitions) for name in TYPES},
    }


def main() -> None:
    """Read the document from stdin, write the recorded types."""
    TARGET.write_text(json.dumps(record(json.load(sys.stdin)), indent=1) + "\n", "utf-8")
    print(f"manifests: wrote {TARGET.name}")


if __name__ == "__main__":
    main()
