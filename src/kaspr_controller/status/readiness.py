"""Is the app ready, and if not, what is awaited: the first rule that applies decides.

`Ready=True` is said late rather than early: every object is written, the rollout is over, every member answered that it
is calm. `Reconciling` and `Stalled` are absent when they do not hold (kstatus), and never hold together.
"""

from __future__ import annotations

from collections.abc import Callable

from kaspr_controller.status import reasons
from kaspr_controller.status.conditions import Verdict, enumerate_few
from kaspr_controller.status.facts import AppFacts, ChildFault


def verdicts(facts: AppFacts) -> list[Verdict]:
    """The verdicts on `Ready`, and on `Reconciling` or `Stalled` when one of them holds."""
    return next(found for rule in _RULES if (found := rule(facts)) is not None)


def _invalid(facts: AppFacts) -> list[Verdict] | None:
    if not facts.invalid:
        return None
    text = f"The spec cannot be used, nothing was changed: {enumerate_few(facts.invalid)}"
    return _stalled(reasons.INVALID_SPEC, text)


def _refused(facts: AppFacts) -> list[Verdict] | None:
    terminal = [fault for fault in facts.faults if fault.category == "terminal"]
    return _stalled(terminal[0].reason, _describe(terminal)) if terminal else None


def _failed(facts: AppFacts) -> list[Verdict] | None:
    if not facts.faults:
        return None
    return _reconciling(facts.faults[0].reason, _describe(list(facts.faults)), ready=reasons.ERROR)


def _waiting(facts: AppFacts) -> list[Verdict] | None:
    if not facts.waiting:
        return None
    return _reconciling(reasons.WAITING_FOR_CONTENT, enumerate_few(facts.waiting))


def _settling(facts: AppFacts) -> list[Verdict] | None:
    if facts.settling <= 0:
        return None
    text = "The first pod starts when no component has been added for a moment: it must find all definitions"
    return _reconciling(reasons.WAITING_FOR_COMPONENTS, text)


def _missing(facts: AppFacts) -> list[Verdict] | None:
    if facts.rollout.exists:
        return None
    return _reconciling(reasons.WAITING_FOR_CONTENT, "The workload does not exist yet")


def _zero(facts: AppFacts) -> list[Verdict] | None:
    if facts.replicas > 0:
        return None
    if facts.rollout.total or not facts.rollout.observed:
        return _reconciling(reasons.SCALING_DOWN, f"{facts.rollout.total} pods are still there")
    text = "spec.replicas is 0: nothing runs, as asked; set it to 1 or more to start the app"
    return [Verdict("Ready", "False", reasons.SCALED_TO_ZERO, text)]


def _rolling(facts: AppFacts) -> list[Verdict] | None:
    rollout = facts.rollout
    if rollout.complete and rollout.desired == facts.replicas:
        return None
    if not rollout.observed:
        return _reconciling(
            reasons.ROLLOUT_IN_PROGRESS, "The StatefulSet controller has not seen the change yet"
        )
    text = (
        f"{rollout.updated} of {facts.replicas} members run the current revision, "
        f"{rollout.ready} of {rollout.total} pods are ready"
    )
    if facts.hindrance:
        text += f"; {facts.hindrance}"
    return _reconciling(reasons.ROLLOUT_IN_PROGRESS, text)


def _uncalm(facts: AppFacts) -> list[Verdict] | None:
    if not facts.membership.waiting:
        return None
    return _reconciling(reasons.WAITING_FOR_MEMBERS, enumerate_few(facts.membership.waiting))


def _healthy(facts: AppFacts) -> list[Verdict] | None:
    del facts
    return [Verdict("Ready", "True", reasons.HEALTHY, "App is ready")]


_RULES: tuple[Callable[[AppFacts], list[Verdict] | None], ...] = (
    _invalid,
    _refused,
    _failed,
    _settling,
    _waiting,
    _missing,
    _zero,
    _rolling,
    _uncalm,
    _healthy,
)


def _stalled(reason: str, text: str) -> list[Verdict]:
    return [Verdict("Ready", "False", reason, text), Verdict("Stalled", "True", reason, text)]


def _reconciling(reason: str, text: str, *, ready: str = reasons.NOT_READY) -> list[Verdict]:
    return [Verdict("Ready", "False", ready, text), Verdict("Reconciling", "True", reason, text)]


def _describe(faults: list[ChildFault]) -> str:
    return enumerate_few([f"{fault.child}: {fault.message}" for fault in faults], most=3)
