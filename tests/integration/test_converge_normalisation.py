"""What a real API server does to what it is given, and whether the comparison knows it (rules S1 to S3)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from kaspr_controller.converge.covering import differences
from kaspr_controller.converge.mergekeys import BY_KIND
from kaspr_controller.converge.shapes import PLAIN, Rule, Shape
from kaspr_controller.desired.bundle import Intent
from kaspr_controller.kube.kinds import CONFIG_MAP, STATEFUL_SET
from tests.integration.converging import Bench
from tests.unit.converge.objects import Wanted, children, claim, edited, stateful_set
from tests.unit.converge.rich import rich_objects
from tests.unit.converge.zeros import zero_objects
from tests.unit.desired.cases import Case, cases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.controlplane.cluster import ControlPlane
    from tests.integration.fixtures.oracle import Kube

SCHEMAS = {
    "ConfigMap": ("api/v1", "io.k8s.api.core.v1.ConfigMap"),
    "Service": ("api/v1", "io.k8s.api.core.v1.Service"),
    "ServiceAccount": ("api/v1", "io.k8s.api.core.v1.ServiceAccount"),
    "PersistentVolumeClaim": ("api/v1", "io.k8s.api.core.v1.PersistentVolumeClaim"),
    "StatefulSet": ("apis/apps/v1", "io.k8s.api.apps.v1.StatefulSet"),
    "HorizontalPodAutoscaler": ("apis/autoscaling/v2", "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler"),
}


@pytest.fixture
def bench(control_plane: ControlPlane, namespace: str) -> Iterator[Bench]:
    made = Bench(control_plane.kubeconfig, namespace)
    yield made
    made.client.close()


class Published:
    """The OpenAPI document of one API version, walked together with the table."""

    def __init__(self, kube: Kube, version: str) -> None:
        self._schemas: dict[str, Any] = kube.request("GET", f"/openapi/v3/{version}")["components"]["schemas"]
        self._members: dict[Shape, set[str]] = {}

    def faults(self, name: str, shape: Shape) -> list[str]:
        """The places where the table says something else than the server, and members that no place has."""
        found = list(self._struct(self._schemas[name], shape, "", frozenset()))
        for each, members in self._members.items():
            named = {*each.fields, *each.implied, *each.zeros, *each.pointers}
            found += [f"{sorted(members)[:3]}...: no {unknown}" for unknown in named - members]
        return found

    def _resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema with its reference followed; markers beside the reference stay."""
        while "allOf" in schema or "$ref" in schema:
            extra = {name: value for name, value in schema.items() if name not in {"allOf", "$ref"}}
            target = schema.get("$ref") or schema["allOf"][0]["$ref"]
            schema = {**self._schemas[target.rpartition("/")[2]], **extra, "title": target.rpartition(".")[2]}
        return schema

    def _struct(
        self, schema: dict[str, Any], shape: Shape, path: str, above: frozenset[Shape]
    ) -> Iterator[str]:
        members = schema["properties"]
        if shape is not PLAIN:
            self._members.setdefault(shape, set()).update(members)
        for name, member in members.items():
            if name not in {"managedFields", "status"}:
                child = shape.fields.get(name, PLAIN)
                yield from self._value(self._resolve(member), child, f"{path}.{name}", above)

    def _value(
        self, schema: dict[str, Any], shape: Shape, path: str, above: frozenset[Shape]
    ) -> Iterator[str]:
        atomic = schema.get("x-kubernetes-map-type") == "atomic"
        if schema.get("title") == "Quantity":
            if shape.rule is not Rule.QUANTITY:
                yield f"{path}: a quantity"
        elif schema.get("type") == "array":
            yield from self._list(schema, shape, path, above)
        elif "additionalProperties" in schema:
            if shape.rule is not Rule.MAP or shape.atomic != atomic:
                yield f"{path}: a map, atomic is {atomic}"
            values = self._resolve(schema["additionalProperties"])
            yield from self._value(values, shape.each or PLAIN, f"{path}.*", above)
        elif "properties" in schema and shape not in above:
            if shape.atomic != atomic:
                yield f"{path}: a struct, atomic is {atomic}"
            yield from self._struct(schema, shape, path, above if shape is PLAIN else above | {shape})

    def _list(
        self, schema: dict[str, Any], shape: Shape, path: str, above: frozenset[Shape]
    ) -> Iterator[str]:
        kind, keys = schema["x-kubernetes-list-type"], tuple(schema.get("x-kubernetes-list-map-keys", ()))
        rule = {"map": Rule.KEYED, "set": Rule.SET}.get(kind, Rule.OPEN)
        if shape.rule is not rule or shape.keys != keys:
            yield f"{path}: a list of type {kind} {keys}"
        item, each = self._resolve(schema["items"]), shape.each or PLAIN
        for key in keys:
            default = item["properties"][key].get("default")
            if default and each.implied.get(key) != default:
                yield f"{path}: merge key {key} is {default} when left out"
        yield from self._value(item, each, f"{path}[]", above)


def _one_per_feature() -> list[Case]:
    """The longest case of each feature that renders anything."""
    largest: dict[str, Case] = {}
    for case in sorted(cases(), key=lambda case: (case.folder / "objects.yaml").stat().st_size):
        if not case.render().refused:
            largest[case.folder.parent.name] = case
    return list(largest.values())


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_table_says_what_the_server_publishes(kube: Kube, kind: str) -> None:
    """Every list, map, unit and quantity of the kinds we write is in the table as in the server's OpenAPI."""
    version, name = SCHEMAS[kind]
    assert Published(kube, version).faults(name, BY_KIND[kind]) == []


@pytest.mark.parametrize("name", [*rich_objects("x"), *zero_objects("x")])
def test_what_was_applied_is_covered_when_read_back(bench: Bench, kube: Kube, name: str) -> None:
    """S2: whatever spelling the server stores, the object it stored from an intent covers the intent."""
    intent = {**rich_objects(bench.namespace), **zero_objects(bench.namespace)}[name]
    owner, ref = bench.owner(kube)
    intent["metadata"]["ownerReferences"] = [ref]
    entry = next(iter(bench.converger.converge(owner, [Wanted(intent)])))
    assert (entry.outcome, entry.message) == ("created", "")
    bench.restart()
    live = bench.stores[entry.key.kind].get(entry.key)
    assert live is not None
    assert list(map(str, differences(intent, live))) == []
    assert [each.outcome for each in bench.converger.converge(owner, [Wanted(intent)])] == ["unchanged"]
    assert (bench.client.reads, bench.client.writes) == ([], [])


def test_a_new_process_over_a_settled_app_sends_nothing(bench: Bench, kube: Kube) -> None:
    """H1, R4: after a restart, with empty memories, an unchanged app costs no request."""
    owner, ref = bench.owner(kube)
    wanted = [*children(bench.namespace, ref), Wanted(claim(bench.namespace, ref))]
    first = bench.converger.converge(owner, wanted)
    assert [entry.outcome for entry in first] == ["created"] * len(wanted)
    bench.restart()
    again = bench.converger.converge(owner, wanted)
    assert [entry.outcome for entry in again] == ["unchanged"] * len(wanted)
    assert (bench.client.reads, bench.client.writes) == ([], [])


def test_whatever_is_rendered_is_covered_by_what_the_server_makes_of_it(bench: Bench, kube: Kube) -> None:
    """H1: every object of every golden render, as a dry run, since there are a thousand of them."""
    _, ref = bench.owner(kube)
    uncovered = {
        f"{case.name}: {intent.name}": [str(each) for each in found]
        for case in cases()
        for intent in (_for(intent, bench.namespace, ref) for intent in case.render().intents)
        if (found := differences(intent.obj, bench.client.apply(intent.obj, dry_run=True)))
    }
    assert uncovered == {}


@pytest.mark.parametrize("case", _one_per_feature(), ids=lambda case: case.name)
def test_a_new_process_over_what_was_rendered_sends_nothing(bench: Bench, kube: Kube, case: Case) -> None:
    """H1: rendered, applied, and read back by a process with empty memories: as wanted."""
    owner, ref = bench.owner(kube)
    intents = [_for(intent, bench.namespace, ref) for intent in case.render().intents]
    first = bench.converger.converge(owner, intents)
    assert {entry.outcome for entry in first} == {"created"}, [entry for entry in first if not entry.stored]
    bench.restart()
    again = bench.converger.converge(owner, intents)
    assert {entry.outcome for entry in again} == {"unchanged"}
    assert (bench.client.reads, bench.client.writes) == ([], [])


def _for(intent: Intent, namespace: str, ref: dict[str, Any]) -> Intent:
    """The intent for a namespace of this run and an owner that exists."""
    meta = {**intent.obj["metadata"], "namespace": namespace}
    if "ownerReferences" in meta:
        meta["ownerReferences"] = [ref]
    return Intent({**intent.obj, "metadata": meta}, intent.needs)


def test_an_apply_restores_the_order_of_our_items_among_those_of_others(bench: Bench, kube: Kube) -> None:
    """Order of our items is a difference that one apply repairs for good, whatever others inserted."""
    owner, ref = bench.owner(kube)
    rng = random.Random(7)  # noqa: S311  # the same orders in every run
    names = [f"V{number}" for number in range(8)]
    place = ("spec", "template", "spec", "containers", 0, "env")
    for turn in range(12):
        ours = [{"name": name, "value": "ours"} for name in rng.sample(names, k=rng.randint(2, 8))]
        intent = edited(stateful_set(bench.namespace, ref), *place, to=ours)
        bench.converger.converge(owner, [Wanted(intent)])
        live = kube.get(STATEFUL_SET, bench.namespace, "demo-app")
        containers = live["spec"]["template"]["spec"]["containers"]
        containers[0]["env"].append({"name": f"THEIRS{turn}", "value": "x"})
        rng.shuffle(containers[0]["env"])
        change = {"spec": {"template": {"spec": {"containers": containers}}}}
        kube.patch(STATEFUL_SET, bench.namespace, "demo-app", change)
        bench.sync()
        bench.converger.converge(owner, [Wanted(intent)])
        bench.sync()
        live = kube.get(STATEFUL_SET, bench.namespace, "demo-app")
        env = live["spec"]["template"]["spec"]["containers"][0]["env"]
        assert [each for each in env if each["value"] == "ours"] == ours
        assert differences(intent, live) == []


def test_nulls_are_not_sent(bench: Bench, kube: Kube) -> None:
    """A null in a map of texts would be stored as an empty text."""
    owner, ref = bench.owner(kube)
    intent = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "a", "namespace": bench.namespace, "ownerReferences": [ref]},
        "data": {"kept": "x", "gone": None},
    }
    bench.converger.converge(owner, [Wanted(intent)])
    assert kube.get(CONFIG_MAP, bench.namespace, "a")["data"] == {"kept": "x"}
    bench.restart()
    assert [entry.outcome for entry in bench.converger.converge(owner, [Wanted(intent)])] == ["unchanged"]
    assert bench.client.writes == []
