"""Several namespaces look like one cache."""

from __future__ import annotations

from typing import Any

from kaspr_controller.engine.store import Store
from kaspr_controller.engine.union import StoreUnion
from kaspr_controller.kube.kinds import CONFIG_MAP, ObjectKey


def config(namespace: str, name: str, version: str = "1") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": f"{namespace}-{name}",
            "resourceVersion": version,
            "labels": {"team": "x"},
            "ownerReferences": [{"uid": "owner", "kind": "KasprApp", "name": "a"}],
        },
    }


def team(obj: Any) -> list[str]:
    return [obj["metadata"]["labels"]["team"]]


def union() -> StoreUnion:
    stores = {name: Store(CONFIG_MAP, indexers={"team": team}) for name in ("a", "b")}
    for name, store in stores.items():
        staged = store.stage()
        staged.add(config(name, "one"))
        staged.commit("5")
    return StoreUnion(stores)


def test_reads_span_the_namespaces() -> None:
    """N1: lists and indexes show every watched namespace, single reads the one they name."""
    both = union()
    assert both.synced
    assert [item["metadata"]["namespace"] for item in both.list("team", "x")] == ["a", "b"]
    assert len(both.by_owner("owner")) == len(both.keys()) == 2
    assert sorted(both.keys_by_owner("owner")) == both.keys()
    found = both.get(ObjectKey("ConfigMap", "b", "one"))
    assert found is not None
    assert found["metadata"]["uid"] == "b-one"
    card = both.meta(ObjectKey("ConfigMap", "a", "one"))
    assert card is not None
    assert card.uid == "a-one"


def test_a_namespace_that_is_not_watched_looks_empty() -> None:
    """Nothing is known about it, and nothing is put into it."""
    both = union()
    both.overlay(config("c", "one"))
    assert both.get(ObjectKey("ConfigMap", "c", "one")) is None
    assert both.meta(ObjectKey("ConfigMap", "c", "one")) is None
    both.forget(ObjectKey("ConfigMap", "c", "one"), "c-one")


def test_our_own_writes_show_in_their_namespace() -> None:
    """F2 holds for each part."""
    both = union()
    both.overlay(config("a", "two", version="9"))
    assert both.get(ObjectKey("ConfigMap", "a", "two")) is not None
    assert both.get(ObjectKey("ConfigMap", "b", "two")) is None
    both.forget(ObjectKey("ConfigMap", "b", "one"), "b-one")
    assert both.keys() == [ObjectKey("ConfigMap", "a", "one"), ObjectKey("ConfigMap", "a", "two")]


def test_a_union_is_synced_when_every_part_is() -> None:
    """C3: one namespace without its first list is enough to wait."""
    assert not StoreUnion({"a": Store(CONFIG_MAP)}).synced
