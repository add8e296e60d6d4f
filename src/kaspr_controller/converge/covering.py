"""Does the live object say everything the intent says (rule S2)?

In: an intent and the live object. Out: the places where they differ, none when the live object covers the intent. Called
by `applying` and `planning` on worker threads; pure, and the hot path of a reconcile that has nothing to do, so a part
that is equal costs one comparison in C. Invariant: no difference means that an apply of the intent would change no
field of it.

What others added beside our fields is no difference; what they added inside a unit (`Shape.atomic`) is one, and so is
another order of our items in a list, because environment variables refer to earlier ones and an apply restores it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from kaspr_controller.converge.canonical import same_quantity
from kaspr_controller.converge.mergekeys import shape_of
from kaspr_controller.converge.shapes import PLAIN, Rule, Shape

if TYPE_CHECKING:
    from kaspr_controller.kube.kinds import Raw

Path: TypeAlias = tuple[Any, ...]
"""Steps from the root: a text for a member, a tuple of one for an item of a list (its merge key or its index)."""

_IDENTITY = frozenset({"apiVersion", "kind", "status"})
"""Not compared: the key found the object by its kind, items of a list answer carry none, status is not ours."""


class Difference(NamedTuple):
    """One place that is not as wanted.

    Attributes:
        path: where.
        live: what stands there, None for nothing. It may be a secret: never logged, only digested.
    """

    path: Path
    live: Any

    def __str__(self) -> str:
        return path_text(self.path)


def differences(intent: Raw, live: Raw) -> list[Difference]:
    """The places of the intent that the live object does not cover, in the order of the intent."""
    found: list[Difference] = []
    shape = shape_of(intent["kind"])
    for name, want in intent.items():
        if name in _IDENTITY:
            continue
        actual = live.get(name)
        if want != actual:
            _member(shape, want, actual, (name,), found, exact=False)
    return found


def path_text(path: Path) -> str:
    """`spec.template.spec.containers[kaspr].image`, `metadata.labels[kaspr.io/app]`."""
    text = ""
    for step in path:
        if isinstance(step, tuple):
            text += f"[{step[0]}]"
        elif "." in step or "/" in step:
            text += f"[{step}]"
        else:
            text += f".{step}" if text else step
    return text


def _members(
    shape: Shape, want: Raw, actual: Raw, path: Path, found: list[Difference], *, exact: bool
) -> None:
    exact = exact or shape.atomic
    for name, value in want.items():
        there = actual.get(name)
        if value != there:
            _member(shape, value, there, (*path, name), found, exact=exact)
    if exact:
        implied = shape.implied
        found.extend(
            Difference((*path, name), value)
            for name, value in actual.items()
            if value is not None and want.get(name) is None and implied.get(name) != value
        )


def _member(
    shape: Shape, want: Any, actual: Any, path: Path, found: list[Difference], *, exact: bool
) -> None:
    """One member of a struct or map, known to be unequal; its name is the last step of the path."""
    name = path[-1]
    if want is None or (not want and _not_written(shape, name, want, actual)):
        return
    _value(shape.fields.get(name) or shape.each or PLAIN, want, actual, path, found, exact=exact)


def _not_written(shape: Shape, name: str, want: Any, actual: Any) -> bool:
    """Whether the server has its own way to write this empty text, `false`, 0, empty list or empty map."""
    if actual is not None:
        return bool(shape.implied.get(name) == actual)
    if want == "":
        return name not in shape.pointers
    if isinstance(want, dict):
        return (shape.fields.get(name) or PLAIN).rule is Rule.MAP
    return isinstance(want, list) or name in shape.zeros


def _value(shape: Shape, want: Any, actual: Any, path: Path, found: list[Difference], *, exact: bool) -> None:
    """One value, known to be unequal."""
    if isinstance(want, dict) and isinstance(actual, dict):
        _members(shape, want, actual, path, found, exact=exact)
    elif isinstance(want, list) and isinstance(actual, list):
        _LISTS.get(shape.rule, _unit)(shape, want, actual, path, found, exact=exact)
    elif actual is None or shape.rule is not Rule.QUANTITY or not same_quantity(want, actual):
        found.append(Difference(path, actual))


def _unit(
    shape: Shape,
    want: list[Any],
    actual: list[Any],
    path: Path,
    found: list[Difference],
    *,
    exact: bool,  # noqa: ARG001 - always: that is what a unit is
) -> None:
    """A list that is one unit: same length, same items, same order."""
    if len(want) != len(actual):
        found.append(Difference(path, actual))
        return
    each = shape.each or PLAIN
    for index, (item, there) in enumerate(zip(want, actual, strict=True)):
        if item != there:
            _value(each, item, there, (*path, (index,)), found, exact=True)


def _set(
    _shape: Shape, want: list[Any], actual: list[Any], path: Path, found: list[Difference], *, exact: bool
) -> None:
    if any(item not in actual for item in want) or (exact and len(actual) > len(want)):
        found.append(Difference(path, actual))


def _keyed(
    shape: Shape, want: list[Any], actual: list[Any], path: Path, found: list[Difference], *, exact: bool
) -> None:
    """A list with merge keys: each wanted item is there, and they stand in the wanted order."""
    each = shape.each or PLAIN
    index: dict[Any, int] = {}
    cursor, misplaced = 0, False
    for item in want:
        if cursor < len(actual) and item == actual[cursor]:
            cursor += 1
            continue
        key = _key(shape, item)
        if cursor < len(actual) and _key(shape, actual[cursor]) == key:
            position: int | None = cursor
        else:
            index = index or {_key(shape, there): position for position, there in enumerate(actual)}
            position = index.get(key)
        if position is None:
            found.append(Difference((*path, (_label(key),)), None))
            continue
        misplaced = misplaced or position < cursor
        cursor = max(cursor, position + 1)
        if item != actual[position]:
            _value(each, item, actual[position], (*path, (_label(key),)), found, exact=exact)
    if misplaced or (exact and len(actual) > len(want)):
        found.append(Difference(path, [_label(_key(shape, there)) for there in actual]))


_LISTS = {Rule.KEYED: _keyed, Rule.SET: _set}


def _key(shape: Shape, item: Any) -> Any:
    """The merge key of an item, hashable whatever a user wrote there."""
    if not isinstance(item, dict):
        return repr(item)
    if len(shape.keys) == 1:
        key = item.get(shape.keys[0])
        return key if isinstance(key, str) else repr(key)
    implied = shape.each.implied if shape.each else {}
    return tuple(str(item.get(name) or implied.get(name)) for name in shape.keys)


def _label(key: Any) -> str:
    return "/".join(key) if isinstance(key, tuple) else key
