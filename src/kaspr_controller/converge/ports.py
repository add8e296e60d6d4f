"""What this room needs from the rooms below it, as protocols.

`kube.client.Client`, `engine.store.Store`, `engine.clock.SystemClock` and `desired.bundle.Intent` fit; so do the doubles
of the tests. Values cross here as raw JSON that nobody edits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kaspr_controller.kube.kinds import Kind, ObjectKey, Raw


class Intent(Protocol):
    """One object that should exist."""

    @property
    def obj(self) -> Raw:
        """The whole intent: every field in it is wanted, no other is."""
        ...

    @property
    def needs(self) -> frozenset[tuple[str, str]]:
        """Kind and name of objects of the same namespace that have to be stored before this one."""
        ...


class Monotonic(Protocol):
    """A clock for periods."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


class Card(Protocol):
    """What a cache tells about an object without decoding it."""

    @property
    def uid(self) -> str:
        """Its incarnation."""
        ...

    @property
    def resource_version(self) -> str:
        """Opaque text of the server; another one for every state."""
        ...

    @property
    def deleting(self) -> bool:
        """Whether it is about to go."""
        ...


class Cache(Protocol):
    """The cache of one kind; complete for objects that carry our labels, blind for others."""

    def get(self, key: ObjectKey) -> Raw | None:
        """The object, our own last write included."""
        ...

    def meta(self, key: ObjectKey) -> Card | None:
        """The object's identity card."""
        ...

    def keys_by_owner(self, uid: str) -> Sequence[ObjectKey]:
        """The keys of objects with an owner reference to this UID."""
        ...

    def overlay(self, obj: Raw) -> None:
        """Our write's answer: visible at once."""
        ...

    def forget(self, key: ObjectKey, uid: str) -> None:
        """Our delete: invisible at once."""
        ...


class Api(Protocol):
    """The requests; every one raises `kube.errors.ApiError`."""

    def get(self, kind: Kind, namespace: str, name: str, *, managed_fields: bool = False) -> Raw:
        """The object as the server has it now, with `managedFields` only when asked for them."""
        ...

    def patch_json(self, kind: Kind, namespace: str, name: str, ops: list[dict[str, Any]]) -> Raw:
        """A JSON patch; the whole object as it is afterwards."""
        ...

    def apply(
        self, obj: Raw, *, kind: Kind | None = None, dry_run: bool = False, field_manager: str = ...
    ) -> Raw:
        """A server-side apply with force; the whole object as it is afterwards."""
        ...

    def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str, resource_version: str | None = None
    ) -> None:
        """A delete in the background, only of this incarnation and, when named, only of this version."""
        ...


class Patcher(Protocol):
    """The one request of `adopting`."""

    def patch_json(self, kind: Kind, namespace: str, name: str, ops: list[dict[str, Any]]) -> Raw:
        """A JSON patch; the whole object as it is afterwards."""
        ...
