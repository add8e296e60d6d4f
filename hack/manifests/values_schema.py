"""charts/kaspr-controller/values.schema.json: what Helm refuses before anything is sent to a cluster.

In: the settings model, for the names, types and bounds below `settings`; the shape of the other values. Out: one JSON text.
Invariant: every object is closed, so a value that is misspelt or was removed is an error and not silently without effect.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from kaspr_controller.settings import MAX_NAMESPACES, Settings

Schema: TypeAlias = dict[str, Any]

OWNED = {
    "env_file": "the image has no such file; use settings",
    "leader_election_name": "is the name of the release's objects",
    "leader_election_namespace": "is the release's namespace",
    "metrics_port": "use metrics.port",
    "watch_namespaces": "use watchNamespaces",
}
"""Settings that the chart sets itself, and what to use instead."""

_STRING: Schema = {"type": "string"}
_BOOLEAN: Schema = {"type": "boolean"}
_FREE: Schema = {"type": "object"}
_TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_PORT: Schema = {"type": "integer", "minimum": 1, "maximum": 65535}
_PORTS: Schema = {"type": "array", "items": _PORT}
_OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
_LABEL_VALUE: Schema = {"type": "string", "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9])?$"}
_LABELS: Schema = {"type": "object", "additionalProperties": _LABEL_VALUE}
_INTERVAL: Schema = {"type": "string", "pattern": "^([0-9]+(ms|[smhdwy]))+$"}
_NAMESPACE: Schema = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"}


def text() -> str:
    """The whole file."""
    schema = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values", **_closed(_values())}
    return json.dumps(schema, indent=1) + "\n"


def settings() -> Schema:
    """What may stand below `settings`: variables by their names, numbers and switches also as text."""
    properties = Settings.model_json_schema()["properties"]
    return _closed(
        {
            name.upper(): _setting(schema) | {"description": schema["description"]}
            for name, schema in properties.items()
            if name not in OWNED
        }
    )


def _setting(schema: Schema) -> Schema:
    bounds: Schema = {key: schema[key] for key in ("minimum", "maximum") if key in schema}
    if schema["type"] == "boolean":
        return {"enum": [True, False, "true", "false"]}
    if "enum" in schema:
        return {"enum": schema["enum"]}
    if schema["type"] in {"integer", "number"}:
        return {"type": [schema["type"], "string"], **bounds}
    return dict(_STRING)


def _closed(properties: Schema, *required: str) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        **({"required": list(required)} if required else {}),
        "properties": properties,
    }


def _values() -> Schema:
    return {
        # Helm sets it when this is a part of another chart, which may also hand down its own globals.
        "global": _FREE,
        "nameOverride": _STRING,
        "fullnameOverride": _STRING,
        "extraLabels": _LABELS,
        "image": _closed(
            {
                "registry": {"type": "string", "not": {"pattern": "://"}},
                "repository": {"type": "string", "minLength": 1},
                "tag": {"type": "string", "pattern": "^([A-Za-z0-9_][A-Za-z0-9._-]{0,127})?$"},
                "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
                "pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
            }
        ),
        "imagePullSecrets": {"type": "array", "items": _STRING},
        "replicas": {"type": "integer", "minimum": 0},
        "settings": settings(),
        "extraEnv": _OBJECTS,
        "watchNamespaces": {
            "type": "array",
            "items": _NAMESPACE,
            "maxItems": MAX_NAMESPACES,
            "uniqueItems": True,
        },
        "crds": _closed({"install": _BOOLEAN}),
        "rbac": _closed(
            {"create": _BOOLEAN, "mode": {"enum": ["cluster", "namespaced"]}, "aggregate": _BOOLEAN}
        ),
        "serviceAccount": _closed({"create": _BOOLEAN, "name": _STRING, "annotations": _TEXTS}),
        **_pod(),
        **_surroundings(),
    }


def _pod() -> Schema:
    return {
        "podAnnotations": _TEXTS,
        "podLabels": _LABELS,
        "podSecurityContext": _FREE,
        "securityContext": _FREE,
        "priorityClassName": _STRING,
        "nodeSelector": _TEXTS,
        "tolerations": _OBJECTS,
        "affinity": _FREE,
        "topologySpread": _closed(
            {"enabled": _BOOLEAN, "topologyKeys": {"type": "array", "items": _STRING, "minItems": 1}}
        ),
        "terminationGracePeriodSeconds": {"type": "integer", "minimum": 0},
        "resources": _FREE,
    }


def _surroundings() -> Schema:
    monitor = _closed({"enabled": _BOOLEAN, "interval": _INTERVAL, "labels": _LABELS})
    return {
        "podDisruptionBudget": _closed(
            {"enabled": _BOOLEAN, "maxUnavailable": {"type": ["integer", "string"], "minimum": 0}}
        ),
        "networkPolicy": _closed(
            {
                "enabled": _BOOLEAN,
                # An empty list of ports in a rule would mean all of them.
                "apiServerPorts": {**_PORTS, "minItems": 1},
                "kafkaPorts": _PORTS,
                "metricsFrom": _OBJECTS,
                "extraIngress": _OBJECTS,
                "extraEgress": _OBJECTS,
            }
        ),
        "metrics": _closed(
            {
                "port": {**_PORT, "minimum": 1024},
                "service": _closed({"enabled": _BOOLEAN, "annotations": _TEXTS}),
                "serviceMonitor": monitor,
                "podMonitor": monitor,
            }
        ),
        "prometheusRule": _closed(
            {
                "enabled": _BOOLEAN,
                "labels": _LABELS,
                "runbookUrl": {"type": "string", "pattern": "^(https?://.*[^/])?$"},
                "disabled": {"type": "array", "items": _STRING},
            }
        ),
        "dashboards": _closed({"enabled": _BOOLEAN, "labels": _LABELS, "annotations": _TEXTS}),
    }
