"""The envelope of all six kinds: apiVersion, kind, metadata, spec, status, and the rules about names.

In: a whole object. Out: its parsed form; the status stays raw, since only its writer understands it and a reader must not
refuse an object for what an older program wrote there. Invariant: names whose derived names would be illegal are refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from pydantic import Field

from kaspr_controller.api import labels
from kaspr_controller.api.metadata import CustomKind, ObjectMeta, Raw
from kaspr_controller.api.modelling import Part
from kaspr_controller.api.rules import rule

_SERVICE_NAME = "^[a-z]([-a-z0-9]*[a-z0-9])?$"


class Resource(Part):
    """One custom resource of this group."""

    custom_kind: ClassVar[CustomKind]
    status_model: ClassVar[type[Part]]

    api_version: Literal["kaspr.io/v1alpha1"] = Field(description="Always `kaspr.io/v1alpha1`.")
    kind: str = Field(description="The kind of the resource.")
    metadata: ObjectMeta = Field(description="Metadata that all persisted resources must have.")
    status: dict[str, Any] = Field(
        {}, description="What the controller observed; written by the controller only."
    )

    @property
    def name(self) -> str:
        """The name of the object, which is also its name in the runtime."""
        return self.metadata.name

    @property
    def namespace(self) -> str:
        """The namespace of the object."""
        return self.metadata.namespace


class Component(Resource):
    """A resource that belongs to one KasprApp of its namespace, named by its label `kaspr.io/app`."""

    @property
    def app(self) -> str:
        """The name of the app, "" when the label is missing (a condition, since admission sees no labels)."""
        return self.metadata.labels.get(labels.APP, "")

    @rule(
        "!self.metadata.name.contains('.')",
        "metadata.name must not contain '.': the name becomes part of names and labels of one DNS label",
        at="metadata.name",
    )
    def _name_without_dots(self) -> bool:
        return "." not in self.metadata.name


def name_fits(kind: CustomKind) -> Callable[[Any], bool]:
    """The rule that the names derived from `metadata.name` fit their limit."""

    @rule(
        f"self.metadata.name.size() <= {kind.name_limit}",
        f"metadata.name must have at most {kind.name_limit} characters: names derived from it "
        f"(<name>-{kind.suffix}) would be too long",
        at="metadata.name",
    )
    def name_is_short(self: Resource) -> bool:
        return len(self.metadata.name) <= kind.name_limit

    return name_is_short


def name_starts_a_service(self: Resource) -> bool:
    """Whether Services can carry the name: they must start with a letter and have no dots."""
    return re.fullmatch(_SERVICE_NAME.strip("^$"), self.metadata.name) is not None


def service_name() -> Callable[[Any], bool]:
    """The rule that the name can be the beginning of a Service's name."""
    return rule(
        f"self.metadata.name.matches('{_SERVICE_NAME}')",
        "metadata.name must start with a letter and have only lower-case letters, digits and '-': "
        "Services are named after it",
        at="metadata.name",
    )(name_starts_a_service)


__all__ = ["Component", "Raw", "Resource", "name_fits", "service_name"]
