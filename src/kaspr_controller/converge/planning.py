"""What a pass would change, without changing it: for `kaspr-controller diff` and dry runs.

In: the owner and its intents. Out: one `PlannedChange` per intent, with field paths and no values, since an object may
hold a secret. Called by the command line; requests go to the server as dry runs, so its validation, defaults and
admission take part. Invariant: nothing is stored, in the cluster or in a cache's view of our own writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from kaspr_controller.converge.canonical import HASH_ANNOTATION, body_of
from kaspr_controller.converge.changes import Entry, from_error
from kaspr_controller.converge.covering import Path, path_text
from kaspr_controller.converge.mergekeys import shape_of
from kaspr_controller.converge.shapes import PLAIN, Rule, Shape
from kaspr_controller.kube.errors import ApiError
from kaspr_controller.kube.kinds import ObjectKey, key_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kaspr_controller.converge.changes import Owner
    from kaspr_controller.converge.comparing import Comparison, Write
    from kaspr_controller.converge.ports import Api, Intent
    from kaspr_controller.kube.kinds import Raw

Action: TypeAlias = Literal["create", "change", "none", "blocked"]

_BOOKKEEPING = {
    ("metadata", name)
    for name in ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")
} | {("metadata", "annotations", HASH_ANNOTATION), ("status",), ("apiVersion",), ("kind",)}


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """What would happen to one object.

    Attributes:
        key: the object.
        action: `create`, `change`, `none`, or `blocked` with the reason.
        paths: fields that would change, be added or go away.
        reason: one word, as in `Entry`.
        message: one sentence, as in `Entry`.
        entry: what stands in the way, for `blocked`.
    """

    key: ObjectKey
    action: Action
    paths: tuple[str, ...] = ()
    reason: str = ""
    message: str = ""
    entry: Entry | None = None


def plan(
    owner: Owner, intents: Sequence[Intent], comparison: Comparison, client: Api, field_manager: str
) -> tuple[PlannedChange, ...]:
    """The changes in the order of the intents. What one needs of another is not considered."""
    return tuple(_plan(owner, intent.obj, comparison, client, field_manager) for intent in intents)


def _plan(owner: Owner, obj: Raw, comparison: Comparison, client: Api, field_manager: str) -> PlannedChange:
    key = key_of(obj)
    try:
        verdict = comparison.compare(owner, obj, key)
        if isinstance(verdict, Entry):
            return _without_write(verdict)
        body = body_of(obj, verdict.desired_hash, verdict.uid)
        answer = client.apply(body, dry_run=True, field_manager=field_manager)
    except ApiError as error:
        return _without_write(from_error(key, error))
    return _with_write(verdict, answer)


def _without_write(entry: Entry) -> PlannedChange:
    if entry.stored:
        return PlannedChange(entry.key, "none", (), entry.reason, entry.message)
    return PlannedChange(entry.key, "blocked", (), entry.reason, entry.message, entry)


def _with_write(write: Write, answer: Raw) -> PlannedChange:
    if write.live is None:
        return PlannedChange(write.key, "create")
    paths = tuple(path_text(path) for path in changed_paths(shape_of(write.key.kind), write.live, answer, ()))
    return PlannedChange(write.key, "change" if paths else "none", paths)


def changed_paths(shape: Shape, before: Any, after: Any, path: Path) -> Iterator[Path]:
    """The deepest places in which two versions of an object differ, in whatever direction."""
    if before == after or path in _BOOKKEEPING:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {**before, **after}:
            child = shape.fields.get(name) or shape.each or PLAIN
            yield from changed_paths(child, before.get(name), after.get(name), (*path, name))
    elif shape.rule is Rule.KEYED and isinstance(before, list) and isinstance(after, list):
        yield from _changed_items(shape, before, after, path)
    else:
        yield path


def _changed_items(shape: Shape, before: list[Any], after: list[Any], path: Path) -> Iterator[Path]:
    old, new = _by_key(shape, before), _by_key(shape, after)
    for key in {**old, **new}:
        yield from changed_paths(shape.each or PLAIN, old.get(key), new.get(key), (*path, (key,)))
    if old.keys() == new.keys() and list(old) != list(new):
        yield path


def _by_key(shape: Shape, items: list[Any]) -> dict[str, Any]:
    return {"/".join(str(item.get(name)) for name in shape.keys): item for item in items}
