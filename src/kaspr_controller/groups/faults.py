"""What the library's exceptions mean for us.

In: any exception of kafka-python. Out: a `GroupError` whose reason is a phrase of ours; only what OpenSSL says about a
certificate is passed on. Called by `admin`, on a desk's thread. Imported late, with the library.
Invariant: no text of a broker and nothing that was sent (passwords among it) gets out.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable

from kafka import errors

from kaspr_controller.groups.answers import FaultKind
from kaspr_controller.groups.errors import GroupError

_TELLING = ("auth-failed", "tls-failed", "no-permission", "unsupported", "wrong", "timeout", "unreachable")


def translate(error: BaseException) -> GroupError:
    """The same fault in our words."""
    if isinstance(error, GroupError):
        return error
    for types, kind, reason in _TABLE:
        if isinstance(error, types):
            return GroupError(kind, reason if isinstance(reason, str) else reason(error))
    return GroupError("wrong", f"an answer that is not understood ({type(error).__name__})")


def handshake(error: Exception) -> GroupError:
    """Why no TLS connection came about; peers that speak no TLS say something strange, hang up or reset."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return GroupError("tls-failed", f"the broker's certificate is not accepted: {error.verify_message}")
    return GroupError("tls-failed", "no TLS connection came about; the listener may not speak TLS")


def most_telling(found: list[GroupError]) -> GroupError:
    """Of several servers' faults the one that says most about what to change."""
    return min(found, key=lambda error: _TELLING.index(error.kind) if error.kind in _TELLING else 0)


def by_code(code: int) -> GroupError | None:
    """The fault that an error code of an answer stands for, None for 0."""
    kind = errors.for_code(code)
    return None if kind is errors.NoError else translate(kind())


def _login(error: BaseException) -> str:
    if isinstance(error, errors.SaslAuthenticationFailedError):
        return "user name or password was refused"
    if isinstance(error, errors.UnsupportedSaslMechanismError):
        return "the listener does not offer this type of authentication"
    return "the listener does not ask for a login"


def _permission(error: BaseException) -> str:
    if isinstance(error, errors.GroupAuthorizationFailedError):
        return "an ACL on the group is missing (DESCRIBE to look, READ to say goodbye)"
    if isinstance(error, errors.TopicAuthorizationFailedError):
        return "an ACL on a topic is missing (DESCRIBE)"
    return "an ACL is missing"


def _line(error: BaseException) -> str:
    text = str(error)
    if "disconnected" in text or "reset" in text:
        return "the broker ended the connection; TLS and authentication may not suit the listener"
    return "no connection to the broker"


# The first line that fits; the library's own classes overlap.
_TABLE: tuple[
    tuple[tuple[type[BaseException], ...], FaultKind, str | Callable[[BaseException], str]], ...
] = (
    (
        (
            errors.SaslAuthenticationFailedError,
            errors.UnsupportedSaslMechanismError,
            errors.IllegalSaslStateError,
        ),
        "auth-failed",
        _login,
    ),
    ((errors.AuthorizationError,), "no-permission", _permission),
    (
        (
            errors.CoordinatorNotAvailableError,
            errors.CoordinatorLoadInProgressError,
            errors.NotCoordinatorError,
        ),
        "not-ready",
        "the brokers are looking for the group or loading it",
    ),
    (
        (errors.UnsupportedVersionError, errors.UnrecognizedBrokerVersion),
        "unsupported",
        "the brokers lack the request; Kafka 2.3 or newer is needed",
    ),
    ((errors.KafkaTimeoutError, errors.RequestTimedOutError), "timeout", "no answer in time"),
    (
        (errors.KafkaProtocolError,),
        "wrong",
        "what answers does not speak Kafka; the listener may want TLS",
    ),
    (
        (errors.KafkaConnectionError, errors.NodeNotReadyError, errors.Cancelled, OSError),
        "unreachable",
        _line,
    ),
    ((errors.RetriableError,), "not-ready", "the brokers are moving what was asked for"),
)
