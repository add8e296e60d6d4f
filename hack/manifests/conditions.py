"""docs/reference/conditions.md: every condition and reason a status may carry, what it means and what to do.

In: the texts below the constants of `status/reasons.py` and `desired/problems.py`, and the lists here. Out: one Markdown
text. Invariant: a constant without a text is an error, so no reason goes undocumented.
"""

from __future__ import annotations

import ast
import inspect
import re
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING

from kaspr_controller.desired import problems
from kaspr_controller.reconcilers import reporting
from kaspr_controller.status import reasons

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

INTRODUCTION = """\
# Conditions

Generated from `status/reasons.py` and `desired/problems.py` by `make manifests`.

    kubectl get kaspr                                   # all six kinds, with Ready and its reason
    kubectl wait --for=condition=Ready kasprapp/shop
    kubectl describe kasprapp shop                      # conditions and events

How to read a status:

- `Ready` answers whether the object does what its spec says, as of `status.observedGeneration`. It may be late, never early.
- `Reconciling=True` means that the controller is at it and goes on by itself; the message says what is awaited.
- `Stalled=True` means that nothing happens until somebody changes something; the message names the field and the way out.
- `Reconciling` and `Stalled` are absent when they do not hold, and never hold together, as tools that know kstatus expect.
- A message may change at any time. Reasons are an interface: alerts and scripts may rely on them.
- When `Ready`, `Accepted`, `ComponentsAccepted`, `Stalled` or `Paused` flips, an Event of the same reason is sent; also when
  an object cannot be written, with the reason of `Reconciling`. Nothing is said by an Event alone.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One reason.

    Attributes:
        reason: the word.
        carriers: conditions that carry it, on which kinds.
        meaning: a sentence or two.
        action: what to do, "" for nothing.
    """

    reason: str
    carriers: str
    meaning: str
    action: str = ""


DESCRIPTIONS = (
    ("Ready", "all kinds", "The object does what its spec says."),
    ("Reconciling", "all kinds", "The controller is at it and goes on by itself. Absent otherwise."),
    ("Stalled", "all kinds", "Nothing happens until somebody changes something. Absent otherwise."),
    (
        "Accepted",
        "components",
        "The definition can be used. While it is `False`, the last good definition, if there is one, stays mounted.",
    ),
    (
        "ComponentsAccepted",
        "KasprApp",
        "No component of the app is held back. One that is does not make the app less Ready.",
    ),
    (
        "Warnings",
        "all kinds",
        "Something works otherwise than one may think. Absent when there is nothing to say.",
    ),
    (
        "RebalancePending",
        "KasprApp",
        "The members are to be asked for a rebalance, or were asked and do not show it yet. Absent otherwise.",
    ),
    (
        "HungMembers",
        "KasprApp",
        (
            "Members are in a state that only a new process ends; the message says which, and why they are not replaced now. "
            "Absent otherwise."
        ),
    ),
    (
        "RolloutStuck",
        "KasprApp",
        "A rollout has made no progress for too long; the message names the cause. Absent otherwise.",
    ),
    (
        "SeatsAbandoned",
        "KasprApp",
        (
            "Members are gone whose seats in the Kafka group cannot be taken away; the message says what that costs. Absent "
            "otherwise."
        ),
    ),
    (
        "StorageResizing",
        "KasprApp",
        (
            "`spec.storage.size` grows, or a member came back with a smaller volume; the message says what is done, or awaited, "
            "or in the way. Absent otherwise."
        ),
    ),
    (
        "PythonPackagesReady",
        "KasprApp",
        (
            "Every member has the packages of `spec.pythonPackages`; otherwise the message says who has not, and why. Absent "
            "without packages."
        ),
    ),
    ("Paused", "KasprApp", "The app is left alone because its user asked for it. Absent otherwise."),
    (
        "Progressing",
        "KasprApp",
        "For consumers of the existing operator's status; says nothing that is not said elsewhere.",
    ),
)
"""Type, kinds, meaning of every condition, in the order of the page; of one that is not written yet, no row is made."""

SERVER = """\
## Words of the API server

When the API server refuses an object, the reason is its own word (`Invalid`, `Forbidden`, `AlreadyExists`, ...) and the message
has its text, webhooks and quotas included. `Stalled` then means that the same request would be refused again, `Reconciling`
that it is tried again: at once and with growing pauses when it may pass, every few minutes when somebody else has to act.
"""

_TEXT = re.compile(r"(?P<carriers>[^:]+): (?P<meaning>.+?)(?: Do: (?P<action>.+))?")


def text() -> str:
    """The whole page."""
    found = list(rows(problems))
    groups = {
        "Reasons of a component that is held back": [one for one in found if "Accepted=" in one.carriers],
        "Faults of an app": [one for one in found if "Stalled=" in one.carriers],
        "Warnings": [one for one in found if "Warnings=" in one.carriers],
    }
    notes = {
        "Reasons of a component that is held back": "Each comes with `Ready=False` and `Stalled=True`, of the same reason.",
        "Faults of an app": "The reason is `InvalidSpec`; these words say what the message is about.",
        "Warnings": "The reason is `ReadCarefully`; these words say what the message is about.",
    }
    lines = [INTRODUCTION, "## Types", "", *_table(("Type", "Of", "Meaning"), types()), "", "## Reasons", ""]
    lines += [*_reasons(rows(reasons)), ""]
    for title, members in groups.items():
        lines += [f"## {title}", "", notes[title], "", *_reasons(members), ""]
    return "\n".join([*lines, SERVER])


def types(written: frozenset[str] = reporting._TYPES) -> list[tuple[str, str, str]]:  # noqa: SLF001 - the one list of them
    """The rows of the conditions that are written.

    Raises:
        ValueError: one has no description here.
    """
    if unknown := sorted(written - {type_ for type_, _, _ in DESCRIPTIONS}):
        raise ValueError(f"say in hack/manifests/conditions.py what {', '.join(unknown)} means")
    return [row for row in DESCRIPTIONS if row[0] in written]


def rows(module: ModuleType) -> Iterator[Row]:
    """The reasons of a module, in its order.

    Raises:
        ValueError: a constant has no text below it, or one that does not say who carries it.
    """
    body = ast.parse(inspect.getsource(module)).body
    for place, node in enumerate(body):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Constant):
            continue
        below = body[place + 1] if place + 1 < len(body) else None
        found = _TEXT.fullmatch(" ".join(_string(below).split()))
        if found is None:
            raise ValueError(
                f"{module.__name__}:{node.lineno}: write `condition: meaning. Do: action.` below it"
            )
        yield Row(str(node.value.value), found["carriers"], found["meaning"], found["action"] or "")


def _string(node: ast.stmt | None) -> str:
    value = node.value if isinstance(node, ast.Expr) else None
    return str(value.value) if isinstance(value, ast.Constant) else ""


def _reasons(found: Iterable[Row]) -> list[str]:
    cells = [
        (f"`{row.reason}`", row.carriers, _sentence(row.meaning), _sentence(row.action)) for row in found
    ]
    return _table(("Reason", "Condition", "Meaning", "What to do"), cells)


def _table(heads: tuple[str, ...], cells: Iterable[tuple[str, ...]]) -> list[str]:
    line, *lines = [f"| {' | '.join(row)} |" for row in (heads, *cells)]
    return [line, "|---" * len(heads) + "|", *lines]


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
