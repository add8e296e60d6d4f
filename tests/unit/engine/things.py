"""Objects of a made-up kind for the tests of the engine, which knows no kind of ours."""

from __future__ import annotations

import random
from typing import Any

from kaspr_controller.kube.kinds import Kind, ObjectKey, Raw

THING = Kind("example.com", "v1", "Thing", "things")
PART = Kind("example.com", "v1", "Part", "parts")


def key(name: str, namespace: str = "ns", kind: str = "Thing") -> ObjectKey:
    return ObjectKey(kind, namespace, name)


def thing(
    name: str = "a", rv: int | str = 1, *, uid: str = "", kind: Kind = THING, **more: Any
) -> dict[str, Any]:
    """An object; `labels`, `annotations`, `owners` (UIDs), `deleting` and `generation` go into its metadata."""
    meta: dict[str, Any] = {
        "name": name,
        "namespace": more.pop("namespace", "ns"),
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(rv),
    }
    if owners := more.pop("owners", ()):
        meta["ownerReferences"] = [
            {
                "apiVersion": "example.com/v1",
                "kind": "Thing",
                "name": f"name-{owner}",
                "uid": owner,
                "controller": True,
            }
            for owner in owners
        ]
    if more.pop("deleting", False):
        meta["deletionTimestamp"] = "2026-01-02T03:04:05Z"
    for field in ("labels", "annotations", "generation", "managedFields"):
        if field in more:
            meta[field] = more.pop(field)
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta, **more}


def version(obj: Raw | None) -> str | None:
    return obj["metadata"]["resourceVersion"] if obj else None


def seeded(seed: int) -> random.Random:
    """Randomness that repeats itself, which is the point in a test."""
    return random.Random(seed)  # noqa: S311
