"""What becomes of components: bad ones, late ones, deleted ones, moved ones."""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.kube.kinds import CONFIG_MAP, POD, STATEFUL_SET, Kind
from tests.integration.fixtures import shop
from tests.integration.fixtures.watching import apply, await_ready, condition, mounted, revisions
from tests.integration.waiting import eventually, eventually_holds, stays

if TYPE_CHECKING:
    from hack.nodesim.simulator import NodeSimulator
    from tests.integration.fixtures.controller import Controller
    from tests.integration.fixtures.oracle import Kube


def await_reason(kube: Kube, kind: Any, namespace: str, name: str, type_: str, reason: str) -> dict[str, Any]:
    def found() -> dict[str, Any]:
        value = condition(kube, kind, namespace, name, type_)
        assert value["reason"] == reason, value
        return value

    return eventually(found, timeout=30)


def test_a_component_that_does_not_compile_affects_itself_only(
    controller: Controller, kube: Kube, namespace: str
) -> None:
    """D27, C12: its last good definition stays mounted, the others and the app go on, and it heals when mended."""
    apply(
        kube,
        shop.app(namespace),
        shop.agent(namespace, "good"),
        shop.agent(namespace, "frail", topic="frail"),
    )
    await_ready(kube, namespace)
    before = kube.get(CONFIG_MAP, namespace, "frail-agent")["data"]
    apply(kube, shop.agent(namespace, "frail", topic="frail", code="return ("))
    found = await_reason(kube, shop.AGENT, namespace, "frail", "Stalled", "InvalidCode")
    assert "spec.processors.operations[0].map" in found["message"]
    assert kube.get(CONFIG_MAP, namespace, "frail-agent")["data"] == before
    await_ready(kube, namespace)
    await_ready(kube, namespace, "good", shop.AGENT)
    assert revisions(kube, namespace) == 1
    apply(kube, shop.agent(namespace, "frail", topic="frail", code="return 3"))
    await_ready(kube, namespace, "frail", shop.AGENT)
    assert revisions(kube, namespace) == 2


def test_a_component_without_an_app_says_so_and_is_picked_up(
    controller: Controller, kube: Kube, namespace: str
) -> None:
    """1.11: no label, no app, and the app that comes later."""
    apply(kube, shop.agent(namespace, "lost", app=None), shop.agent(namespace, "early"))
    await_reason(kube, shop.AGENT, namespace, "lost", "Stalled", "MissingAppLabel")
    await_reason(kube, shop.AGENT, namespace, "early", "Reconciling", "AppNotFound")
    apply(kube, shop.app(namespace))
    await_ready(kube, namespace)
    await_ready(kube, namespace, "early", shop.AGENT)
    assert mounted(kube, namespace) == {"early-agent"}


def test_a_deleted_component_leaves_the_template_before_its_content_goes(
    controller: Controller, kube: Kube, namespace: str, simulator: NodeSimulator
) -> None:
    """D28: the ConfigMap is there as long as a pod of any revision may mount it, and gone afterwards."""
    apply(
        kube, shop.app(namespace, replicas=2), shop.agent(namespace, "stays"), shop.agent(namespace, "goes")
    )
    await_ready(kube, namespace)
    kube.delete(shop.AGENT, namespace, "goes")
    eventually(lambda: mounted(kube, namespace) == {"stays-agent"})

    def gone_in_order() -> None:
        pods = kube.list_objects(POD, namespace)
        in_use = any(
            volume.get("configMap", {}).get("name") == "goes-agent"
            for pod in pods
            for volume in pod["spec"]["volumes"]
        )
        content = kube.find(CONFIG_MAP, namespace, "goes-agent")
        assert content is not None or not in_use, "a pod mounts what is gone"
        assert content is None, "not yet"

    eventually_holds(gone_in_order, timeout=40)


def test_a_component_that_moves_runs_in_one_app_at_a_time(
    controller: Controller, kube: Kube, namespace: str, simulator: NodeSimulator
) -> None:
    """D29: the old app stops it before the new one starts it; its ConfigMap then belongs to the new app."""
    apply(
        kube,
        shop.app(namespace, "one"),
        shop.app(namespace, "two"),
        shop.agent(namespace, "nomad", app="one"),
    )
    for name in ("one", "two"):
        await_ready(kube, namespace, name)
    apply(kube, shop.agent(namespace, "nomad", app="two"))
    eventually(lambda: kube.get(shop.AGENT, namespace, "nomad")["status"]["app"]["name"] == "two")
    await_ready(kube, namespace, "nomad", shop.AGENT)
    assert mounted(kube, namespace, "one") == set()
    assert mounted(kube, namespace, "two") == {"nomad-agent"}
    owner = kube.get(CONFIG_MAP, namespace, "nomad-agent")["metadata"]["ownerReferences"][0]
    assert owner["name"] == "two"


def _is_gone(kube: Kube, kind: Kind, namespace: str, name: str) -> bool:
    return kube.find(kind, namespace, name) is None


ORDERS = list(itertools.permutations(("app", "agent", "table")))


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_objects_can_be_deleted_in_any_order(
    controller: Controller, kube: Kube, namespace: str, order: tuple[str, ...]
) -> None:
    """R12: whatever goes first, everything that was made goes with the app, and nothing is left waiting."""
    apply(kube, shop.app(namespace), shop.agent(namespace, "enrich"), shop.table(namespace, "prices"))
    await_ready(kube, namespace)
    objects = {"app": (shop.APP, "shop"), "agent": (shop.AGENT, "enrich"), "table": (shop.TABLE, "prices")}
    for what in order:
        kind, name = objects[what]
        kube.delete(kind, namespace, name)
        eventually(partial(_is_gone, kube, kind, namespace, name))
    eventually(lambda: kube.find(STATEFUL_SET, namespace, "shop-app") is None)
    eventually(
        lambda: (
            not [item for item in kube.list_objects(CONFIG_MAP, namespace) if "kube-root" not in str(item)]
        )
    )
    stays(lambda: kube.find(STATEFUL_SET, namespace, "shop-app") is None, seconds=0.5)


def test_a_join_and_what_hangs_on_it_travel_together(
    controller: Controller, kube: Kube, namespace: str
) -> None:
    """T6, C6: a channel agent waits for its join, a join for its tables; together they share one document."""
    listener = shop.agent(namespace, "listener")
    listener["spec"]["input"] = {"channel": {"name": "priced-channel"}}
    apply(kube, shop.app(namespace), listener, shop.table(namespace, "orders"))
    await_reason(kube, shop.AGENT, namespace, "listener", "Stalled", "ChannelWithoutJoin")
    await_ready(kube, namespace)
    apply(kube, shop.join(namespace, "priced", "orders", "prices"))
    await_reason(kube, shop.JOIN, namespace, "priced", "Stalled", "RightTableNotFound")
    apply(kube, shop.table(namespace, "prices"))
    for name, kind in (("listener", shop.AGENT), ("priced", shop.JOIN), ("prices", shop.TABLE)):
        await_ready(kube, namespace, name, kind)
    assert mounted(kube, namespace) == {"priced-join"}
    status = kube.get(shop.JOIN, namespace, "priced")["status"]
    assert status["leftTable"] == {"name": "orders", "status": "LeftTableFound"}
    assert status["rightTable"] == {"name": "prices", "status": "RightTableFound"}
