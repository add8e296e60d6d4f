"""Where a group lives and who asks: plain values without a connection behind them.

In: parts of an app's spec and one key of one Secret, handed over by reconcilers. Out: `GroupAddress`, the hashable
identity of a group without any secret, and `Credentials`, whose password no `repr`, log line or message shows. Any
thread. Invariant: an address names the same listener settings as the environment of the app's own pods (contract 1.3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, cast

Mechanism: TypeAlias = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
SecurityProtocol: TypeAlias = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]

DEFAULT_PORT = 9092
_MAX_PORT = 65535
_MECHANISMS = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})
_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
_HOST = re.compile(r"^(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?$")


class AddressError(ValueError):
    """The spec does not say how to reach the brokers; the message names the field and the fix."""


class Secret:
    """A text that is shown only when asked for by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself; for the moment of logging in only."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __reduce__(self) -> str:
        raise TypeError("a secret is not written anywhere, pickles included")


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who logs in; both empty where nobody does."""

    username: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))


@dataclass(frozen=True, slots=True)
class Listener:
    """What a connection is made to: equal listeners can share one."""

    bootstrap: tuple[str, ...]
    mechanism: Mechanism | None
    tls: bool

    @property
    def protocol(self) -> SecurityProtocol:
        """As brokers and the runtime call it."""
        if self.mechanism is None:
            return "SSL" if self.tls else "PLAINTEXT"
        return "SASL_SSL" if self.tls else "SASL_PLAINTEXT"


@dataclass(frozen=True, slots=True)
class GroupAddress:
    """One consumer group behind one listener."""

    listener: Listener
    group: str

    def __str__(self) -> str:
        return f"{self.group} at {','.join(self.listener.bootstrap)} ({self.listener.protocol})"


def group_address(
    bootstrap: str,
    group: str,
    *,
    authentication: str = "plain",
    username: str | None = None,
    tls: bool = False,
) -> GroupAddress:
    """The address that an app's spec describes.

    Args:
        bootstrap: `spec.bootstrapServers` in any form that the app itself gets to work (trap T1): separated by commas or
            semicolons, blanks around, schemes before, ports left out.
        group: the consumer group, which is the app's id.
        authentication: `spec.authentication.type`; `plain` without a user name means that nobody logs in.
        username: `spec.authentication.username`.
        tls: `spec.tls` is present; servers are checked against the system's certificate authorities.

    Raises:
        AddressError: no server is named, one is not understood, or the type of authentication is unknown.
    """
    wanted = authentication.upper()
    if wanted not in _MECHANISMS:
        raise AddressError(
            f"spec.authentication.type is {authentication!r}; use plain, scram-sha-256 or scram-sha-512"
        )
    if wanted != "PLAIN" and not username:
        raise AddressError(f"spec.authentication.username is missing; {authentication} needs one")
    mechanism = cast("Mechanism", wanted) if username else None
    return GroupAddress(Listener(_servers(bootstrap), mechanism, tls), group)


def _servers(text: str) -> tuple[str, ...]:
    servers = []
    for part in re.split(r"[,;]", text):
        if not part.strip():
            continue
        found = _HOST.match(_SCHEME.sub("", part.strip()))
        if found is None or not 0 < int(found["port"] or DEFAULT_PORT) <= _MAX_PORT:
            raise AddressError(f"spec.bootstrapServers: {part.strip()!r} is not host:port")
        servers.append(f"{found['host']}:{int(found['port'] or DEFAULT_PORT)}")
    if not servers:
        raise AddressError("spec.bootstrapServers names no server; write host:port")
    return tuple(dict.fromkeys(servers))
