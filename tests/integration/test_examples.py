"""`kubectl apply -f examples/`: every object of a whole app, as contract 9.4 lists them, and all of it Ready.

One app for all tests of this file, in a namespace of its own; no test changes it.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from hack.nodesim import definitions
from kaspr_controller.kube.kinds import (
    CONFIG_MAP,
    NAMESPACE,
    PERSISTENT_VOLUME_CLAIM,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    Kind,
    built_in,
)
from tests.integration.fixtures import shop
from tests.integration.fixtures.commands import ROOT, Answer, Commands
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.watching import await_ready
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hack.controlplane.cluster import ControlPlane
    from hack.nodesim.simulator import NodeSimulator
    from tests.integration.fixtures.oracle import Kube

DEFINITIONS = "/var/lib/data/definitions"
EXAMPLES = [
    obj
    for file in sorted((ROOT / "examples").glob("*.yaml"))
    for obj in yaml.safe_load_all(file.read_text("utf-8"))
]


@dataclass(frozen=True, slots=True)
class Applied:
    """The namespace in which the examples run, what kubectl said, and what is there now."""

    namespace: str
    answer: Answer
    app_uid: str
    workload: dict[str, Any]
    children: dict[tuple[str, str], dict[str, Any]]

    @property
    def template(self) -> dict[str, Any]:
        """The spec of the pods."""
        found: dict[str, Any] = self.workload["spec"]["template"]["spec"]
        return found

    @property
    def env(self) -> list[dict[str, Any]]:
        """The environment of the one container."""
        (container,) = self.template["containers"]
        found: list[dict[str, Any]] = container["env"]
        return found


@pytest.fixture(scope="module")
def commands(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Commands:
    return Commands(control_plane.kubeconfig, tmp_path_factory.mktemp("commands"))


@pytest.fixture(scope="module")
def namespace(kube: Kube) -> Iterator[str]:
    """One for all tests of this file."""
    name = f"examples-{secrets.token_hex(3)}"
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    eventually(lambda: kube.find(SERVICE_ACCOUNT, name, "default"))
    yield name
    kube.delete(NAMESPACE, "", name)


@pytest.fixture(scope="module")
def controller(
    control_plane: ControlPlane,
    crds: Sequence[Kind],
    simulator: NodeSimulator,
    namespace: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Controller]:
    folder = tmp_path_factory.mktemp("controller")
    with Controller(control_plane.kubeconfig, folder, namespace=namespace) as running:
        yield running


@pytest.fixture(scope="module")
def applied(controller: Controller, commands: Commands, kube: Kube, namespace: str) -> Applied:
    """The examples, applied by kubectl; returns when the app is Ready."""
    answer = commands.kubectl("apply", "-n", namespace, "-f", "examples/")
    await_ready(kube, namespace)
    children = {
        (kind.kind, item["metadata"]["name"]): {"apiVersion": kind.api_version, "kind": kind.kind, **item}
        for kind in (SERVICE_ACCOUNT, CONFIG_MAP, SERVICE, STATEFUL_SET)
        for item in kube.list_objects(kind, namespace)
        if item["metadata"]["name"] not in {"default", "kube-root-ca.crt"}
    }
    return Applied(
        namespace=namespace,
        answer=answer,
        app_uid=kube.get(shop.APP, namespace, "shop")["metadata"]["uid"],
        workload=children["StatefulSet", "shop-app"],
        children=children,
    )


def test_kubectl_applies_all_of_them(applied: Applied) -> None:
    """Without a warning: nothing is unknown to the server or deprecated."""
    assert (applied.answer.code, applied.answer.err) == (0, "")
    created = {line.removesuffix(" created") for line in applied.answer.out.splitlines()}
    expected = {f"{obj['kind'].lower()}.kaspr.io/{obj['metadata']['name']}" for obj in EXAMPLES}
    assert created == expected


@pytest.mark.parametrize(
    "obj", EXAMPLES, ids=[f"{obj['kind']}/{obj['metadata']['name']}" for obj in EXAMPLES]
)
def test_everything_becomes_ready(applied: Applied, kube: Kube, obj: dict[str, Any]) -> None:
    """Each custom resource says so itself, for its newest generation."""
    await_ready(kube, applied.namespace, obj["metadata"]["name"], shop.BY_KIND[obj["kind"]])


def test_kubectl_wait_and_get_agree(applied: Applied, commands: Commands) -> None:
    """What a person types: it waits for Ready, and every row of the list says True."""
    waited = commands.kubectl(
        "wait", "-n", applied.namespace, "--for=condition=Ready", "--timeout=30s", "kaspr", "--all"
    )
    assert waited.code == 0, waited.err
    assert len(waited.out.splitlines()) == len(EXAMPLES)
    listed = commands.kubectl("get", "kaspr", "-n", applied.namespace, "-o", "json")
    for item in json.loads(listed.out)["items"]:
        ready = {one["type"]: one["status"] for one in item["status"]["conditions"]}["Ready"]
        assert ready == "True", item["metadata"]["name"]


def test_every_object_of_the_contract_exists(applied: Applied) -> None:
    """9.4, by kind and name; what else is there belongs to the components."""
    fixed = {
        ("ServiceAccount", "shop-app"),
        ("Service", "shop-app"),
        ("Service", "shop-app-api"),
        ("ConfigMap", "shop-app-config"),
        ("StatefulSet", "shop-app"),
    }
    assert fixed <= applied.children.keys()
    files = {volume["configMap"]["name"] for volume in applied.template["volumes"]}
    assert applied.children.keys() - fixed == {("ConfigMap", name) for name in files}
    assert "orders-products-join" in files


def test_every_object_is_owned_by_the_app(applied: Applied) -> None:
    """By this incarnation of it, as controller: deleting the app deletes them, deleting a component does not."""
    for key, child in applied.children.items():
        (reference,) = child["metadata"]["ownerReferences"]
        assert reference["uid"] == applied.app_uid, key
        assert (reference["kind"], reference["name"], reference["controller"]) == ("KasprApp", "shop", True)


def test_every_object_passes_a_strict_dry_run(applied: Applied, kube: Kube) -> None:
    """As it is, sent as new to another namespace: schema, defaults and admission, and no field that nobody knows."""
    for child in applied.children.values():
        kind = built_in(child)
        metadata = {
            key: child["metadata"][key]
            for key in ("name", "labels", "annotations")
            if key in child["metadata"]
        }
        fresh = {**child, "metadata": {**metadata, "namespace": "default"}}
        fresh.pop("status", None)
        if fresh.get("spec", {}).get("clusterIP", "None") != "None":
            fresh["spec"] = {k: v for k, v in fresh["spec"].items() if k not in {"clusterIP", "clusterIPs"}}
        answer = kube.request(
            "POST",
            kind.collection("default"),
            fresh,
            query={"dryRun": "All", "fieldValidation": "Strict"},
        )
        assert answer["metadata"]["name"] == metadata["name"]
        assert answer.get("data") == child.get("data")


def test_the_services_are_as_members_and_clients_need_them(applied: Applied) -> None:
    """The headless one gives members names before they are ready (they talk while they start); the other is for clients."""
    selector = applied.workload["spec"]["selector"]["matchLabels"]
    assert set(selector) == {"kaspr.io/cluster", "kaspr.io/kind", "kaspr.io/name"}
    headless = applied.children["Service", "shop-app"]["spec"]
    assert headless["clusterIP"] == "None"
    assert headless["publishNotReadyAddresses"] is True
    client = applied.children["Service", "shop-app-api"]["spec"]
    assert client["type"] == "ClusterIP"
    assert client["clusterIP"] not in {"None", ""}
    for spec in (headless, client):
        assert spec["selector"] == selector
        assert [port["name"] for port in spec["ports"]] == ["http"]


def test_the_workload_is_as_the_runtime_needs_it(applied: Applied, kube: Kube) -> None:
    """2.8 and 2.10: parallel pods, one container with one port, tables on a claim, definitions mounted by subPath."""
    spec = applied.workload["spec"]
    assert (spec["serviceName"], spec["podManagementPolicy"]) == ("shop-app", "Parallel")
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Delete", "whenScaled": "Retain"}
    (container,) = applied.template["containers"]
    assert container["name"] == "kaspr"
    assert [port["name"] for port in container["ports"]] == ["http"]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert mounts.pop("/var/lib/data/tables")["name"] == "shop-app-pv"
    for path, mount in mounts.items():
        assert path == f"{DEFINITIONS}/{mount['subPath']}"
        assert mount["readOnly"] is True
    claim = kube.get(PERSISTENT_VOLUME_CLAIM, applied.namespace, "shop-app-pv-shop-app-0")
    assert claim["status"]["phase"] == "Bound"


def test_the_environment_has_the_order_of_the_contract(applied: Applied) -> None:
    """2.9: settings by reference, membership, addresses, hashes; POD_NAME before the one that refers to it.

    Both tables are joined, so they travel in the document of the join (T6) and its hash stands for them.
    """
    settings = applied.children["ConfigMap", "shop-app-config"]["data"]
    names = [entry["name"] for entry in applied.env]
    assert len(names) == len(set(names))
    assert set(names[: len(settings)]) == settings.keys()
    for entry in applied.env[: len(settings)]:
        reference = {"name": "shop-app-config", "key": entry["name"]}
        assert entry["valueFrom"] == {"configMapKeyRef": reference}
    assert names[len(settings) :] == [
        "K_CONSUMER_GROUP_INSTANCE_ID",
        "POD_NAME",
        "K_WEB_HOST",
        "CONFIG_HASH",
        "AGENTS_HASH",
        "WEBVIEWS_HASH",
        "TASKS_HASH",
        "JOINS_HASH",
    ]
    rest = {entry["name"]: entry for entry in applied.env[len(settings) :]}
    for name in ("K_CONSUMER_GROUP_INSTANCE_ID", "POD_NAME"):
        assert rest[name]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    host = f"$(POD_NAME).shop-app.{applied.namespace}.svc.cluster.local"
    assert rest["K_WEB_HOST"]["value"] == host
    assert all(rest[name]["value"] for name in rest if name.endswith("_HASH"))


def test_the_settings_have_their_fixed_keys(applied: Applied) -> None:
    """2.6; bootstrap servers in the form that the runtime reads."""
    settings = applied.children["ConfigMap", "shop-app-config"]["data"]
    assert settings == {
        "K_APP_NAME": "shop-app",
        "K_DATA_DIR": "/var/lib/data",
        "K_DEFINITIONS_DIR": DEFINITIONS,
        "K_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "K_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
        "K_TABLE_DIR": "/var/lib/data/tables",
        "K_TOPIC_PARTITIONS": "4",
        "K_TOPIC_REPLICATION_FACTOR": "1",
        "K_WEB_PORT": "6065",
    }


def test_the_runtime_can_load_what_is_mounted(applied: Applied) -> None:
    """Everything that the examples define is built, with nothing skipped and nothing that fails at its first message."""
    (container,) = applied.template["containers"]
    volumes = {volume["name"]: volume["configMap"] for volume in applied.template["volumes"]}
    files: dict[str, str] = {}
    for mount in container["volumeMounts"]:
        if mount["mountPath"].startswith(DEFINITIONS):
            source = volumes[mount["name"]]
            (item,) = [item for item in source["items"] if item["path"] == mount["subPath"]]
            files[mount["mountPath"]] = applied.children["ConfigMap", source["name"]]["data"][item["key"]]
    loaded = definitions.load(files)
    assert (loaded.warnings, loaded.faults) == ((), ())
    built = {
        "KasprAgent": {agent.name for agent in loaded.agents},
        "KasprTable": {table.name for table in loaded.tables if not table.internal},
        "KasprWebView": {view.name for view in loaded.webviews},
        "KasprTask": {task.name for task in loaded.tasks},
    }
    for kind, names in built.items():
        wanted = {obj["metadata"]["name"] for obj in EXAMPLES if obj["kind"] == kind}
        assert names == wanted, kind
    joined = [(join.left, join.right) for join in loaded.joins]
    assert joined == [
        (obj["spec"]["leftTable"], obj["spec"]["rightTable"])
        for obj in EXAMPLES
        if obj["kind"] == "KasprJoin"
    ]


def test_the_member_reads_what_the_agents_subscribe_to(applied: Applied, simulator: NodeSimulator) -> None:
    """All partitions of both topics, and its single start found all files: Ready was no lie."""
    (member,) = [one for one in simulator.members if one.namespace == applied.namespace]
    assert member.calm
    for topic in ("orders", "products"):
        assert set(member.actives[topic]) == {0, 1, 2, 3}
    (start,) = [one for one in simulator.starts if one.namespace == applied.namespace]
    assert set(start.files) == {
        mount["mountPath"]
        for mount in applied.template["containers"][0]["volumeMounts"]
        if mount["mountPath"].startswith(DEFINITIONS)
    }
