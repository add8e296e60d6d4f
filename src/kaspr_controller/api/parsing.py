"""Raw custom resources to models, with every problem at once.

In: the JSON of one of the six kinds, as the API server returns it or as a user wrote it. Out: a frozen model, or
`InvalidSpec` with a path and a sentence per problem. Called by reconcilers, tests and the linter, from any thread.
Invariant: accepts what the CRD accepts, apart from the rules marked late, which a schema cannot say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from pydantic import ValidationError

from kaspr_controller.api import explaining
from kaspr_controller.api.fields import Child, KeyedList, children, keyed_lists
from kaspr_controller.api.modelling import Part
from kaspr_controller.api.v1alpha1.agent import KasprAgent
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.api.v1alpha1.join import KasprJoin
from kaspr_controller.api.v1alpha1.table import KasprTable
from kaspr_controller.api.v1alpha1.task import KasprTask
from kaspr_controller.api.v1alpha1.webview import KasprWebView

if TYPE_CHECKING:
    from kaspr_controller.api.metadata import Raw
    from kaspr_controller.api.rules import Rule
    from kaspr_controller.api.structural import Location

AnyResource: TypeAlias = KasprApp | KasprAgent | KasprTable | KasprJoin | KasprWebView | KasprTask

MODELS: dict[str, type[AnyResource]] = {
    model.custom_kind.kind: model
    for model in (KasprApp, KasprAgent, KasprTable, KasprJoin, KasprWebView, KasprTask)
}


@dataclass(frozen=True, slots=True)
class FieldError:
    """One problem: where (`spec.input.topic.name`, `spec.processors.operations[0].map`) and what to do."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class InvalidSpec(Exception):  # noqa: N818 - the name of the condition reason it becomes
    """A custom resource that no runtime could run; `errors` names every field and the way out."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = errors


def parse(raw: Raw) -> AnyResource:
    """The model of a custom resource.

    Explicit nulls count as absent, as they do at the API server.

    Raises:
        InvalidSpec: with all problems found; fields of wrong shape hide the cross-field rules until they are right.
    """
    model = MODELS.get(raw.get("kind", ""))
    if model is None:
        raise InvalidSpec((FieldError("kind", f"must be one of {', '.join(MODELS)}"),))
    parsed = _shaped(model, raw)
    broken = tuple(_broken_rules(parsed, ()))
    if broken:
        raise InvalidSpec(broken)
    return parsed


def _shaped(model: type[AnyResource], raw: Raw) -> AnyResource:
    try:
        return model.model_validate(raw, by_alias=True, by_name=False)
    except ValidationError:
        # Only an object the API server has not stored yet holds nulls and 3.0 for 3; the usual case costs nothing.
        try:
            return model.model_validate(_as_stored(raw), by_alias=True, by_name=False)
        except ValidationError as error:
            raise InvalidSpec(
                tuple(FieldError(path_text(at), text) for at, text in explaining.problems(model, error))
            ) from None


def _as_stored(value: Any) -> Any:
    """JSON as the API server would store it: nulls of fields dropped, whole numbers without a fraction."""
    if isinstance(value, dict):
        return {key: _as_stored(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_as_stored(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _broken_rules(part: Part, at: Location) -> Iterator[FieldError]:
    plan = _plan(type(part))
    for rule in plan.rules:
        if not rule.holds(part):
            yield FieldError(
                path_text((*at, *rule.at.split("."))) if rule.at else path_text(at), rule.message
            )
    for keyed in plan.keyed:
        items = getattr(part, keyed.attribute)
        if len(items) > 1:
            for below, message in keyed.duplicates(items):
                yield FieldError(path_text((*at, keyed.json, *below)), message)
    for child in plan.children:
        value = getattr(part, child.attribute)
        if not child.many:
            if value is not None:
                yield from _broken_rules(value, (*at, child.json))
            continue
        for index, item in enumerate(value):
            yield from _broken_rules(item, (*at, child.json, index))


class _Plan(NamedTuple):
    """What to ask of a model: its rules, its lists with keys, and the children below which there is anything to ask."""

    rules: tuple[Rule, ...]
    keyed: tuple[KeyedList, ...]
    children: tuple[Child, ...]


@cache
def _plan(model: type[Part]) -> _Plan:
    rules = tuple(rule for rule in model.rules if not rule.transition)
    return _Plan(
        rules, tuple(keyed_lists(model)), tuple(child for child in children(model) if any(_plan(child.model)))
    )


def path_text(at: Location) -> str:
    """A path as people write it: `spec.operations[0].map`, `spec.config[a.b]`."""
    text = ""
    for step in at:
        if isinstance(step, int) or "." in step or not step:
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text
