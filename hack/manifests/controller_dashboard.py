"""The rows of the dashboard *Kaspr / Controller*: whether it is at work, what it costs, where it waits.

Called by `dashboards.py`. What describes the cluster is drawn with `max by`, what describes a process with `pod` in the
legend: standbys fill the same caches as the one that leads.
"""

from __future__ import annotations

from hack.manifests.grafana import Panel, Row
from hack.manifests.promql import quantile, rate

RED_FROM_ONE = ((None, "green"), (1, "red"))

ROWS = (
    Row(
        "Is it at work?",
        (
            Panel(
                "Leader",
                "1: one replica holds the lease and acts. 0: nobody does; 2: see the alert KasprControllerTwoLeaders.",
                {"sum(leader_election_master_status)": ""},
                view="stat",
                width=4,
                steps=((None, "red"), (1, "green"), (2, "red")),
            ),
            Panel(
                "Replicas",
                "Processes that are scraped. All but one stand by.",
                {'count(controller_runtime_max_concurrent_reconciles{controller="kasprapp"})': ""},
                view="stat",
                width=4,
                steps=((None, "red"), (1, "yellow"), (2, "green")),
            ),
            Panel(
                "Keys waiting",
                "Objects that are to be looked at and wait for a worker. 0 most of the time.",
                {"sum(workqueue_depth)": ""},
                view="stat",
                width=4,
                steps=((None, "green"), (50, "yellow"), (500, "red")),
            ),
            Panel(
                "Objects held back",
                "Custom resources whose spec cannot be used; the other dashboard names them.",
                {"sum(max by (kind) (kaspr_invalid_objects))": ""},
                view="stat",
                width=4,
                steps=RED_FROM_ONE,
            ),
            Panel(
                "Unexpected exceptions",
                "In the last day. Each is a bug; the log has the stack.",
                {"sum(increase(controller_runtime_reconcile_panics_total[1d]))": ""},
                view="stat",
                width=4,
                steps=RED_FROM_ONE,
            ),
            Panel(
                "Uptime of the youngest",
                "Time since a replica was started last.",
                {"min(time() - (process_start_time_seconds and on (pod) workqueue_depth))": ""},
                unit="s",
                view="stat",
                width=4,
            ),
        ),
    ),
    Row(
        "Passes",
        (
            Panel(
                "Passes",
                "By outcome. `requeue_after` waits for something, `error` is tried again with growing pauses.",
                {
                    rate(
                        "controller_runtime_reconcile_total", "controller", "result"
                    ): "{{controller}} {{result}}"
                },
                unit="ops",
            ),
            Panel(
                "Length of a pass",
                "Milliseconds when nothing is written; a first pass over an app writes a dozen objects.",
                {
                    quantile(
                        "0.5", "controller_runtime_reconcile_time_seconds", "controller"
                    ): "{{controller}} p50",
                    quantile(
                        "0.99", "controller_runtime_reconcile_time_seconds", "controller"
                    ): "{{controller}} p99",
                },
                unit="s",
            ),
            Panel(
                "Workers at work",
                "At the limit for minutes means that more is asked for than the workers can do.",
                {
                    "sum by (controller) (controller_runtime_active_workers)": "{{controller}} active",
                    "max by (controller) (controller_runtime_max_concurrent_reconciles)": "{{controller}} limit",
                },
            ),
            Panel(
                "Queue",
                "Ready keys by priority; negative ones are background work.",
                {"sum by (controller, priority) (workqueue_depth)": "{{controller}} {{priority}}"},
            ),
            Panel(
                "Wait in the queue",
                "From ready to begun.",
                {
                    quantile("0.5", "workqueue_queue_duration_seconds", "controller"): "{{controller}} p50",
                    quantile("0.99", "workqueue_queue_duration_seconds", "controller"): "{{controller}} p99",
                },
                unit="s",
            ),
            Panel(
                "Oldest work in hand",
                "A pass has a minute for its requests; above two the liveness probe fails.",
                {
                    "max by (controller, pod) (workqueue_longest_running_processor_seconds)": "{{controller}} {{pod}}"
                },
                unit="s",
            ),
        ),
    ),
    Row(
        "API server",
        (
            Panel(
                "Requests",
                "By status. 409 is ordinary, 403 a missing right, 429 a request to slow down, <error> no answer.",
                {rate("rest_client_requests_total", "code"): "{{code}}"},
                unit="reqps",
            ),
            Panel(
                "Answer times",
                "99 of 100 are faster.",
                {quantile("0.99", "rest_client_request_duration_seconds", "verb"): "{{verb}}"},
                unit="s",
            ),
            Panel(
                "Sent again",
                "Requests that had no answer, or one that asks for patience.",
                {rate("rest_client_request_retries_total", "code"): "{{code}}"},
                unit="reqps",
            ),
            Panel(
                "Writes",
                "In a calm cluster there are none. `noop` changed nothing: a comparison saw what the server does not see.",
                {
                    rate("kaspr_ssa_applies_total", "outcome"): "apply {{outcome}}",
                    "sum(rate(kaspr_status_writes_total[$__rate_interval]))": "status",
                    "sum(rate(kaspr_deletes_total[$__rate_interval]))": "delete",
                },
                unit="wps",
            ),
            Panel(
                "Writes left out",
                "Objects that are as they should be, by reason; `contended` is a fight with another writer that we do not fight.",
                {rate("kaspr_ssa_skips_total", "reason"): "{{reason}}"},
                unit="ops",
            ),
            Panel(
                "Events",
                "Sent by reason, and dropped.",
                {
                    rate("kaspr_events_total", "reason"): "{{reason}}",
                    rate("kaspr_event_drops_total", "reason"): "dropped: {{reason}}",
                },
                unit="ops",
            ),
        ),
    ),
    Row(
        "Caches",
        (
            Panel(
                "Silence of watches",
                "A bookmark comes every minute; a line that rises above is a watch that hears nothing.",
                {"max by (kind) (kaspr_reflector_silence_seconds)": "{{kind}}"},
                unit="s",
            ),
            Panel(
                "Failed lists and watches",
                "Forbidden is a missing right; a few others are ordinary when the API server restarts.",
                {rate("kaspr_reflector_errors_total", "kind", "reason"): "{{kind}} {{reason}}"},
                unit="ops",
            ),
            Panel(
                "Watch events",
                "Changes in the cluster that concern us.",
                {rate("kaspr_reflector_events_total", "kind"): "{{kind}}"},
                unit="ops",
            ),
            Panel(
                "Cached objects",
                "By kind; the same in each replica.",
                {"max by (kind) (kaspr_store_objects)": "{{kind}}"},
            ),
            Panel(
                "Size of the caches",
                "Packed bytes of the objects.",
                {"max by (kind) (kaspr_store_bytes)": "{{kind}}"},
                unit="bytes",
            ),
            Panel(
                "Full lists",
                "One a kind at each start; more mean that watches lost their place.",
                {"sum by (kind) (increase(kaspr_reflector_lists_total[1h]))": "{{kind}}"},
            ),
        ),
    ),
    Row(
        "Members",
        (
            Panel(
                "Questions to members",
                "`starting` is ordinary for a minute, `timeout` a member that hangs or cannot be reached.",
                {rate("kaspr_member_polls_total", "answer"): "{{answer}}"},
                unit="ops",
                width=12,
            ),
            Panel(
                "Requests to Kafka about groups",
                "By outcome. None where no goodbye is needed.",
                {rate("kaspr_group_requests_total", "request", "outcome"): "{{request}} {{outcome}}"},
                unit="ops",
                width=12,
            ),
        ),
    ),
    Row(
        "Process",
        (
            Panel(
                "CPU",
                "Cores. Of these pods only.",
                {"rate(process_cpu_seconds_total[$__rate_interval]) and on (pod) workqueue_depth": "{{pod}}"},
            ),
            Panel(
                "Memory",
                "Grows with the fleet: see docs/performance.md.",
                {"process_resident_memory_bytes and on (pod) workqueue_depth": "{{pod}}"},
                unit="bytes",
            ),
            Panel(
                "Pauses of the garbage collector",
                "99 of 100 are shorter. A long one delays the renewal of the lease.",
                {quantile("0.99", "kaspr_gc_pause_seconds", "generation"): "generation {{generation}}"},
                unit="s",
            ),
        ),
    ),
)
