"""The status of a KasprApp, composed from the facts of one pass.

In: `AppFacts`. Out: the whole set of status fields that this program owns, as JSON; the caller writes it with
server-side apply only when it differs from what is there (rules T1 to T4). Numbers that move by themselves are not in
here, so a settled app has a settled status.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kaspr_controller.status import readiness, reasons
from kaspr_controller.status.conditions import Verdict, conditions, enumerate_few, find
from kaspr_controller.status.facts import AppFacts

Status = dict[str, Any]


def compose(facts: AppFacts) -> Status:
    """The new status of the app."""
    if facts.paused:
        return _paused(facts)
    verdicts = readiness.verdicts(facts)
    found = [*verdicts, _progressing(facts, verdicts), *_acceptance(facts), *_warnings(facts), *facts.decided]
    status: Status = {
        **_numbers(facts),
        "observedGeneration": facts.generation,
        "conditions": conditions(
            found, old=facts.old.get("conditions", ()), generation=facts.generation, now=facts.now
        ),
    }
    return {key: value for key, value in status.items() if value not in (None, "")}


def _numbers(facts: AppFacts) -> Status:
    if facts.invalid:
        # The spec was not looked at, so what the numbers would be compared with is unknown: they stay as they were.
        return {
            key: value for key, value in facts.old.items() if key not in ("observedGeneration", "conditions")
        }
    rollout, membership = facts.rollout, facts.membership
    numbers: Status = {
        "kasprVersion": facts.version,
        "replicas": rollout.total,
        "selector": facts.selector,
        "availableMembers": f"{rollout.available}/{facts.replicas}",
        "rolloutInProgress": rollout.exists and not rollout.settled,
        "linkedResources": facts.linked,
        **facts.parts,
    }
    if membership.asked:
        numbers["rebalancingMembers"] = f"{membership.rebalancing}/{rollout.available}"
        numbers["members"] = [dict(member) for member in membership.members] or None
    return numbers


def _progressing(facts: AppFacts, verdicts: list[Verdict]) -> Verdict:
    """The condition that consumers of the predecessor read (contract 1.2)."""
    truth = {verdict.type: verdict for verdict in verdicts}
    if "Stalled" in truth:
        return Verdict("Progressing", "False", reasons.ERROR, truth["Stalled"].message)
    if "Reconciling" not in truth:
        return Verdict(
            "Progressing", "False", reasons.RECONCILE_COMPLETE, "All resources are in desired state"
        )
    message = truth["Reconciling"].message
    if facts.old.get("observedGeneration") != facts.generation or _is_still_new(facts, message):
        return Verdict("Progressing", "True", reasons.NEW_SPEC, "Reconciling desired state")
    return Verdict("Progressing", "True", reasons.RECONCILING, message)


def _is_still_new(facts: AppFacts, message: str) -> bool:
    """Whether nothing has moved since this generation was called new: the word alone is not worth a write."""
    progressing, reconciling = find(facts.old, "Progressing"), find(facts.old, "Reconciling")
    return bool(
        progressing
        and progressing["reason"] == reasons.NEW_SPEC
        and progressing.get("observedGeneration") == facts.generation
        and reconciling
        and reconciling["message"] == message
    )


def _acceptance(facts: AppFacts) -> list[Verdict]:
    if facts.invalid or facts.settling > 0:
        # A table that is missing now may be the next one that `kubectl apply` sends.
        return []
    if not facts.held:
        return [Verdict("ComponentsAccepted", "True", reasons.ALL_ACCEPTED, "Every component can be used")]
    items = [f"{held.component}: {held.message}" for held in facts.held]
    text = f"{len(items)} held back, the rest of the app goes on: {enumerate_few(items)}"
    return [Verdict("ComponentsAccepted", "False", reasons.SOME_HELD_BACK, text)]


def _warnings(facts: AppFacts) -> list[Verdict]:
    if not facts.warnings:
        return []
    return [Verdict("Warnings", "True", reasons.READ_CAREFULLY, enumerate_few(facts.warnings))]


def _paused(facts: AppFacts) -> Status:
    """A paused app keeps the status it had, with a condition that says why nothing moves.

    `observedGeneration` stays too: an edit made during the pause is visibly not applied.
    """
    old: Mapping[str, Any] = facts.old
    observed = int(old.get("observedGeneration", 0))
    kept = [
        Verdict(item["type"], item["status"], item["reason"], item.get("message", ""))
        for item in old.get("conditions", ())
        if item["type"] not in ("Paused", "Ready", "Reconciling")
    ]
    text = "Nothing is changed until the annotation kaspr.io/pause-reconciliation is removed"
    ready = next((item for item in old.get("conditions", ()) if item["type"] == "Ready"), None)
    if ready is not None and ready["status"] == "True" and observed == facts.generation:
        kept.append(Verdict("Ready", "True", ready["reason"], ready.get("message", "")))
    else:
        kept.append(Verdict("Ready", "Unknown", reasons.PAUSED_EDITED, text))
    kept.append(Verdict("Paused", "True", reasons.PAUSED, text))
    return {
        **{key: value for key, value in old.items() if key != "conditions"},
        "observedGeneration": observed,
        "conditions": conditions(kept, old=old.get("conditions", ()), generation=observed, now=facts.now),
    }
