"""From apply to Ready, and through the edits of a life: on a real API server with simulated members."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspr_controller.kube.kinds import CONFIG_MAP, SERVICE, SERVICE_ACCOUNT, STATEFUL_SET
from tests.integration.fixtures import shop
from tests.integration.fixtures.watching import apply, await_ready, revisions
from tests.integration.waiting import eventually, eventually_holds

if TYPE_CHECKING:
    from hack.nodesim.simulator import NodeSimulator
    from tests.integration.fixtures.controller import Controller
    from tests.integration.fixtures.oracle import Kube


def test_an_app_with_components_converges_with_one_revision(
    controller: Controller, kube: Kube, namespace: str, simulator: NodeSimulator
) -> None:
    """C2, D02, D05: applied together, the first pod starts with all definitions, and nothing is rolled twice."""
    apply(
        kube,
        shop.app(namespace, replicas=2),
        shop.agent(namespace, "enrich"),
        shop.table(namespace, "prices"),
        shop.web_view(namespace, "lookup", "/prices/{id}"),
        shop.task(namespace, "tick"),
    )
    await_ready(kube, namespace)
    assert revisions(kube, namespace) == 1
    starts = [start for start in simulator.starts if start.namespace == namespace]
    assert {len(start.files) for start in starts} == {4}
    for kind, name in ((SERVICE, "shop-app"), (SERVICE, "shop-app-api"), (SERVICE_ACCOUNT, "shop-app")):
        assert kube.get(kind, namespace, name)["metadata"]["ownerReferences"][0]["name"] == "shop"
    for kind, name in (
        (shop.AGENT, "enrich"),
        (shop.TABLE, "prices"),
        (shop.WEB_VIEW, "lookup"),
        (shop.TASK, "tick"),
    ):
        await_ready(kube, namespace, name, kind)


def test_every_child_of_a_new_app_is_written_once(controller: Controller, kube: Kube, namespace: str) -> None:
    """P4: the server's defaults, claims included, are no reason to write again; statuses are few."""
    storage = {"type": "persistent-claim", "size": "1Gi"}
    apply(kube, shop.app(namespace, storage=storage), shop.agent(namespace, "enrich"))
    await_ready(kube, namespace)
    await_ready(kube, namespace, "enrich", shop.AGENT)
    written = {
        kind: controller.applies(kind) for kind in ("ConfigMap", "Service", "ServiceAccount", "StatefulSet")
    }
    assert written == {"ConfigMap": 2, "Service": 2, "ServiceAccount": 1, "StatefulSet": 1}


def test_a_settled_app_costs_no_writes_and_a_restart_none_either(
    controller: Controller, kube: Kube, namespace: str
) -> None:
    """S1, H1: nothing changes, nothing is written; a killed controller picks up without a write."""
    apply(kube, shop.app(namespace), shop.agent(namespace, "enrich"))
    await_ready(kube, namespace)
    await_ready(kube, namespace, "enrich", shop.AGENT)
    versions = _versions(kube, namespace)
    controller.kill()
    controller.start()
    eventually(lambda: controller.reconciled() >= 2)
    assert controller.writes() == 0
    assert _versions(kube, namespace) == versions


def _versions(kube: Kube, namespace: str) -> dict[str, str]:
    return {
        f"{kind.kind}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for kind in (shop.APP, shop.AGENT, CONFIG_MAP, SERVICE, SERVICE_ACCOUNT, STATEFUL_SET)
        for item in kube.list_objects(kind, namespace)
    }


def test_thirty_agents_edited_together_make_one_rollout(
    controller: Controller, kube: Kube, namespace: str, simulator: NodeSimulator
) -> None:
    """D02: one coalesced change set, one revision, and every pod that starts mounts what its template promises."""
    agents = [shop.agent(namespace, f"agent-{number}", topic=f"topic-{number}") for number in range(30)]
    apply(kube, shop.app(namespace), *agents)
    await_ready(kube, namespace)
    before = revisions(kube, namespace)
    apply(
        kube,
        *(
            shop.agent(namespace, f"agent-{number}", topic=f"topic-{number}", code="return 2")
            for number in range(30)
        ),
    )

    def rolled() -> None:
        newest = [start for start in simulator.starts if start.namespace == namespace][-1]
        assert all("return 2" in text for text in newest.files.values())

    eventually_holds(rolled, timeout=30)
    await_ready(kube, namespace)
    assert revisions(kube, namespace) == before + 1
