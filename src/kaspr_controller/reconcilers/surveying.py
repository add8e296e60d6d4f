"""What the custom resources say of themselves, for the metrics: read from the caches when somebody scrapes.

In: the stores of our kinds. Out: a `Survey`. Runs on the listener's threads; one survey at a time. An object is decoded once
for each of its versions, so a scrape of a calm fleet looks at keys and versions only. Nothing is remembered of objects
that are gone.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from kaspr_controller.reconcilers import kinds
from kaspr_controller.telemetry.surveys import Condition, Members, Survey

if TYPE_CHECKING:
    from kaspr_controller.kube.kinds import ObjectKey, Raw
    from kaspr_controller.reconcilers.loading import Stores

_VALUES = {"True": 1, "False": 0}
_UNKNOWN = -1
_SHARE = re.compile(r"(\d+)/(\d+)")
_STATES: Mapping[str, tuple[str, str]] = {
    "availableMembers": ("available", "wanted"),
    "rebalancingMembers": ("rebalancing", ""),
}
"""Field of an app's status, of the form `2/3` -> what its two numbers count; "" for one that another field tells."""


class _Card(NamedTuple):
    """What is told about one version of an object."""

    version: str
    conditions: tuple[Condition, ...]
    members: tuple[Members, ...]


class Surveyor:
    """Makes surveys. Thread-safe.

    Args:
        stores: by kind; those of our kinds are looked at.
    """

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._lock = threading.Lock()
        self._cards: dict[ObjectKey, _Card] = {}

    def survey(self) -> Survey:
        """The state of this moment."""
        with self._lock:
            cards = {kind.kind: self._of_kind(kind.kind) for kind in (kinds.APP, *kinds.COMPONENTS)}
            self._cards = {key: card for found in cards.values() for key, card in found.items()}
        every = [card for found in cards.values() for card in found.values()]
        return Survey(
            tuple(condition for card in every for condition in card.conditions),
            tuple(members for card in every for members in card.members),
            {kind: sum(map(_is_invalid, found.values())) for kind, found in cards.items()},
        )

    def _of_kind(self, kind: str) -> dict[ObjectKey, _Card]:
        store = self._stores[kind]
        found: dict[ObjectKey, _Card] = {}
        for key in store.keys():  # noqa: SIM118  # no dictionary
            meta = store.meta(key)
            if meta is None:
                continue  # deleted since
            card = self._cards.get(key)
            if card is None or card.version != meta.resource_version:
                raw = store.get(key)
                card = _read(raw, key) if raw is not None else None
            if card is not None:
                found[key] = card
        return found


def _read(raw: Raw, key: ObjectKey) -> _Card:
    status = raw.get("status") or {}
    conditions = tuple(
        Condition(
            key.kind,
            key.namespace,
            key.name,
            str(item["type"]),
            str(item.get("reason", "")),
            _VALUES.get(item["status"], _UNKNOWN),
        )
        for item in status.get("conditions", ())
    )
    counts: dict[str, int] = {}
    if key.kind == kinds.APP.kind:
        for field, states in _STATES.items():
            share = _SHARE.fullmatch(str(status.get(field, "")))
            if share:
                counts |= {state: int(count) for state, count in zip(states, share.groups(), strict=True)}
    members = (Members(key.namespace, key.name, state, count) for state, count in counts.items() if state)
    return _Card(raw["metadata"]["resourceVersion"], conditions, tuple(members))


def _is_invalid(card: _Card) -> bool:
    return any(
        (condition.type == "Stalled" and condition.value == 1)
        or (condition.type == "Accepted" and condition.value == 0)
        for condition in card.conditions
    )
