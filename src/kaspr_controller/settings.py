"""Every number and switch of the program: one frozen model, each with its unit, its bounds and its reason.

Read once at start by the command line and wiring, which hand plain values to the rooms; no other room imports this.
Sources, the first that has a value wins: arguments, environment, the dotenv file named by `ENV_FILE`, the default. A
field is named like its variable, in lower case; the names of the old operator (contract 7.2) keep their meaning. An
empty variable counts as absent. Everything that is wrong is reported at once, by name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

if TYPE_CHECKING:
    from collections.abc import Mapping

_ON = {"true", "yes", "1", "on"}
_OFF = {"false", "no", "0", "off"}
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_SERVICE_LINK = re.compile(r"(tcp|udp|sctp)://")
_ASSIGNMENT = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)")
MAX_NAMESPACES = 20
"""Namespaces that are watched one by one; above it (rule N1) one watch on all of them is cheaper for everybody."""
_MIN_JITTER = 1.2


class SettingsError(ValueError):
    """The settings cannot be used; `faults` has one line for each thing that is wrong."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("the settings cannot be used:\n" + "\n".join(f"  {fault}" for fault in faults))
        self.faults = tuple(faults)


def _switch(value: object) -> object:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _ON | _OFF:
        return text in _ON
    raise ValueError("use true, yes, 1, on or false, no, 0, off")


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _namespaces(value: object) -> tuple[str, ...]:
    parts = (
        value.split(",") if isinstance(value, str) else list(value) if isinstance(value, list | tuple) else []
    )
    names = tuple(dict.fromkeys(name for part in parts if (name := str(part).strip()) not in {"", "*"}))
    if wrong := [name for name in names if not _LABEL.fullmatch(name)]:
        raise ValueError(f"no namespace can be called {wrong[0]!r}")
    if len(names) > MAX_NAMESPACES:
        raise ValueError(f"name {MAX_NAMESPACES} namespaces at most, or none to watch all of them")
    return names


def _domain(value: object) -> str:
    text = str(value).strip().rstrip(".").lower()
    if not all(_LABEL.fullmatch(part) for part in text.split(".")):
        raise ValueError("use a DNS domain such as cluster.local")
    return text


def _registry(value: object) -> str:
    text = str(value).strip().rstrip("/")
    if "://" in text or any(character.isspace() for character in text):
        raise ValueError("use host[:port][/path] without a scheme")
    return text


Switch = Annotated[bool, BeforeValidator(_switch)]
Seconds = Annotated[float, Field(allow_inf_nan=False)]
Namespaces = Annotated[tuple[str, ...], BeforeValidator(_namespaces)]


def _setting(
    default: Any, reason: str, *, unit: str = "", ge: float | None = None, le: float | None = None
) -> Any:
    """A field with its documentation; `reason` says what it does and why the default is what it is."""
    return Field(default, description=reason, json_schema_extra={"unit": unit}, ge=ge, le=le)


class Settings(BaseModel):
    """What can be set. Immutable; `Settings()` has the defaults and reads nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=False)

    # What the old operator knows, by the same names.
    initial_max_replicas: int = _setting(
        1, "Members an app starts with when it is scaled up from 0.", unit="members", ge=1, le=1000
    )
    hpa_scale_up_policy_pods_per_step: int = _setting(
        4, "Members the autoscaler may add in one step.", unit="members", ge=1, le=1000
    )
    hpa_scale_up_policy_period_seconds: int = _setting(
        60, "Length of one such step; Kubernetes allows 1800 at most.", unit="s", ge=1, le=1800
    )
    statefulset_deletion_timeout_seconds: int = _setting(
        5,
        "Time that a StatefulSet may take to go when it is replaced around its running pods.",
        unit="s",
        ge=0,
        le=600,
    )
    client_status_check_enabled: Switch = _setting(
        True, "Ask the members how they are. Off: no member status, no automatic rebalance, no hung members."
    )
    client_status_check_timeout_seconds: Seconds = _setting(
        15.0,
        "Upper limit for one question to a member. Values above 3 change nothing: a healthy member needs milliseconds.",
        unit="s",
        ge=0.1,
        le=3600,
    )
    kaspr_image_registry: Annotated[str, BeforeValidator(_registry)] = _setting(
        "", "Prefix of every app image, for a mirror: `<registry>/<image>`."
    )
    auto_rebalance_enabled: Switch = _setting(
        True,
        "Ask the leader for a rebalance when an app reads other topics than before; an annotation overrides it.",
    )
    hung_member_detection_enabled: Switch = _setting(
        True, "Restart members that hang in a rebalance; an annotation overrides it."
    )
    hung_rebalancing_threshold_seconds: int = _setting(
        300,
        "Time in a rebalance after which a member counts as hung; a healthy one takes 20 s.",
        unit="s",
        ge=1,
    )
    metrics_port: int = _setting(
        8000, "Port of metrics, health and readiness; 0 takes any free one.", unit="port", ge=0, le=65535
    )
    env_file: str = _setting(
        ".env", "A dotenv file; the environment wins over it. Only `.env` may be missing."
    )

    # Ours.
    metrics_address: str = _setting("0.0.0.0", "Address of that port; `::` where pods have IPv6 only.")
    debug_port: int = _setting(
        0, "Port of the debug pages on 127.0.0.1; 0 switches them off.", unit="port", ge=0, le=65535
    )
    scaling_mode: Annotated[Literal["autoscaler", "direct"], BeforeValidator(_lower)] = _setting(
        "autoscaler",
        "`autoscaler` lets a HorizontalPodAutoscaler go to `spec.replicas` step by step and needs the metrics API; "
        "`direct` sets the replicas at once.",
    )
    watch_namespaces: Namespaces = _setting(
        (), f"Namespaces to work in, separated by commas, {MAX_NAMESPACES} at most; empty means all."
    )
    leader_election: Switch = _setting(
        True, "Only the holder of the lease acts; off only where there never is a second process."
    )
    leader_election_name: str = _setting("kaspr-controller", "Name of the lease.")
    leader_election_namespace: str = _setting("", "Namespace of the lease; empty means that of the pod.")
    leader_election_lease_seconds: int = _setting(
        15, "Silence of the holder after which another process may take over.", unit="s", ge=2, le=3600
    )
    leader_election_renew_seconds: Seconds = _setting(
        10.0, "Time without a renewal after which the holder stops acting and ends.", unit="s", ge=1, le=3600
    )
    leader_election_retry_seconds: Seconds = _setting(
        2.0, "Time between two tries to take or renew the lease.", unit="s", ge=0.1, le=3600
    )
    workers: int = _setting(
        8,
        "Half as many apps and a quarter as many components are reconciled at a time; more would fight for one core.",
        ge=1,
        le=64,
    )
    coalesce_first_seconds: Seconds = _setting(
        0.1, "Quiet time after the first change of an app before it is reconciled.", unit="s", ge=0, le=60
    )
    coalesce_burst_seconds: Seconds = _setting(
        0.5,
        "Quiet time once changes come in a burst, so that many edits make one rollout.",
        unit="s",
        ge=0,
        le=60,
    )
    coalesce_limit_seconds: Seconds = _setting(
        3.0, "Longest time that a burst may hold an app back.", unit="s", ge=0, le=600
    )
    settle_seconds: Seconds = _setting(
        2.0,
        "Quiet time among the components of a new app before its first pod starts: a first pod without all "
        "definitions would never process anything.",
        unit="s",
        ge=0,
        le=600,
    )
    settle_limit_seconds: Seconds = _setting(
        15.0, "Longest time that a new app waits for its components to be quiet.", unit="s", ge=0, le=3600
    )
    resync_seconds: Seconds = _setting(
        36_000.0, "Every app is reconciled this often without a change, as a safety net.", unit="s", ge=60
    )
    refused_seconds: Seconds = _setting(
        300.0,
        "What the API server refuses for good is asked for again this often, since a policy may have been changed.",
        unit="s",
        ge=10,
        le=86_400,
    )
    api_qps: Seconds = _setting(
        500.0,
        "Requests to the API server, watches aside; halved for 30 s when it says 429. Far above what an orderly day "
        "needs: it bounds a mistake, the server's own priority and fairness bounds the rest.",
        unit="1/s",
        ge=1,
        le=1000,
    )
    api_burst: int = _setting(1000, "Requests that may be sent at once after a quiet time.", ge=1, le=10_000)
    member_poll_seconds: Seconds = _setting(
        2.0, "Time between two questions to a member while its app is not calm.", unit="s", ge=0.1, le=600
    )
    kafka_goodbyes_enabled: Switch = _setting(
        True,
        "Take the seats of members that are gone away in Kafka (see docs/kafka-access.md); off, or without access, "
        "their partitions are read by nobody until the session timeout. An annotation overrides it.",
    )
    rollout_mode: Annotated[Literal["driven", "plain"], BeforeValidator(_lower)] = _setting(
        "driven",
        "`driven` replaces the next member when the last one processes; `plain` leaves rollouts to the StatefulSet "
        "controller, which goes on a second after the last one started.",
    )
    rollout_deadline_seconds: int = _setting(
        600,
        "Time without any progress after which a rollout is called stuck and its cause is named; nothing is taken back.",
        unit="s",
        ge=1,
    )
    member_time_scale: Seconds = _setting(
        1.0,
        "Factor on all times that follow from the members' runtime (start, session timeout, pauses between looks). For "
        "simulated nodes only, which live faster.",
        ge=0.001,
        le=1,
    )
    pod_security: Annotated[Literal["none", "restricted"], BeforeValidator(_lower)] = _setting(
        "none",
        "`restricted` gives app pods the security context of that Pod Security Standard; `none` adds nothing, as the old "
        "operator does, and a change restarts every member.",
    )
    cluster_domain: Annotated[str, BeforeValidator(_domain)] = _setting(
        "cluster.local",
        "DNS domain of the cluster, a part of every member's address; a change makes members exit once.",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = _setting(
        "info", "Least severity that is logged."
    )
    log_style: Annotated[Literal["json", "console"], BeforeValidator(_lower)] = _setting(
        "json", "`json` for machines, `console` for people."
    )

    @model_validator(mode="after")
    def _fit_together(self) -> Self:
        rules = {
            "LEADER_ELECTION_LEASE_SECONDS must be greater than LEADER_ELECTION_RENEW_SECONDS": (
                self.leader_election_lease_seconds > self.leader_election_renew_seconds
            ),
            f"LEADER_ELECTION_RENEW_SECONDS must be greater than {_MIN_JITTER} x LEADER_ELECTION_RETRY_SECONDS": (
                self.leader_election_renew_seconds > _MIN_JITTER * self.leader_election_retry_seconds
            ),
            "COALESCE_FIRST_SECONDS, COALESCE_BURST_SECONDS and COALESCE_LIMIT_SECONDS must not decrease in this order": (
                self.coalesce_first_seconds <= self.coalesce_burst_seconds <= self.coalesce_limit_seconds
            ),
            "SETTLE_LIMIT_SECONDS must not be smaller than SETTLE_SECONDS": (
                self.settle_seconds <= self.settle_limit_seconds
            ),
            "DEBUG_PORT must not be METRICS_PORT": not self.debug_port
            or self.debug_port != self.metrics_port,
        }
        if broken := [rule for rule, holds in rules.items() if not holds]:
            raise ValueError("; ".join(broken))
        return self

    @classmethod
    def load(cls, environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None) -> Settings:
        """The settings of one process.

        Args:
            environ: the environment, with `ENV_FILE` if a file shall be read.
            overrides: field name -> value from the command line; `None` values are left out.

        Raises:
            SettingsError: with every fault, not only the first.
        """
        merged = read_environment(environ)
        values: dict[str, Any] = {
            name: merged[name.upper()] for name in cls.model_fields if _is_set(name.upper(), merged)
        }
        values |= {name: value for name, value in (overrides or {}).items() if value is not None}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError([_explain(fault) for fault in error.errors()]) from None


def read_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment over the contents of the dotenv file, also for the `$NAME`s in the package specs of apps.

    Raises:
        SettingsError: the file cannot be read or has lines that are not `NAME=value`.
    """
    path = Path(environ.get("ENV_FILE") or ".env")
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        if environ.get("ENV_FILE"):
            raise SettingsError([f"ENV_FILE={str(path)!r}: there is no such file"]) from None
        text = ""
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"ENV_FILE={str(path)!r}: cannot be read: {error}"]) from None
    return _dotenv(text, str(path)) | dict(environ)


def describe() -> str:
    """The settings as a Markdown table, for docs/configuration.md."""
    rows = ["| Variable | Default | Unit | Values | Meaning |", "|---|---|---|---|---|"]
    properties = Settings.model_json_schema()["properties"]
    for name, field in Settings.model_fields.items():
        schema = properties[name]
        default = _default_text(field.default)
        cells = (f"`{name.upper()}`", default, schema["unit"], _values_text(schema), schema["description"])
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def _is_set(variable: str, environ: Mapping[str, str]) -> bool:
    value = environ.get(variable, "").strip()
    # A Service called "metrics" makes Kubernetes set METRICS_PORT=tcp://... in every pod of its namespace.
    return bool(value) and not (variable.endswith("_PORT") and _SERVICE_LINK.match(value))


def _explain(fault: Mapping[str, Any]) -> str:
    message = str(fault["msg"]).removeprefix("Value error, ")
    if not fault["loc"]:
        return message
    name = str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        return f"{name}: there is no such setting"
    return f"{name.upper()}={str(fault['input'])[:60]!r}: {message[0].lower()}{message[1:]}"


def _dotenv(text: str, path: str) -> dict[str, str]:
    values: dict[str, str] = {}
    faults: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        if (found := _ASSIGNMENT.fullmatch(stripped)) is None:
            faults.append(f"{path}:{number}: write NAME=value")
            continue
        values[found["name"]] = _unquoted(found["value"])
    if faults:
        raise SettingsError(faults)
    return values


def _unquoted(value: str) -> str:
    quoted = re.fullmatch(r"(?P<quote>['\"])(?P<text>.*)(?P=quote)(\s+#.*)?", value)
    return quoted["text"] if quoted else re.sub(r"(^|\s+)#.*", "", value)


def _default_text(default: object) -> str:
    if isinstance(default, bool):
        return "`true`" if default else "`false`"
    if isinstance(default, float) and default.is_integer():
        return f"`{int(default)}`"
    return f"`{default}`" if default not in {"", ()} else ""


def _values_text(schema: Mapping[str, Any]) -> str:
    if schema.get("type") == "boolean":
        return "`true`, `false`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None:
        return ""
    return f"{low} to {high}" if high is not None else f"from {low}"
