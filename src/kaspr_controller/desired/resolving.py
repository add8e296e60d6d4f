"""Which definition of each component goes to the pods: the new one, the last good one, or none.

In: components that were judged one by one, and the live definitions. Out: a choice for each. The runtime builds all
definitions of an app in one process, so one join without its table or one route taken twice ends every member; here each
such fault costs its own component and nobody else. Pure. Invariant: the chosen set, taken together, starts.

How: every component begins with its new definition. A round of rules looks at what is chosen; whoever breaks a rule
falls back to its last good definition, then to none. Rules about what exists come first, because what is missing must
not win a quarrel about a name. A component falls at most twice, so this ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from kaspr_controller.desired import closure, documents, problems
from kaspr_controller.desired.app.identity import content_name
from kaspr_controller.desired.claims import SCHEDULER_TABLES, Claims
from kaspr_controller.desired.components import DOCUMENT_LIMIT, Prepared, too_big
from kaspr_controller.desired.definitions import Entry
from kaspr_controller.desired.lastgood import LiveDefinitions
from kaspr_controller.desired.problems import ComponentKey, Problem, Unstorable


@dataclass(frozen=True, slots=True)
class Choice:
    """What goes to the pods for one component.

    Attributes:
        entry: the definition.
        claims: its wires.
        text: the document with this entry alone; for a last good one, byte for byte what is mounted.
        hash: of the entry.
        last_good: it is not what the resource says now.
    """

    entry: Entry
    claims: Claims
    text: str
    hash: str
    last_good: bool = False


Chosen = Mapping[ComponentKey, Choice]
Faults = dict[ComponentKey, Problem]
Name = tuple[str, ...]
Rule = Callable[[Chosen], Faults]
_NAMING = ("KasprTable", "KasprJoin", "KasprWebView")


@dataclass(slots=True)
class Resolution:
    """The outcome: choices by key, and the first fault of everyone that did not get its new definition."""

    chosen: dict[ComponentKey, Choice] = field(default_factory=dict)
    faults: Faults = field(default_factory=dict)


def resolve(
    prepared: Sequence[Prepared],
    live: LiveDefinitions,
    *,
    volumes: Iterable[str] = (),
    scheduler: bool = False,
    metrics_path: str = "/metrics",
    unstorable: Mapping[ComponentKey, Unstorable] = MappingProxyType({}),
) -> Resolution:
    """Choose a definition for every component of one app.

    Args:
        prepared: all components.
        live: what pods have mounted.
        volumes: names of volumes that the app's template takes.
        scheduler: the runtime's scheduler is on and makes tables of its own.
        metrics_path: where the runtime serves its metrics; the app can move it.
        unstorable: components whose content cannot be stored.
    """
    result = _one_by_one(prepared, live, frozenset(volumes), unstorable)
    rules: tuple[Rule, ...] = (
        _missing_tables,
        lambda chosen: _reserved_routes(chosen, metrics_path),
        lambda chosen: _collisions(chosen, live, SCHEDULER_TABLES if scheduler else ()),
        _missing_channels,
        _oversized,
    )
    while faults := next(filter(None, (rule(result.chosen) for rule in rules)), None):
        for key, problem in faults.items():
            result.faults.setdefault(key, problem)
            _fall(result, key, live)
    return result


def _one_by_one(
    prepared: Sequence[Prepared],
    live: LiveDefinitions,
    volumes: frozenset[str],
    unstorable: Mapping[ComponentKey, Unstorable],
) -> Resolution:
    """What each one gets before it meets the others."""
    result = Resolution()
    for one in prepared:
        refused = unstorable.get(one.key)
        if content_name(*one.key) in volumes:
            result.faults[one.key] = _volume_taken(one.key)
        elif refused is not None:
            result.faults[one.key] = one.problem or refused.problem
            if refused.keep:
                _fall(result, one.key, live)
        elif one.entry is not None and one.claims is not None:
            result.chosen[one.key] = Choice(one.entry, one.claims, one.text, one.hash)
        else:
            result.faults[one.key] = one.problem or Problem(problems.INVALID_SPEC, "spec", "cannot be used")
            _fall(result, one.key, live)
    return result


def _fall(result: Resolution, key: ComponentKey, live: LiveDefinitions) -> None:
    fallen = result.chosen.pop(key, None)
    if fallen is not None and fallen.last_good:
        return
    good = live.get(key)
    if good is not None:
        result.chosen[key] = Choice(good.entry, good.claims, good.text, good.hash, last_good=True)


def _volume_taken(key: ComponentKey) -> Problem:
    return Problem(
        problems.VOLUME_NAME_CONFLICT,
        "metadata.name",
        f"the app's template.pod.volumes has a volume {content_name(*key)}, the name this component's file needs: "
        "rename one of them",
    )


def _missing_tables(chosen: Chosen) -> Faults:
    faults: Faults = {}
    for key, choice in chosen.items():
        claims = choice.claims
        for side, reason, spelled in (
            (claims.left, problems.LEFT_TABLE_NOT_FOUND, "leftTable"),
            (claims.right, problems.RIGHT_TABLE_NOT_FOUND, "rightTable"),
        ):
            if side and ("KasprTable", side) not in chosen:
                faults.setdefault(key, _no_table(reason, f"spec.{spelled}", side))
        for use in claims.uses:
            if ("KasprTable", use.table) not in chosen:
                faults.setdefault(key, _no_table(problems.TABLE_NOT_FOUND, use.field, use.table))
    return faults


def _no_table(reason: str, path: str, table: str) -> Problem:
    text = f"KasprTable {table} is not there or is held back; create it with this kaspr.io/app label, or repair it"
    return Problem(reason, path, text)


def _missing_channels(chosen: Chosen) -> Faults:
    emitted = {choice.claims.emits for choice in chosen.values()}
    return {
        key: Problem(
            problems.CHANNEL_WITHOUT_JOIN,
            "spec.input.channel.name",
            f"no usable KasprJoin of the app emits to channel {choice.claims.listens}; the runtime would not start",
        )
        for key, choice in chosen.items()
        if choice.claims.listens and choice.claims.listens not in emitted
    }


def _reserved_routes(chosen: Chosen, metrics_path: str) -> Faults:
    text = f"{metrics_path} is where the runtime serves its metrics (config.webMetricsBasePath); choose another path"
    return {
        key: Problem(problems.RESERVED_ROUTE, "spec.request.path", text)
        for key, choice in chosen.items()
        if choice.claims.route is not None and choice.claims.route[1] == metrics_path
    }


def _collisions(chosen: Chosen, live: LiveDefinitions, reserved: Iterable[str]) -> Faults:
    taken: dict[Name, ComponentKey] = {("table", name): ("", "the scheduler") for name in reserved}
    keys = [key for key in sorted(chosen, key=_before_joins) if key[0] in _NAMING]
    if not _quarrels(chosen, keys, taken):
        return {}
    # Who is running already comes first, then the names decide. Only now is the live content worth reading.
    keys.sort(key=lambda key: (key[0] != "KasprTable", not _runs(key, chosen[key], live), key))
    return _quarrels(chosen, keys, taken)


def _before_joins(key: ComponentKey) -> tuple[bool, ComponentKey]:
    return key[0] != "KasprTable", key


def _quarrels(chosen: Chosen, keys: Iterable[ComponentKey], taken: Mapping[Name, ComponentKey]) -> Faults:
    faults: Faults = {}
    owners = dict(taken)
    for key in keys:
        names = _names(key, chosen[key].claims)
        clash = next((name for name in names if name in owners), None)
        if clash is not None:
            faults[key] = _collision(key, clash, owners[clash])
        else:
            owners.update(dict.fromkeys(names, key))
    return faults


def _names(key: ComponentKey, claims: Claims) -> list[Name]:
    if key[0] == "KasprTable":
        return [("table", key[1])]
    if claims.route is not None:
        return [("route", *claims.route)]
    return [*(("table", name) for name in claims.internal_tables), ("channel", claims.emits)]


def _runs(key: ComponentKey, choice: Choice, live: LiveDefinitions) -> bool:
    good = live.get(key)
    return good is not None and _names(key, good.claims) == _names(key, choice.claims)


def _collision(key: ComponentKey, clash: Name, owner: ComponentKey) -> Problem:
    whose = " ".join(part for part in owner if part)
    if clash[0] == "route":
        text = f"{whose} serves {clash[1]} {clash[2]} already; the runtime starts with one of them only"
        return Problem(problems.DUPLICATE_ROUTE, "spec.request.path", text)
    if clash[0] == "channel":
        text = f"{whose} emits to channel {clash[1]} already; choose another"
        return Problem(problems.DUPLICATE_CHANNEL, "spec.outputChannel", text)
    if key[0] == owner[0] == "KasprJoin":
        text = f"{whose} joins these tables already (both would make the table {clash[1]})"
        return Problem(problems.DUPLICATE_JOIN, "spec.leftTable", text)
    path = "metadata.name" if key[0] == "KasprTable" else "spec.leftTable"
    return Problem(
        problems.RESERVED_NAME, path, f"the table name {clash[1]} is taken by {whose}; use another name"
    )


def _oversized(chosen: Chosen) -> Faults:
    """A document of a join with everything around it that has become too big for its ConfigMap."""
    faults: Faults = {}
    for group in closure.groups(chosen):
        size = sum(_size(chosen[key]) for key in group) if len(group) > 1 else 0
        if size > DOCUMENT_LIMIT:
            movable = [key for key in group if key[0] != "KasprTable"]
            newcomers = [key for key in movable if not chosen[key].last_good]
            faults |= dict.fromkeys(newcomers or movable, too_big(size))
    return faults


def _size(choice: Choice) -> int:
    return len((choice.text or documents.text_of(choice.entry)).encode())
