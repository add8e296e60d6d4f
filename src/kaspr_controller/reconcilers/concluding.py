"""Conclude: what a pass over an app means for the status of the app and of its components.

In: what was rendered (`Bundle`), what came of writing it (`ChangeSet`), the state of the workload. Out: the values that
the status decisions take. Functions of values.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kaspr_controller.converge.changes import ChangeSet, Entry
from kaspr_controller.desired.bundle import Bundle
from kaspr_controller.desired.files import ComponentOutcome
from kaspr_controller.desired.problems import CHANNEL_WITHOUT_JOIN, MAY_COME, ComponentKey, Problem
from kaspr_controller.kube.kinds import ObjectKey, Raw, key_of
from kaspr_controller.status.component import ComponentVerdict, Mounted
from kaspr_controller.status.facts import ChildFault, Held
from kaspr_controller.status.rollout import Rollout

_LISTS = {
    "KasprAgent": "agents",
    "KasprJoin": "joins",
    "KasprTable": "tables",
    "KasprTask": "tasks",
    "KasprWebView": "webviews",
}

_UNMOUNTED = (
    "The pod template of the former operator, which has no place for it, is kept until the next change of the app or of a "
    "component"
)


def faults(changes: ChangeSet, *, but: Collection[ObjectKey] = ()) -> tuple[ChildFault, ...]:
    """The children that are not as wanted and do not merely wait for another one, except some."""
    return tuple(
        ChildFault(_name(entry), entry.reason, entry.message, entry.category)
        for entry in changes.problems
        if entry.outcome != "waiting" and entry.category is not None and entry.key not in but
    )


def waiting(changes: ChangeSet) -> tuple[str, ...]:
    """The children that wait for something, in words."""
    return tuple(f"{_name(entry)}: {entry.message}" for entry in changes if entry.outcome == "waiting")


def _name(entry: Entry) -> str:
    return f"{entry.key.kind} {entry.key.name}"


def held(bundle: Bundle, awaited: Collection[ComponentKey] = ()) -> tuple[Held, ...]:
    """The components that are held back, except for what is on its way."""
    return tuple(
        Held(f"{kind} {name}", problem.reason, str(problem))
        for (kind, name), problem in sorted(bundle.problems.items())
        if not _on_its_way(problem, awaited)
    )


def _on_its_way(problem: Problem, awaited: Collection[ComponentKey]) -> str:
    """The awaited component whose absence is the problem, in words; "" when none is."""
    if problem.reason not in MAY_COME:
        return ""
    names = (
        f"{kind} {name}"
        for kind, name in sorted(awaited)
        if (
            kind == "KasprJoin"
            if problem.reason == CHANNEL_WITHOUT_JOIN
            else f"{kind} {name} " in problem.message
        )
    )
    return next(names, "")


def verdicts(
    raws: Iterable[Raw],
    bundle: Bundle,
    *,
    changes: ChangeSet,
    rollout: Rollout,
    settling: bool,
    awaited: Collection[ComponentKey] = (),
) -> dict[ObjectKey, ComponentVerdict]:
    """The verdict on every component of an app.

    Args:
        raws: the components as they were read.
        bundle: what was rendered from them.
        changes: what came of writing it.
        rollout: the workload after the writes.
        settling: the workload is not created yet, on purpose.
        awaited: components that another app still has: who needs one of them waits too.
    """
    found: dict[ObjectKey, ComponentVerdict] = {}
    content = {entry.key.name: entry for entry in changes if entry.key.kind == "ConfigMap"}
    workload = next((entry for entry in changes if entry.key.kind == "StatefulSet"), None)
    for raw in raws:
        outcome = bundle.components.get((raw["kind"], raw["metadata"]["name"]))
        if outcome is None:
            continue
        if settling and outcome.problem and outcome.problem.reason in MAY_COME:
            outcome = replace(outcome, problem=None)  # too early to call it missing
        # A workload that waits on purpose is told like one whose pods are on their way: one status, not two.
        needed = (content.get(outcome.config_map), *(() if settling else (workload,)))
        missing = [entry for entry in needed if not _stored(entry)]
        state: Mounted = "no" if missing else _mounted(rollout)
        why = _message(missing)
        if bundle.mounted is not None and outcome.config_map not in bundle.mounted:
            state, why = "no", _UNMOUNTED
        if outcome.problem and (coming := _on_its_way(outcome.problem, awaited)):
            outcome = replace(outcome, problem=None)
            state, why = "no", f"{coming} is on its way from another app"
        found[key_of(raw)] = _verdict(raw["metadata"], outcome, state, why)
    return found


def _mounted(rollout: Rollout) -> Mounted:
    if not rollout.current:
        return "rolling"
    return "yes" if rollout.total else "stopped"


def _stored(entry: Entry | None) -> bool:
    return entry is not None and entry.stored


def _message(missing: Sequence[Entry | None]) -> str:
    """What the first of the objects that are not there says about itself."""
    return next((entry.message for entry in missing if entry is not None), "")


def _verdict(
    meta: Mapping[str, Any], outcome: ComponentOutcome, mounted: Mounted, why: str
) -> ComponentVerdict:
    problem = outcome.problem
    return ComponentVerdict(
        uid=meta["uid"],
        generation=meta.get("generation", 0),
        config_map=outcome.config_map,
        hash=outcome.hash,
        reason=problem.reason if problem else "",
        message=str(problem) if problem else "",
        mounted=mounted,
        waiting=why,
        warnings=tuple(str(warning) for warning in outcome.warnings),
        tables=dict(outcome.tables) or None,
    )


def linked(raws: Iterable[Raw], bundle: Bundle) -> dict[str, list[dict[str, Any]]]:
    """`status.linkedResources` (contract 1.2): what the members run, by kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    for raw in sorted(raws, key=lambda each: str(each["metadata"]["name"])):
        kind, name = raw["kind"], raw["metadata"]["name"]
        outcome = bundle.components.get((kind, name))
        if outcome is None or not outcome.hash:
            continue
        entry: dict[str, Any] = {"name": name, "hash": outcome.hash}
        if kind == "KasprAgent":
            topic = ((raw.get("spec") or {}).get("input") or {}).get("topic") or {}
            entry |= {"topicName": topic["name"]} if topic.get("name") else {}
            entry |= {"topicPattern": topic["pattern"]} if topic.get("pattern") else {}
        elif kind == "KasprTable":
            entry["tableName"] = name
        found.setdefault(_LISTS[kind], []).append(entry)
    return found
