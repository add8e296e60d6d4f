"""The commands beside `run`, as a user types them: `diff` against a live cluster, and what goes on to kubectl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from kaspr_controller.kube.kinds import CONFIG_MAP, SECRET, SERVICE, SERVICE_ACCOUNT, STATEFUL_SET
from tests.integration.fixtures import shop
from tests.integration.fixtures.commands import ROOT, Commands
from tests.integration.fixtures.controller import Controller
from tests.integration.fixtures.watching import apply, await_ready
from tests.integration.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hack.controlplane.cluster import ControlPlane
    from hack.nodesim.simulator import NodeSimulator
    from kaspr_controller.kube.kinds import Kind
    from tests.integration.fixtures.oracle import Kube

HIDDEN = "correct-horse-battery"


@pytest.fixture
def commands(control_plane: ControlPlane, tmp_path: Path, crds: Sequence[Kind]) -> Commands:
    return Commands(control_plane.kubeconfig, tmp_path)


@pytest.fixture
def stopped(
    control_plane: ControlPlane, simulator: NodeSimulator, namespace: str, tmp_path: Path
) -> Controller:
    """A controller for the test's namespace that does not run yet."""
    return Controller(control_plane.kubeconfig, tmp_path, namespace=namespace)


def secretive(namespace: str) -> list[dict[str, Any]]:
    """An app that knows secrets in every way there is, its Secret, and an agent."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": namespace, "name": "kafka"},
        "stringData": {"password": HIDDEN},
    }
    app = shop.app(
        namespace,
        authentication={
            "type": "scram-sha-512",
            "username": "shop",
            "passwordSecret": {"secretName": "kafka", "passwordKey": "password"},
        },
        template={"kasprContainer": {"env": [{"name": "TOKEN", "value": HIDDEN}]}},
    )
    return [secret, app, shop.agent(namespace, "enrich", code=f"return '{HIDDEN}'")]


def children(kube: Kube, namespace: str) -> dict[tuple[str, str], str]:
    """The version of every object that an app consists of."""
    return {
        (kind.kind, item["metadata"]["name"]): item["metadata"]["resourceVersion"]
        for kind in (SERVICE_ACCOUNT, CONFIG_MAP, SERVICE, STATEFUL_SET)
        for item in kube.list_objects(kind, namespace)
    }


CREATED = [
    "create ConfigMap enrich-agent",
    "create ConfigMap shop-app-config",
    "create Service shop-app",
    "create Service shop-app-api",
    "create ServiceAccount shop-app",
    "create StatefulSet shop-app",
]


def test_diff_over_the_life_of_an_app(
    commands: Commands, stopped: Controller, kube: Kube, namespace: str
) -> None:
    """Everything is to be created; then nothing would change; then the field somebody edited; values are never shown."""
    secret, *resources = secretive(namespace)
    kube.apply(secret, SECRET)
    apply(kube, *resources)
    before = children(kube, namespace)

    first = commands.controller("diff", "-n", namespace)
    assert (first.code, first.err) == (1, "")
    created = [line.removeprefix(f"{namespace}/shop: ") for line in first.out.splitlines()]
    assert sorted(created) == CREATED
    assert children(kube, namespace) == before, "a diff writes nothing"

    with stopped:
        await_ready(kube, namespace)
        await_ready(kube, namespace, "enrich", shop.AGENT)
        assert stopped.stop() == 0
    settled = children(kube, namespace)
    same = commands.controller("diff", "-n", namespace)
    assert (same.code, same.out, same.err) == (0, "nothing would change\n", "")

    kube.patch(CONFIG_MAP, namespace, "shop-app-config", {"data": {"K_WEB_PORT": HIDDEN}})
    kube.patch(SERVICE, namespace, "shop-app-api", {"metadata": {"labels": {"kaspr.io/app": "another"}}})
    drifted = commands.controller("diff", "-n", namespace, "shop")
    assert drifted.code == 1
    assert sorted(drifted.out.splitlines()) == [
        f"{namespace}/shop: change ConfigMap shop-app-config: data.K_WEB_PORT",
        f"{namespace}/shop: change Service shop-app-api: metadata.labels[kaspr.io/app]",
    ]
    changed = {key for key, version in children(kube, namespace).items() if settled.get(key) != version}
    assert changed == {("ConfigMap", "shop-app-config"), ("Service", "shop-app-api")}
    assert HIDDEN not in "".join(each.out + each.err for each in (first, same, drifted))


def test_diff_shows_what_an_edit_would_do(
    commands: Commands, stopped: Controller, kube: Kube, namespace: str
) -> None:
    """The content and the hash that restarts the pods; a component that is gone stays while a pod mounts it."""
    apply(kube, shop.app(namespace), shop.agent(namespace, "enrich"), shop.agent(namespace, "spare"))
    with stopped:
        await_ready(kube, namespace)
        assert stopped.stop() == 0
    apply(kube, shop.agent(namespace, "enrich", code="return [v]"))
    kube.delete(shop.AGENT, namespace, "spare")
    eventually(lambda: kube.find(shop.AGENT, namespace, "spare") is None)
    found = commands.controller("diff", "-n", namespace)
    assert found.code == 1
    lines = [line.removeprefix(f"{namespace}/shop: ") for line in found.out.splitlines()]
    assert lines[0].startswith("change ConfigMap enrich-agent: ")
    assert "data[enrich-agent.yaml]" in lines[0]
    assert lines[1].startswith("change StatefulSet shop-app: ")
    assert "containers[kaspr].env[AGENTS_HASH].value" in lines[1]
    assert len(lines) == 2
    assert found.err == (
        f"{namespace}/shop: ConfigMap spare-agent is no longer wanted, but a pod still mounts it\n"
    )


def test_diff_says_what_stands_in_the_way(commands: Commands, kube: Kube, namespace: str) -> None:
    """An app that cannot be rendered, one that is paused, a component that is held back, a name that is taken."""
    foreign = {"metadata": {"namespace": namespace, "name": "shop-app-config"}, "data": {"a": HIDDEN}}
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", **foreign})
    paused = shop.app(namespace, "paused")
    paused["metadata"]["annotations"] = {"kaspr.io/pause-reconciliation": "true"}
    apply(
        kube,
        shop.app(namespace),
        shop.agent(namespace, "broken", code="return return"),
        shop.app(namespace, "future", version="99.0.0"),
        paused,
    )
    found = commands.controller("diff", "-n", namespace)
    assert found.code == 1
    lines = found.out.splitlines()
    for expected in (
        f"{namespace}/future: refused: spec.version: version 99.0.0 is unknown",
        f"{namespace}/paused: refused: the app is paused (kaspr.io/pause-reconciliation)",
        f"{namespace}/shop: held back: KasprAgent broken: spec.processors.operations[0].map",
        f"{namespace}/shop: blocked ConfigMap shop-app-config: ConfigMap",
        f"{namespace}/shop: create StatefulSet shop-app",
    ):
        assert [line for line in lines if line.startswith(expected)], (expected, lines)
    assert not [line for line in lines if "broken-agent" in line]
    assert HIDDEN not in found.out + found.err


def test_diff_needs_to_be_allowed_to_look(
    control_plane: ControlPlane, commands: Commands, namespace: str, tmp_path: Path
) -> None:
    """Exit code 2 in one line with the server's words: not "nothing would change"; so too for a name that no app has."""
    account = control_plane.service_account_kubeconfig(namespace, "default")
    refused = Commands(account, tmp_path).controller("diff", "-n", namespace)
    assert (refused.code, refused.out) == (2, "")
    assert "forbidden" in refused.err
    assert len(refused.err.splitlines()) == 1
    unknown = commands.controller("diff", "-n", namespace, "shop")
    assert (unknown.code, unknown.out) == (2, "")
    assert unknown.err == f"kaspr-controller: there is no KasprApp shop in namespace {namespace}\n"


def test_the_examples_validate(commands: Commands) -> None:
    """Without a word."""
    answer = commands.controller("validate", "-f", "examples")
    assert (answer.code, answer.out, answer.err) == (0, "", "")


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_what_is_rendered_can_be_applied(commands: Commands, namespace: str, form: str) -> None:
    """Kubectl, which validates strictly, takes all of it in the given order."""
    rendered = commands.controller("render", "-f", "examples", "-n", namespace, "-o", form)
    assert (rendered.code, rendered.err) == (0, "")
    answer = commands.kubectl("apply", "-n", namespace, "--dry-run=server", "-f", "-", stdin=rendered.out)
    assert (answer.code, answer.err) == (0, "")
    names = [line.removesuffix(" created (server dry run)") for line in answer.out.splitlines()]
    assert names[-1] == "statefulset.apps/shop-app"
    assert {"serviceaccount/shop-app", "service/shop-app", "service/shop-app-api"} < set(names)
    documents = list(yaml.safe_load_all(rendered.out))  # JSON is YAML
    assert len(names) == len(documents if form == "yaml" else documents[0]["items"])


def test_the_definitions_are_those_of_the_repository(commands: Commands) -> None:
    """The program and manifests/crds agree, and the server takes what is printed."""
    printed = commands.controller("crds")
    assert (printed.code, printed.err) == (0, "")
    committed = [
        yaml.safe_load(file.read_text("utf-8")) for file in (ROOT / "manifests" / "crds").glob("*.yaml")
    ]
    by_name = {each["metadata"]["name"]: each for each in committed}
    assert {each["metadata"]["name"]: each for each in yaml.safe_load_all(printed.out)} == by_name
    answer = commands.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=printed.out)
    assert answer.code == 0, answer.err
    assert len(answer.out.splitlines()) == len(by_name) == 6
