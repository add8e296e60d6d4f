"""When a live object says everything that the intent says (rule S2)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

from kaspr_controller.converge.covering import differences
from tests.unit.converge.objects import autoscaler, children, config_map, edited, service, stateful_set
from tests.unit.converge.rich import rich_objects

_TEMPLATE = ("spec", "template", "spec")
_CONTAINER = (*_TEMPLATE, "containers", 0)


def paths(intent: dict[str, Any], live: dict[str, Any]) -> list[str]:
    return list(map(str, differences(intent, live)))


def test_an_object_covers_itself() -> None:
    """No difference between equals, for every child and for objects that use everything."""
    for intent in [each.obj for each in children()] + list(rich_objects("shop").values()):
        assert paths(intent, copy.deepcopy(intent)) == []


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from leaves(member, (*path, name))
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    elif value is not None:
        yield path


def _intents() -> list[dict[str, Any]]:
    return [stateful_set(), service("a"), autoscaler(), *rich_objects("shop").values()]


_IDENTITY = {("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace")}


@pytest.mark.parametrize("intent", _intents(), ids=lambda intent: intent["kind"] + intent["metadata"]["name"])
def test_any_field_that_is_changed_by_hand_is_found(intent: dict[str, Any]) -> None:
    """D11: every single leaf of an intent is compared; nothing is left to a list of watched fields."""
    for path in leaves(intent):
        if path in _IDENTITY or path[0] == "status":
            continue
        there: Any = intent
        for step in path:
            there = there[step]
        live = edited(intent, *path, to="12345" if there != "12345" else "54321")
        assert paths(intent, live), f"{path} was changed and nobody noticed"


@pytest.mark.parametrize("intent", _intents(), ids=lambda intent: intent["kind"] + intent["metadata"]["name"])
def test_any_field_that_is_removed_by_hand_is_found(intent: dict[str, Any]) -> None:
    """A value that the server would write down is missed, zero and `false` of optional fields included."""
    for path in leaves(intent):
        if path in _IDENTITY or path[0] == "status":
            continue
        there: Any = intent
        for step in path:
            there = there[step]
        if there in ([], {}, ""):
            continue
        if path[-1] == "protocol" and there == "TCP":
            continue  # the value of that merge key when it is left out
        assert paths(intent, edited(intent, *path, to=None)), f"{path} was removed and nobody noticed"


def test_what_others_add_beside_our_fields_stays() -> None:
    """Fields, labels, containers, environment and volumes of others are no difference."""
    intent = stateful_set()
    live = copy.deepcopy(intent)
    live["metadata"] |= {"uid": "u", "resourceVersion": "5", "generation": 2}
    live["metadata"]["labels"]["team"] = "x"
    live["metadata"]["ownerReferences"].append({"uid": "other", "kind": "X", "name": "y", "apiVersion": "v1"})
    live["status"] = {"replicas": 3}
    live["spec"]["replicas"] = 3
    pod = live["spec"]["template"]["spec"]
    pod["containers"].insert(0, {"name": "sidecar", "image": "y"})
    pod["containers"][1]["env"].insert(2, {"name": "THEIRS", "value": "z"})
    pod["volumes"].insert(0, {"name": "theirs", "emptyDir": {}})
    pod["dnsPolicy"] = "ClusterFirst"
    assert paths(intent, live) == []


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (("spec", "selector", "matchLabels", "extra"), "x", "spec.selector.matchLabels.extra"),
        ((*_TEMPLATE, "tolerations"), [], "spec.template.spec.tolerations"),
        (
            (*_CONTAINER, "env", 0, "valueFrom", "configMapKeyRef", "optional"),
            True,
            "spec.template.spec.containers[kaspr].env[K_A].valueFrom.configMapKeyRef.optional",
        ),
        (
            ("spec", "volumeClaimTemplates", 0, "spec", "volumeName"),
            "v",
            "spec.volumeClaimTemplates[0].spec.volumeName",
        ),
    ],
)
def test_what_others_add_inside_a_unit_is_found(path: tuple[Any, ...], value: Any, found: str) -> None:
    """Atomic values are ours as a whole: an apply replaces them, so an addition is drift."""
    intent = stateful_set()
    assert paths(intent, edited(intent, *path, to=value)) == [found]


def test_defaults_inside_a_unit_are_no_additions() -> None:
    """What the server fills in inside an atomic value is known by name and value."""
    intent = stateful_set()
    live = copy.deepcopy(intent)
    live["spec"]["volumeClaimTemplates"][0] |= {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "status": {"phase": "Pending"},
    }
    live["spec"]["volumeClaimTemplates"][0]["metadata"]["creationTimestamp"] = None
    live["spec"]["volumeClaimTemplates"][0]["spec"]["volumeMode"] = "Filesystem"
    env = live["spec"]["template"]["spec"]["containers"][0]["env"]
    pod_name = next(each for each in env if each["name"] == "POD_NAME")
    pod_name["valueFrom"] = {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}
    assert paths(intent, live) == []
    live["spec"]["volumeClaimTemplates"][0]["spec"]["volumeMode"] = "Block"
    assert paths(intent, live) == ["spec.volumeClaimTemplates[0].spec.volumeMode"]


def test_the_order_of_our_items_is_compared() -> None:
    """T34: POD_NAME has to stand before K_WEB_HOST, which refers to it."""
    intent = stateful_set()
    live = copy.deepcopy(intent)
    env = live["spec"]["template"]["spec"]["containers"][0]["env"]
    env.reverse()
    assert paths(intent, live) == ["spec.template.spec.containers[kaspr].env"]


def test_a_missing_item_is_named_by_its_key() -> None:
    """Paths name items by merge key, so that a message means something to people."""
    intent = service("a")
    assert paths(intent, edited(intent, "spec", "ports", to=[{"port": 80, "protocol": "TCP"}])) == [
        "spec.ports[6065/TCP]"
    ]
    assert paths(stateful_set(), edited(stateful_set(), *_CONTAINER, "env", 1, to=None)) == [
        "spec.template.spec.containers[kaspr].env[K_B]"
    ]


def test_a_merge_key_that_is_left_out_has_its_default() -> None:
    """A port without protocol is the TCP port, and no UDP port of that number takes its place."""
    intent = edited(service("a"), "spec", "ports", to=[{"port": 53}])
    udp, tcp = {"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP", "targetPort": 53}
    assert paths(intent, edited(intent, "spec", "ports", to=[udp, tcp])) == []
    assert paths(intent, edited(intent, "spec", "ports", to=[udp])) == ["spec.ports[53/TCP]"]


def test_another_volume_source_is_found() -> None:
    """An empty struct is not nothing: `emptyDir: {}` says which volume it is."""
    intent = edited(stateful_set(), *_TEMPLATE, "volumes", to=[{"name": "v", "emptyDir": {}}])
    live = edited(intent, *_TEMPLATE, "volumes", 0, to={"name": "v", "hostPath": {"path": "/"}})
    assert paths(intent, live) == ["spec.template.spec.volumes[v].emptyDir"]


def test_amounts_are_compared_only_where_amounts_stand() -> None:
    """`1` and `1000m` are one CPU but two texts."""
    intent = stateful_set()
    live = edited(intent, *_CONTAINER, "resources", "limits", to={"cpu": "1", "memory": "1Gi"})
    assert paths(intent, live) == []
    texts = config_map("a", {"cpu": "1000m"})
    assert paths(texts, edited(texts, "data", "cpu", to="1")) == ["data.cpu"]


def test_an_object_from_a_list_answer_is_compared() -> None:
    """Items of a list carry neither kind nor apiVersion."""
    intent = config_map("a", {"x": "1"})
    live = {name: value for name, value in intent.items() if name not in {"kind", "apiVersion"}}
    assert paths(intent, live) == []


def test_nulls_ask_for_nothing() -> None:
    """A null in an intent matches whatever is there; it is not sent either."""
    intent = stateful_set()
    intent["spec"]["replicas"] = None
    assert paths(intent, edited(intent, "spec", "replicas", to=3)) == []


def test_an_unknown_kind_is_compared_member_by_member() -> None:
    """Custom resources: maps are open, lists are units, owner references keep their key."""
    intent = {"kind": "Custom", "metadata": {"name": "a"}, "spec": {"list": [1, 2], "map": {"a": "1"}}}
    live = copy.deepcopy(intent)
    live["spec"]["map"]["b"] = "2"  # type: ignore[index]
    assert paths(intent, live) == []
    live["spec"]["list"].append(3)  # type: ignore[index]
    assert paths(intent, live) == ["spec.list"]


def test_keys_with_dots_stand_in_brackets() -> None:
    """A path can be read by people."""
    intent = config_map("a", {})
    live = edited(intent, "metadata", "labels", "kaspr.io/app", to="other")
    assert paths(intent, live) == ["metadata.labels[kaspr.io/app]"]
    file = config_map("a", {"orders.yaml": "1"})
    assert paths(file, edited(file, "data", "orders.yaml", to="2")) == ["data[orders.yaml]"]


def test_odd_values_from_users_are_differences_not_crashes() -> None:
    """D01: parts of an intent are users' JSON; whatever stands there, comparing it raises nothing."""
    for odd in ["x", 1, ["x"], [None], [{"name": {"a": 1}}], [{"name": ["a"]}], [[]], {"a": []}]:
        intent = edited(stateful_set(), *_CONTAINER, "env", to=odd)
        assert paths(intent, stateful_set())
        assert paths(stateful_set(), intent)


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ((*_CONTAINER, "stdin"), False),
        ((*_CONTAINER, "terminationMessagePath"), ""),
        ((*_CONTAINER, "args"), []),
        ((*_CONTAINER, "resources", "claims"), []),
        ((*_CONTAINER, "volumeMounts", 0, "readOnly"), False),
        ((*_CONTAINER, "ports", 0, "hostPort"), 0),
        ((*_CONTAINER, "readinessProbe", "initialDelaySeconds"), 0),
        ((*_TEMPLATE, "hostNetwork"), False),
        ((*_TEMPLATE, "nodeSelector"), {}),
        ((*_TEMPLATE, "overhead"), {}),
        ((*_TEMPLATE, "schedulerName"), ""),
        (("spec", "minReadySeconds"), 0),
        (("metadata", "annotations"), {}),
    ],
)
def test_a_zero_that_the_server_does_not_write_down_is_there(path: tuple[Any, ...], want: Any) -> None:
    """Empty texts, lists and maps, and `false` or 0 of plain fields, are left out of what is stored."""
    assert paths(edited(stateful_set(), *path, to=want), stateful_set()) == []


@pytest.mark.parametrize(
    ("path", "want"),
    [
        (("spec", "replicas"), 0),
        ((*_TEMPLATE, "enableServiceLinks"), False),
        ((*_TEMPLATE, "terminationGracePeriodSeconds"), 0),
        ((*_TEMPLATE, "securityContext"), {}),
        ((*_TEMPLATE, "runtimeClassName"), ""),
        ((*_CONTAINER, "securityContext"), {}),
        (("spec", "volumeClaimTemplates", 0, "spec", "storageClassName"), ""),
        ((*_CONTAINER, "resources", "limits", "cpu"), "0"),
    ],
)
def test_a_zero_that_means_something_is_missed(path: tuple[Any, ...], want: Any) -> None:
    """The server writes these down: where they are absent somebody removed them."""
    intent = edited(stateful_set(), *path, to=want)
    live = stateful_set()
    if path[-1] in {"storageClassName", "cpu"}:
        live = edited(live, *path, to=None)
    assert len(paths(intent, live)) == 1


@pytest.mark.parametrize(
    ("name", "want", "default"),
    [
        ("periodSeconds", 0, 10),
        ("timeoutSeconds", 0, 1),
        ("successThreshold", 0, 1),
        ("failureThreshold", 0, 3),
    ],
)
def test_a_zero_that_stands_for_the_default_is_the_default(name: str, want: int, default: int) -> None:
    """The server replaces these by their default; any other value there is drift."""
    place = (*_CONTAINER, "readinessProbe", name)
    intent = edited(stateful_set(), *place, to=want)
    assert paths(intent, edited(stateful_set(), *place, to=default)) == []
    assert paths(intent, edited(stateful_set(), *place, to=default + 1)) != []


def test_finalizers_are_a_set() -> None:
    """Others may add theirs; the order says nothing."""
    intent = edited(config_map("a", {}), "metadata", "finalizers", to=["a", "b"])
    assert paths(intent, edited(intent, "metadata", "finalizers", to=["c", "b", "a"])) == []
    assert paths(intent, edited(intent, "metadata", "finalizers", to=["c", "b"])) == ["metadata.finalizers"]


def test_inside_a_unit_sets_and_keyed_lists_are_complete() -> None:
    """A claim template is one unit, down to its metadata: nobody adds to it, an order still says nothing."""
    template = ("spec", "volumeClaimTemplates", 0, "metadata")
    refs = [{"uid": "u1", "name": "x"}, {"uid": "u2", "name": "y"}]
    intent = edited(stateful_set(), *template, "finalizers", to=["a", "b"])
    intent["spec"]["volumeClaimTemplates"][0]["metadata"]["ownerReferences"] = refs
    assert paths(intent, edited(intent, *template, "finalizers", to=["b", "a"])) == []
    assert len(paths(intent, edited(intent, *template, "finalizers", to=["b", "a", "c"]))) == 1
    assert len(paths(intent, edited(intent, *template, "ownerReferences", to=[*refs, {"uid": "u3"}]))) == 1
    changed = edited(intent, *template, "ownerReferences", 1, "name", to="z")
    assert paths(intent, changed) == ["spec.volumeClaimTemplates[0].metadata.ownerReferences[u2].name"]
