"""Cross-field rules, written once: the CEL text for the API server next to the Python predicate for the parser.

In: methods of models, marked with `@rule`, `@transition` or `@late`. Out: `Rule` values collected per model, from which the
CRD generator takes the CEL and the parser the predicate. Any thread. Invariant: both halves of a rule refuse the same
objects; the corpora in tests/corpus feed every rule to a real API server and to the parser.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, TypeVar

Reason: TypeAlias = Literal[
    "FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired", "FieldValueDuplicate"
]

_MARK = "__kaspr_rule__"
F = TypeVar("F", bound=Callable[..., bool])


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule over one model.

    `cel` is empty when `schema` says it in keywords, or when the API server cannot say it at all (then `late` tells why and
    the rule appears as a condition).
    `at` is the JSON path below the model that gets the blame, "" for the model itself. `holds` takes the model, and for a
    transition the old model too.
    """

    holds: Callable[..., bool]
    message: str
    cel: str = ""
    at: str = ""
    reason: Reason = "FieldValueInvalid"
    message_cel: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict)
    late: str = ""
    transition: bool = False


def rule(
    cel: str, message: str, *, at: str = "", reason: Reason = "FieldValueInvalid", message_cel: str = ""
) -> Callable[[F], F]:
    """Mark a predicate of a model as a rule that admission and parser both enforce.

    `message_cel` is a CEL expression whose text replaces `message` at the API server, for messages naming values.
    """
    return _marked(message=message, cel=" ".join(cel.split()), at=at, reason=reason, message_cel=message_cel)


def transition(cel: str, message: str, *, at: str = "") -> Callable[[F], F]:
    """Mark a predicate `(self, old)` as a rule about a change; only admission sees the old object."""
    return _marked(
        message=message, cel=" ".join(cel.split()), at=at, reason="FieldValueForbidden", transition=True
    )


def late(why: str, message: str, *, at: str = "") -> Callable[[F], F]:
    """Mark a predicate that CEL cannot express, with the reason; the parser alone enforces it."""
    return _marked(message=message, late=why, at=at)


def shaped(schema: Mapping[str, Any], message: str) -> Callable[[F], F]:
    """Mark a predicate that admission enforces by schema keywords on the model, where CEL cannot see the fields."""
    return _marked(message=message, schema=schema)


def collect(model: type) -> tuple[Rule, ...]:
    """The rules of a model and its parents, parents first, in the order they are written."""
    found: dict[str, Rule] = {}
    for cls in reversed(model.__mro__):
        for name, member in vars(cls).items():
            mark = getattr(member, _MARK, None)
            if mark is not None:
                found[name] = mark
    return tuple(found.values())


def _marked(**fields: Any) -> Callable[[F], F]:
    def mark(predicate: F) -> F:
        setattr(predicate, _MARK, Rule(holds=predicate, **fields))
        return predicate

    return mark
