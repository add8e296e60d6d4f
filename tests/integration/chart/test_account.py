"""The program as the chart runs it: its account, its variables, its lease, nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from kaspr_controller.kube.kinds import CONFIG_MAP, LEASE, STATEFUL_SET, Kind
from kaspr_controller.status.conditions import find
from tests.chart.names import metrics_in
from tests.chart.rendering import CHART, Chart
from tests.integration.fixtures import shop
from tests.integration.fixtures.controller import Controller
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from hack.controlplane.cluster import ControlPlane
    from tests.integration.fixtures.oracle import Kube

RELEASE = "kaspr-controller"
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
QUICK = {"SETTLE_SECONDS": "0.2", "SETTLE_LIMIT_SECONDS": "5"}
"""Shorter waits, so that the test is; everything else is the chart's."""


@pytest.mark.parametrize("mode", ["cluster", "namespaced"])
def test_it_makes_an_app_with_the_rights_and_settings_of_the_chart(
    chart: Chart, control_plane: ControlPlane, kube: Kube, namespace: str, tmp_path: Path, mode: str
) -> None:
    """It leads by the release's lease, writes what an app consists of and its status, and is refused nothing."""
    given = installed(chart, kube, namespace, mode)
    account = control_plane.service_account_kubeconfig(namespace, RELEASE)
    settings = {"LEADER_ELECTION": "true", **given, **QUICK}
    with Controller(account, tmp_path, settings=settings) as running:
        eventually(running.leads, what="leads")
        assert kube.get(LEASE, namespace, given["LEADER_ELECTION_NAME"])["spec"]["holderIdentity"]
        kube.create(shop.app(namespace), shop.APP)
        kube.create(shop.agent(namespace, "greet"), shop.AGENT)
        # The admission plugin about owners looks for new CRDs twice a minute only and refuses until then.
        eventually(lambda: kube.find(STATEFUL_SET, namespace, "shop-app"), timeout=60, what="StatefulSet")
        assert kube.find(CONFIG_MAP, namespace, "greet-agent")

        eventually_holds(lambda: accepted(kube, namespace), what="the agent's status")
        assert_exposed(running, namespace)
        before = refused(running)
        kube.patch(shop.APP, namespace, "shop", {"spec": {"replicas": 2}})
        eventually_holds(lambda: replicas(kube, namespace, 2))
        assert refused(running) == before
        pod = kube.get(STATEFUL_SET, namespace, "shop-app")["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
    chart.run("uninstall", RELEASE, "--namespace", namespace)


def installed(chart: Chart, kube: Kube, namespace: str, mode: str) -> dict[str, str]:
    """Install the chart; gives the variables of its container."""
    values: dict[str, Any] = {"rbac": {"mode": mode}, "settings": {"SCALING_MODE": "direct"}}
    if mode == "cluster":
        values["watchNamespaces"] = [namespace]  # this cluster is not the test's alone
    place = ("--namespace", namespace, "--take-ownership")
    chart.run("upgrade", "--install", RELEASE, str(chart.folder), *place, values=values)
    eventually(lambda: kube.request("GET", shop.AGENT.collection()), what="CRDs served")
    (container,) = kube.get(DEPLOYMENT, namespace, RELEASE)["spec"]["template"]["spec"]["containers"]
    given = {item["name"]: item["value"] for item in container["env"]}
    assert given["WATCH_NAMESPACES"] == namespace
    del given["METRICS_PORT"]  # the port of the pod; here it is one that is free
    return given


def accepted(kube: Kube, namespace: str) -> None:
    """The agent's definition is used."""
    condition = find(kube.get(shop.AGENT, namespace, "greet")["status"], "Accepted")
    assert condition
    assert condition["status"] == "True"


def assert_exposed(running: Controller, namespace: str) -> None:
    """Every metric of the alerts and the dashboards is in the scrape, and the app is in those about apps."""
    text = httpx.get(f"http://127.0.0.1:{running.port}/metrics").text
    families = set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE))
    rules = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text("utf-8"))
    expressions = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    for path in (CHART / "files" / "dashboards").glob("*.json"):
        panels = json.loads(path.read_text("utf-8"))["panels"]
        expressions += [target["expr"] for panel in panels for target in panel.get("targets", ())]
    for name in {name for expression in expressions for name in metrics_in(expression)}:
        assert name in families or re.sub(r"_(bucket|sum|count)$", "", name) in families, name
    about = f'kind="KasprApp",name="shop",namespace="{namespace}"'
    assert re.search(rf'^kaspr_condition{{{about},reason="\w+",type="Ready"}} [01]\.0$', text, re.MULTILINE)
    wanted = f'kaspr_app_members{{app_name="shop",namespace="{namespace}",state="wanted"}} 1.0'
    assert wanted in text.splitlines()


def replicas(kube: Kube, namespace: str, wanted: int) -> None:
    """The app has that many."""
    assert kube.get(STATEFUL_SET, namespace, "shop-app")["spec"]["replicas"] == wanted


def refused(running: Controller) -> int:
    """Requests that the API server has answered with 403 so far."""
    return sum(count for (_, code), count in running.requests().items() if code == "403")
