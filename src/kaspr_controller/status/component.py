"""The status of a component: KasprAgent, KasprTable, KasprJoin, KasprWebView, KasprTask.

In: what the pass over its app concluded about it, or that there is no app. Out: the whole status. `Accepted` says
whether the definition can be used, `Ready` whether every pod of the app runs it. The words of `status.app` and of the
tables of a join are the predecessor's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kaspr_controller.status import reasons
from kaspr_controller.status.conditions import Verdict, conditions, enumerate_few

Mounted = Literal["no", "rolling", "yes", "stopped"]


@dataclass(frozen=True, slots=True)
class ComponentVerdict:
    """What the last pass over the app concluded about one of its components.

    Attributes:
        uid: of the component that was judged; another one of the same name is a stranger.
        generation: of the component that was judged.
        config_map: name of the ConfigMap that carries it, "" when none does.
        hash: of the definition as the runtime reads it, "" when there is none.
        reason: why it is held back, "" when it is not.
        message: the same in a sentence that names the field.
        mounted: whether the pods run this definition; "stopped" when there are none, as asked.
        waiting: what the app waits for while `mounted` is not "yes".
        warnings: things that work otherwise than the user may think.
        tables: for a join: `leftTable` and `rightTable` with name and status.
    """

    uid: str
    generation: int
    config_map: str = ""
    hash: str = ""
    reason: str = ""
    message: str = ""
    mounted: Mounted = "no"
    waiting: str = ""
    warnings: tuple[str, ...] = ()
    tables: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ComponentFacts:
    """One pass over one component; `app` is its label's value, "" without one."""

    generation: int
    old: Mapping[str, Any]
    now: str
    app: str
    app_found: bool
    verdict: ComponentVerdict | None = None
    invalid: tuple[str, ...] = ()


def compose(facts: ComponentFacts) -> dict[str, Any]:
    """The new status of the component."""
    verdict = facts.verdict
    status: dict[str, Any] = {
        "observedGeneration": facts.generation,
        "conditions": conditions(
            _verdicts(facts), old=facts.old.get("conditions", ()), generation=facts.generation, now=facts.now
        ),
    }
    if facts.app:
        found = reasons.APP_FOUND if facts.app_found else reasons.APP_NOT_FOUND
        status["app"] = {"name": facts.app, "status": found}
    if verdict is not None:
        status["configMap"] = verdict.config_map
        status["hash"] = verdict.hash
        status.update(verdict.tables or {})
    return {key: value for key, value in status.items() if value not in (None, "")}


def _verdicts(facts: ComponentFacts) -> list[Verdict]:
    if facts.invalid:
        return _stalled(reasons.INVALID_SPEC, enumerate_few(facts.invalid))
    if not facts.app:
        text = "metadata.labels has no kaspr.io/app: set it to the name of the KasprApp this belongs to"
        return _stalled(reasons.MISSING_APP_LABEL, text)
    if not facts.app_found:
        text = (
            f"There is no KasprApp {facts.app} in this namespace; this is picked up as soon as there is one"
        )
        return _reconciling(reasons.APP_NOT_FOUND, text)
    if facts.verdict is None:
        return _reconciling(reasons.WAITING_FOR_CONTENT, f"KasprApp {facts.app} has not looked at this yet")
    return _judged(facts.verdict)


def _judged(verdict: ComponentVerdict) -> list[Verdict]:
    if verdict.reason:
        kept = "; the last good definition stays mounted" if verdict.hash else ""
        return _stalled(verdict.reason, f"{verdict.message}{kept}")
    accepted = Verdict("Accepted", "True", reasons.APPLIED, "")
    warnings = [Verdict("Warnings", "True", reasons.READ_CAREFULLY, enumerate_few(verdict.warnings))]
    found = [accepted, *(warnings if verdict.warnings else [])]
    if verdict.mounted == "yes":
        return [
            *found,
            Verdict("Ready", "True", reasons.APPLIED, "Every pod of the app runs this definition"),
        ]
    if verdict.mounted == "stopped":
        text = "The app has no members, as asked (spec.replicas is 0); they will run this definition"
        return [*found, Verdict("Ready", "False", reasons.SCALED_TO_ZERO, text)]
    text = verdict.waiting or "Not every pod of the app runs this definition yet"
    reason = reasons.ROLLOUT_IN_PROGRESS if verdict.mounted == "rolling" else reasons.WAITING_FOR_CONTENT
    return [*found, Verdict("Ready", "False", reason, text), Verdict("Reconciling", "True", reason, text)]


def _stalled(reason: str, text: str) -> list[Verdict]:
    return [
        Verdict("Accepted", "False", reason, text),
        Verdict("Ready", "False", reason, text),
        Verdict("Stalled", "True", reason, text),
    ]


def _reconciling(reason: str, text: str) -> list[Verdict]:
    return [Verdict("Ready", "False", reason, text), Verdict("Reconciling", "True", reason, text)]
