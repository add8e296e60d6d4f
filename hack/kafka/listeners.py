"""What the broker's configuration says: listeners, users, and settings that make tests quick.

In: ports and a folder. Out: the text of `server.properties`. Called by `broker.py`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

USERS = {
    "app": "app-secret",
    "looker": "looker-secret",
    "stranger": "stranger-secret",
}
"""Users of every SASL mechanism. None may do anything until an ACL says so."""
LISTENERS = ("PLAINTEXT", "SASL_PLAINTEXT", "SSL", "SASL_SSL")
STORE_PASSWORD = "throw-away"  # noqa: S105  # guards a key on loopback that lives for a minute
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule"
FIXED = {
    "ssl.keystore.type": "PKCS12",
    "ssl.keystore.password": STORE_PASSWORD,
    "sasl.enabled.mechanisms": ",".join(_MECHANISMS),
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    # Whoever comes without a login is the administrator; users have what ACLs give them.
    "super.users": "User:ANONYMOUS",
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    # A killed broker may register again as soon as its old registration has run out (default: 9 s).
    "broker.session.timeout.ms": "1500",
    "broker.heartbeat.interval.ms": "300",
    # A rebalance begins at once, and a session may be as short as a test needs.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
}


def properties(ports: Mapping[str, int], data: Path, keystore: Path) -> str:
    """The configuration of a broker that is its own controller.

    Args:
        ports: by listener, and `CONTROLLER`.
        data: where its log is.
        keystore: PKCS12, with the key of `localhost`.
    """
    names = [*LISTENERS, "CONTROLLER"]
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@localhost:{ports['CONTROLLER']}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listeners": ",".join(f"{name}://localhost:{ports[name]}" for name in names),
        "advertised.listeners": ",".join(f"{name}://localhost:{ports[name]}" for name in LISTENERS),
        "listener.security.protocol.map": ",".join(
            f"{name}:{'PLAINTEXT' if name == 'CONTROLLER' else name}" for name in names
        ),
        "log.dirs": str(data),
        "ssl.keystore.location": str(keystore),
    }
    settings |= FIXED | _logins()
    return "".join(f"{name}={value}\n" for name, value in settings.items())


def scram_users() -> list[str]:
    """Arguments of the storage tool that create the users of SCRAM."""
    return [
        word
        for name, password in USERS.items()
        for mechanism in _MECHANISMS[1:]
        for word in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
    ]


def _logins() -> dict[str, str]:
    known = " ".join(f'user_{name}="{password}"' for name, password in USERS.items())
    modules = {"PLAIN": f"{_PLAIN} required {known};"} | dict.fromkeys(_MECHANISMS[1:], f"{_SCRAM} required;")
    return {
        f"listener.name.{listener}.{mechanism.lower()}.sasl.jaas.config": module
        for listener in ("sasl_plaintext", "sasl_ssl")
        for mechanism, module in modules.items()
    }
