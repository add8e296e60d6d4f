"""The decisions about the members of one app in one pass: facts together, each decision in its order, parts for the status.

In: the app as loaded and rendered, its pods, what members and Kafka said. Out: first a `Look` with the `Driver` of the
rollout, before anything is written; then `Decided`, after. The order matters: who is replaced decides whose seat must not
be waited for, and seats that nobody holds keep a rebalance back. Nothing is kept between passes, and nothing is done here:
`acting` carries out, once the parts stand in the status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kaspr_controller.api import labels
from kaspr_controller.api.v1alpha1.app import KasprApp
from kaspr_controller.desired.app.packages import cache_mode, packages_hash
from kaspr_controller.desired.subscriptions import ANNOTATION, Subscriptions, annotation_of
from kaspr_controller.engine.clock import Clock
from kaspr_controller.kube.kinds import ObjectKey, Raw
from kaspr_controller.reconcilers import observing
from kaspr_controller.reconcilers.creating import Creating
from kaspr_controller.reconcilers.driving import Driver, partition_of
from kaspr_controller.reconcilers.loading import Stores
from kaspr_controller.reconcilers.membership import Polls
from kaspr_controller.reconcilers.seating import Seating, Seatings
from kaspr_controller.status import farewell, packaging, policies, rebalancing, recovering, rolling, rollout
from kaspr_controller.status.actions import Action, Decision, soonest
from kaspr_controller.status.conditions import Verdict
from kaspr_controller.status.judging import PASSING, SUSPECT, Group, Judged, judge, unread
from kaspr_controller.status.pods import Trouble, read_pod

LOOK_AGAIN_SECONDS = 5.0
"""While members are not calm: what only time shows (a zombie is told by how long it is one) is not told by an event."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one pass knows about the members.

    Attributes:
        app: its key.
        raw: as read.
        parsed: the same, parsed.
        policies: of this app.
        group: the members, judged; what they are to read is not known yet.
        seating: what Kafka says.
        farewells: of the previous status.
        driver: how far this pass lets a rollout go.
        now: seconds since 1970.
        rendered: the subscriptions as they stand in the pods' annotation, "" before they are rendered.
    """

    app: ObjectKey
    raw: Raw
    parsed: KasprApp
    policies: policies.Policies
    group: Group
    seating: Seating
    farewells: farewell.Farewells
    driver: Driver
    now: float
    rendered: str = ""

    @property
    def old(self) -> Mapping[str, Any]:
        """The previous status."""
        return self.raw.get("status") or {}


@dataclass(frozen=True, slots=True)
class Decided:
    """What came of a pass.

    Attributes:
        status: the parts to store.
        verdicts: conditions; one that does not hold is absent.
        actions: to be carried out once the parts are stored.
        requeue_after: seconds until time alone may change a decision.
        group: the members that were decided about.
        waiting: why the app is not Ready, as far as only Kafka's side of the group shows it.
        installs: of Python packages, by pod.
        finished: (manual, success, seconds) of a rebalance that came to its end.
    """

    status: Mapping[str, Any] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    actions: tuple[Action, ...] = ()
    requeue_after: float | None = None
    group: Group = field(default_factory=Group)
    waiting: tuple[str, ...] = ()
    installs: tuple[packaging.Install, ...] = ()
    finished: tuple[bool, bool, float] | None = None


class Deciding:
    """Looks and decides, for any app, on any worker.

    Args:
        stores: the caches.
        poller: what members said; None when they are not asked.
        seatings: what Kafka says; None when it is never asked.
        defaults: policies where an app's annotations say nothing else.
        clock: both of its times.
        turn: seconds until this app may lose a member on purpose; apps take turns.
        creating: asks why pods are missing; None when nobody does.
    """

    def __init__(  # noqa: PLR0913  # every tool is handed in
        self,
        *,
        stores: Stores,
        poller: Polls | None,
        seatings: Seatings | None,
        defaults: policies.Policies,
        clock: Clock,
        turn: Callable[[ObjectKey], float] = lambda _: 0.0,
        creating: Creating | None = None,
    ) -> None:
        self._stores = stores
        self._poller = poller
        self._seatings = seatings
        self._defaults = defaults
        self._clock = clock
        self._turn = turn
        self._creating = creating

    def look(self, key: ObjectKey, raw: Raw, app: KasprApp) -> Look:
        """Everything that is known of the members now, before anything is rendered."""
        now = self._clock.now().timestamp()
        chosen = policies.of_app(self._defaults, raw["metadata"].get("annotations") or {})
        farewells = farewell.read((raw.get("status") or {}).get("farewell"))
        seating = Seating()
        if self._seatings is not None and chosen.goodbyes and chosen.farewell.static:
            seating = self._seatings.look(key, app, farewells.owed)
        group = judge(
            [read_pod(pod, annotation=ANNOTATION, now=now) for pod in observing.all_pods(self._stores, key)],
            self._poller.observations(key) if self._poller else {},
            topics=(),
            now=self._clock.monotonic(),
            limits=chosen.recovery.limits,
            seats=seating.seats,
        )
        driver = self._driver(key, raw, app, group, chosen.rolling)
        return Look(key, raw, app, chosen, group, seating, farewells, driver, now)

    def _driver(
        self, key: ObjectKey, raw: Raw, app: KasprApp, group: Group, policy: rolling.Policy
    ) -> Driver:
        live = observing.workload(self._stores, key)
        state = rollout.judge(live)
        desired = state.desired if state.exists else app.spec.replicas
        facts = rolling.Facts(
            group,
            state,
            desired=desired,
            creation=self._creation(key, live, group, desired),
            partition=partition_of(live),
            asked=self._poller is not None,
        )
        part = rolling.read((raw.get("status") or {}).get("rollout"))
        return Driver(policy, part, facts, now=self._clock.now().timestamp())

    def forget(self, key: ObjectKey) -> None:
        """The app is gone."""
        if self._creating is not None:
            self._creating.forget(key)

    def _creation(self, key: ObjectKey, live: Raw | None, group: Group, desired: int) -> Trouble | None:
        """Why a pod that is missing cannot be created."""
        if self._creating is None:
            return None
        names = {f"{key.name}-app-{number}" for number in range(desired)}
        return self._creating.look(key, live, names - {member.pod.name for member in group.members})

    def _pods_after(self, key: ObjectKey) -> float | None:
        return self._creating.after(key) if self._creating is not None else None

    def decide(
        self, look: Look, subscriptions: Subscriptions, state: rollout.Rollout, *, faulty: bool
    ) -> Decided:
        """The other decisions, after the children were written.

        Args:
            look: of this pass.
            subscriptions: what the members are to read.
            state: the workload as it stands now.
            faulty: a child is not as it should be.
        """
        look = replace(
            look,
            group=replace(look.group, unread=unread(look.group.members, subscriptions.topics)),
            rendered=annotation_of(subscriptions)[ANNOTATION],
        )
        # The workload's own number: an autoscaler, or `kubectl scale`, may be on its way to another one.
        desired = state.desired if state.exists else look.parsed.spec.replicas
        recovered = self._recover(look, state, desired, faulty=faulty)
        left = self._farewell(look, recovered.part, desired)
        before = rebalancing.read(look.old.get("rebalance"))
        balanced = self._rebalance(look, before, left.part, state, desired)
        self._ask_kafka(look, left.part)
        driven = look.driver.decision
        decisions = (recovered, left, balanced, driven)
        packages = self._packages(look, state)
        waiting = farewell.waiting(look.policies.farewell, left.part, look.group, now=look.now)
        again = LOOK_AGAIN_SECONDS if waiting or self._unsettled(look) else None
        return Decided(
            status=_parts(recovered.part, left.part, balanced.part, driven.part, packages.part),
            verdicts=(*packages.verdicts, *(verdict for each in decisions for verdict in each.verdicts)),
            actions=(*recovered.actions, *left.actions, *balanced.actions),
            requeue_after=soonest(
                again, self._pods_after(look.app), *(each.requeue_after for each in decisions)
            ),
            group=look.group,
            waiting=waiting,
            installs=packages.installs,
            finished=_finished(before, balanced.part, look.now),
        )

    def _recover(
        self, look: Look, state: rollout.Rollout, desired: int, *, faulty: bool
    ) -> Decision[recovering.Recovery]:
        facts = recovering.Facts(
            look.group,
            state,
            desired,
            faulty=faulty,
            goodbyes=look.seating.proven,
            slot_after=self._turn(look.app),
        )
        part = recovering.read(look.old.get("recovery"))
        return recovering.decide(look.policies.recovery, part, facts, now=look.now)

    def _farewell(
        self, look: Look, recovery: recovering.Recovery, desired: int
    ) -> Decision[farewell.Farewells]:
        seating = look.seating
        facts = farewell.Facts(
            look.group,
            desired,
            look.rendered,
            killed={kill.uid: kill.why for kill in recovery.kills},
            access=seating.access,
            access_reason=seating.reason,
            done=seating.done,
            viewed_at=seating.viewed_at,
        )
        return farewell.decide(look.policies.farewell, look.farewells, facts, now=look.now)

    def _rebalance(
        self,
        look: Look,
        part: rebalancing.Rebalance,
        left: farewell.Farewells,
        state: rollout.Rollout,
        desired: int,
    ) -> Decision[rebalancing.Rebalance]:
        annotations = look.raw["metadata"].get("annotations") or {}
        facts = rebalancing.Facts(
            rendered=look.rendered,
            group=look.group,
            rollout=state,
            desired=desired,
            annotation=annotations.get(labels.REBALANCE),
            ghosts=farewell.ghosts(left, look.group),
            ghosts_for=farewell.ghosts_for(look.policies.farewell, left, now=look.now),
            asked=self._poller is not None,
            inherited="rebalance" not in look.old and look.old.get("rebalanceRequired") is True,
        )
        return rebalancing.decide(look.policies.rebalance, part, facts, now=look.now)

    def _packages(self, look: Look, state: rollout.Rollout) -> packaging.Packaging:
        spec = look.parsed.spec.python_packages
        wanted = packaging.Wanted(packages_hash(spec), cache_mode(spec), spec.packages) if spec else None
        # A template that was just written has a revision only when the StatefulSet's controller has seen it.
        revision = state.revision if state.observed else ""
        pods = observing.all_pods(self._stores, look.app)
        return packaging.judge(wanted, pods, revision=revision, old=look.old.get("pythonPackages"))

    def _ask_kafka(self, look: Look, left: farewell.Farewells) -> None:
        """A settled app costs its brokers nothing."""
        wanted = look.seating.access != "off" and (left.owed or self._unsettled(look))
        if wanted and self._seatings is not None:
            self._seatings.ask(look.app, look.parsed)

    def _unsettled(self, look: Look) -> bool:
        start = look.policies.recovery.limits.start
        return self._poller is not None and any(_moving(member, start) for member in look.group.members)


def _parts(
    recovery: recovering.Recovery,
    left: farewell.Farewells,
    rebalance: rebalancing.Rebalance,
    rolled: rolling.Rolling,
    packages: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """What each decision wants to find in the status of the next pass."""
    return {
        "rebalance": rebalancing.write(rebalance),
        "rebalanceRequired": rebalance.required,
        "recovery": recovering.write(recovery) or None,
        "farewell": farewell.write(left) or None,
        "rollout": rolling.write(rolled) or None,
        "pythonPackages": packages,
    }


def _moving(member: Judged, start: float) -> bool:
    """Whether time alone may change what it is; where there are more members than partitions, some never begin.

    A pod that does not run yet is no such member: the kubelet tells when it does, and with a thousand new apps a look at
    each every five seconds is all that the program would do.
    """
    if member.state == "starting" and not member.pod.running:
        return False
    if member.state == "not-begun":
        return member.age <= start
    return member.state in PASSING or member.state in SUSPECT or member.state == "silent"


def _finished(
    before: rebalancing.Rebalance, after: rebalancing.Rebalance, now: float
) -> tuple[bool, bool, float] | None:
    if not before.required or after.state not in ("Done", "Expired") or before.requested_at is None:
        return None
    return before.manual, after.state == "Done", max(0.0, now - before.requested_at)
