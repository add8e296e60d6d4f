"""Every reason that the decisions about members give stands in `reasons`: users write alerts against them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from kaspr_controller.status import reasons

ROOM = Path(reasons.__file__).parent
QUIET = {"Paused", "NotLeading"}
"""Refusals without a condition: the app has a condition for the pause, and who does not lead writes no status."""
OF_ONE_GOODBYE = {"SuccessorUnclear", "WaitingForKafka", "BudgetSpent"}
OF_ONE_STEP = {"WaitingForMember"}


def given(module: str, *calls: str) -> set[str]:
    """The CamelCase texts that are handed to these calls in a module, and those of its tables of reasons."""
    found: set[str] = set()
    for node in ast.walk(ast.parse((ROOM / f"{module}.py").read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in calls:
            texts = [
                arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            ]
            found.update(text for text in texts if text.isalpha() and text[:1].isupper() and text != "True")
    return found


@pytest.mark.parametrize(
    ("modules", "calls", "known", "silent"),
    [
        (("rebalancing",), ("Refusal", "Verdict"), reasons.REBALANCE_PENDING | {"RebalancePending"}, QUIET),
        (("recovering",), ("Refusal", "Verdict"), reasons.HUNG_MEMBERS | {"HungMembers"}, QUIET),
        (("farewell",), ("Refusal",), reasons.SEATS_ABANDONED, OF_ONE_GOODBYE),
        (("rolling", "pods"), ("Trouble", "Refusal"), reasons.ROLLOUT_STUCK, OF_ONE_STEP),
    ],
)
def test_every_reason_is_listed(
    modules: tuple[str, ...], calls: tuple[str, ...], known: set[str], silent: set[str]
) -> None:
    """A reason that is given and not listed is a promise nobody made."""
    found = {text for module in modules for text in given(module, *calls)}
    assert found
    assert found <= known | silent
