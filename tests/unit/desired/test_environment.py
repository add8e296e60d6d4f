"""Variables of the containers: order, duplicates, references (contract 2.9, T33, T34)."""

from __future__ import annotations

from typing import Any

import pytest

from hack.nodesim import environment as kubelet
from hack.nodesim import settings as runtime
from kaspr_controller.desired.app.packages import DIRECTORY
from kaspr_controller.desired.bundle import Bundle, render_app
from tests.unit.desired.cases import Case, cases
from tests.unit.desired.resources import agent, app, table, task


def containers(bundle: Bundle) -> dict[str, Any]:
    """Name -> container of the rendered pod."""
    spec = bundle.intents[-1].obj["spec"]["template"]["spec"]
    return {one["name"]: one for one in (*spec["containers"], *spec.get("initContainers", ()))}


def names(bundle: Bundle, container: str = "kaspr") -> list[str]:
    return [entry["name"] for entry in containers(bundle)[container]["env"]]


def test_the_order_is_the_contracts() -> None:
    """Settings, password, instance id, path, pod name, host, hashes; hashes only of what there is."""
    login = {"type": "plain", "username": "u", "passwordSecret": {"secretName": "s", "passwordKey": "k"}}
    given = app(authentication=login, pythonPackages={"packages": ["a"]})
    found = names(render_app(given, [agent("a"), table("t"), task("x")]))
    assert found[found.index("K_WEB_PORT") :] == [
        "K_WEB_PORT",
        "K_KAFKA_AUTH_PASSWORD",
        "K_CONSUMER_GROUP_INSTANCE_ID",
        "PYTHONPATH",
        "POD_NAME",
        "K_WEB_HOST",
        "CONFIG_HASH",
        "AGENTS_HASH",
        "TABLES_HASH",
        "TASKS_HASH",
        "PACKAGES_HASH",
    ]


@pytest.mark.parametrize("value", ["true", "True", "TRUE", "1", "yes"])
def test_static_membership_can_be_switched_off(value: str) -> None:
    """Without an instance id a member says goodbye when it stops; the same words switch it off for the status."""
    given = app(annotations={"kaspr.io/disable-static-group-membership": value})
    assert "K_CONSUMER_GROUP_INSTANCE_ID" not in names(render_app(given, []))
    off = app(annotations={"kaspr.io/disable-static-group-membership": "no"})
    assert "K_CONSUMER_GROUP_INSTANCE_ID" in names(render_app(off, []))


def test_the_users_value_wins_without_duplicates() -> None:
    """Server-side apply answers 500 to two entries of one name (T33)."""
    env = [
        {"name": "A", "value": "1"},
        {"name": "K_WEB_PORT", "value": "1"},
        {"name": "A", "value": "2"},
        {"name": "K_WEB_HOST", "value": "$(A).$(POD_NAME)"},
    ]
    bundle = render_app(app(template={"kasprContainer": {"env": env}}), [])
    found = names(bundle)
    assert len(set(found)) == len(found)
    assert found[-3:] == ["A", "K_WEB_PORT", "K_WEB_HOST"]
    assert containers(bundle)["kaspr"]["env"][-3] == {"name": "A", "value": "2"}
    assert found.index("POD_NAME") < found.index("K_WEB_HOST")


def test_an_overridden_pod_name_stays_before_the_host() -> None:
    """`$(POD_NAME)` works only backwards (T34)."""
    env = [{"name": "POD_NAME", "value": "x"}]
    bundle = render_app(app(template={"kasprContainer": {"env": env}}), [])
    found = names(bundle)
    assert found.count("POD_NAME") == 1
    assert found.index("POD_NAME") + 1 == found.index("K_WEB_HOST")


def test_a_hash_that_is_fixed_by_hand_is_warned_about() -> None:
    """Changes would silently stop to restart pods."""
    env = [{"name": "AGENTS_HASH", "value": "x"}, {"name": "FREE", "value": "x"}]
    bundle = render_app(app(template={"kasprContainer": {"env": env}}), [])
    assert [(problem.reason, problem.message.split()[0]) for problem in bundle.warnings] == [
        ("Overridden", "AGENTS_HASH")
    ]


def test_package_text_reaches_the_installer_as_it_was_written() -> None:
    """The kubelet expands `$(NAME)` and halves `$$`: neither may happen to what users write (T24, T25)."""
    package = "git+https://${TOKEN}@host/x"
    env = [{"name": "TOKEN", "value": "hush"}, {"name": "HOME", "value": "/"}]
    given = app(
        pythonPackages={"packages": [package]}, template={"pythonPackagesInitContainer": {"env": env}}
    )
    container = containers(render_app(given, []))["install-packages"]
    pod = {"metadata": {"name": "p", "namespace": "n"}, "spec": {"containers": []}}
    seen = kubelet.resolve(pod, container, kubelet.Sources())
    assert '"\\u0024{TOKEN}' not in seen["PACKAGES_CONFIG"]
    assert "\\u0024{TOKEN}@host" in seen["PACKAGES_CONFIG"]
    assert "hush" not in seen["PACKAGES_CONFIG"]
    assert [kubelet.expand(part, seen) for part in container["command"]] == container["command"]


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_the_runtime_starts_with_every_environment(case: Case) -> None:
    """Every golden pod's variables, resolved as the kubelet does and parsed as the runtime does."""
    bundle = case.render()
    if bundle.refused:
        return
    objects = [intent.obj for intent in bundle.intents]
    maps = {obj["metadata"]["name"]: obj["data"] for obj in objects if obj["kind"] == "ConfigMap"}
    maps |= {"modes": {"mode": "m"}}
    secrets = {"kafka-login": {"password": "p"}, "tokens": {"token": "t"}}
    metadata = {"name": "orders-app-0", "namespace": "shop"}
    spec = objects[-1]["spec"]["template"]["spec"]
    pod = {"metadata": metadata, "spec": spec}
    env = kubelet.resolve(pod, containers(bundle)["kaspr"], kubelet.Sources(maps, secrets))
    parsed = runtime.parse(env, hostname="orders-app-0")
    app_name = f"{case.app().name}-app"
    assert parsed.app_id == app_name
    assert "127.0.0.1:9092" not in parsed.brokers
    assert parsed.definitions_directory == "/var/lib/data/definitions"
    if case.name != "template/environment":
        assert parsed.web_host == f"orders-app-0.{app_name}.shop.svc.cluster.local"
        assert parsed.web_port == containers(bundle)["kaspr"]["ports"][0]["containerPort"]
    if case.app().spec.python_packages:
        assert env["PYTHONPATH"].split(":")[0] == DIRECTORY
