"""What a store tells about an object: its identity card (`Meta`), its packed form (`Entry`) and its `Change`.

Made by stores on informer threads, read by handlers there and by nobody else afterwards. The invariant: a change can be
passed on without decoding anything; whoever looks at `old` or `new` pays for the decoding, once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from kaspr_controller.engine.packing import Packed
    from kaspr_controller.kube.kinds import ObjectKey, Raw


@dataclass(frozen=True, slots=True)
class Meta:
    """The part of an object's metadata that is kept unpacked.

    Attributes:
        resource_version: opaque text of the server.
        uid: tells incarnations of one name apart.
        generation: 0 for kinds without one.
        deleting: whether it has a deletionTimestamp.
        owners: UIDs of its owner references.
    """

    resource_version: str
    uid: str
    generation: int = 0
    deleting: bool = False
    owners: tuple[str, ...] = ()


def meta_of(obj: Raw) -> Meta:
    """The identity card of an object."""
    meta = obj["metadata"]
    return Meta(
        meta.get("resourceVersion", ""),
        meta.get("uid", ""),
        meta.get("generation", 0),
        "deletionTimestamp" in meta,
        tuple(ref["uid"] for ref in meta.get("ownerReferences") or ()),
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One state of one object in a store; `values` are its index values, in the order of the store's indexes."""

    packed: Packed
    meta: Meta
    values: tuple[tuple[str, ...], ...] = ()

    def raw(self) -> Raw:
        """The object to look at; see `packing` for who shares it."""
        return self.packed.read()


State: TypeAlias = "Entry | Raw | None"


class Change:
    """One object appeared, changed or vanished.

    Attributes:
        key: which object.
        initial: part of the first list after a start, so nothing new to the world.
        echo: the watch brings back a state that one of our own writes had returned before. Best effort: an echo that
            overtakes the answer to its write is not recognised.
    """

    __slots__ = ("_new", "_old", "echo", "initial", "key")

    def __init__(
        self, key: ObjectKey, old: State, new: State, *, initial: bool = False, echo: bool = False
    ) -> None:
        self.key = key
        self.initial = initial
        self.echo = echo
        self._old = old
        self._new = new

    @property
    def old(self) -> Raw | None:
        """The state before, None for a new object. Of a deleted object: the last known one. Read-only."""
        if isinstance(self._old, Entry):
            self._old = self._old.raw()
        return self._old

    @property
    def new(self) -> Raw | None:
        """The state now, None for a deleted object. Read-only."""
        if isinstance(self._new, Entry):
            self._new = self._new.raw()
        return self._new

    @property
    def before(self) -> Meta | None:
        """The identity card of `old`."""
        return _card(self._old)

    @property
    def after(self) -> Meta | None:
        """The identity card of `new`."""
        return _card(self._new)

    @property
    def resync(self) -> bool:
        """Whether both states are the same version: told again, not changed."""
        before, after = self.before, self.after
        return before is not None and after is not None and before == after

    def __repr__(self) -> str:
        word = "changed" if self._old and self._new else "added" if self._new else "deleted"
        return f"<{self.key} {word}{' initially' if self.initial else ''}>"


def _card(state: State) -> Meta | None:
    if state is None:
        return None
    return state.meta if isinstance(state, Entry) else meta_of(state)
