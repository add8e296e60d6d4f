"""Rules: both halves of each, and that the corpora know them all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest

from kaspr_controller.api.fields import children
from kaspr_controller.api.modelling import Part
from kaspr_controller.api.parsing import MODELS, InvalidSpec, parse
from kaspr_controller.api.rules import Rule, collect, late, rule, shaped, transition
from tests.corpus.loading import bad, changes


def models() -> list[type[Part]]:
    """Every model below the six kinds, each once."""
    found: dict[type[Part], None] = {}
    waiting: list[type[Part]] = list(MODELS.values())
    while waiting:
        model = waiting.pop()
        found.setdefault(model)
        waiting += [child.model for child in children(model) if child.model not in found]
    return list(found)


def rules() -> Iterator[tuple[type[Part], Rule]]:
    """Every rule with its model."""
    for model in models():
        for each in model.rules:
            yield model, each


def messages(obj: dict[str, object]) -> set[str]:
    """What the parser says about an object."""
    try:
        parse(obj)
    except InvalidSpec as error:
        return {problem.message for problem in error.errors}
    return set()


def test_every_rule_has_a_bad_case_that_breaks_it() -> None:
    """A rule nobody breaks in a test could refuse nothing, or everything."""
    told = set().union(*(messages(case.obj) for case in bad()))
    assert [each.message for _, each in rules() if not each.transition and each.message not in told] == []


def test_every_rule_about_changes_is_broken_by_a_change() -> None:
    """The Python half of a transition says what the server says; the parser never sees the old object."""
    broken: set[str] = set()
    for change in changes():
        old, new = parse(change.old), parse(change.new)
        found = {
            each.message for model, each in rules() if each.transition and not holds(each, model, new, old)
        }
        assert bool(found) == bool(change.path), change.name
        broken |= found
    assert {each.message for _, each in rules() if each.transition} == broken


def holds(each: Rule, model: type[Part], new: Part, old: Part) -> bool:
    """Whether a transition rule holds wherever both objects have a part of its model."""
    pairs = [(new, old)]
    while pairs:
        now, before = pairs.pop()
        if type(now) is model and not each.holds(now, before):
            return False
        for child in children(type(now)):
            inner = getattr(now, child.attribute), getattr(before, child.attribute)
            if not child.many and None not in inner:
                pairs.append(inner)
    return True


def test_every_rule_says_how_it_is_enforced_and_what_to_do() -> None:
    """Exactly one of CEL, schema keywords and a reason why admission cannot; a message that starts in mid-sentence."""
    for model, each in rules():
        ways = [bool(each.cel), bool(each.schema), bool(each.late)]
        assert sum(ways) == 1, f"{model.__name__}: {each.message}"
        assert each.message
        assert not each.message.endswith(".")


def test_rules_of_parents_come_first_and_children_may_replace_them() -> None:
    """A rule is known by the name of its predicate."""

    class Parent:
        @rule("a", "parent a")
        def _a(self) -> bool:
            return True

        @late("why", "parent b")
        def _b(self) -> bool:
            return True

    class Child(Parent):
        other: ClassVar[int] = 1

        @transition("c", "child c")
        def _c(self, old: Parent) -> bool:
            return old is self

        @shaped({"not": {}}, "child a")
        def _a(self) -> bool:
            return False

    assert [each.message for each in collect(Child)] == ["child a", "parent b", "child c"]


def test_cel_is_one_line() -> None:
    """Rules are written over several lines; the CRD holds one."""
    assert all("\n" not in each.cel and "  " not in each.cel for _, each in rules())


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_the_place_of_blame_exists(model: type[Part]) -> None:
    """A rule's `at` is a path of fields below its model."""
    for each in model.rules:
        here: type[Part] | None = model
        for step in each.at.split(".") if each.at else ():
            assert here is not None, each.at
            names = {info.alias or name for name, info in here.model_fields.items()}
            if step == "name" and "name" not in names:
                break  # metadata is not ours to describe
            raw = step in names
            assert raw or here.model_config.get("extra") == "allow", f"{model.__name__}: {each.at}"
            inner = {child.json: child.model for child in children(here)}
            here = inner.get(step)
            if here is None:
                break
