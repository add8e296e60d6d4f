"""A poller that asks when a test says so, and members that answer what a test wants to hear."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspr_controller.members.client import Signalled
from kaspr_controller.status.observations import Answer, Observation, observe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kaspr_controller.kube.kinds import ObjectKey
    from kaspr_controller.members.targets import Target
    from tests.fakes.clock import FakeClock

TOPICS = ("in", "out", "clicks", "payments")
"""What a member reads unless a test says otherwise: every topic that a test uses."""

RUNNING = Answer("ok", actives=dict.fromkeys(TOPICS, (0,)))


class Poller:
    """The three calls that reconcilers know, and `ask` for the test.

    Attributes:
        every: seconds between questions, by app that is being asked.
        targets: whom to ask, by app.
        reply: what a member answers.
        signalled: the members that were asked for a rebalance.
    """

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.every: dict[ObjectKey, float] = {}
        self.targets: dict[ObjectKey, tuple[Target, ...]] = {}
        self.reply: Callable[[Target], Answer] = lambda _: RUNNING
        self.signalled: list[str] = []
        self._seen: dict[ObjectKey, dict[str, Observation]] = {}

    def want(self, app_key: ObjectKey, targets: Iterable[Target], *, every: float) -> None:
        self.targets[app_key] = tuple(targets)
        self.every[app_key] = every
        seen = self._seen.setdefault(app_key, {})
        wanted = {target.pod_uid for target in self.targets[app_key]}
        self._seen[app_key] = {uid: one for uid, one in seen.items() if uid in wanted}

    def drop(self, app_key: ObjectKey) -> None:
        self.targets.pop(app_key, None)
        self.every.pop(app_key, None)
        self._seen.pop(app_key, None)

    def observations(self, app_key: ObjectKey) -> dict[str, Observation]:
        return dict(self._seen.get(app_key, {}))

    def rebalance(self, target: Target) -> Signalled:
        """The one request to a member."""
        self.signalled.append(target.name)
        return Signalled("ok")

    def ask(self) -> list[ObjectKey]:
        """Ask every wanted member once; the apps of those that say something new."""
        changed = []
        for app, targets in self.targets.items():
            seen = self._seen[app]
            for target in targets:
                before = seen.get(target.pod_uid)
                answer = self.reply(target)
                seen[target.pod_uid] = observe(before, answer, at=self._clock.monotonic())
                if before is None or before.answer != answer:
                    changed.append(app)
        return changed
