"""The rows of the dashboard *Kaspr / Apps*: which apps need somebody, and how their members are.

Called by `dashboards.py`. Every replica shows the conditions of all objects, hence `max by`.
"""

from __future__ import annotations

from hack.manifests.grafana import Panel, Row
from hack.manifests.promql import quantile

RED_FROM_ONE = ((None, "green"), (1, "red"))
GREEN_FROM_ONE = ((None, "red"), (1, "green"))
TRUTH = {"1": ("True", "green"), "0": ("False", "red"), "-1": ("Unknown", "yellow")}
APPS = 'namespace=~"$namespace",name=~"$app"'
APP = 'namespace=~"$namespace",app_name=~"$app"'

_READY = f'max by (namespace, name) (kaspr_condition{{kind="KasprApp",type="Ready",{APPS}}})'


def _count(type_: str, value: int) -> str:
    kind = f'kind="KasprApp",type="{type_}",{APPS}'
    return f"count(max by (namespace, name) (kaspr_condition{{{kind}}}) == {value}) or vector(0)"


ROWS = (
    Row(
        "Fleet",
        (
            Panel(
                "Ready",
                "Apps that do what their spec says.",
                {_count("Ready", 1): ""},
                view="stat",
                width=4,
                steps=GREEN_FROM_ONE,
            ),
            Panel(
                "Not Ready",
                "On their way, in trouble, or scaled to zero: the table says which.",
                {_count("Ready", 0): ""},
                view="stat",
                width=4,
                steps=((None, "green"), (1, "yellow")),
            ),
            Panel(
                "Stalled",
                "Wait for somebody to change something.",
                {_count("Stalled", 1): ""},
                view="stat",
                width=4,
                steps=RED_FROM_ONE,
            ),
            Panel(
                "Paused",
                "Left alone because their users asked for it.",
                {_count("Paused", 1): ""},
                view="stat",
                width=4,
                steps=((None, "green"), (1, "yellow")),
            ),
            Panel(
                "With components held back",
                "Run, but not with everything that was written for them.",
                {_count("ComponentsAccepted", 0): ""},
                view="stat",
                width=4,
                steps=RED_FROM_ONE,
            ),
            Panel(
                "Rebalance pending",
                "Do not read yet what they should.",
                {_count("RebalancePending", 1): ""},
                view="stat",
                width=4,
                steps=((None, "green"), (1, "yellow")),
            ),
        ),
    ),
    Row(
        "Who needs attention",
        (
            Panel(
                "Apps that are not Ready",
                "With the reason; docs/reference/conditions.md says what to do about each.",
                {
                    f'max by (namespace, name, reason) (kaspr_condition{{kind="KasprApp",type="Ready",{APPS}}}) < 1': ""
                },
                view="table",
                width=12,
                names=TRUTH,
            ),
            Panel(
                "Components that are held back, or have no app",
                "With the reason. Their last good definition stays mounted.",
                {
                    "max by (kind, namespace, name, reason) "
                    '(kaspr_condition{kind!="KasprApp",type=~"Accepted|Ready",namespace=~"$namespace",'
                    'reason!~"Applied|RolloutInProgress|WaitingForContent"}) < 1': ""
                },
                view="table",
                width=12,
                names=TRUTH,
            ),
            Panel(
                "Ready over time",
                "One line an app.",
                {_READY: "{{namespace}}/{{name}}"},
                view="state-timeline",
                width=24,
                names=TRUTH,
            ),
        ),
    ),
    Row(
        "Members",
        (
            Panel(
                "Available",
                "Members that are ready, beside those that are wanted.",
                {
                    f'max by (namespace, app_name) (kaspr_app_members{{state="available",{APP}}})': "{{namespace}}/{{app_name}}",
                    f'max by (namespace, app_name) (kaspr_app_members{{state="wanted",{APP}}})': "{{namespace}}/{{app_name}} wanted",
                },
                width=12,
            ),
            Panel(
                "Rebalancing",
                "Members that process nothing meanwhile. 20 s are healthy, minutes are not.",
                {
                    f'max by (namespace, app_name) (kaspr_app_members{{state="rebalancing",{APP}}})': "{{namespace}}/{{app_name}}"
                },
                width=12,
            ),
            Panel(
                "In need of a new process",
                "Apps with members that hang, a rollout that does not move, or seats in the group that nobody sits on.",
                {
                    "max by (namespace, name, type, reason) "
                    f'(kaspr_condition{{kind="KasprApp",type=~"HungMembers|RolloutStuck|SeatsAbandoned",{APPS}}}) > -2': ""
                },
                view="table",
                width=12,
                names=TRUTH,
            ),
            Panel(
                "Members that were replaced",
                "By reason, in an hour. One now and then is what the controller is for; many are a symptom.",
                {
                    "sum by (namespace, app_name, reason) "
                    f"(increase(kasprop_member_terminations_total{{{APP}}}[1h]))": "{{namespace}}/{{app_name}} {{reason}}"
                },
                width=12,
            ),
        ),
    ),
    Row(
        "Rebalances that were asked for",
        (
            Panel(
                "Ended",
                "By what asked for them and how they ended.",
                {
                    "sum by (trigger_reason, result) "
                    f"(increase(kasprop_rebalance_total{{{APP}}}[$__rate_interval]))": "{{trigger_reason}} {{result}}"
                },
                width=12,
            ),
            Panel(
                "Length",
                "From the signal until all members are calm.",
                {
                    quantile("0.5", "kasprop_rebalance_duration_seconds", where=APP): "p50",
                    quantile("0.9", "kasprop_rebalance_duration_seconds", where=APP): "p90",
                },
                unit="s",
                width=12,
            ),
        ),
    ),
)
