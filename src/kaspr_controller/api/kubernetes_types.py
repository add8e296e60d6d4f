"""Kubernetes' own types inside our resources: affinity, probes, volume sources, security contexts.

In: `Kubernetes("Affinity")` in an annotation. Out: raw JSON, checked against the schema the API server itself publishes
(recorded in kubernetes-openapi.json, see hack/manifests/record.py). Called by the models; the document is read at the first
subtree that needs it, by whichever thread comes first. Invariant: the CRD inlines the same schemas the parser checks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any

from pydantic_core import PydanticCustomError, core_schema

from kaspr_controller.api import structural
from kaspr_controller.api.metadata import Raw
from kaspr_controller.api.modelling import QUANTITY_PATTERN

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

_DOCUMENT = "kubernetes-openapi.json"
_QUANTITY: Raw = {
    # A quantity may be text or any number (`cpu: 0.5`), for which a structural schema has no single type.
    "x-kubernetes-preserve-unknown-fields": True,
    "maxLength": 32,
    "pattern": QUANTITY_PATTERN,
    "minimum": 0,
    "not": {"enum": [{}, [], True, False]},
    "maxProperties": 0,
    "maxItems": 0,
}
_NAMED: Raw = {"required": ["name"], "properties": {"name": {"minLength": 1, "maxLength": 253}}}
_KEYED: Raw = {"required": ["key", "name"], "properties": {**_NAMED["properties"], "key": {"minLength": 1}}}
_POSITIVE: Raw = {"minimum": 1, "maximum": 2**31 - 1}
_ADDED: Mapping[str, Raw] = {
    # What the API server checks of these types in code, not in the published schema.
    "CSIVolumeSource": {"properties": {"driver": {"minLength": 1}}},
    "ConfigMapKeySelector": _KEYED,
    "ConfigMapVolumeSource": _NAMED,
    "HostAlias": {"properties": {"ip": {"minLength": 1}}},
    "LocalObjectReference": _NAMED,
    "PersistentVolumeClaimVolumeSource": {"properties": {"claimName": {"minLength": 1}}},
    "Probe": {
        "properties": {
            "failureThreshold": _POSITIVE,
            "initialDelaySeconds": {"minimum": 0, "maximum": 2**31 - 1},
            "periodSeconds": _POSITIVE,
            "successThreshold": _POSITIVE,
            "timeoutSeconds": _POSITIVE,
        }
    },
    "SecretKeySelector": _KEYED,
    "SecretVolumeSource": {
        "required": ["secretName"],
        "properties": {"secretName": {"minLength": 1, "maxLength": 253}},
    },
    "TopologySpreadConstraint": {"properties": {"maxSkew": _POSITIVE}},
    "VolumeMount": {
        "properties": {
            "name": {"minLength": 1, "maxLength": 63},
            "mountPath": {"minLength": 1, "maxLength": 1024, "pattern": "^[^:]+$"},
        }
    },
}


@cache
def schemas() -> dict[str, Raw]:
    """The recorded schemas by short name: references inlined, quantities typed, checks in code added."""
    text = resources.files("kaspr_controller.api").joinpath(_DOCUMENT).read_text("utf-8")
    recorded = json.loads(text, object_hook=_typed_quantity)["schemas"]
    return {name: _merged(schema, _ADDED.get(name, {})) for name, schema in recorded.items()}


def _typed_quantity(value: dict[str, Any]) -> Raw:
    return _QUANTITY if "x-kubernetes-quantity" in value else value


def _merged(schema: Raw, added: Raw) -> Raw:
    """A schema with additional keywords, merged through its properties."""
    result = {**schema, **added}
    if "properties" in added:
        result["properties"] = {
            **schema["properties"],
            **{name: {**schema["properties"][name], **more} for name, more in added["properties"].items()},
        }
    return result


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """Marker: JSON of a Kubernetes type, by the last word of its OpenAPI name."""

    name: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(self.check)

    def check(self, value: Any) -> Raw:
        """The value itself.

        Raises:
            PydanticCustomError: of type `kubernetes`, with the problems and their paths in its context.
        """
        problems = structural.problems(schemas()[self.name], value)
        if problems:
            raise PydanticCustomError("kubernetes", "is not valid", {"problems": problems})
        checked: Raw = value
        return checked


Affinity = Annotated[Raw, Kubernetes("Affinity")]
ConfigMapKeySelector = Annotated[Raw, Kubernetes("ConfigMapKeySelector")]
ConfigMapVolumeSource = Annotated[Raw, Kubernetes("ConfigMapVolumeSource")]
CsiVolumeSource = Annotated[Raw, Kubernetes("CSIVolumeSource")]
EmptyDirVolumeSource = Annotated[Raw, Kubernetes("EmptyDirVolumeSource")]
HostAlias = Annotated[Raw, Kubernetes("HostAlias")]
LocalObjectReference = Annotated[Raw, Kubernetes("LocalObjectReference")]
ObjectFieldSelector = Annotated[Raw, Kubernetes("ObjectFieldSelector")]
PersistentVolumeClaimVolumeSource = Annotated[Raw, Kubernetes("PersistentVolumeClaimVolumeSource")]
PodSecurityContext = Annotated[Raw, Kubernetes("PodSecurityContext")]
Probe = Annotated[Raw, Kubernetes("Probe")]
ResourceFieldSelector = Annotated[Raw, Kubernetes("ResourceFieldSelector")]
ResourceRequirements = Annotated[Raw, Kubernetes("ResourceRequirements")]
SecretKeySelector = Annotated[Raw, Kubernetes("SecretKeySelector")]
SecretVolumeSource = Annotated[Raw, Kubernetes("SecretVolumeSource")]
SecurityContext = Annotated[Raw, Kubernetes("SecurityContext")]
Toleration = Annotated[Raw, Kubernetes("Toleration")]
TopologySpreadConstraint = Annotated[Raw, Kubernetes("TopologySpreadConstraint")]
VolumeMount = Annotated[Raw, Kubernetes("VolumeMount")]
