"""The vocabulary the models are written in: `Part`, bounded texts and numbers, maps of scalars, Kubernetes subtrees.

In: class bodies under v1alpha1. Out: frozen pydantic models that accept exactly what the generated CRD accepts, and markers
that the CRD generator reads. Built once at import, read by any thread. Invariant: a type here never converts silently,
except scalars in string maps (users write `retention.ms: 604800000`), which become text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError, core_schema

from kaspr_controller.api.metadata import Raw
from kaspr_controller.api.rules import Rule, collect

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

T = TypeVar("T")
_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}
_NUMBER = re.compile(r"[0-9]{1,16}(\.[0-9]{0,16})?")
QUANTITY_PATTERN = r"^\+?([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]{1,2})?$"
INT32 = 2**31 - 1
JSON_SAFE = 2**53
"""Largest whole number JSON carries exactly. The server keeps bounds as floats: 2**63-1 overflows to a negative one."""


def json_name(attribute: str) -> str:
    """The JSON name of an attribute: camelCase, without the underscore that guards reserved words."""
    return to_camel(attribute.rstrip("_"))


class Part(BaseModel):
    """A piece of a custom resource: frozen, strict about types, closed to unknown fields.

    Lists become tuples, explicit nulls count as absent, attributes are the snake_case of the JSON names. Constructors take
    attribute names; the parser switches them off, since the API server knows only the JSON ones.
    """

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", alias_generator=json_name, validate_by_name=True
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.rules = collect(cls)


@dataclass(frozen=True, slots=True, eq=False)
class Schema:
    """Marker: the CRD schema of this type, word for word. Equal by identity, since annotations must be hashable."""

    fragment: Raw


@dataclass(frozen=True, slots=True)
class Keyed:
    """Marker: a list whose items are told apart by these fields (`x-kubernetes-list-type: map`)."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextToo:
    """Marker: a number or boolean that may also be written as text, as templates with too many quotes do."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def read(self, value: Any) -> Any:
        """The value a text stands for; texts that stand for none, and everything else, as they are."""
        if not isinstance(value, str):
            return value
        if value in _BOOLEANS:
            return _BOOLEANS[value]
        if _NUMBER.fullmatch(value) is None:
            return value
        return float(value) if "." in value else int(value)


@dataclass(frozen=True, slots=True)
class Hint:
    """Marker: what a value must look like, in words, for the message when its pattern does not match."""

    text: str


Items: TypeAlias = Annotated[tuple[T, ...], Strict(False)]
"""A list in JSON, a tuple in Python."""

# --- texts -------------------------------------------------------------------------------------------------------------

ShortText = Annotated[str, Field(max_length=253)]
Description = Annotated[str, Field(max_length=4096)]
Path = Annotated[str, Field(min_length=1, max_length=1024)]
DnsLabel = Annotated[
    str,
    Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
    Hint("lower-case letters, digits and '-', at most 63 characters"),
]
ObjectName = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
    ),
    Hint("the name of a Kubernetes object: lower-case letters, digits, '-' and '.'"),
]
DataKey = Annotated[
    str,
    Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$"),
    Hint("a key of a Secret or ConfigMap: letters, digits, '-', '_' and '.'"),
]
LabelValue = Annotated[
    str,
    Field(max_length=63, pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"),
    Hint("a label value: at most 63 letters, digits, '-', '_' and '.'"),
]
Identifier = Annotated[
    str,
    Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$"),
    Hint("a Python identifier"),
]
Duration = Annotated[
    str,
    Field(max_length=16, pattern=r"^[0-9]+[smhd]$"),
    Hint("a whole number and a unit s, m, h or d: 30s, 5m"),
]
Quantity = Annotated[
    str,
    Field(max_length=32, pattern=QUANTITY_PATTERN),
    Hint("a Kubernetes quantity: 512Mi, 10Gi"),
]
HttpUrl = Annotated[
    str, Field(max_length=2048, pattern=r"^https?://\S+$"), Hint("a URL with http:// or https://")
]

# --- numbers -----------------------------------------------------------------------------------------------------------

Count = Annotated[int, Field(ge=1, le=INT32)]
CountOrZero = Annotated[int, Field(ge=0, le=INT32)]

# --- maps --------------------------------------------------------------------------------------------------------------

SCALAR: Raw = {
    # No single type covers text, number and boolean in a structural schema: the value is left open, and closed again for
    # objects and lists.
    "x-kubernetes-preserve-unknown-fields": True,
    "maxLength": 4096,
    "maxProperties": 0,
    "maxItems": 0,
    "not": {"enum": [{}, []]},
}


def scalar_text(value: Any) -> str:
    """The text of a JSON scalar, as Kafka and HTTP expect it: `true`, `604800000`, `0.5`."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise PydanticCustomError("scalar", "must be text, a number or a boolean")


Scalar = Annotated[str, BeforeValidator(scalar_text), Field(max_length=4096), Schema(SCALAR)]
ScalarMap: TypeAlias = dict[str, Scalar]
"""A string map that also takes numbers and booleans; its keys are kept letter by letter."""
