"""How an app reaches Kafka: bootstrap servers, TLS, authentication.

In: parts of a KasprApp's spec. Out: frozen parts. Invariant: what is accepted here has a complete set of settings in the
runtime; half a set of credentials is refused instead of connecting without them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kaspr_controller.api.modelling import DataKey, Hint, ObjectName, Part
from kaspr_controller.api.rules import rule

_HOST = r"([a-z][a-z0-9+]*://)?([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?"

BootstrapServers = Annotated[
    str,
    Field(min_length=1, max_length=4096, pattern=rf"^\s*{_HOST}\s*([,;]\s*{_HOST}\s*)*$"),
    Hint("host:port, or several separated by commas"),
]


class TLS(Part):
    """TLS configuration: its presence, even empty, turns TLS on with the system's trust store."""


class PasswordSecret(Part):
    """A key of a Secret in the app's namespace."""

    secret_name: ObjectName = Field(description="The name of the Secret containing the password.")
    password_key: DataKey = Field(description="The key in the Secret under which the password is stored.")


class KafkaAuthentication(Part):
    """Kafka authentication configuration. `type: plain` without a username means no authentication."""

    type: Literal["scram-sha-256", "scram-sha-512", "plain"] = Field(
        description="The type of authentication to use."
    )
    username: str | None = Field(
        None, min_length=1, max_length=1024, description="Username used for authentication."
    )
    password_secret: PasswordSecret | None = Field(
        None, description="Details of the Secret where the authentication password is stored."
    )

    @rule(
        "self.type == 'plain' || has(self.username)",
        "scram authentication needs a username",
        at="username",
        reason="FieldValueRequired",
    )
    def _scram_has_a_user(self) -> bool:
        return self.type == "plain" or self.username is not None

    @rule(
        "has(self.username) == has(self.passwordSecret)",
        "username and passwordSecret belong together; set both, or neither for no authentication",
        at="passwordSecret",
    )
    def _user_has_a_password(self) -> bool:
        return (self.username is None) == (self.password_secret is None)
