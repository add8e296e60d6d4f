"""Who is suspected of being in a state that only a new process ends, since when, and how often that was confirmed.

In: the judged members and the suspects of the previous status. Out: the suspects of the next one. Called by `recovering`
alone. Pure. A strike is a piece of time with a newer answer in it, not a pass (D53); it belongs to a pod UID (D50) and to
one spell: who was seen calm in between, or was not looked at for a minute, starts anew. Each proof is a write of the
status, so there is one at most every half minute, and none once the case is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kaspr_controller.status.judging import SUSPECT, Group, Judged, Limits
from kaspr_controller.status.moments import seconds_of, text_of

_CLEARED = frozenset({"calm", "not-begun", "starting", "recovering", "leaving", "cut-off", "alien"})
_SLACK = 5.0


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings and the app's annotations say; times in seconds.

    Attributes:
        enabled: act at all.
        threshold: rebalancing time after which a member that keeps its seat counts as hung.
        strikes: confirmations before a kill.
        spacing: time between two of them.
        window: time that the budget is for.
        share: part of the members that may be replaced in a window, one at least.
        per_pass: members that may be replaced at once.
        continuity: time without anybody looking after which a suspicion starts anew.
        retry: time after which a kill that has no effect is asked for again.
        limits: of the members.
    """

    enabled: bool = True
    threshold: float = 300.0
    strikes: int = 3
    spacing: float = 30.0
    window: float = 300.0
    share: float = 0.1
    per_pass: int = 5
    continuity: float = 60.0
    retry: float = 30.0
    limits: Limits = field(default_factory=Limits)

    def budget(self, members: int) -> int:
        """Members that may be replaced in a window."""
        return max(1, int(members * self.share))


@dataclass(frozen=True, slots=True)
class Suspect:
    """A member that may have to be replaced; times in seconds since 1970."""

    uid: str
    name: str
    kind: str
    since: float
    proven_at: float
    strikes: int = 0
    struck_at: float | None = None


def suspects(
    policy: Policy, old: Iterable[Suspect], group: Group, *, zombie_after: float, now: float
) -> tuple[Suspect, ...]:
    """The suspects by name; whoever is fine again, or gone, is none.

    Args:
        policy: how much patience there is.
        old: the suspects of the previous status.
        group: the members, judged.
        zombie_after: seconds that a zombie is left alone.
        now: seconds since 1970.
    """
    known = {suspect.uid: suspect for suspect in old}
    found = [
        suspect
        for member in group.members
        if (suspect := _suspect(policy, known.get(member.pod.uid), member, zombie_after, now)) is not None
    ]
    return tuple(sorted(found, key=lambda each: each.name))


def _suspect(
    policy: Policy, entry: Suspect | None, member: Judged, zombie_after: float, now: float
) -> Suspect | None:
    """What is known of one member afterwards, None when nothing speaks against it."""
    if member.state in _CLEARED:
        return None
    unseen = _unseen(entry, member, now) if entry is not None else 0.0
    if entry is not None and not _continues(policy, entry, member, unseen, now):
        entry = None
    if member.state not in SUSPECT:
        return entry
    if entry is None:
        entry = Suspect(member.pod.uid, member.pod.name, member.state, now - member.age, now)
    elif entry.kind != member.state:
        entry = replace(entry, kind=member.state, since=now - member.age)
    entry = _timed(entry, member, now)
    if unseen > 0:
        # Another process counted: one strike at least is our own.
        entry = replace(entry, strikes=min(entry.strikes, policy.strikes - 1), proven_at=now)
    if now - entry.proven_at >= policy.continuity / 2 and entry.strikes < policy.strikes:
        # Not at every look: each proof is a write of the status.
        entry = replace(entry, proven_at=now)
    return _strike(policy, entry, member, zombie_after, now)


def _timed(entry: Suspect, member: Judged, now: float) -> Suspect:
    """Who saw the spell begin goes by its own clock: wall clocks jump. Small differences are not worth a write."""
    began = now - member.age
    saw = member.watched is not None and member.watched > member.age
    return replace(entry, since=began) if saw and abs(began - entry.since) > _SLACK else entry


def _unseen(entry: Suspect, member: Judged, now: float) -> float:
    """Seconds since the last proof in which nobody looked, because this process was not there yet."""
    return now - entry.proven_at - (member.watched or 0.0)


def _continues(policy: Policy, entry: Suspect, member: Judged, unseen: float, now: float) -> bool:
    """Whether it is still the same spell: nobody looked away for long, and this process saw it not end."""
    if member.watched is None:
        return now - entry.proven_at <= policy.continuity + policy.limits.gone
    if unseen > policy.continuity or entry.since > now:
        return False
    began = now - member.age
    other = member.state not in (entry.kind, "rebalancing")
    return unseen > 0 or other or began <= entry.proven_at


def _strike(policy: Policy, entry: Suspect, member: Judged, zombie_after: float, now: float) -> Suspect:
    if entry.strikes >= policy.strikes or not ripe(policy, entry, zombie_after, now):
        return entry
    if entry.struck_at is not None:
        since = now - entry.struck_at
        if since < 0:
            return replace(entry, struck_at=now)
        if since < policy.spacing or member.answered is None or member.answered >= since:
            return entry
    return replace(entry, strikes=entry.strikes + 1, struck_at=now, proven_at=now)


def ripe(policy: Policy, entry: Suspect, zombie_after: float, now: float) -> bool:
    """Whether the spell has lasted long enough to be struck."""
    return now - entry.since > threshold(policy, entry, zombie_after)


def threshold(policy: Policy, entry: Suspect, zombie_after: float) -> float:
    """Seconds that a spell of this kind has to last."""
    if entry.kind == "hung":
        return policy.threshold
    return zombie_after if entry.kind == "zombie" else 0.0


def next_strike(policy: Policy, found: Iterable[Suspect], now: float) -> float | None:
    """Seconds until the next strike can fall; None when every case is complete."""
    waits = [
        each.struck_at + policy.spacing - now if each.struck_at is not None else policy.spacing
        for each in found
        if each.strikes < policy.strikes
    ]
    return min(waits, default=None)


def read_suspect(item: Mapping[str, Any]) -> Suspect | None:
    """An entry of the status; None when it is not understood."""
    since, proven = seconds_of(item.get("since")), seconds_of(item.get("provenAt"))
    strikes = item.get("strikes")
    if since is None or proven is None or not isinstance(strikes, int) or item.get("kind") not in SUSPECT:
        return None
    struck = seconds_of(item.get("struckAt"))
    # Strikes without the time of the last one are none.
    counted = max(0, strikes) if struck is not None else 0
    uid, name, kind = str(item.get("podUID")), str(item.get("name")), str(item["kind"])
    return Suspect(uid, name, kind, since, proven, counted, struck)


def write_suspect(suspect: Suspect) -> dict[str, Any]:
    """The entry as JSON."""
    return {
        "podUID": suspect.uid,
        "name": suspect.name,
        "kind": suspect.kind,
        "since": text_of(suspect.since),
        "provenAt": text_of(suspect.proven_at),
        "strikes": suspect.strikes,
        **({"struckAt": text_of(suspect.struck_at)} if suspect.struck_at is not None else {}),
    }
