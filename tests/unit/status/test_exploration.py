"""All that can happen to a small app, seen by the decisions of production: no law is broken, nothing is lost for good.

A part of the states at every run, in a random but fixed order; the whole with `KASPR_EXPLORE=1000000` in the environment.
"""

from __future__ import annotations

import os
from typing import Any, get_args

import pytest

from kaspr_controller.status import farewell, judging, rebalancing, recovering
from kaspr_controller.status.judging import Group
from tests.unit.status import world as the
from tests.unit.status.exploring import beginnings, carry_out, decide, explore

STATES = int(os.environ.get("KASPR_EXPLORE", "3000"))


@pytest.mark.timeout(0 if STATES > 50_000 else 120)
def test_no_law_is_broken_and_everything_ends_well() -> None:
    """Show 2, R19: {rollout x rebalance x hung x pause x lease}, 3 members, 3 strikes, any two mishaps at any time.

    No unguarded kill, none while nobody can be reached, none beyond the budget; no goodbye for a live seat; no signal too
    early, twice or in vain; no action while paused or without the lease; and from every state everything gets done.
    """
    found = explore(beginnings(3, 2), most=STATES)
    assert found.broken == []
    assert found.lost == []
    assert found.closed or found.states >= STATES
    # The search is not about nothing.
    kinds = {"SetPartition", "SignalRebalance", "SayGoodbye", "DeletePod", "AcknowledgeRebalance"}
    assert set(found.acted) == kinds


SILENT_TOO = frozenset(get_args(judging.State))


def _gates_but(*without: Any) -> tuple[Any, ...]:
    return tuple(gate for gate in recovering._GATES if gate not in without)


Patch = tuple[Any, str, Any]
FLAWS: dict[str, tuple[str, list[Patch]]] = {
    "kill in a rollout": ("kills in a rollout", [(recovering.Facts, "rolling", False)]),
    "kill while the rest is not well": (
        "kills while the rest is not well",
        [(recovering, "_GATES", _gates_but(recovering._healthy))],
    ),
    "forget the budget": ("kills beyond the budget", [(recovering, "_left", lambda *_: 9)]),
    "believe silence": (
        "kills while nobody",
        [(judging, "_SPEAKING", SILENT_TOO), (recovering, "_GATES", _gates_but(recovering._heard))],
    ),
    "signal before the rollout": ("other definitions", [(rebalancing, "_stale", lambda _: False)]),
    "ignore ghosts": ("ghost", [(farewell, "ghosts", lambda *_: ())]),
    "goodbye too late": ("has joined", [(farewell, "_joined", lambda *_: False)]),
    "no patience": ("does not wait", [(rebalancing, "_pause", lambda *_: 0.0)]),
    "count pods": ("not calm", [(Group, "whole", lambda group, desired: len(group.members) >= desired)]),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_the_search_finds_what_a_missing_guard_lets_through(
    flaw: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each law can be broken: without its guard the search comes upon it."""
    law, patches = FLAWS[flaw]
    for owner, name, instead in patches:
        monkeypatch.setattr(owner, name, instead)
    # Without mishaps on the way there are fewer ways to go, and the search gets further.
    found = explore(beginnings(3, 0 if flaw == "believe silence" else 1), most=1500, until=law)
    assert any(law in broken for broken, _ in found.broken), {broken for broken, _ in found.broken}


def test_a_forgotten_request_is_found() -> None:
    """D40: an intent that is erased, as the predecessor did, is a state that never ends well."""
    world = the.start(3, "add", 0)._replace(template=1)
    for _ in range(40):
        parts, actions = decide(world)
        idle = rebalancing.Rebalance(fingerprint=parts.rebalance.fingerprint)
        kept = [
            action for action in actions if type(action).__name__ not in ("SignalRebalance", "SayGoodbye")
        ]
        world = the.tick(the.workload(carry_out(world._replace(parts=parts._replace(rebalance=idle)), kept)))
    assert all(pod is not None and pod.phase == "C" for pod in world.pods)
    assert not the.settled(world)
