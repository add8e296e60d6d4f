"""An API server in memory, as far as writing needs one: server-side apply with field ownership, updates, deletes.

Objects are JSON; every change gives a new resource version, a request that changes nothing does not. Ownership is kept
per manager as a set of paths, lists by the merge keys of `converge.mergekeys`, which the integration tests compare with a
real server. Defaults and spellings of a real server come in through `spelling`. Faults are set per request.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from pydantic_core import from_json, to_json

from kaspr_controller.converge.mergekeys import shape_of
from kaspr_controller.converge.shapes import PLAIN, Rule, Shape
from kaspr_controller.kube.errors import ApiError, Cause, Conflict, Invalid, NotFound, UidMismatch
from kaspr_controller.kube.kinds import Kind, ObjectKey, key_of

T = TypeVar("T")
Path: TypeAlias = tuple[Any, ...]
Flat: TypeAlias = dict[Path, Any]
Tree: TypeAlias = "OrderedDict[Any, Any]"

_SERVERS_OWN = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "generation",
    "deletionTimestamp",
)


def copied(value: T) -> T:
    """A copy of JSON that shares nothing with it; several times faster than `copy.deepcopy`."""
    if not isinstance(value, dict | list):
        return value
    copy: T = from_json(to_json(value))
    return copy


class FakeServer:
    """What `kube.client.Client` offers for objects of built-in kinds.

    Attributes:
        objects: everything stored, complete objects.
        requests: what was asked, in order: `("apply", key)`, `("get", key)`, `("delete", key)`.
        faults: errors by request; a list is used up, one error per request.
        spelling: turns an object into what the server would store.
        before: called with each request before it is answered.
        shape: the merge keys of a kind.
    """

    def __init__(self) -> None:
        self.objects: dict[ObjectKey, dict[str, Any]] = {}
        self.requests: list[tuple[str, ObjectKey]] = []
        self.faults: dict[tuple[str, ObjectKey], list[ApiError]] = {}
        self.spelling: Callable[[dict[str, Any]], dict[str, Any]] = lambda obj: obj
        self.before: Callable[[str, ObjectKey], object] = lambda *_: None
        self.shape: Callable[[str], Shape] = shape_of
        self._owned: dict[ObjectKey, dict[str, set[Path]]] = {}
        self._version = 100
        self._uids = 0

    # What the client offers.

    def get(self, kind: Kind, namespace: str, name: str, *, managed_fields: bool = False) -> dict[str, Any]:
        key = kind.key(namespace, name)
        self._ask("get", key)
        obj = copied(self._stored(key))
        if managed_fields:
            obj["metadata"]["managedFields"] = [
                _entry(manager, paths, obj["apiVersion"]) for manager, paths in self._owned[key].items()
            ]
        return obj

    def apply(
        self,
        obj: Mapping[str, Any],
        *,
        kind: Kind | None = None,
        dry_run: bool = False,
        field_manager: str = "kaspr-controller",
    ) -> dict[str, Any]:
        key = key_of(obj)
        self._ask("apply", key)
        live = self.objects.get(key)
        _check_uid(obj, live)
        merged, owned = self._merge(key, obj, live, field_manager)
        if dry_run:
            return merged
        self._owned[key] = owned
        return copied(self._store(key, merged))

    def patch_json(self, kind: Kind, namespace: str, name: str, ops: list[dict[str, Any]]) -> dict[str, Any]:
        """A change of ownership, the only such patch that there is."""
        key = kind.key(namespace, name)
        self._ask("patch", key)
        wanted = {op["path"]: op["value"] for op in ops}
        live = self._stored(key)
        if wanted["/metadata/resourceVersion"] != live["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified", status=409)
        self._owned[key] = {
            entry["manager"]: set(_paths_of(entry["fieldsV1"])) for entry in wanted["/metadata/managedFields"]
        }
        self._version += 1
        stored = {**live, "metadata": {**live["metadata"], "resourceVersion": str(self._version)}}
        self.objects[key] = stored
        return copied(stored)

    def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str, resource_version: str | None = None
    ) -> None:
        key = kind.key(namespace, name)
        self._ask("delete", key)
        meta = self._stored(key)["metadata"]
        if meta["uid"] != uid:
            raise UidMismatch("the UID in the precondition differs", status=409)
        if resource_version not in {None, meta["resourceVersion"]}:
            raise Conflict("the resource version in the precondition differs", status=409)
        self.vanish(key)

    # What others do.

    def put(self, obj: Mapping[str, Any], *, manager: str = "somebody") -> dict[str, Any]:
        """Create or replace an object, as a client without server-side apply does."""
        key = key_of(obj)
        live = self.objects.get(key)
        shape = self.shape(key.kind)
        old = _flatten(_content(live), shape) if live else {}
        new = _flatten(_content(obj), shape)
        changed = {path for path in {**old, **new} if old.get(path, ...) != new.get(path, ...)}
        owned = {name: paths - changed for name, paths in self._owned.get(key, {}).items()}
        owned[manager] = owned.get(manager, set()) | {path for path in changed if path in new}
        self._owned[key] = owned
        return copied(self._store(key, _with_identity(_content(obj), live)))

    def edit(self, key: ObjectKey, *path: str | int, to: Any, manager: str = "somebody") -> dict[str, Any]:
        """Set one place of an object; `None` removes it."""
        obj = copied(self._stored(key))
        place: Any = obj
        for step in path[:-1]:
            place = place[step]
        if to is None:
            del place[path[-1]]
        else:
            place[path[-1]] = to
        return self.put(obj, manager=manager)

    def mark_deleted(self, key: ObjectKey) -> dict[str, Any]:
        """A delete that waits for a finalizer."""
        obj = copied(self._stored(key))
        obj["metadata"]["deletionTimestamp"] = "2026-01-02T03:04:05Z"
        return copied(self._store(key, obj))

    def vanish(self, key: ObjectKey) -> None:
        """The object is gone."""
        del self.objects[key], self._owned[key]

    def asked(self, verb: str) -> list[ObjectKey]:
        """The keys of the requests of one verb."""
        return [key for each, key in self.requests if each == verb]

    # Steps of the above.

    def _ask(self, verb: str, key: ObjectKey) -> None:
        self.requests.append((verb, key))
        self.before(verb, key)
        waiting = self.faults.get((verb, key))
        if waiting:
            raise waiting.pop(0)

    def _stored(self, key: ObjectKey) -> dict[str, Any]:
        if key not in self.objects:
            raise NotFound(f"{key} not found", status=404)
        return self.objects[key]

    def _store(self, key: ObjectKey, obj: dict[str, Any]) -> dict[str, Any]:
        live = self.objects.get(key)
        stored = self.spelling(copied(obj))
        meta = stored["metadata"]
        if live is None:
            self._uids += 1
            meta["uid"] = f"uid-{self._uids}"
        meta.pop("resourceVersion", None)
        if live is not None and _without_version(live) == stored:
            return live
        self._version += 1
        meta["resourceVersion"] = str(self._version)
        self.objects[key] = stored
        return stored

    def _merge(
        self, key: ObjectKey, obj: Mapping[str, Any], live: dict[str, Any] | None, manager: str
    ) -> tuple[dict[str, Any], dict[str, set[Path]]]:
        shape = self.shape(key.kind)
        wanted = _flatten(_content(obj), shape)
        there = _flatten(_content(live), shape) if live else {}
        owned = {name: set(paths) for name, paths in self._owned.get(key, {}).items()}
        dropped = owned.pop(manager, set()) - wanted.keys()
        others = set().union(*owned.values())
        kept = {path: value for path, value in there.items() if path not in dropped or path in others}
        for name, paths in owned.items():
            owned[name] = {path for path in paths if path not in wanted or kept.get(path) == wanted[path]}
        owned[manager] = set(wanted)
        merged: dict[str, Any] = _build(_merged(_tree_of(kept), _tree_of(wanted)))
        return _with_identity(merged, live), owned


def _entry(manager: str, paths: set[Path], version: str) -> dict[str, Any]:
    """An entry of `managedFields`; the steps of a path are spelled so that they can be read back."""
    fields: dict[str, Any] = {}
    for path in paths:
        place = fields
        for step in path:
            spelled = f"f:{step}" if isinstance(step, str) else f"k:{to_json(step).decode()}"
            place = place.setdefault(spelled, {})
    operation = "Apply" if manager.startswith("kaspr-controller") else "Update"
    return {"manager": manager, "operation": operation, "apiVersion": version, "time": "", "fieldsV1": fields}


def _paths_of(fields: Mapping[str, Any]) -> Iterator[Path]:
    for spelled, below in fields.items():
        step: Any = spelled[2:] if spelled.startswith("f:") else tuple(from_json(spelled[2:]))
        if below:
            yield from ((step, *rest) for rest in _paths_of(below))
        else:
            yield (step,)


def _check_uid(obj: Mapping[str, Any], live: Mapping[str, Any] | None) -> None:
    uid = obj["metadata"].get("uid")
    if uid is None:
        return
    if live is None:
        raise UidMismatch("uid mismatch: no existing object was found", status=409)
    if live["metadata"]["uid"] != uid:
        cause = Cause("FieldValueInvalid", "metadata.uid", "field is immutable")
        raise Invalid("metadata.uid: field is immutable", status=422, causes=(cause,))


def _content(obj: Mapping[str, Any]) -> dict[str, Any]:
    """The object without what only the server writes."""
    meta = {name: value for name, value in obj["metadata"].items() if name not in _SERVERS_OWN}
    return {**obj, "metadata": meta}


def _with_identity(content: dict[str, Any], live: Mapping[str, Any] | None) -> dict[str, Any]:
    own = {name: live["metadata"][name] for name in _SERVERS_OWN if name in live["metadata"]} if live else {}
    return {**content, "metadata": {**content["metadata"], **own}}


def _without_version(obj: Mapping[str, Any]) -> dict[str, Any]:
    meta = {name: value for name, value in obj["metadata"].items() if name != "resourceVersion"}
    return {**obj, "metadata": meta}


def _flatten(value: Any, shape: Shape, path: Path = ()) -> Flat:
    return dict(_leaves(value, shape, path))


def _leaves(value: Any, shape: Shape, path: Path) -> Iterator[tuple[Path, Any]]:
    """The smallest places that can have different owners."""
    if isinstance(value, dict) and value and not shape.atomic:
        for name, member in value.items():
            child = shape.fields.get(name) or shape.each or PLAIN
            yield from _leaves(member, child, (*path, name))
    elif isinstance(value, list) and value and shape.rule is Rule.KEYED:
        each = shape.each or PLAIN
        for item in value:
            key = tuple(item.get(name) or each.implied.get(name) for name in shape.keys)
            if each.atomic:
                yield (*path, ("item", *key)), item
            else:
                yield from _leaves(item, each, (*path, ("item", *key)))
    else:
        yield path, value


def _tree_of(flat: Flat) -> Tree:
    tree: Tree = OrderedDict()
    for path, value in flat.items():
        place = tree
        for step in path[:-1]:
            if not isinstance(place.get(step), OrderedDict):
                place[step] = OrderedDict()
            place = place[step]
        place[path[-1]] = value
    return tree


def _build(node: Any) -> Any:
    if not isinstance(node, OrderedDict):
        return copied(node)
    if any(isinstance(step, tuple) for step in node):
        return [_build(item) for item in node.values()]
    return {name: _build(member) for name, member in node.items()}


def _merged(there: Any, wanted: Any) -> Any:
    """Both trees; what is wanted wins."""
    if not isinstance(there, OrderedDict) or not isinstance(wanted, OrderedDict):
        return wanted
    steps = _interleaved(list(there), list(wanted))
    return OrderedDict(
        (
            step,
            _merged(there[step], wanted[step])
            if step in there and step in wanted
            else wanted.get(step, there.get(step)),
        )
        for step in steps
    )


def _interleaved(there: list[Any], wanted: list[Any]) -> list[Any]:
    """The order of list items after an apply: ours as wanted, those of others where they stood between ours.

    The walk of structured-merge-diff, which takes from both lists and lets the common items of the applied one lead.
    """
    shared = [step for step in wanted if step in set(there)]
    merged: list[Any] = []
    left, right = list(there), list(wanted)
    while left or right:
        if left and right:
            if left[0] == right[0]:
                merged.append(left.pop(0))
                right.pop(0)
                shared = shared[1:]
                continue
            if left[0] in wanted and shared and shared[0] != left[0]:
                left.pop(0)
                continue
        if left:
            if left[0] not in wanted:
                merged.append(left.pop(0))
                continue
            if left[0] in merged:
                left.pop(0)
        if right:
            step = right.pop(0)
            merged.append(step)
            shared = shared[1:] if shared and shared[0] == step else shared
    return merged
