"""The runtime's settings: how a member reads its `K_*` variables, and which values end its start.

In: the environment of a container. Out: `Settings`, or `StartupCrash`. Called at every start of a member; pure.
Invariant: parse rules as measured (T1, T8): integers are pure digits, only `True`/`true`/`False`/`false` are
recognised as booleans and any other text is true, a comma in the broker list breaks the port.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hack.nodesim.definitions import StartupCrash

INTEGER = re.compile(r"-?[0-9]+")
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
# The working directory of the runtime's image: a relative definitions path lies below it.
APP_DIRECTORY = "/app"
MAX_PORT = 65535

INTEGERS = {
    "BROKER_REQUEST_TIMEOUT": 180, "BROKER_SESSION_TIMEOUT": 120, "BROKER_HEARTBEAT_INTERVAL": 3,
    "BROKER_COMMIT_EVERY": 10000, "BROKER_COMMIT_INTERVAL": 2, "BROKER_MAX_POLL_RECORDS": 100,
    "BROKER_MAX_POLL_INTERVAL": 1000, "PRODUCER_ACKS": -1, "STREAM_BUFFER_MAXSIZE": 4096,
    "STREAM_RECOVERY_DELAY": 10, "TOPIC_REPLICATION_FACTOR": 3, "TOPIC_PARTITIONS": 3,
    "SCHEDULER_TOPIC_PARTITIONS": None, "SCHEDULER_DISPATCHER_DEFAULT_CHECKPOINT_LOOKBACK_DAYS": 7,
    "STORE_ROCKSDB_WRITE_BUFFER_SIZE": 67108864, "STORE_ROCKSDB_MAX_WRITE_BUFFER_NUMBER": 3,
    "STORE_ROCKSDB_TARGET_FILE_SIZE_BASE": 67108864, "STORE_ROCKSDB_BLOCK_CACHE_SIZE": None,
    "STORE_ROCKSDB_BLOCK_CACHE_COMPRESSED_SIZE": 268435456, "WEB_PORT": 6066, "WORKER_ORDINAL_NUMBER": None,
}  # fmt: skip
FLOATS = {
    "SCHEDULER_CHECKPOINT_SAVE_INTERVAL_SECONDS": 1.3, "SCHEDULER_DISPATCHER_CHECKPOINT_INTERVAL": 10.0,
    "SCHEDULER_JANITOR_CHECKPOINT_INTERVAL": 10.0, "SCHEDULER_JANITOR_CLEAN_INTERVAL_SECONDS": 3.0,
    "SCHEDULER_JANITOR_HIGHWATER_OFFSET_SECONDS": 14400.0, "SCHEDULER_CRON_TICK_INTERVAL_SECONDS": 30.0,
    "SCHEDULER_CRON_TICK_BUFFER_SECONDS": 600.0, "SCHEDULER_CRON_MIN_INTERVAL_SECONDS": 5.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Settings:
    """What a member takes from its environment; seconds are unscaled."""

    app_id: str
    bootstrap: str
    brokers: tuple[str, ...]
    web_host: str
    web_port: int
    metrics_path: str
    instance_id: str | None
    definitions_directory: str
    builder_enabled: bool
    topic_partitions: int
    allow_declare: bool
    scheduler: bool
    session_timeout: int
    heartbeat_interval: int
    recovery_delay: int

    @property
    def url(self) -> str:
        """Return the member's canonical URL, by which the group knows it (T4)."""
        return f"http://{self.web_host}:{self.web_port}"


class Variables:
    """The `K_*` and `KASPR_*` variables; `KASPR_` wins, empty text counts as unset."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env

    def text(self, name: str) -> str | None:
        """Return the text of a variable."""
        return self.env.get(f"KASPR_{name}") or self.env.get(f"K_{name}") or None

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return a boolean; `0`, `no` and `off` are true (T8)."""
        value = self.text(name)
        return default if value is None else value not in {"False", "false"}

    def integers(self) -> dict[str, int | None]:
        """Return all integers; each is parsed at import, also one nobody needs."""
        result: dict[str, int | None] = {}
        for name, default in INTEGERS.items():
            value = self.text(name)
            if value is not None and not INTEGER.fullmatch(value):
                raise StartupCrash(
                    f"ValueError: invalid literal for int() with base 10: {value!r} (K_{name})"
                )
            result[name] = default if value is None else int(value)
        return result

    def floats(self) -> dict[str, float]:
        """Return all floating point numbers."""
        result: dict[str, float] = {}
        for name, default in FLOATS.items():
            value = self.text(name)
            try:
                result[name] = default if value is None else float(value)
            except ValueError:
                raise StartupCrash(
                    f"ValueError: could not convert string to float: {value!r} (K_{name})"
                ) from None
        return result


def parse(env: Mapping[str, str], *, hostname: str) -> Settings:
    """Return the settings of a member.

    Raises:
        StartupCrash: a value the runtime does not start with.
    """
    variables = Variables(env)
    numbers = variables.integers()
    floats = variables.floats()
    app_id = variables.text("APP_NAME")
    if not app_id:
        raise StartupCrash("ImproperlyConfigured: K_APP_NAME is required")
    check_security(variables)
    cron = variables.boolean("SCHEDULER_CRON_ENABLED", default=False)
    check_numbers(numbers, floats, cron=cron)
    bootstrap = variables.text("KAFKA_BOOTSTRAP_SERVERS") or "localhost:9092"
    directory = variables.text("DEFINITIONS_DIR") or "builders"
    return Settings(
        app_id=app_id,
        bootstrap=bootstrap,
        brokers=brokers(bootstrap),
        web_host=variables.text("WEB_HOST") or hostname,
        web_port=numbers["WEB_PORT"] or 0,
        metrics_path=f"{variables.text('WEB_METRICS_BASE_PATH') or ''}/metrics",
        instance_id=variables.text("CONSUMER_GROUP_INSTANCE_ID"),
        definitions_directory=directory if directory.startswith("/") else f"{APP_DIRECTORY}/{directory}",
        builder_enabled=variables.boolean("APP_BUILDER_ENABLED", default=True),
        topic_partitions=numbers["TOPIC_PARTITIONS"] or 1,
        allow_declare=variables.boolean("TOPIC_ALLOW_DECLARE", default=True),
        scheduler=cron or variables.boolean("SCHEDULER_ENABLED", default=False),
        session_timeout=numbers["BROKER_SESSION_TIMEOUT"] or 0,
        heartbeat_interval=numbers["BROKER_HEARTBEAT_INTERVAL"] or 0,
        recovery_delay=numbers["STREAM_RECOVERY_DELAY"] or 0,
    )


def brokers(text: str) -> tuple[str, ...]:
    """Return the brokers a member connects to.

    The text is split at semicolons; only the first part gets `kafka://` for free. A comma stays inside one URL, so a
    second `:port` behind it is no number (T1). A later part without scheme maps to the local host, silently.
    """
    result = []
    for index, part in enumerate(text.split(";")):
        if index and "://" not in part:
            result.append("127.0.0.1:9092")
            continue
        address = part.split("://", 1)[-1].split("/", 1)[0]
        host, separator, port = address.partition(":")
        if separator and (not port.isascii() or not port.isdecimal() or int(port) > MAX_PORT):
            raise StartupCrash(f"ValueError: port can't be converted to integer: {address!r}")
        result.append(f"{host or '127.0.0.1'}:{port or 9092}")
    return tuple(result)


def check_security(variables: Variables) -> None:
    """Refuse security values in another case, and SASL without a user or password."""
    protocol = variables.text("KAFKA_SECURITY_PROTOCOL") or "PLAINTEXT"
    if protocol not in PROTOCOLS:
        raise StartupCrash(f"ValueError: security_protocol must be one of {PROTOCOLS}, not {protocol!r}")
    mechanism = variables.text("KAFKA_SASL_MECHANISM")
    if mechanism is not None and mechanism not in MECHANISMS:
        raise StartupCrash(f"ValueError: {mechanism!r} is not a valid SASLMechanism")
    user = variables.text("KAFKA_AUTH_USERNAME")
    password = variables.text("KAFKA_AUTH_PASSWORD")
    if protocol.startswith("SASL") and not (user and password):
        raise StartupCrash("ValueError: sasl_plain_username and sasl_plain_password are required")


def check_numbers(numbers: Mapping[str, int | None], floats: Mapping[str, float], *, cron: bool) -> None:
    """Refuse numbers that contradict each other."""
    if (numbers["BROKER_REQUEST_TIMEOUT"] or 0) < (numbers["BROKER_SESSION_TIMEOUT"] or 0):
        raise StartupCrash("ValueError: broker_request_timeout must be at least broker_session_timeout")
    if not 0 < (numbers["WEB_PORT"] or 0) <= MAX_PORT:
        raise StartupCrash(f"OverflowError: bind(): port must be 0-65535: {numbers['WEB_PORT']}")
    buffer = floats["SCHEDULER_CRON_TICK_BUFFER_SECONDS"]
    tick = floats["SCHEDULER_CRON_TICK_INTERVAL_SECONDS"]
    smallest = floats["SCHEDULER_CRON_MIN_INTERVAL_SECONDS"]
    if cron and (buffer <= tick or buffer < 2 * smallest):
        raise StartupCrash("ValueError: scheduler_cron_tick_buffer_seconds is too small")
