"""Are the members calm, and is every subscribed topic read: judged from what they said, never from silence.

In: the pods, the newest observation of each, the topics that the app's agents subscribe to, and the member list of the
previous status. Out: `Membership`. The order of a healthy start is refused port, 500, 200 without anything, rebalancing,
perhaps recovering, calm (real-runtime C9): "neither flag is up" alone proves nothing, only a non-empty assignment does.
A member that was calm stays so through a few unanswered polls and, if its app was Ready, through a restart of this program
(its pod UID stands in the status): absence of information is never evidence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kaspr_controller.status.conditions import enumerate_few
from kaspr_controller.status.facts import Membership
from kaspr_controller.status.judging import PATIENCE
from kaspr_controller.status.observations import Answer, Observation


@dataclass(frozen=True, slots=True)
class Member:
    """One pod of the app, and what was last seen of it.

    Attributes:
        trouble: what is wrong with it beside its peers, a phrase; "" when nothing is.
    """

    id: int
    name: str
    uid: str
    created: str
    ready: bool
    observation: Observation | None = None
    trouble: str = ""


def judge(
    members: Sequence[Member], *, topics: Collection[str], old: Mapping[str, Any], now: str
) -> Membership:
    """The members as a whole.

    Args:
        members: the pods of the app that are not being deleted.
        topics: names that must be read by somebody.
        old: the previous status of the app.
        now: RFC 3339 text for transition times.
    """
    entries = {entry.get("podUID"): entry for entry in old.get("members", ())}
    # Flags alone do not tell whether a member had partitions or somebody read every topic: only an app that was found
    # calm as a whole is believed to be it still.
    believed = entries if _was_ready(old) else {}
    judged = {member.uid: _why_not_calm(member, believed.get(member.uid)) for member in members}
    calm = [member for member in members if not judged[member.uid]]
    waiting = [text for text in judged.values() if text]
    if not waiting:
        waiting.extend(_unread(calm, topics))
    return Membership(
        asked=True,
        calm=len(calm),
        rebalancing=sum(_flag(member, "rebalancing") for member in members),
        waiting=tuple(waiting),
        members=tuple(
            _entry(member, entries.get(member.uid), now=now)
            for member in sorted(members, key=lambda each: each.id)
        ),
    )


def _why_not_calm(member: Member, entry: Mapping[str, Any] | None) -> str:
    """Why a member is not calm, as a sentence; "" when it is."""
    if member.trouble or not member.ready:
        return f"{member.name} {member.trouble or 'is not ready'}"
    seen = member.observation
    if seen is None:
        return "" if _was_calm(entry) else f"{member.name} has not been heard yet"
    if seen.answer.kind == "ok":
        return _why_not_running(member.name, seen.answer)
    if seen.answer.kind == "starting":
        return f"{member.name} is starting"
    trusted = seen.last_ok.running if seen.last_ok is not None else _was_calm(entry)
    if trusted and seen.failures < PATIENCE:
        return ""
    return f"{member.name} does not answer ({seen.answer.reason or seen.answer.kind})"


def _why_not_running(name: str, answer: Answer) -> str:
    if answer.recovering:
        return f"{name} is recovering its tables"
    if answer.rebalancing:
        return f"{name} is rebalancing"
    return "" if answer.assigned else f"{name} has no partitions yet"


def _was_calm(entry: Mapping[str, Any] | None) -> bool:
    return entry is not None and entry.get("rebalancing") is False and entry.get("recovering") is False


def _was_ready(old: Mapping[str, Any]) -> bool:
    return any(item["type"] == "Ready" and item["status"] == "True" for item in old.get("conditions", ()))


def _unread(calm: Sequence[Member], topics: Collection[str]) -> list[str]:
    """Topics that nobody reads. Nothing is said while a member is trusted from before: its topics are not known."""
    answers = [_last_ok(member) for member in calm]
    if any(answer is None for answer in answers):
        return []
    read = {
        topic for answer in answers if answer is not None for topic, parts in answer.actives.items() if parts
    }
    missing = sorted(set(topics) - read)
    return [f"nobody reads {enumerate_few(missing)}"] if missing else []


def _last_ok(member: Member) -> Answer | None:
    return member.observation.last_ok if member.observation is not None else None


def _flag(member: Member, name: str) -> bool:
    answer = _last_ok(member)
    return answer is not None and bool(getattr(answer, name))


_FLAGS = ("leader", "rebalancing", "recovering")


def _entry(member: Member, old: Mapping[str, Any] | None, *, now: str) -> dict[str, Any]:
    """The entry for `status.members`: contract 1.2; the time moves when a flag or the pod changes."""
    answer = _last_ok(member)
    known = old or {}
    if answer is not None:
        flags: dict[str, Any] = {name: getattr(answer, name) for name in _FLAGS}
    else:
        flags = {name: known[name] for name in _FLAGS if name in known}
    same = old is not None and all(known.get(name) == flags.get(name) for name in _FLAGS)
    return {
        "id": member.id,
        **flags,
        "podUID": member.uid,
        "podCreationTime": member.created,
        "lastTransitionTime": known["lastTransitionTime"] if same else now,
    }
