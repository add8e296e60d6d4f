"""Every metric of the program, by the names that dashboards for controller-runtime and for the old operator query.

Sources: design rules P1 to P4 (labels pre-created where the set is known, no names in histogram labels, no `_created`
series) and the metric tables of the contract (7.3). The values are set by the rooms that know them.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from kaspr_controller.telemetry.surveys import SurveyCollector

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY = CollectorRegistry(auto_describe=True)

_RECONCILE_BUCKETS = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0,
    1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
)  # fmt: skip
_QUEUE_BUCKETS = tuple(10.0**exponent for exponent in range(-8, 4))
_REQUEST_BUCKETS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
_PAUSE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


def _counter(name: str, text: str, *labels: str) -> Counter:
    return Counter(name, text, labels, registry=REGISTRY)


def _gauge(name: str, text: str, *labels: str) -> Gauge:
    return Gauge(name, text, labels, registry=REGISTRY)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(name, text, labels, buckets=buckets, registry=REGISTRY)


# Reconciles, as controller-runtime names them.
RECONCILE_TOTAL = _counter(
    "controller_runtime_reconcile_total", "Reconciles by outcome", "controller", "result"
)
RECONCILE_ERRORS = _counter(
    "controller_runtime_reconcile_errors_total", "Reconciles that failed", "controller"
)
RECONCILE_TERMINAL = _counter(
    "controller_runtime_terminal_reconcile_errors_total", "Failures that wait for a change", "controller"
)
RECONCILE_PANICS = _counter(
    "controller_runtime_reconcile_panics_total", "Reconciles ended by an undeclared exception", "controller"
)
RECONCILE_TIMEOUTS = _counter(
    "controller_runtime_reconcile_timeouts_total",
    "Reconciles that ran out of their time budget",
    "controller",
)
RECONCILE_SECONDS = _histogram(
    "controller_runtime_reconcile_time_seconds", "Length of a reconcile", _RECONCILE_BUCKETS, "controller"
)
MAX_CONCURRENT = _gauge(
    "controller_runtime_max_concurrent_reconciles", "Workers of a controller", "controller"
)
ACTIVE_WORKERS = _gauge("controller_runtime_active_workers", "Workers at work", "controller")

# The work queue.
QUEUE_DEPTH = _gauge("workqueue_depth", "Keys that are ready", "name", "controller", "priority")
QUEUE_ADDS = _counter("workqueue_adds_total", "Keys added", "name", "controller")
QUEUE_WAIT_SECONDS = _histogram(
    "workqueue_queue_duration_seconds",
    "Time a key was ready before work on it began",
    _QUEUE_BUCKETS,
    "name",
    "controller",
)
QUEUE_WORK_SECONDS = _histogram(
    "workqueue_work_duration_seconds", "Time of work on a key", _QUEUE_BUCKETS, "name", "controller"
)
QUEUE_UNFINISHED_SECONDS = _gauge(
    "workqueue_unfinished_work_seconds", "Sum of the ages of work in hand", "name", "controller"
)
QUEUE_LONGEST_SECONDS = _gauge(
    "workqueue_longest_running_processor_seconds", "Age of the oldest work in hand", "name", "controller"
)
QUEUE_RETRIES = _counter("workqueue_retries_total", "Keys added with a delay", "name", "controller")

# Requests to the API server.
REQUESTS = _counter("rest_client_requests_total", "Requests by status code", "code", "method", "host")
REQUEST_SECONDS = _histogram(
    "rest_client_request_duration_seconds", "Length of a request", _REQUEST_BUCKETS, "verb", "host"
)
REQUEST_RETRIES = _counter("rest_client_request_retries_total", "Requests sent again", "code", "verb", "host")

# Leadership.
LEADER = _gauge("leader_election_master_status", "1 while this process holds the lease", "name")
LEADER_SLOWPATH = _counter(
    "leader_election_slowpath_total", "Renewals that had to read the lease first", "name"
)

# Ours.
REFLECTOR_LISTS = _counter("kaspr_reflector_lists_total", "Full lists", "kind")
REFLECTOR_WATCHES = _counter("kaspr_reflector_watches_total", "Watches opened", "kind")
REFLECTOR_EVENTS = _counter("kaspr_reflector_events_total", "Watch events read", "kind", "type")
REFLECTOR_RESTARTS = _counter("kaspr_reflector_restarts_total", "Reflector threads started again", "kind")
REFLECTOR_SILENCE = _gauge(
    "kaspr_reflector_silence_seconds",
    "Time since a watch or list brought anything, bookmarks included",
    "kind",
)
REFLECTOR_ERRORS = _counter("kaspr_reflector_errors_total", "Failed lists and watches", "kind", "reason")
HANDLER_ERRORS = _counter("kaspr_handler_errors_total", "Events that a handler failed on", "kind", "handler")
STORE_OBJECTS = _gauge("kaspr_store_objects", "Objects in the cache", "kind")
STORE_BYTES = _gauge("kaspr_store_bytes", "Bytes of the objects in the cache", "kind")
APPLIES = _counter("kaspr_ssa_applies_total", "Server-side applies", "kind", "outcome")
SKIPS = _counter("kaspr_ssa_skips_total", "Applies that were not needed", "kind", "reason")
DELETES = _counter("kaspr_deletes_total", "Objects deleted", "kind", "reason")
STATUS_WRITES = _counter("kaspr_status_writes_total", "Status writes", "kind")
EVENT_DROPS = _counter("kaspr_event_drops_total", "Events not sent, by reason", "reason")
for _answer in ("queue-full", "object-limit", "error"):
    EVENT_DROPS.labels(reason=_answer)
EVENTS_SENT = _counter("kaspr_events_total", "Events sent", "reason")
GC_PAUSE_SECONDS = _histogram(
    "kaspr_gc_pause_seconds", "Pauses of the garbage collector", _PAUSE_BUCKETS, "generation"
)
MEMBER_POLLS = _counter("kaspr_member_polls_total", "Polls of members by answer", "answer")
for _answer in ("ok", "starting", "refused", "timeout", "wrong"):
    MEMBER_POLLS.labels(answer=_answer)
GOODBYES = _counter(
    "kaspr_goodbyes_total", "Goodbyes to Kafka for members that are gone, by outcome", "outcome"
)
for _answer in ("said", "unknown-member", "no-permission", "auth-failed", "unreachable", "timeout"):
    GOODBYES.labels(outcome=_answer)
GROUP_REQUESTS = _counter(
    "kaspr_group_requests_total", "Requests about Kafka groups by outcome", "request", "outcome"
)
GROUP_REQUEST_SECONDS = _histogram(
    "kaspr_group_request_duration_seconds", "Length of a request about a group", _REQUEST_BUCKETS, "request"
)
GROUP_QUEUE = _gauge("kaspr_group_queue_depth", "Requests about groups that wait")
GROUP_CONNECTIONS = _gauge("kaspr_group_connections", "Kept connections to Kafka brokers")
SURVEY = SurveyCollector()
REGISTRY.register(SURVEY)
