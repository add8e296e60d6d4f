"""How a member reads its environment."""

from __future__ import annotations

import pytest

from hack.nodesim.definitions import StartupCrash
from hack.nodesim.settings import Settings, parse

BASE = {
    "K_APP_NAME": "x-app",
    "K_KAFKA_BOOTSTRAP_SERVERS": "kafka:9092",
    "K_WEB_PORT": "6065",
    "K_DEFINITIONS_DIR": "/var/lib/data/definitions",
}


def settings(**changes: str) -> Settings:
    return parse(BASE | changes, hostname="x-app-0")


def test_the_defaults_are_the_runtimes() -> None:
    """What nobody sets: contract 2.7."""
    assert parse({"K_APP_NAME": "a"}, hostname="h") == Settings(
        app_id="a", bootstrap="localhost:9092", brokers=("localhost:9092",), web_host="h", web_port=6066,
        metrics_path="/metrics", instance_id=None, definitions_directory="/app/builders", builder_enabled=True,
        topic_partitions=3, allow_declare=True, scheduler=False, session_timeout=120, heartbeat_interval=3,
        recovery_delay=10,
    )  # fmt: skip


def test_the_url_is_host_and_port() -> None:
    """The group knows a member by K_WEB_HOST and K_WEB_PORT."""
    assert settings(K_WEB_HOST="x-app-0.x-app.ns.svc.cluster.local").url == (
        "http://x-app-0.x-app.ns.svc.cluster.local:6065"
    )


@pytest.mark.parametrize(
    ("text", "brokers"),
    [
        ("a:9092", ("a:9092",)),
        ("kafka://a:9092", ("a:9092",)),
        ("a", ("a:9092",)),
        ("a:9092;kafka://b:9093", ("a:9092", "b:9093")),
        ("a:9092;b:9093", ("a:9092", "127.0.0.1:9092")),
    ],
)
def test_broker_lists(text: str, brokers: tuple[str, ...]) -> None:
    """T1, C14: only `a:9092;kafka://b:9092` names two brokers; without scheme the second becomes the local host."""
    assert settings(K_KAFKA_BOOTSTRAP_SERVERS=text).brokers == brokers


@pytest.mark.parametrize(
    "text", ["a:9092,b:9092", "a:9092, b:9092", "a:9092;kafka://b:9092,c:9092", "a:kafka", "a:"]
)
def test_a_comma_in_the_broker_list_ends_the_start(text: str) -> None:
    """T1, C14: crash loop `port can't be converted to integer`."""
    with pytest.raises(StartupCrash, match="port can't be converted to integer"):
        settings(K_KAFKA_BOOTSTRAP_SERVERS=text)


@pytest.mark.parametrize(("text", "value"), [("True", True), ("true", True), ("False", False), ("false", False),
                                             ("0", True), ("no", True), ("off", True), ("FALSE", True), ("", False)])  # fmt: skip
def test_booleans(text: str, *, value: bool) -> None:
    """T8: any text but four words is true; empty text is unset."""
    assert settings(K_SCHEDULER_ENABLED=text).scheduler is value


@pytest.mark.parametrize("text", ["3.0", "6.7e7", "None", "1_000", " 3", "0x1"])
@pytest.mark.parametrize("name", ["K_TOPIC_PARTITIONS", "K_WEB_PORT", "K_BROKER_HEARTBEAT_INTERVAL"])
def test_integers_are_pure_digits(name: str, text: str) -> None:
    """T8: anything else crashes the process at import, also for a setting nobody uses."""
    with pytest.raises(StartupCrash, match="invalid literal"):
        settings(**{name: text})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"K_APP_NAME": ""}, "K_APP_NAME"),
        ({"K_KAFKA_SECURITY_PROTOCOL": "ssl"}, "security_protocol"),
        ({"K_KAFKA_SASL_MECHANISM": "scram-sha-512"}, "SASLMechanism"),
        ({"K_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "K_KAFKA_AUTH_USERNAME": "u"}, "sasl_plain_password"),
        ({"K_SCHEDULER_JANITOR_CLEAN_INTERVAL_SECONDS": "3 s"}, "could not convert"),
        ({"K_BROKER_SESSION_TIMEOUT": "300"}, "broker_request_timeout"),
        ({"K_WEB_PORT": "0"}, "port must be"),
        ({"K_WEB_PORT": "70000"}, "port must be"),
        ({"K_SCHEDULER_CRON_ENABLED": "True", "K_SCHEDULER_CRON_TICK_BUFFER_SECONDS": "30.0"}, "too small"),
    ],
)
def test_values_that_end_the_start(changes: dict[str, str], message: str) -> None:
    """Missing name, values in the wrong case, numbers that contradict each other."""
    with pytest.raises(StartupCrash, match=message):
        settings(**changes)


def test_credentials_satisfy_sasl() -> None:
    """SASL needs mechanism, user and password."""
    names = {"PROTOCOL": "SASL_SSL", "MECHANISM": "SCRAM-SHA-512"}
    assert settings(
        K_KAFKA_SECURITY_PROTOCOL=names["PROTOCOL"],
        K_KAFKA_SASL_MECHANISM=names["MECHANISM"],
        K_KAFKA_AUTH_USERNAME="u",
        K_KAFKA_AUTH_PASSWORD="p",
    ).brokers == ("kafka:9092",)


def test_the_longer_prefix_wins() -> None:
    """KASPR_ beats K_."""
    assert settings(KASPR_APP_NAME="y-app").app_id == "y-app"


def test_cron_forces_the_scheduler_on() -> None:
    """K_SCHEDULER_CRON_ENABLED alone starts the scheduler."""
    assert settings(K_SCHEDULER_CRON_ENABLED="True").scheduler
