"""How the API server treats a place of an object: the vocabulary of the table in `mergekeys.py`.

Values only, no thread, no clock. A `Shape` says for one place whether fields of other managers may stand beside ours
(a struct, a map, a list with merge keys), whether the value is one unit (atomic), and how the server writes down what it
was given: quantities in one spelling, defaults filled in, zero values left out. `covering.py` walks with it.

A place without an entry is treated as the server treats most places: a map whose members are compared one by one and
a list that is one unit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Rule(Enum):
    """What a value is."""

    OPEN = auto()
    """A struct, an unknown place or a plain value."""

    MAP = auto()
    """A map with free keys; the server drops an empty one."""

    KEYED = auto()
    """A list whose items are found by merge keys (`listType: map`)."""

    SET = auto()
    """A list of plain values without order (`listType: set`)."""

    QUANTITY = auto()
    """An amount: `1024Mi` and `1Gi` are equal."""


_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One place of an object.

    Attributes:
        rule: what stands there.
        fields: shapes of members, by name; only those that need one.
        each: the shape of list items, or of the values of a map.
        keys: merge keys of a keyed list.
        atomic: one unit; what others add inside is a difference.
        implied: what the server fills in when a member is left out. Allowed inside an atomic unit, and the value of a
            merge key that an item leaves out.
        zeros: members with `false` or `0` that the server does not write down; an empty text is never written down.
        pointers: members whose empty text is written down, unlike others'.
    """

    rule: Rule = Rule.OPEN
    fields: Mapping[str, Shape] = field(default_factory=lambda: _NOTHING)
    each: Shape | None = None
    keys: tuple[str, ...] = ()
    atomic: bool = False
    implied: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    zeros: frozenset[str] = frozenset()
    pointers: frozenset[str] = frozenset()


PLAIN = Shape()
QUANTITY = Shape(Rule.QUANTITY)
TEXTS = Shape(Rule.MAP)
ATOMIC_TEXTS = Shape(Rule.MAP, atomic=True)
QUANTITIES = Shape(Rule.MAP, each=QUANTITY)
ATOMIC = Shape(atomic=True)
SET = Shape(Rule.SET)


def struct(
    fields: Mapping[str, Shape] | None = None,
    *,
    atomic: bool = False,
    implied: Mapping[str, Any] | None = None,
    zeros: Iterable[str] = (),
    pointers: Iterable[str] = (),
) -> Shape:
    """An object with named members."""
    return Shape(
        fields=fields or _NOTHING,
        atomic=atomic,
        implied=implied or _NOTHING,
        zeros=frozenset(zeros),
        pointers=frozenset(pointers),
    )


def keyed(item: Shape, *keys: str) -> Shape:
    """A list whose items are found by `keys`."""
    return Shape(Rule.KEYED, each=item, keys=keys)


def items(item: Shape) -> Shape:
    """A list that is one unit."""
    return Shape(each=item, atomic=True)
