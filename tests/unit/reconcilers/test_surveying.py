"""What is scraped about custom resources is what their statuses say, at that moment."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry

from kaspr_controller.engine.store import Store
from kaspr_controller.kube.kinds import Raw
from kaspr_controller.reconcilers import kinds
from kaspr_controller.reconcilers.caches import make_stores
from kaspr_controller.reconcilers.surveying import Surveyor
from kaspr_controller.telemetry.surveys import SurveyCollector


class CountingStore(Store):
    """Counts how often an object is decoded."""

    reads = 0

    def get(self, key: Any) -> Raw | None:
        self.reads += 1
        return super().get(key)


def resource(name: str, version: int, kind: str = "KasprApp", **status: Any) -> Raw:
    conditions = [
        {"type": type_, "status": value, "reason": reason, "message": "m", "lastTransitionTime": "t"}
        for type_, (value, reason) in status.pop("conditions", {}).items()
    ]
    return {
        "apiVersion": "kaspr.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "shop", "uid": f"u-{name}", "resourceVersion": str(version)},
        "spec": {},
        "status": {**status, "conditions": conditions},
    }


def scrape(stores: dict[str, Store], *, surveyor: Surveyor | None = None) -> dict[str, float]:
    """Sample -> value, as Prometheus would read it."""
    registry = CollectorRegistry(auto_describe=True)
    collector = SurveyCollector()
    collector.source = (surveyor or Surveyor(stores)).survey
    registry.register(collector)
    return {
        f"{sample.name}{sorted(sample.labels.values())}": sample.value
        for family in registry.collect()
        for sample in family.samples
    }


def test_conditions_have_a_number_and_their_reason() -> None:
    """True is 1, False 0, anything else -1; the reason is a label, for the text of an alert."""
    stores = make_stores()
    stores["KasprApp"].apply(
        "ADDED",
        resource(
            "orders",
            1,
            conditions={
                "Ready": ("False", "NotReady"),
                "Stalled": ("True", "InvalidSpec"),
                "Paused": ("Unknown", "Paused"),
            },
        ),
    )
    samples = scrape(stores)
    assert samples["kaspr_condition['KasprApp', 'NotReady', 'Ready', 'orders', 'shop']"] == 0
    assert samples["kaspr_condition['InvalidSpec', 'KasprApp', 'Stalled', 'orders', 'shop']"] == 1
    assert samples["kaspr_condition['KasprApp', 'Paused', 'Paused', 'orders', 'shop']"] == -1
    assert samples["kaspr_invalid_objects['KasprApp']"] == 1
    assert samples["kaspr_invalid_objects['KasprTask']"] == 0


def test_members_are_counted_from_the_status() -> None:
    """`2/3` says two numbers; a component's field of that name and a text without numbers say none."""
    stores = make_stores()
    stores["KasprApp"].apply("ADDED", resource("a", 1, availableMembers="2/3", rebalancingMembers="1/2"))
    stores["KasprApp"].apply("ADDED", resource("b", 1, availableMembers="none"))
    stores["KasprAgent"].apply("ADDED", resource("c", 1, kind="KasprAgent", availableMembers="1/1"))
    members = {name: value for name, value in scrape(stores).items() if name.startswith("kaspr_app_members")}
    assert members == {
        "kaspr_app_members['a', 'available', 'shop']": 2,
        "kaspr_app_members['a', 'rebalancing', 'shop']": 1,
        "kaspr_app_members['a', 'shop', 'wanted']": 3,
    }


def test_a_held_back_component_is_counted_while_it_is_held_back() -> None:
    """`Accepted=False` counts, and no series of another reason stays behind."""
    stores = make_stores()
    surveyor = Surveyor(stores)
    for version, condition in ((1, ("False", "InvalidPython")), (2, ("True", "Applied"))):
        stores["KasprAgent"].apply(
            "MODIFIED", resource("greet", version, kind="KasprAgent", conditions={"Accepted": condition})
        )
        samples = scrape(stores, surveyor=surveyor)
        assert samples["kaspr_invalid_objects['KasprAgent']"] == (2 - version)
        assert len([name for name in samples if name.startswith("kaspr_condition")]) == 1


def test_what_is_gone_leaves_nothing_behind() -> None:
    """No series, and nothing remembered."""
    stores = make_stores()
    surveyor = Surveyor(stores)
    app = resource("orders", 1, conditions={"Ready": ("True", "Healthy")})
    stores["KasprApp"].apply("ADDED", app)
    assert surveyor.survey().conditions
    stores["KasprApp"].apply("DELETED", resource("orders", 2))
    assert surveyor.survey().conditions == ()
    assert surveyor._cards == {}


def test_a_calm_fleet_is_not_decoded_again() -> None:
    """A scrape every few seconds must not cost a pass over the fleet."""
    store = CountingStore(kinds.APP)
    stores: dict[str, Store] = {**make_stores(), "KasprApp": store}
    for number in range(50):
        store.apply("ADDED", resource(f"app-{number}", 1, conditions={"Ready": ("True", "Healthy")}))
    surveyor = Surveyor(stores)
    assert len(surveyor.survey().conditions) == 50
    store.apply("MODIFIED", resource("app-7", 2, conditions={"Ready": ("False", "NotReady")}))
    assert len(surveyor.survey().conditions) == 50
    assert store.reads == 51


def test_before_there_is_a_source_nothing_is_exposed() -> None:
    """The families exist from the start, for dashboards that look for names."""
    assert [family.name for family in SurveyCollector().collect()] == [
        "kaspr_condition",
        "kaspr_app_members",
        "kaspr_invalid_objects",
    ]
    assert all(not family.samples for family in SurveyCollector().collect())
