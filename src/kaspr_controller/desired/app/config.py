"""The runtime's settings: the `K_*` variables of an app and the ConfigMap that carries them (contract 2.6, 2.7).

In: a KasprApp. Out: `Settings`. Pure. Invariant: every value has the text that the runtime parses for its type; a number in
another notation ends its process at import (contract T8), and a list of brokers with commas does too (T1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kaspr_controller.api import quantities
from kaspr_controller.api.v1alpha1.app import KafkaAuthentication, KasprApp, KasprAppConfig, KasprAppSpec
from kaspr_controller.desired import hashing
from kaspr_controller.desired.app.identity import Identity
from kaspr_controller.desired.problems import INVALID_SPEC, NO_EFFECT, OVERRIDDEN, Problem

DEFAULT_WEB_PORT = 6065
DATA_DIRECTORY = "/var/lib/data"
TABLE_DIRECTORY = "/var/lib/data/tables"
DEFINITIONS_DIRECTORY = "/var/lib/data/definitions"

CACHE_SHARE = (3, 10)
"""Part of the memory limit that the scheduler's block cache gets: the runtime would take a third of the whole node."""

# Set by name elsewhere in the pod: a passed-through key of that name could only contradict it.
_SET_IN_POD = frozenset({"K_KAFKA_AUTH_PASSWORD", "K_CONSUMER_GROUP_INSTANCE_ID", "K_WEB_HOST"})
# Passed-through settings that the runtime parses with int(); anything else ends its process at import.
_WHOLE_NUMBERS = frozenset(
    {
        "K_BROKER_REQUEST_TIMEOUT",
        "K_BROKER_SESSION_TIMEOUT",
        "K_BROKER_HEARTBEAT_INTERVAL",
        "K_BROKER_COMMIT_EVERY",
        "K_BROKER_COMMIT_INTERVAL",
        "K_BROKER_MAX_POLL_RECORDS",
        "K_BROKER_MAX_POLL_INTERVAL",
        "K_PRODUCER_ACKS",
        "K_STREAM_BUFFER_MAXSIZE",
        "K_STREAM_RECOVERY_DELAY",
        "K_WORKER_ORDINAL_NUMBER",
    }
)
_INERT = {
    "store_rocksdb_bloom_filter_size": "storeRocksdbBloomFilterSize",
    "web_base_path": "webBasePath",
}
_BROKER_SCHEME = "kafka://"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one app.

    Attributes:
        data: variable -> text, sorted; the content of the settings ConfigMap.
        hash: of that content.
        web_port: where members listen.
        table_directory: where the tables' volume is mounted.
        scheduler: the scheduler runs and keeps tables of its own.
        sasl: members log in with a password.
        problems: what would end the runtime at its start.
        warnings: what has no effect.
        retained: settings that are not wanted any more and stay in the ConfigMap until no pod can refer to them: without
            the key a member of the old revision could not be started again. No part of `data` and of the hash.
    """

    data: dict[str, str]
    hash: str
    web_port: int
    table_directory: str
    scheduler: bool
    sasl: bool
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    retained: Mapping[str, str] = field(default_factory=dict)


def settings_of(app: KasprApp, identity: Identity, in_use: Mapping[str, str] | None = None) -> Settings:
    """Everything that `spec.config`, the brokers and the authentication turn into.

    `in_use` are the live settings that pods may still refer to (see `facts`).
    """
    spec = app.spec
    config = spec.config
    scheduler = bool(config.scheduler_enabled or config.scheduler_cron_enabled)
    values = _known(config)
    if scheduler and (size := _block_cache(spec)) is not None:
        values.setdefault("K_STORE_ROCKSDB_BLOCK_CACHE_SIZE", str(size))
    fixed = _fixed(spec, identity)
    passed, lost = _passed_through(config, taken=frozenset(values) | frozenset(fixed) | _SET_IN_POD)
    data = dict(sorted((values | passed | fixed).items()))
    return Settings(
        data=data,
        hash=hashing.of_value(data),
        web_port=config.web_port or DEFAULT_WEB_PORT,
        table_directory=config.table_dir or TABLE_DIRECTORY,
        scheduler=scheduler,
        sasl=_is_sasl(spec.authentication),
        problems=tuple(_contradictions(data, cron=bool(config.scheduler_cron_enabled))),
        warnings=(*_inert(config), *lost),
        retained={name: text for name, text in (in_use or {}).items() if name not in data},
    )


def config_map(settings: Settings, identity: Identity) -> dict[str, Any]:
    """The ConfigMap object."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": identity.metadata(identity.settings),
        "data": dict(sorted({**settings.retained, **settings.data}.items())),
    }


def bootstrap_servers(text: str) -> str:
    """A broker list as the runtime understands it: `a:9092, b:9092` becomes `a:9092;kafka://b:9092`.

    The runtime puts `kafka://` before the whole text and splits it at semicolons. A text that has semicolons is in its
    own form already and is left alone.
    """
    if ";" in text:
        return text.strip()
    brokers = [broker.strip().removeprefix(_BROKER_SCHEME) for broker in text.split(",")]
    return f";{_BROKER_SCHEME}".join(broker for broker in brokers if broker)


def security_protocol(authentication: KafkaAuthentication, *, tls: bool) -> str:
    """`PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`; the runtime compares case and all."""
    if _is_sasl(authentication):
        return "SASL_SSL" if tls else "SASL_PLAINTEXT"
    return "SSL" if tls else "PLAINTEXT"


def text_of(value: bool | float | str) -> str:  # noqa: FBT001 - a value, not a switch
    """A setting's text by its type: `True`, `67108864`, `3.0`, or the text itself."""
    return str(value)


def _is_sasl(authentication: KafkaAuthentication) -> bool:
    return authentication.type != "plain" or authentication.username is not None


def _known(config: KasprAppConfig) -> dict[str, str]:
    values = {}
    for name in KasprAppConfig.model_fields:
        value = getattr(config, name)
        if value is not None:
            values[f"K_{name.upper()}"] = text_of(value)
    return values


def _fixed(spec: KasprAppSpec, identity: Identity) -> dict[str, str]:
    authentication = spec.authentication
    values = {
        "K_APP_NAME": identity.workload,
        "K_KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers(spec.bootstrap_servers),
        "K_KAFKA_SECURITY_PROTOCOL": security_protocol(authentication, tls=spec.tls is not None),
        "K_WEB_PORT": str(spec.config.web_port or DEFAULT_WEB_PORT),
        "K_DATA_DIR": DATA_DIRECTORY,
        "K_TABLE_DIR": spec.config.table_dir or TABLE_DIRECTORY,
        "K_DEFINITIONS_DIR": DEFINITIONS_DIRECTORY,
    }
    if _is_sasl(authentication):
        values["K_KAFKA_SASL_MECHANISM"] = authentication.type.upper()
        values["K_KAFKA_AUTH_USERNAME"] = authentication.username or ""
    return values


def _passed_through(config: KasprAppConfig, *, taken: frozenset[str]) -> tuple[dict[str, str], list[Problem]]:
    values, lost = {}, []
    for key, value in sorted(config.passthrough.items()):
        name = f"K_{key.upper()}"
        if name in taken:
            text = f"{name} is set by the controller; this key has no effect"
            lost.append(Problem(OVERRIDDEN, f"spec.config.{key}", text))
        else:
            # The type the runtime wants is unknown here; a whole number is one in both int() and float().
            whole = isinstance(value, float) and value.is_integer()
            values[name] = text_of(int(value) if whole else value)
    return values, lost


def _block_cache(spec: KasprAppSpec) -> int | None:
    limit = ((spec.resources or {}).get("limits") or {}).get("memory")
    share, whole = CACHE_SHARE
    return int(quantities.parse(limit) * share / whole) if limit is not None else None


def _inert(config: KasprAppConfig) -> list[Problem]:
    return [
        Problem(NO_EFFECT, f"spec.config.{spelled}", "the runtime does not read this setting")
        for name, spelled in _INERT.items()
        if getattr(config, name) is not None
    ]


def _contradictions(data: dict[str, str], *, cron: bool) -> list[Problem]:
    found = [
        Problem(INVALID_SPEC, f"spec.config.{name[2:].lower()}", f"must be a whole number, not {data[name]}")
        for name in sorted(_WHOLE_NUMBERS & data.keys())
        if not data[name].removeprefix("-").isdecimal()
    ]
    if found:
        return found
    request, session = (int(data.get(f"K_BROKER_{name}_TIMEOUT", default)) for name, default in _TIMEOUTS)
    if request < session:
        text = f"the request timeout ({request} s) must not be below the session timeout ({session} s)"
        found.append(Problem(INVALID_SPEC, "spec.config.broker_request_timeout", text))
    tick, buffer, least = (
        float(data.get(f"K_SCHEDULER_CRON_{name}_SECONDS", default)) for name, default in _CRON
    )
    if cron and (buffer <= tick or buffer < 2 * least):
        text = f"must exceed schedulerCronTickIntervalSeconds ({tick:g}) and be at least twice schedulerCronMinIntervalSeconds ({least:g})"
        found.append(Problem(INVALID_SPEC, "spec.config.schedulerCronTickBufferSeconds", text))
    return found


# The runtime's own defaults count where the user says nothing.
_TIMEOUTS = (("REQUEST", "180"), ("SESSION", "120"))
_CRON = (("TICK_INTERVAL", "30"), ("TICK_BUFFER", "600"), ("MIN_INTERVAL", "5"))
