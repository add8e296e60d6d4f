"""Which components must share one document: joins, their tables, and the agents that read their channels.

In: chosen definitions. Out: groups of keys. The runtime reads files in directory order and builds one after the other; a
join before its tables is a KeyError, an agent before its join does not start (contract T6). Inside one file the order is
always tables, joins, tasks, agents. Everything that no join touches has a document of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from kaspr_controller.desired.claims import Claims
from kaspr_controller.desired.problems import ComponentKey


class Wired(Protocol):
    """Anything with wires."""

    @property
    def claims(self) -> Claims:
        """What it needs and what it claims."""


def groups(chosen: Mapping[ComponentKey, Wired]) -> list[tuple[ComponentKey, ...]]:
    """The components document by document, each group sorted, the groups sorted by their home.

    A group of several begins with its home, the first of its joins by name; its ConfigMap carries the document.
    """
    joins = sorted(key for key in chosen if key[0] == "KasprJoin")
    if not joins:
        return [(key,) for key in sorted(chosen)]
    leader: dict[ComponentKey, ComponentKey] = {}
    by_channel = {chosen[key].claims.emits: key for key in joins}
    for key in joins:
        claims = chosen[key].claims
        _unite(leader, key, (("KasprTable", claims.left), ("KasprTable", claims.right)))
    for key, wired in chosen.items():
        join = by_channel.get(wired.claims.listens) if wired.claims.listens else None
        if join is not None:
            _unite(leader, join, (key,))
    members: dict[ComponentKey, list[ComponentKey]] = {}
    for key in sorted(chosen):
        members.setdefault(_find(leader, key), []).append(key)
    return sorted(_home_first(group) for group in members.values())


def _home_first(group: list[ComponentKey]) -> tuple[ComponentKey, ...]:
    home = next((key for key in group if key[0] == "KasprJoin"), group[0])
    return (home, *(key for key in group if key != home))


def _find(leader: Mapping[ComponentKey, ComponentKey], key: ComponentKey) -> ComponentKey:
    while (above := leader.get(key, key)) != key:
        key = above
    return key


def _unite(
    leader: dict[ComponentKey, ComponentKey], key: ComponentKey, others: Iterable[ComponentKey]
) -> None:
    for other in others:
        mine, theirs = _find(leader, key), _find(leader, other)
        if mine != theirs:
            leader[theirs] = mine
