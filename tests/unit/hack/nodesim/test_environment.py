"""A container's environment, as the kubelet makes it."""

from __future__ import annotations

from typing import Any

import pytest

from hack.nodesim.environment import (
    ContainerConfigError,
    Sources,
    expand,
    references,
    resolve,
    secret_texts,
)

SOURCES = Sources(
    config_maps={"settings": {"K_APP_NAME": "x-app", "EMPTY": ""}},
    secrets={"auth": {"password": "s3cret"}},
)


def pod(env: list[dict[str, Any]] | None = None, **container: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "x-app-0", "namespace": "ns", "uid": "u", "labels": {"a": "b"}},
        "spec": {"nodeName": "n", "containers": [{"name": "kaspr", "env": env or [], **container}]},
        "status": {"podIP": "127.1.2.3"},
    }


def resolved(env: list[dict[str, Any]], **container: Any) -> dict[str, str]:
    made = pod(env, **container)
    return resolve(made, made["spec"]["containers"][0], SOURCES)


def config_key(name: str, key: str, **extra: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {"configMapKeyRef": {"name": name, "key": key, **extra}}}


def secret_key(name: str, key: str, **extra: Any) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {"secretKeyRef": {"name": name, "key": key, **extra}}}


def field(path: str) -> dict[str, Any]:
    return {"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ({"name": "X", "value": "plain"}, "plain"),
        ({"name": "X"}, ""),
        (config_key("settings", "K_APP_NAME"), "x-app"),
        (config_key("settings", "EMPTY"), ""),
        (secret_key("auth", "password"), "s3cret"),
        (field("metadata.name"), "x-app-0"),
        (field("metadata.namespace"), "ns"),
        (field("metadata.labels['a']"), "b"),
        (field("metadata.annotations['a']"), ""),
        (field("spec.nodeName"), "n"),
        (field("status.podIP"), "127.1.2.3"),
    ],
)
def test_each_kind_of_entry_is_resolved(entry: dict[str, Any], value: str) -> None:
    """Literal, ConfigMap key, Secret key and pod field."""
    assert resolved([entry]) == {"X": value}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (config_key("nowhere", "a"), 'configmap "nowhere" not found'),
        (config_key("settings", "K_GONE"), "couldn't find key K_GONE in ConfigMap ns/settings"),
        (secret_key("nowhere", "a"), 'secret "nowhere" not found'),
        (secret_key("auth", "user"), "couldn't find key user in Secret ns/auth"),
        (field("spec.hostname"), "unsupported fieldPath"),
    ],
)
def test_a_missing_reference_keeps_the_container_from_starting(entry: dict[str, Any], message: str) -> None:
    """CreateContainerConfigError: a removed config key leaves an env reference to a missing key (T31)."""
    with pytest.raises(ContainerConfigError, match=message):
        resolved([entry])


@pytest.mark.parametrize(
    "entry", [config_key("nowhere", "a", optional=True), secret_key("auth", "u", optional=True)]
)
def test_an_optional_reference_leaves_the_variable_out(entry: dict[str, Any]) -> None:
    """An optional source that is not there sets nothing."""
    assert resolved([entry]) == {}


def test_variables_are_expanded_backwards_only() -> None:
    """T34: `$(POD_NAME)` works only behind POD_NAME; `${PYTHONPATH}` is a literal."""
    host = {"name": "K_WEB_HOST", "value": "$(POD_NAME).x-app"}
    name = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    assert resolved([name, host])["K_WEB_HOST"] == "x-app-0.x-app"
    assert resolved([host, name])["K_WEB_HOST"] == "$(POD_NAME).x-app"
    assert resolved([{"name": "P", "value": "/a:${PYTHONPATH}"}])["P"] == "/a:${PYTHONPATH}"


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("$(A)$(A)", "11"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A", "$A"),
        ("$(B)", "$(B)"),
        ("$(", "$("),
        ("$", "$"),
    ],
)
def test_expansion_syntax(text: str, result: str) -> None:
    """A double dollar escapes, unknown names stay."""
    assert expand(text, {"A": "1"}) == result


def test_the_last_of_two_entries_with_one_name_wins() -> None:
    """A user's entry behind a generated one replaces it."""
    assert resolved([{"name": "X", "value": "ours"}, {"name": "X", "value": "theirs"}]) == {"X": "theirs"}


def test_whole_objects_come_first_with_their_prefix() -> None:
    """`envFrom` is read before `env`; a missing object keeps the container from starting unless optional."""
    source = {"prefix": "P_", "configMapRef": {"name": "settings"}}
    assert resolved([{"name": "P_EMPTY", "value": "x"}], envFrom=[source]) == {
        "P_K_APP_NAME": "x-app",
        "P_EMPTY": "x",
    }
    assert resolved([], envFrom=[{"secretRef": {"name": "gone", "optional": True}}]) == {}
    with pytest.raises(ContainerConfigError, match="not found"):
        resolved([], envFrom=[{"secretRef": {"name": "gone"}}])


def test_references_name_everything_to_fetch() -> None:
    """All containers count, init containers too."""
    made = pod([config_key("a", "k"), secret_key("b", "k")], envFrom=[{"configMapRef": {"name": "c"}}])
    made["spec"]["initContainers"] = [{"name": "i", "env": [secret_key("d", "k")]}]
    assert references(made) == ({"a", "c"}, {"b", "d"})


def test_secrets_are_decoded() -> None:
    """Secret data is base64."""
    assert secret_texts({"data": {"password": "czNjcmV0"}}) == {"password": "s3cret"}
