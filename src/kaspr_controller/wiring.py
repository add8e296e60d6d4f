"""The composition root: the only place that constructs the parts and connects them.

In: settings and a cluster. Out: `Program`, whose `run` hands all parts to the life cycle in starting order: HTTP, caches,
leadership, Events, workers. Nothing is decided here.
"""

from __future__ import annotations

import random
import socket
import uuid
from collections.abc import Callable
from typing import Any

from kaspr_controller.cli.choices import cadence_of, options_of, pace_of, policies_of
from kaspr_controller.converge.applying import Converger
from kaspr_controller.converge.census import Census
from kaspr_controller.engine import health, threads
from kaspr_controller.engine.changes import Change
from kaspr_controller.engine.clock import SystemClock
from kaspr_controller.engine.coalescing import Quiescence
from kaspr_controller.engine.collecting import Collector, share_arenas
from kaspr_controller.engine.informer import Informer
from kaspr_controller.engine.journal import Journal
from kaspr_controller.engine.leadership import Elector, Fence, Timing
from kaspr_controller.engine.lifecycle import Closer, Group, Lifecycle, Runnable
from kaspr_controller.engine.pausing import Door
from kaspr_controller.engine.store import Store
from kaspr_controller.engine.triggers import TriggerTable
from kaspr_controller.engine.union import StoreUnion
from kaspr_controller.engine.workers import Workers
from kaspr_controller.engine.workqueue import WorkQueue
from kaspr_controller.groups.client import KafkaGroupClient
from kaspr_controller.groups.desk import GroupDesk
from kaspr_controller.groups.running import RunningDesk
from kaspr_controller.kube.client import Client
from kaspr_controller.kube.credentials import Cluster
from kaspr_controller.kube.eventing import EventSink
from kaspr_controller.kube.kinds import Kind
from kaspr_controller.kube.leasing import LeaseClient
from kaspr_controller.kube.limiting import RateLimiter
from kaspr_controller.kube.transport import HttpTransport
from kaspr_controller.members.client import MemberClient
from kaspr_controller.members.polling import Poller
from kaspr_controller.members.running import Handle, RunningPoller
from kaspr_controller.reconcilers import kinds, triggers
from kaspr_controller.reconcilers.acting import Acting, Turns
from kaspr_controller.reconcilers.app import AppReconciler
from kaspr_controller.reconcilers.caches import make_store
from kaspr_controller.reconcilers.components import ComponentReconciler
from kaspr_controller.reconcilers.creating import Creating
from kaspr_controller.reconcilers.deciding import Deciding
from kaspr_controller.reconcilers.holding import Hold
from kaspr_controller.reconcilers.inheriting import Releasing
from kaspr_controller.reconcilers.loading import Stores
from kaspr_controller.reconcilers.membership import Members
from kaspr_controller.reconcilers.metering import metered
from kaspr_controller.reconcilers.queues import Queues
from kaspr_controller.reconcilers.reporting import Reporter
from kaspr_controller.reconcilers.resizing import Resizing
from kaspr_controller.reconcilers.rotating import Rotating
from kaspr_controller.reconcilers.seating import Seatings
from kaspr_controller.reconcilers.surveying import Surveyor
from kaspr_controller.reconcilers.trimming import SELECTORS
from kaspr_controller.reconcilers.verdicts import VerdictBoard
from kaspr_controller.serve.debugging import DebugViews
from kaspr_controller.serve.servers import debug_server, public_server
from kaspr_controller.settings import Settings
from kaspr_controller.telemetry import logs, metrics

SYNC_SECONDS = 120.0
"""A first list that takes longer will not come (rule C3)."""


class Program:
    """Everything that runs, constructed but not started.

    Args:
        settings: see settings.py.
        cluster: where to work.
    """

    def __init__(self, settings: Settings, cluster: Cluster) -> None:
        self._settings = settings
        self._clock = SystemClock()
        self._rng = random.Random()  # noqa: S311  # jitter
        self._identity = f"{socket.gethostname()}_{uuid.uuid4()}"
        margin = settings.leader_election_lease_seconds - settings.leader_election_renew_seconds
        self._fence = Fence(self._clock, margin=margin)
        limiter = RateLimiter(self._clock, qps=settings.api_qps, burst=settings.api_burst)
        self._client = Client(
            HttpTransport(cluster),
            clock=self._clock,
            rng=self._rng,
            limiter=limiter,
            fence=self._fence.admit if settings.leader_election else None,
        )
        self._closing = [self._client.close]
        self._queues = Queues(self._clock, self._rng)
        self._quiescence = Quiescence(self._clock)
        self._journal = Journal(self._clock)
        self._events = EventSink(
            self._client, clock=self._clock, rng=self._rng, instance=socket.gethostname()
        )
        self._member_client = MemberClient(total=settings.client_status_check_timeout_seconds)
        self._informers: list[Informer] = []
        self._stores = self._watch(settings.watch_namespaces)
        metrics.SURVEY.source = Surveyor(self._stores).survey
        self._poller = self._make_poller() if settings.client_status_check_enabled else None
        self._desk: RunningDesk | None = None
        self._workers = self._make_workers()
        self._elector = self._make_elector(cluster) if settings.leader_election else None
        self._collector = Collector()
        self._lifecycle = Lifecycle(
            self._groups(),
            clock=self._clock,
            on_stop=self._client.finish_within,
            chores=[self._collector.publish],
        )

    def run(self) -> int:
        """Run until SIGTERM, SIGINT, the loss of the lease or the failure of a part; gives the exit code."""
        share_arenas()
        self._collector.install()
        code = self._lifecycle.run()
        for close in self._closing:
            close()
        return code

    # The parts in starting order.

    def _groups(self) -> list[Group]:
        actors: list[Runnable] = [
            *self._workers,
            *([self._poller] if self._poller else []),
            *([self._desk] if self._desk else []),
        ]
        elector = self._elector
        sender = threads.Loop("events", self._events.run, self._clock.monotonic, wake=self._events.wake)
        return [
            Group("http", tuple(self._servers())),
            Group(
                "caches",
                (*self._informers, Closer("connections", self._client.close)),
                ready=lambda: all(informer.synced for informer in self._informers),
                patience=SYNC_SECONDS,
                then=self._freeze,
                grace=4.0,
            ),
            *([Group("leadership", (elector,), ready=lambda: elector.ready, grace=3.0)] if elector else []),
            # After the election, so that it ends before: the fence lets no Event pass once the lease is given back.
            Group("events", (sender,), grace=5.0),
            Group("workers", tuple(actors), grace=15.0),
        ]

    def _freeze(self) -> None:
        self._collector.freeze()  # what is cached now is there to stay (rule M4)

    def _servers(self) -> list[Runnable]:
        settings = self._settings
        servers: list[Runnable] = [
            public_server(
                healthy=_checks(self._health),
                ready=_checks(self._readiness),
                address=settings.metrics_address,
                port=settings.metrics_port,
            )
        ]
        if settings.debug_port:
            servers.append(debug_server(self._debug_views(), port=settings.debug_port))
        return servers

    def _health(self) -> list[health.Check]:
        running = {informer.name: informer.view().alive for informer in self._informers}
        runs = [run for workers in self._workers for run in workers.running()]
        leading = self._elector is not None and self._elector.ready
        return [
            health.threads_alive(running),
            health.workers_move(runs),
            health.watches_hear(informer.view() for informer in self._informers),
            health.lease_fresh(leading=leading, left=self._fence.left),
        ]

    def _readiness(self) -> list[health.Check]:
        views = [informer.view() for informer in self._informers]
        return [health.caches_synced(views), health.caches_fresh(views), health.reflectors_stable(views)]

    def _debug_views(self) -> DebugViews:
        def versions(store: Any) -> Callable[[], list[tuple[str, str]]]:
            def view() -> list[tuple[str, str]]:
                cards = [(key, store.meta(key)) for key in store.keys()]  # noqa: SIM118  # no dictionary
                return [(str(key), card.resource_version) for key, card in cards if card]

            return view

        return DebugViews(
            queues={queue.name: queue.view for queue in (self._queues.apps, self._queues.components)},
            caches={kind: versions(store) for kind, store in self._stores.items()},
            why=lambda key: [
                {"at": line.at.isoformat(), "what": line.text} for line in self._journal.read(key)
            ],
            log_level=logs.LEVEL,
        )

    # Caches and triggers.

    def _watch(self, namespaces: tuple[str, ...]) -> Stores:
        """A store and an informer for every kind, and for every namespace where they are named."""
        parts = {kind: {name: make_store(kind) for name in namespaces or ("",)} for kind in kinds.WATCHED}
        stores: Stores
        if len(namespaces) > 1:
            stores = {kind.kind: StoreUnion(by_namespace) for kind, by_namespace in parts.items()}
        else:
            stores = {kind.kind: next(iter(by_namespace.values())) for kind, by_namespace in parts.items()}
        table = TriggerTable(triggers.TABLE, stores=stores, queue=self._queues, journal=self._journal)
        for kind, by_namespace in parts.items():
            for name, store in by_namespace.items():
                self._informers.append(self._make_informer(kind, store, name or None, table))
        return stores

    def _make_informer(
        self, kind: Kind, store: Store, namespace: str | None, table: TriggerTable
    ) -> Informer:
        informer = Informer(
            kind,
            self._client,
            store,
            clock=self._clock,
            rng=self._rng,
            namespace=namespace,
            label_selector=SELECTORS.get(kind.kind),
        )
        if kind in kinds.COMPONENTS:
            # First, so that the pass that the trigger queues finds the burst under way.
            informer.subscribe(_toucher(self._quiescence), "quiescence")
        informer.subscribe(table.handle, "triggers")
        return informer

    # Actors.

    def _make_elector(self, cluster: Cluster) -> Elector:
        settings = self._settings
        leases = LeaseClient(
            HttpTransport(cluster, idle_connections=1),
            settings.leader_election_namespace or cluster.namespace,
            settings.leader_election_name,
            renew_deadline=settings.leader_election_renew_seconds,
        )
        self._closing.append(leases.close)
        return Elector(
            leases,
            self._identity,
            self._fence,
            clock=self._clock,
            rng=self._rng,
            lost=lambda: self._lifecycle.abort("the lease was lost"),
            timing=Timing(
                settings.leader_election_lease_seconds,
                settings.leader_election_renew_seconds,
                settings.leader_election_retry_seconds,
            ),
            name=settings.leader_election_name,
        )

    def _make_poller(self) -> RunningPoller:
        poller = Poller(
            self._member_client,
            on_change=lambda app: self._queues.add(app, triggers.OWNED),
            clock=self._clock,
            rng=self._rng,
        )
        return RunningPoller(poller, _spawn, monotonic=self._clock.monotonic)

    def _make_reporter(self) -> Reporter:
        queues = self._queues
        return Reporter(
            client=self._client,
            stores=self._stores,
            events=self._events,
            hold=Hold(self._clock, busy=lambda: len(queues.apps) > 0),
            later=queues.later,
        )

    def _make_workers(self) -> list[Workers]:
        settings, queues, clock = self._settings, self._queues, self._clock
        board, turns = VerdictBoard(), Turns(self._clock)
        seatings, going = self._make_seatings(), settings.statefulset_deletion_timeout_seconds
        reporter, census = self._make_reporter(), Census(self._client, self._clock)
        releasing = Releasing(stores=self._stores, requests=self._client)
        apps = AppReconciler(
            stores=self._stores,
            converger=Converger(client=self._client, stores=self._stores, clock=self._clock, census=census),
            reporter=reporter,
            members=Members(
                stores=self._stores,
                poller=self._poller.poller if self._poller else None,
                cadence=cadence_of(settings),
            ),
            board=board,
            quiescence=self._quiescence,
            wake=queues.wake,
            clock=self._clock,
            options=options_of(settings),
            pace=pace_of(settings),
            deciding=self._make_deciding(seatings, turns),
            acting=self._make_acting(seatings, turns),
            rotating=Rotating(self._client, self._clock),
            resizing=Resizing(self._stores, self._client, events=self._events, clock=clock, patience=going),
            releasing=releasing,
        )
        components = ComponentReconciler(
            stores=self._stores, reporter=reporter, board=board, clock=self._clock, releasing=releasing
        )
        return [
            self._workers_of(
                queues.apps, metered(apps.reconcile, self._clock), max(1, settings.workers // 2)
            ),
            self._workers_of(queues.components, components.reconcile, max(1, settings.workers // 4)),
        ]

    def _make_deciding(self, seatings: Seatings | None, turns: Turns) -> Deciding:
        return Deciding(
            stores=self._stores,
            poller=self._poller.poller if self._poller else None,
            seatings=seatings,
            defaults=policies_of(self._settings),
            clock=self._clock,
            turn=turns.after,
            creating=Creating(self._client, self._clock, factor=self._settings.member_time_scale),
        )

    def _make_acting(self, seatings: Seatings | None, turns: Turns) -> Acting:
        return Acting(
            stores=self._stores,
            requests=self._client,
            signals=self._member_client if self._poller else None,
            seatings=seatings,
            events=self._events,
            turns=turns,
            fence=self._fence.check if self._settings.leader_election else lambda: None,
        )

    def _make_seatings(self) -> Seatings | None:
        wanted = self._settings.kafka_goodbyes_enabled
        return Seatings(desk=self._make_desk(), reads=self._client, clock=self._clock) if wanted else None

    def _make_desk(self) -> GroupDesk:
        """Who asks Kafka; its threads begin with the workers."""
        client = KafkaGroupClient()
        desk = GroupDesk(
            client,
            on_change=lambda app: self._queues.add(app, triggers.OWNED),
            clock=self._clock,
            may_act=lambda: not self._settings.leader_election or self._fence.left > 0,
        )
        self._desk = RunningDesk(desk, client, _spawn, monotonic=self._clock.monotonic)
        return desk

    def _workers_of(self, queue: WorkQueue, reconcile: Any, count: int) -> Workers:
        return Workers(
            queue.name,
            queue,
            reconcile,
            count,
            clock=self._clock,
            door=Door(
                self._clock,
                lambda: self._client.available,
                lambda: len(queue),
                lambda: self._client.version(timeout=2.0),
            ),
            budget=self._client.budget,
            journal=self._journal,
        )


def _checks(look: Callable[[], list[health.Check]]) -> dict[str, Callable[[], str | None]]:
    """The checks under their names, each looked at when it is asked for."""

    def one(name: str) -> Callable[[], str | None]:
        return lambda: next(check.message for check in look() if check.name == name) or None

    return {check.name: one(check.name) for check in look()}


def _spawn(name: str, body: Callable[[], None]) -> Handle:
    thread = threads.make(name, body)
    thread.start()
    return thread


def _toucher(quiescence: Quiescence) -> Callable[[Change], None]:
    """Notes that the component set of an app has changed just now."""

    def touch(change: Change) -> None:
        if not change.initial and triggers.respecified(change):
            for app in triggers.app_by_label(change, {}):
                quiescence.touch(app)

    return touch
