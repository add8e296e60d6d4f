"""Take over objects that the predecessor wrote: its fields become ours, so that a field left out of an intent goes away.

In: a live object with its `managedFields`. Out: a JSON patch, or None when there is nothing to take over. Called once per
object of a predecessor, on worker threads. Why it is needed (rule S6): a create or replace leaves an `Update` entry in
`managedFields`, and what such an entry owns is never removed by an apply, not even by one of the same name. Invariants: the
patch changes no field of the object, and none at all when the object changed since it was read.

Taken fields that the next apply leaves out are removed or fall back to their defaults. For most that is the point; a
replica count would fall to 1, so what must not move is named in `leave` and stays with its former manager.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaspr_controller.kube.applying import FIELD_MANAGER
from kaspr_controller.kube.kinds import STATEFUL_SET

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from kaspr_controller.converge.ports import Api, Patcher
    from kaspr_controller.kube.kinds import Kind, Raw

FORMER_MANAGERS = frozenset({"OpenAPI-Generator", "kopf", "Python"})
"""How the API server calls the predecessor: by the first word of the user agents of its client libraries."""

LEAVE_REPLICAS = ("spec", "replicas")
"""Of a StatefulSet: the autoscaler may have set it through the predecessor's entry."""
LEAVE_TEMPLATE = ("spec", "template")
"""Of a StatefulSet whose pod template is kept as the predecessor wrote it."""


def inherit(client: Api, kind: Kind, live: Raw, intent: Raw) -> None:
    """Take an object over from the predecessor right before an intent is applied to it.

    What the intent of a StatefulSet leaves out on purpose stays where it is.

    Raises:
        errors.Conflict: the object changed meanwhile.
    """
    meta = live["metadata"]
    fresh = client.get(kind, meta.get("namespace", ""), meta["name"], managed_fields=True)
    if fresh["metadata"]["uid"] != meta["uid"]:
        return  # the apply carries the UID, and fails
    left = () if kind != STATEFUL_SET else (LEAVE_REPLICAS, LEAVE_TEMPLATE)
    leave = [path for path in left if path[1] not in intent["spec"]]
    take_over(client, kind, fresh, former=FORMER_MANAGERS, leave=leave)


def take_over(
    client: Patcher,
    kind: Kind,
    live: Raw,
    *,
    former: Collection[str],
    leave: Iterable[tuple[str, ...]] = (),
    manager: str = FIELD_MANAGER,
) -> Raw | None:
    """Move the fields of former managers to our apply entry; the object afterwards, None when nothing was to be moved.

    Args:
        client: sends the patch.
        kind: of the object.
        live: the object as read, with `managedFields`.
        former: names of managers whose `Update` entries are taken over.
        leave: paths of plain fields that stay with their former manager.
        manager: our name.

    Raises:
        errors.Conflict: the object changed since it was read; read it again and decide again.
    """
    operations = migration(live, former=former, leave=leave, manager=manager)
    if operations is None:
        return None
    meta = live["metadata"]
    return client.patch_json(kind, meta.get("namespace", ""), meta["name"], operations)


def migration(
    live: Raw,
    *,
    former: Collection[str],
    leave: Iterable[tuple[str, ...]] = (),
    manager: str = FIELD_MANAGER,
) -> list[dict[str, Any]] | None:
    """The JSON patch of `take_over`, None when no former manager owns a field.

    Entries of subresources (a scale, a status) stay: they are no part of what an apply of the object owns. So do entries
    in another API version, whose paths may mean other fields.
    """
    meta = live["metadata"]
    entries: list[Mapping[str, Any]] = list(meta.get("managedFields") or ())
    version = live["apiVersion"]
    taken = [entry for entry in entries if _is_former(entry, former, version)]
    if not taken:
        return None
    ours = next((entry for entry in entries if _is_ours(entry, manager)), None)
    kept_paths = [tuple(f"f:{name}" for name in path) for path in leave]
    fields: dict[str, Any] = dict(ours["fieldsV1"]) if ours else {}
    rest = [entry for entry in entries if entry is not ours and entry not in taken]
    for entry in taken:
        left, moved = _split(entry["fieldsV1"], kept_paths)
        fields = _union(fields, moved)
        if left:
            rest.append({**entry, "fieldsV1": left})
    merged = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": version,
        "time": max(entry.get("time", "") for entry in taken),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [merged, *rest]},
        # An old version makes the server answer 409 to the whole patch.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]},
    ]


def _is_former(entry: Mapping[str, Any], former: Collection[str], version: str) -> bool:
    return (
        entry["operation"] == "Update"
        and not entry.get("subresource")
        and entry["manager"] in former
        and entry["apiVersion"] == version
    )


def _is_ours(entry: Mapping[str, Any], manager: str) -> bool:
    return entry["operation"] == "Apply" and not entry.get("subresource") and entry["manager"] == manager


def _union(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Both sets of fields: a field set is a tree whose branches are members, items and, as `.`, the place itself."""
    merged = dict(one)
    for step, below in other.items():
        merged[step] = _union(merged[step], below) if step in merged else below
    return merged


def _split(
    fields: Mapping[str, Any], paths: Iterable[tuple[str, ...]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The part of a field set at these paths, and the rest."""
    left: dict[str, Any] = {}
    moved = dict(fields)
    for path in paths:
        step, below = path[0], path[1:]
        if step not in moved:
            continue
        if not below:
            left[step] = moved.pop(step)
            continue
        inner_left, inner_moved = _split(moved[step], [below])
        if inner_left:
            left[step] = _union(left.get(step, {}), inner_left)
            moved[step] = inner_moved
        if not moved[step]:
            del moved[step]
    return left, moved
