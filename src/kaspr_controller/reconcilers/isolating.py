"""Isolate: a component whose content cannot be stored costs itself, not its app (rule D27 of behaviour).

In: how to render and how to write. Out: the bundle that could be written, what came of it, and the ConfigMaps given up.
The workload waits for everything that it refers to, so a ConfigMap that somebody else has, or that the server refuses for
good, would keep it from every other change. Such a component is held back and the app is rendered again without its new
definition. What may pass by itself (an error, a timeout, an object on its way out) is waited for instead: a workload that
goes on without it would roll out twice. Runs on a worker's thread; keeps nothing, so every pass tries again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kaspr_controller.converge.changes import ChangeSet, Entry
from kaspr_controller.desired.app.identity import content_name
from kaspr_controller.desired.bundle import Bundle
from kaspr_controller.desired.problems import ComponentKey, Problem, Unstorable
from kaspr_controller.kube.kinds import ObjectKey

Refusals = Mapping[ComponentKey, Unstorable]


@dataclass(frozen=True, slots=True)
class Written:
    """What could be written.

    Attributes:
        bundle: the last render.
        changes: its entries, and those of the ConfigMaps that were given up.
        given_up: these ConfigMaps; their components say why, so the app does not.
    """

    bundle: Bundle
    changes: ChangeSet
    given_up: frozenset[ObjectKey] = frozenset()


def converge(
    render: Callable[[Refusals], Bundle], write: Callable[[Bundle], ChangeSet], *, running: bool
) -> Written:
    """Write a bundle, and again without the components whose content cannot be stored.

    Args:
        render: the app, with some components held back.
        write: every object of a bundle. What is as wanted costs nothing, so the second time is cheap.
        running: there are pods. The first pod has to find all definitions, so a new app waits where a running one goes on
            without a component that the server does not let in at the moment (a quota, a missing permission).
    """
    refused: dict[ComponentKey, Unstorable] = {}
    given_up: dict[ObjectKey, Entry] = {}
    bundle = render(refused)
    rounds = [write(bundle)]
    # Each round holds back one component more, or lets go of its last good definition.
    for _ in range(2 * len(bundle.components)):
        found = list(_refused(bundle, rounds[-1], running=running))
        if not found:
            break
        for entry in found:
            refused |= _blame(bundle, entry, refused)
            given_up[entry.key] = entry
        bundle = render(refused)
        rounds.append(write(bundle))
    return Written(bundle, _merged(rounds, given_up), frozenset(given_up))


def _refused(bundle: Bundle, changes: ChangeSet, *, running: bool) -> Iterator[Entry]:
    """The ConfigMaps of components that will not be stored."""
    homes = {outcome.config_map for outcome in bundle.components.values() if outcome.config_map}
    for entry in changes:
        if entry.key.kind == "ConfigMap" and entry.key.name in homes and _is_final(entry, running=running):
            yield entry


def _is_final(entry: Entry, *, running: bool) -> bool:
    if entry.outcome == "foreign" or entry.category == "terminal":
        return True
    return running and entry.outcome == "refused"


def _blame(bundle: Bundle, entry: Entry, before: Refusals) -> dict[ComponentKey, Unstorable]:
    """The components that lose by it.

    Somebody else's ConfigMap is in the way of the component it is named after; the others in the document can do without.
    Of a refused document nobody knows who is to blame: all of it stays as it was.
    """
    if entry.outcome == "foreign":
        home = next(key for key in bundle.components if content_name(*key) == entry.key.name)
        return {home: Unstorable(Problem(entry.reason, "metadata.name", entry.message), keep=False)}
    text = f"ConfigMap {entry.key.name}, which carries this, is refused: {entry.message}"
    return {
        key: Unstorable(Problem(entry.reason, "", text), keep=key not in before)
        for key, outcome in bundle.components.items()
        if outcome.config_map == entry.key.name
    }


def _merged(rounds: Sequence[ChangeSet], given_up: Mapping[ObjectKey, Entry]) -> ChangeSet:
    """The entries of the last round; what was written in an earlier one and found unchanged later was written."""
    written = {entry.key: entry for changes in rounds for entry in changes.writes}
    last = [
        written.get(entry.key, entry) if entry.outcome == "unchanged" else entry
        for entry in rounds[-1]
        if entry.key not in given_up
    ]
    return ChangeSet((*last, *given_up.values()))
