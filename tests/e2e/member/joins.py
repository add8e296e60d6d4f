"""Foreign-key joins of two tables, for rows that one member holds.

In: the rows an event has changed. Out: pairs for the channels of the joins. Called by `processing`. The real runtime lets rows
meet that live on different members, by way of two topics; here they meet only on one, so scenarios with joins run one member.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.e2e.member.codecs import decode
from tests.e2e.member.scripts import function
from tests.e2e.member.tables import Change, Table


class Pair(NamedTuple):
    """What an agent on a join's channel gets; it has attributes and no items by name."""

    left: Any
    right: Any


@dataclass(frozen=True, slots=True)
class Join:
    """One join."""

    left: str
    right: str
    inner: bool
    channel: str
    extract: Callable[[Any], Any]

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Join:
        """Return the join of a checked definition."""
        return cls(
            left=entry["left_table"],
            right=entry["right_table"],
            inner=entry["type"] in {None, "inner"},
            channel=entry["output_channel"] or f"{entry['name']}-channel",
            extract=function(entry["extractor"]),
        )


def emitted(
    joins: Iterable[Join], tables: Mapping[str, Table], changes: Iterable[tuple[str, Change]]
) -> Iterator[tuple[str, Any]]:
    """Yield channel and pair for each row that a change concerns."""
    for name, (key, value) in changes:
        for join in joins:
            left, right = tables[join.left], tables[join.right]
            if name == join.left and value is not None:
                rows = [decode(left.value_serializer, value)]
            elif name == join.right:
                rows = [row for row in left.values() if right.encoded(join.extract(row)) == key]
            else:
                continue
            for row in rows:
                other = right.get(join.extract(row))
                if other is not None or not join.inner:
                    yield join.channel, Pair(row, other)
