"""The runtime's settings: each value in the text that the runtime parses (contract 1.3, 2.6, 2.7, T1, T8)."""

from __future__ import annotations

from typing import Any

import pytest

from hack.nodesim.settings import brokers
from kaspr_controller.desired.app import config
from tests.unit.desired.resources import IDENTITY, app


def settings(**spec: Any) -> config.Settings:
    return config.settings_of(app(**spec), IDENTITY)


@pytest.mark.parametrize(
    ("written", "rendered"),
    [
        ("a:9092", "a:9092"),
        ("a:9092,b:9092", "a:9092;kafka://b:9092"),
        (" a:9092 , b:9092,c:9093 ", "a:9092;kafka://b:9092;kafka://c:9093"),
        ("a:9092;kafka://b:9092", "a:9092;kafka://b:9092"),
        ("a:9092;b:9092", "a:9092;b:9092"),
        ("kafka://a:9092,kafka://b:9092", "a:9092;kafka://b:9092"),
        ("a:9092,", "a:9092"),
    ],
)
def test_broker_lists_are_translated(written: str, rendered: str) -> None:
    """Commas end the runtime's start; its own form with semicolons is left alone (T1)."""
    assert config.bootstrap_servers(written) == rendered


def test_the_runtime_finds_every_broker_of_a_list() -> None:
    """Neither a crash nor a silent fall-back to the local host."""
    text = config.bootstrap_servers("a:9092, b:9093,c:9094")
    assert brokers(text) == ("a:9092", "b:9093", "c:9094")


LOGIN = {"username": "u", "passwordSecret": {"secretName": "s", "passwordKey": "k"}}


@pytest.mark.parametrize(
    ("authentication", "tls", "protocol", "mechanism"),
    [
        ({"type": "plain"}, False, "PLAINTEXT", None),
        ({"type": "plain"}, True, "SSL", None),
        ({"type": "plain", **LOGIN}, False, "SASL_PLAINTEXT", "PLAIN"),
        ({"type": "plain", **LOGIN}, True, "SASL_SSL", "PLAIN"),
        ({"type": "scram-sha-256", **LOGIN}, False, "SASL_PLAINTEXT", "SCRAM-SHA-256"),
        ({"type": "scram-sha-512", **LOGIN}, True, "SASL_SSL", "SCRAM-SHA-512"),
    ],
)
def test_security_follows_from_authentication_and_tls(
    authentication: dict[str, Any], *, tls: bool, protocol: str, mechanism: str | None
) -> None:
    """The table of contract 1.3, in the runtime's own capitals."""
    found = settings(authentication=authentication, **({"tls": {}} if tls else {}))
    assert found.data["K_KAFKA_SECURITY_PROTOCOL"] == protocol
    assert found.data.get("K_KAFKA_SASL_MECHANISM") == mechanism
    assert found.data.get("K_KAFKA_AUTH_USERNAME") == ("u" if mechanism else None)
    assert found.sasl is bool(mechanism)


@pytest.mark.parametrize(
    ("written", "variable", "text"),
    [
        ({"topicAllowDeclare": False}, "K_TOPIC_ALLOW_DECLARE", "False"),
        ({"schedulerEnabled": True}, "K_SCHEDULER_ENABLED", "True"),
        ({"storeRocksdbWriteBufferSize": 67108864}, "K_STORE_ROCKSDB_WRITE_BUFFER_SIZE", "67108864"),
        ({"storeRocksdbBlockCacheSize": 10**15}, "K_STORE_ROCKSDB_BLOCK_CACHE_SIZE", "1000000000000000"),
        ({"schedulerJanitorCleanIntervalSeconds": 3}, "K_SCHEDULER_JANITOR_CLEAN_INTERVAL_SECONDS", "3.0"),
        ({"schedulerJanitorCleanIntervalSeconds": 1.5}, "K_SCHEDULER_JANITOR_CLEAN_INTERVAL_SECONDS", "1.5"),
        ({"broker_session_timeout": 15}, "K_BROKER_SESSION_TIMEOUT", "15"),
        ({"broker_session_timeout": 15.0}, "K_BROKER_SESSION_TIMEOUT", "15"),
        ({"producer_acks": -1}, "K_PRODUCER_ACKS", "-1"),
        ({"stream_wait_empty": False}, "K_STREAM_WAIT_EMPTY", "False"),
        ({"Mixed_Case": "x"}, "K_MIXED_CASE", "x"),
    ],
)
def test_values_have_the_text_of_their_type(written: dict[str, Any], variable: str, text: str) -> None:
    """No exponent, no `3.0` for an integer, no `true` in another case (T8); other keys are upper-cased as they are."""
    assert settings(config=written).data[variable] == text


def test_what_is_not_set_is_not_emitted() -> None:
    """The runtime has its own defaults; only what it needs from us is always there."""
    assert settings().data == {
        "K_APP_NAME": "orders-app",
        "K_DATA_DIR": "/var/lib/data",
        "K_DEFINITIONS_DIR": "/var/lib/data/definitions",
        "K_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
        "K_KAFKA_SECURITY_PROTOCOL": "PLAINTEXT",
        "K_TABLE_DIR": "/var/lib/data/tables",
        "K_WEB_PORT": "6065",
    }


def test_the_consumer_group_cannot_be_passed_through() -> None:
    """Another application id would orphan offsets and state (T13); the attempt is told."""
    found = settings(config={"app_name": "x", "definitions_dir": "/x", "web_host": "x", "own": 1})
    assert found.data["K_APP_NAME"] == "orders-app"
    assert found.data["K_DEFINITIONS_DIR"] == "/var/lib/data/definitions"
    assert "K_WEB_HOST" not in found.data
    assert found.data["K_OWN"] == "1"
    assert [(problem.reason, problem.field) for problem in found.warnings] == [
        ("Overridden", "spec.config.app_name"),
        ("Overridden", "spec.config.definitions_dir"),
        ("Overridden", "spec.config.web_host"),
    ]


@pytest.mark.parametrize(
    ("written", "limits", "expected"),
    [
        ({"schedulerEnabled": True}, {"memory": "1000Mi"}, str(300 * 1024 * 1024)),
        ({"schedulerCronEnabled": True}, {"memory": "1G"}, "300000000"),
        ({"schedulerEnabled": True, "storeRocksdbBlockCacheSize": 5}, {"memory": "1Gi"}, "5"),
        ({"schedulerEnabled": True}, {"cpu": "1"}, None),
        ({"schedulerEnabled": True}, None, None),
        ({}, {"memory": "1Gi"}, None),
    ],
)
def test_the_block_cache_follows_the_memory_limit(
    written: dict[str, Any], limits: dict[str, str] | None, expected: str | None
) -> None:
    """The runtime would take a third of the node's memory (D11)."""
    resources = {"resources": {"limits": limits}} if limits else {}
    assert settings(config=written, **resources).data.get("K_STORE_ROCKSDB_BLOCK_CACHE_SIZE") == expected


@pytest.mark.parametrize(
    ("written", "field"),
    [
        ({"broker_heartbeat_interval": "3.5"}, "spec.config.broker_heartbeat_interval"),
        ({"stream_recovery_delay": "10s"}, "spec.config.stream_recovery_delay"),
        ({"broker_request_timeout": 100}, "spec.config.broker_request_timeout"),
        ({"broker_session_timeout": 181}, "spec.config.broker_request_timeout"),
        (
            {"schedulerCronEnabled": True, "schedulerCronTickBufferSeconds": 30},
            "spec.config.schedulerCronTickBufferSeconds",
        ),
        (
            {"schedulerCronEnabled": True, "schedulerCronMinIntervalSeconds": 301},
            "spec.config.schedulerCronTickBufferSeconds",
        ),
    ],
)
def test_what_would_end_the_runtime_is_named(written: dict[str, Any], field: str) -> None:
    """The field in the user's spelling, before any pod is made."""
    assert [problem.field for problem in settings(config=written).problems] == [field]


def test_what_is_still_in_use_is_kept_and_restarts_nobody() -> None:
    """A retained setting is in the ConfigMap alone: no variable refers to it, and a wanted one wins over it."""
    plain = settings()
    kept = config.settings_of(app(), IDENTITY, {"K_OLD": "1", "K_WEB_PORT": "9"})
    assert (kept.data, kept.hash) == (plain.data, plain.hash)
    wanted = {**plain.data, "K_OLD": "1"}
    assert config.config_map(kept, IDENTITY)["data"] == wanted
    assert [*config.config_map(kept, IDENTITY)["data"]] == sorted(wanted)


def test_the_hash_covers_the_content_alone() -> None:
    """Two apps with the same settings have the same hash whatever else differs; one value changes it."""
    assert settings().hash == settings(replicas=4, image="x").hash
    assert settings().hash != settings(config={"webPort": 7000}).hash
