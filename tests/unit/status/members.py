"""Pods and histories of answers for the tests of the decisions about members."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kaspr_controller.status.judging import Group, Judged, Limits, Seats, State, judge
from kaspr_controller.status.observations import Answer, Observation, observe
from kaspr_controller.status.pods import Pod

CALM = Answer("ok", actives={"orders": (0,)})
LEADER = Answer("ok", leader=True, actives={"orders": (1,), "demo-app-assignor-leader": (0,)})
EMPTY = Answer("ok")
ZOMBIE = Answer("ok", rebalancing=True)
JOINING = Answer("ok", rebalancing=True, actives={"orders": (0,)})
RECOVERING = Answer("ok", rebalancing=True, recovering=True, actives={"orders": (0,)})
STARTING = Answer("starting", "the consumer has not started")
REFUSED = Answer("refused", "nobody listens on the port")
TIMEOUT = Answer("timeout", "no answer in time")
WRONG = Answer("wrong", "the body is not JSON")
ALIEN = Answer("wrong", "another app answers")

Spell = tuple[Answer, float]
"""An answer, and for how many seconds it is given."""


def pod(ordinal: int = 0, **more: Any) -> Pod:
    given = {"name": f"demo-app-{ordinal}", "uid": f"u{ordinal}", "ordinal": ordinal, "running_for": 1000.0}
    return Pod(**{**given, **more})


def history(*spells: Spell, until: float, step: float = 2.0) -> Observation:
    """What a poller that asks every `step` seconds has seen of a member by the time `until`."""
    times: list[tuple[float, Answer]] = []
    end = until
    for answer, seconds in reversed(spells):
        count = max(1, int(seconds / step) + 1)
        times = [(end - step * back, answer) for back in reversed(range(count))] + times
        end = times[0][0] - step
    seen = None
    for at, answer in times:
        seen = observe(seen, answer, at=at)
    assert seen is not None
    return seen


def group_of(
    *spells: Sequence[Spell],
    topics: Sequence[str] = ("orders",),
    seats: Seats | None = None,
    limits: Limits | None = None,
) -> Group:
    """A group of as many pods as histories; an empty history is a pod that was never asked."""
    pods = [pod(ordinal) for ordinal in range(len(spells))]
    seen = {f"u{ordinal}": history(*each, until=10_000.0) for ordinal, each in enumerate(spells) if each}
    return judge(pods, seen, topics=topics, now=10_000.0, limits=limits, seats=seats)


def judged(ordinal: int, state: State = "calm", **more: Any) -> Judged:
    """A member that was judged already: heard a second ago, watched for an hour."""
    of = more.pop(
        "pod", pod(ordinal, ready=state not in ("starting", "leaving"), deleting=state == "leaving")
    )
    member = Judged(of, state, watched=3600.0, answered=1.0, changed=600.0, assigned=state != "zombie")
    member = replace(
        member, speaking=state not in ("leaving", "starting", "frozen", "alien", "lying", "silent")
    )
    return replace(member, **more)


def group(*members: Judged, unread: tuple[str, ...] | None = ()) -> Group:
    return Group(tuple(members), unread)
