"""Taking over what a predecessor wrote with create and replace, on a real API server (rule S6)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.converge.adopting import LEAVE_REPLICAS, take_over
from kaspr_controller.kube.errors import Conflict
from kaspr_controller.kube.kinds import (
    CONFIG_MAP,
    HORIZONTAL_POD_AUTOSCALER,
    SERVICE,
    STATEFUL_SET,
    Kind,
    built_in,
)
from tests.integration.converging import Bench
from tests.unit.converge.objects import Wanted, autoscaler, config_map, edited, service, stateful_set

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.controlplane.cluster import ControlPlane
    from kaspr_controller.converge.changes import Owner
    from tests.integration.fixtures.oracle import Kube

_FORMER = "predecessor"


class Heir(Bench):
    """A bench in a namespace where a predecessor has been at work."""

    def __init__(self, plane: ControlPlane, namespace: str, kube: Kube) -> None:
        super().__init__(plane.kubeconfig, namespace)
        self.kube = kube
        self.me: Owner
        self.me, self.ref = self.owner(kube)

    def left_behind(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Created by the predecessor, with an Update entry in its name."""
        path = built_in(obj).collection(self.namespace)
        made: dict[str, Any] = self.kube.request("POST", path, obj, query={"fieldManager": _FORMER})
        return made

    def take_over(self, kind: Kind, name: str, **options: Any) -> Any:
        live = self.client.get(kind, self.namespace, name, managed_fields=True)
        return take_over(self.client, kind, live, former={_FORMER}, **options)

    def apply(self, intent: dict[str, Any]) -> str:
        self.sync()
        (entry,) = self.converger.converge(self.me, [Wanted(intent)])
        assert entry.category is None, entry
        return entry.outcome

    def live(self, kind: Kind, name: str) -> dict[str, Any]:
        return self.kube.get(kind, self.namespace, name)


@pytest.fixture
def heir(control_plane: ControlPlane, namespace: str, kube: Kube) -> Iterator[Heir]:
    made = Heir(control_plane, namespace, kube)
    yield made
    made.client.close()


def test_without_a_take_over_removed_keys_live_on(heir: Heir) -> None:
    """Why it is needed: an apply does not remove what an Update entry owns."""
    heir.left_behind(config_map("a", {"old": "1", "kept": "1"}, namespace=heir.namespace, ref=heir.ref))
    heir.apply(config_map("a", {"kept": "1"}, namespace=heir.namespace, ref=heir.ref))
    assert heir.live(CONFIG_MAP, "a")["data"] == {"old": "1", "kept": "1"}


def test_after_a_take_over_removed_keys_go(heir: Heir) -> None:
    """S6: one patch, no field changes by it; the next apply owns the object as if it had written it."""
    before = heir.left_behind(
        config_map("a", {"old": "1", "kept": "1"}, namespace=heir.namespace, ref=heir.ref)
    )
    assert heir.take_over(CONFIG_MAP, "a") is not None
    live = heir.live(CONFIG_MAP, "a")
    assert [(each["manager"], each["operation"]) for each in live["metadata"]["managedFields"]] == [
        ("kaspr-controller", "Apply")
    ]
    assert live["data"] == before["data"]
    intent = config_map("a", {"kept": "1"}, namespace=heir.namespace, ref=heir.ref)
    assert heir.apply(intent) == "changed"
    assert heir.live(CONFIG_MAP, "a")["data"] == {"kept": "1"}
    assert heir.take_over(CONFIG_MAP, "a") is None


def test_a_take_over_after_a_first_apply_unites_both(heir: Heir) -> None:
    """The order does not matter: what the predecessor alone owned still goes away afterwards."""
    heir.left_behind(config_map("a", {"old": "1", "kept": "1"}, namespace=heir.namespace, ref=heir.ref))
    intent = config_map("a", {"kept": "1", "new": "2"}, namespace=heir.namespace, ref=heir.ref)
    heir.apply(intent)
    heir.take_over(CONFIG_MAP, "a")
    heir.apply(edited(intent, "data", "new", to="3"))
    assert heir.live(CONFIG_MAP, "a")["data"] == {"kept": "1", "new": "3"}


def test_an_object_that_changed_meanwhile_is_not_patched(heir: Heir) -> None:
    """The version that was read guards the patch."""
    heir.left_behind(config_map("a", {"old": "1"}, namespace=heir.namespace, ref=heir.ref))
    stale = heir.client.get(CONFIG_MAP, heir.namespace, "a", managed_fields=True)
    heir.kube.patch(CONFIG_MAP, heir.namespace, "a", {"data": {"other": "1"}})
    with pytest.raises(Conflict):
        take_over(heir.client, CONFIG_MAP, stale, former={_FORMER})
    managers = {each["manager"] for each in heir.live(CONFIG_MAP, "a")["metadata"]["managedFields"]}
    assert _FORMER in managers


def test_a_workload_keeps_its_replicas_and_its_template(heir: Heir) -> None:
    """T44, T28: defaults that the predecessor's entry held fall back to themselves; the replica count stays put."""
    old = edited(stateful_set(heir.namespace, heir.ref), "spec", "replicas", to=4)
    extra = {"name": "GONE", "value": "x"}
    old["spec"]["template"]["spec"]["containers"][0]["env"].append(extra)
    before = heir.left_behind(old)
    heir.take_over(STATEFUL_SET, "demo-app", leave=[LEAVE_REPLICAS])
    intent = stateful_set(heir.namespace, heir.ref)
    assert heir.apply(intent) == "changed"
    live = heir.live(STATEFUL_SET, "demo-app")
    assert live["spec"]["replicas"] == 4
    before["spec"]["template"]["spec"]["containers"][0]["env"].remove(extra)
    assert live["spec"]["template"] == before["spec"]["template"]
    heir.restart()
    assert heir.apply(intent) == "unchanged"
    assert heir.client.writes == []


def test_without_leaving_them_the_replicas_would_collapse(heir: Heir) -> None:
    """Why `leave` exists: the count falls to the default when nobody owns it any more."""
    heir.left_behind(edited(stateful_set(heir.namespace, heir.ref), "spec", "replicas", to=4))
    heir.take_over(STATEFUL_SET, "demo-app")
    heir.apply(stateful_set(heir.namespace, heir.ref))
    assert heir.live(STATEFUL_SET, "demo-app")["spec"]["replicas"] == 1


def test_a_service_keeps_its_address(heir: Heir) -> None:
    """What the server allocated survives although its former owner lets go of it."""
    old = edited(service("api", heir.namespace, heir.ref), "metadata", "annotations", to={"old": "x"})
    before = heir.left_behind(old)
    heir.take_over(SERVICE, "api")
    heir.apply(service("api", heir.namespace, heir.ref))
    live = heir.live(SERVICE, "api")
    assert live["spec"] == before["spec"]
    assert "old" not in live["metadata"]["annotations"]


def test_an_autoscaler_loses_what_is_not_wanted(heir: Heir) -> None:
    """A policy that the predecessor set is ours now and goes with the intent."""
    scaler = autoscaler(heir.namespace, heir.ref)
    heir.left_behind(scaler)
    heir.take_over(HORIZONTAL_POD_AUTOSCALER, "demo-app-hpa")
    heir.apply(edited(scaler, "spec", "behavior", to=None))
    live = heir.live(HORIZONTAL_POD_AUTOSCALER, "demo-app-hpa")
    assert live["spec"].get("behavior") is None
    assert live["spec"]["maxReplicas"] == 3


def test_an_object_passes_from_its_former_owner_to_the_app(heir: Heir) -> None:
    """Only one owner can be the controller: the former one's reference has to be ours before it can go."""
    agent = heir.kube.create(config_map("agent", {}, namespace=heir.namespace, ref=heir.ref))["metadata"][
        "uid"
    ]
    former = {**heir.ref, "name": "agent", "uid": agent}
    heir.left_behind(config_map("agent-agent", {"x": "1"}, namespace=heir.namespace, ref=former))
    heir.me = replace(heir.me, also=frozenset({agent}))
    intent = config_map("agent-agent", {"x": "1"}, namespace=heir.namespace, ref=heir.ref)
    heir.sync()
    (entry,) = heir.converger.converge(heir.me, [Wanted(intent)])
    assert (entry.outcome, entry.category) == ("refused", "terminal")
    assert "Only one reference can have Controller set to true" in entry.message
    heir.take_over(CONFIG_MAP, "agent-agent")
    assert heir.apply(intent) == "changed"
    assert heir.live(CONFIG_MAP, "agent-agent")["metadata"]["ownerReferences"] == [heir.ref]


def test_an_orphan_is_taken_back(heir: Heir) -> None:
    """An app deleted with `--cascade=orphan` and created again finds its workload, the very same one."""
    heir.apply(stateful_set(heir.namespace, heir.ref))
    uid = heir.live(STATEFUL_SET, "demo-app")["metadata"]["uid"]
    heir.kube.patch(STATEFUL_SET, heir.namespace, "demo-app", {"metadata": {"ownerReferences": None}})
    heir.kube.delete(CONFIG_MAP, heir.namespace, "demo")
    heir.me, heir.ref = heir.owner(heir.kube)
    assert heir.apply(stateful_set(heir.namespace, heir.ref)) == "changed"
    meta = heir.live(STATEFUL_SET, "demo-app")["metadata"]
    assert (meta["uid"], meta["ownerReferences"]) == (uid, [heir.ref])
