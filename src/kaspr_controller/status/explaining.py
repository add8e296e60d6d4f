"""A status in words: what is awaited and since when, what was decided, who is held back.

In: a custom resource as stored, what belongs to it, and the time. Out: lines of text for a person. Called by
`kaspr-controller explain`; pure. Everything said here stands in live objects, so no controller has to run for it, and a
status of another version is told as far as it is understood: a field that is missing or strange is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kaspr_controller.status.conditions import find
from kaspr_controller.status.moments import seconds_of

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_EVENTS = 10
_ABNORMAL_WHEN_FALSE = frozenset({"Ready", "Accepted", "ComponentsAccepted", "PythonPackagesReady"})


@dataclass(frozen=True, slots=True)
class Subject:
    """What is explained.

    Attributes:
        raw: the custom resource.
        components: those that belong to it, when it is an app.
        events: about it, in any order.
        now: seconds since 1970.
    """

    raw: Mapping[str, Any]
    components: Sequence[Mapping[str, Any]] = ()
    events: Sequence[Mapping[str, Any]] = ()
    now: float = 0.0


def explain(subject: Subject) -> list[str]:
    """The whole answer, section by section; one that has nothing to say is left out."""
    sections = (
        ("", _headline(subject)),
        ("Awaited", _awaited(subject)),
        ("Decided", _decided(_mapping(subject.raw, "status"), subject.now)),
        ("Members", _members(subject)),
        ("Held back", _held(subject)),
        ("Conditions", _conditions(subject)),
        ("Events", _events(subject)),
    )
    lines: list[str] = []
    for title, found in sections:
        texts = list(found)
        if texts:
            lines += ([""] if lines else []) + ([title] if title else [])
            lines += [f"  {text}" if title else text for text in texts]
    return lines


def age(seconds: float) -> str:
    """A span of time as `kubectl` writes it: the two largest units at most."""
    left = max(0, round(seconds))
    if left < 2 * _MINUTE:
        return f"{left}s"
    if left < _HOUR:
        return f"{left // _MINUTE}m{left % _MINUTE}s" if left < 10 * _MINUTE else f"{left // _MINUTE}m"
    if left < 2 * _DAY:
        return f"{left // _HOUR}h{left % _HOUR // _MINUTE}m"
    return f"{left // _DAY}d"


def _headline(subject: Subject) -> Iterator[str]:
    meta, status = subject.raw["metadata"], _mapping(subject.raw, "status")
    name = f"{subject.raw['kind']} {meta.get('namespace', '')}/{meta['name']}"
    ready = find(status, "Ready")
    if "deletionTimestamp" in meta:
        yield f"{name} is being deleted{_since(meta['deletionTimestamp'], subject.now)}"
    if ready is None:
        yield f"{name} has no status yet: no controller has looked at it"
        return
    word = {"True": "is Ready", "False": "is not Ready"}.get(ready["status"], "may be Ready or not")
    since = _since(ready.get("lastTransitionTime"), subject.now)
    yield f"{name} {word}{since}: {ready['reason']}" + _words(ready, before=", ")
    if status.get("observedGeneration") != meta.get("generation"):
        yield "its newest edit has not been looked at yet; all of this is about the one before"


def _awaited(subject: Subject) -> Iterator[str]:
    """The conditions that say that something is not as it will be or should be."""
    for item in _list(_mapping(subject.raw, "status"), "conditions"):
        type_, truth = item.get("type"), item.get("status")
        abnormal = truth == "False" if type_ in _ABNORMAL_WHEN_FALSE else truth == "True"
        if abnormal and type_ not in {"Ready", "Progressing", "Warnings"}:
            since = _since(item.get("lastTransitionTime"), subject.now)
            yield f"{type_}{since}: {item.get('reason')}" + _words(item, before=", ")


def _decided(status: Mapping[str, Any], now: float) -> Iterator[str]:
    yield from _rebalance(_mapping(status, "rebalance"), now)
    yield from _recovery(_mapping(status, "recovery"), now)
    yield from _farewell(_mapping(status, "farewell"), now)
    if status.get("rolloutInProgress"):
        yield from _rollout(_mapping(status, "rollout"), now)
    yield from _packages(_mapping(status, "pythonPackages"))


def _rebalance(part: Mapping[str, Any], now: float) -> Iterator[str]:
    state = part.get("state", "Idle")
    if state == "Idle":
        return
    asked = "asked for by annotation" if part.get("manual") else "asked for because subscriptions changed"
    text = f"rebalance: {state}, {asked}{_ago(part.get('requestedAt'), now)}"
    if attempts := part.get("attempts"):
        text += f", {_count(attempts, 'request')} sent, the last one{_ago(part.get('lastAttemptAt'), now)}"
    yield text + (f": {part['reason']}" if part.get("reason") else "")


def _recovery(part: Mapping[str, Any], now: float) -> Iterator[str]:
    for each in _list(part, "suspects"):
        strikes = _count(each.get("strikes", 0), "strike")
        yield f"recovery: {each.get('name')} is {each.get('kind')}{_since(each.get('since'), now)}, {strikes}"
    for each in _list(part, "kills"):
        yield f"recovery: {each.get('name')} was replaced{_ago(each.get('at'), now)} because it was {each.get('why')}"


def _farewell(part: Mapping[str, Any], now: float) -> Iterator[str]:
    for each in _list(part, "owed"):
        attempts = _count(each.get("attempts", 0), "attempt")
        why = f" ({each.get('why')})"
        yield f"goodbye: owed for the seat {each.get('name')}{why}{_since(each.get('since'), now)}, {attempts}"
    for each in _list(part, "holders"):
        if each.get("goneAt"):
            yield f"goodbye: the pod of the seat {each.get('name')} is gone{_since(each['goneAt'], now)}"


def _rollout(part: Mapping[str, Any], now: float) -> Iterator[str]:
    partition = part.get("partition", 0)
    held = (
        f"members below number {partition} keep the older revision" if partition else "no member is held back"
    )
    moved = _ago(part.get("progressAt"), now)
    text = f"rollout: {held}, {_count(part.get('done', 0), 'member')} of the newest one calm"
    yield text + (f", last progress{moved}" if moved else "")


def _packages(part: Mapping[str, Any]) -> Iterator[str]:
    for warning in part.get("warnings") or ():
        yield f"packages: {warning}"


def _members(subject: Subject) -> Iterator[str]:
    members = _list(_mapping(subject.raw, "status"), "members")
    if members:
        rows = [("ID", "STATE", "LEADER", "SINCE")]
        for each in members:
            changed = seconds_of(each.get("lastTransitionTime"))
            since = age(subject.now - changed) if changed is not None else "?"
            rows.append((str(each.get("id")), _state(each), "yes" if each.get("leader") else "", since))
        yield from _table(rows)


def _state(member: Mapping[str, Any]) -> str:
    if member.get("recovering"):
        return "recovering"
    if member.get("rebalancing") is None:
        return "not heard"
    return "rebalancing" if member["rebalancing"] else "running"


def _held(subject: Subject) -> Iterator[str]:
    for each in subject.components:
        status = _mapping(each, "status")
        accepted, ready = find(status, "Accepted"), find(status, "Ready")
        name = f"{each['kind']}/{each['metadata']['name']}"
        if ready is None:
            yield f"{name}: no controller has looked at it yet"
        elif accepted is not None and accepted["status"] != "True":
            since = _since(accepted.get("lastTransitionTime"), subject.now)
            yield f"{name}{since}: {accepted['reason']}" + _words(accepted, before=", ")
        elif ready["status"] != "True":
            since = _since(ready.get("lastTransitionTime"), subject.now)
            yield f"{name} is not Ready{since}: {ready['reason']}" + _words(ready, before=", ")


def _conditions(subject: Subject) -> Iterator[str]:
    rows = [("TYPE", "STATUS", "REASON", "SINCE")]
    for item in _list(_mapping(subject.raw, "status"), "conditions"):
        changed = seconds_of(item.get("lastTransitionTime"))
        since = age(subject.now - changed) if changed is not None else "?"
        rows.append((str(item.get("type")), str(item.get("status")), str(item.get("reason")), since))
    if len(rows) > 1:
        yield from _table(rows)


def _events(subject: Subject) -> Iterator[str]:
    """The newest ones last."""
    timed = sorted(((_moment(event), event) for event in subject.events), key=lambda pair: pair[0])
    for at, event in timed[-_EVENTS:]:
        count = _mapping(event, "series").get("count", 1)
        often = f" ({count} times)" if count > 1 else ""
        note = event.get("note") or event.get("message") or ""
        yield f"{age(subject.now - at)} ago {event.get('type')} {event.get('reason')}{often}: {note}"


def _moment(event: Mapping[str, Any]) -> float:
    """When it was told last."""
    stamps = (
        _mapping(event, "series").get("lastObservedTime"),
        event.get("eventTime"),
        event.get("deprecatedLastTimestamp"),
        event["metadata"].get("creationTimestamp"),
    )
    return next((at for stamp in stamps if (at := seconds_of(stamp)) is not None), 0.0)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _since(stamp: Any, now: float) -> str:
    at = seconds_of(stamp)
    return f" for {age(now - at)}" if at is not None else ""


def _ago(stamp: Any, now: float) -> str:
    at = seconds_of(stamp)
    return f" {age(now - at)} ago" if at is not None else ""


def _count(number: Any, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _words(condition: Mapping[str, Any], *, before: str) -> str:
    return f"{before}{condition['message']}" if condition.get("message") else ""


def _mapping(raw: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = raw.get(name)
    return found if isinstance(found, Mapping) else {}


def _list(raw: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found: Iterable[Any] = raw.get(name) or ()
    return [item for item in found if isinstance(item, Mapping)]
