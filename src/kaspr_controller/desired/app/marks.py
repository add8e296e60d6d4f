"""Annotations whose only purpose is when members are restarted: which the workload has, and which it gets.

In: facts. Out: `Marks` for the StatefulSet and for its pod template. Pure. Whatever stands in a template restarts every
member when it changes or goes, so what was put there stays, and what is merely to be remembered stands on the StatefulSet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kaspr_controller.desired.facts import CARRIED_RESTART, RESTARTED, Facts, LiveWorkload

REFERENCES = "kaspr.io/references"
"""On the pod template: hash of the versions of the objects that the app names, as of the last restart for them."""
REFERENCES_SEEN = "kaspr.io/references-seen"
"""On the StatefulSet: the same, as of the last look; only a difference to it is a change."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Annotations, by name."""

    workload: Mapping[str, str] = field(default_factory=dict)
    template: Mapping[str, str] = field(default_factory=dict)


def marks_of(facts: Facts) -> Marks:
    """What the workload gets."""
    live = facts.workload
    restarted = _restarted(live)
    workload = {CARRIED_RESTART: restarted} if restarted else {}
    template = {RESTARTED: restarted} if restarted else {}
    there = _annotation(live, REFERENCES)
    seen = live.annotations.get(REFERENCES_SEEN, "") if live is not None else ""
    if facts.references is not None:
        # Nothing known about an object is no change. The first look only remembers: switching this on restarts nobody.
        current = facts.references or seen
        there = current if seen and current != seen else there
        workload |= {REFERENCES_SEEN: current} if current else {}
    return Marks(workload, template | ({REFERENCES: there} if there else {}))


def _restarted(live: LiveWorkload | None) -> str:
    """The mark of a `kubectl rollout restart` that the template has to keep, "" when it is not ours to keep.

    A StatefulSet that is made anew without it would restart every member. From then on the field is ours, until somebody
    restarts the app again: that mark is kubectl's.
    """
    there = _annotation(live, RESTARTED)
    return there if live is not None and (live.orphaned or there == live.carried_restart) else ""


def _annotation(live: LiveWorkload | None, name: str) -> str:
    if live is None:
        return ""
    return str((live.template.get("metadata", {}).get("annotations") or {}).get(name, ""))
