"""What the library's errors mean, and that their texts stay inside."""

from __future__ import annotations

import ssl
from typing import get_args

import pytest
from kafka import errors

from kaspr_controller.groups import faults
from kaspr_controller.groups.answers import FaultKind
from kaspr_controller.groups.errors import GroupError

ALL = sorted(
    (
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, Exception) and each is not errors.NoError
    ),
    key=lambda each: each.__name__,
)


@pytest.mark.parametrize("kind", ALL, ids=lambda kind: kind.__name__)
def test_every_error_of_the_library_is_translated(kind: type[Exception]) -> None:
    """Into a kind that we know and a reason of ours: texts of brokers and of requests may hold anything."""
    fault = faults.translate(kind("hunter2"))
    assert fault.kind in get_args(FaultKind)
    assert fault.reason
    assert "hunter2" not in f"{fault} {fault.reason}"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.SaslAuthenticationFailedError, "auth-failed"),
        (errors.UnsupportedSaslMechanismError, "auth-failed"),
        (errors.GroupAuthorizationFailedError, "no-permission"),
        (errors.TopicAuthorizationFailedError, "no-permission"),
        (errors.ClusterAuthorizationFailedError, "no-permission"),
        (errors.NotCoordinatorError, "not-ready"),
        (errors.CoordinatorLoadInProgressError, "not-ready"),
        (errors.CoordinatorNotAvailableError, "not-ready"),
        (errors.NotLeaderForPartitionError, "not-ready"),
        (errors.UnsupportedVersionError, "unsupported"),
        (errors.IncompatibleBrokerVersion, "unsupported"),
        (errors.KafkaTimeoutError, "timeout"),
        (errors.RequestTimedOutError, "timeout"),
        (errors.KafkaConnectionError, "unreachable"),
        (errors.NodeNotReadyError, "unreachable"),
        (errors.CorrelationIdError, "wrong"),
        (errors.UnknownMemberIdError, "wrong"),
        (ConnectionResetError, "unreachable"),
        (ValueError, "wrong"),
    ],
)
def test_kinds_say_where_to_look(error: type[Exception], kind: str) -> None:
    """Waiting helps for some, the user for others."""
    assert faults.translate(error()).kind == kind


def test_what_openssl_says_about_a_certificate_is_passed_on() -> None:
    """It names the host or the chain, and comes from this side; everything else ends in one phrase."""
    refused = ssl.SSLCertVerificationError("x")
    refused.verify_message = "self-signed certificate"
    assert "self-signed certificate" in faults.handshake(refused).reason
    for error in (refused, ssl.SSLEOFError("hunter2"), ConnectionResetError("hunter2")):
        fault = faults.handshake(error)
        assert fault.kind == "tls-failed"
        assert "hunter2" not in fault.reason


def test_codes_of_answers_are_translated() -> None:
    """0 is no fault; a code of the future is one."""
    assert faults.by_code(0) is None
    found = [faults.by_code(code) for code in (30, 16, 9999)]
    assert [fault.kind if fault else "" for fault in found] == ["no-permission", "not-ready", "wrong"]


def test_of_several_servers_the_most_telling_fault_counts() -> None:
    """One dead server in the list must not hide that the login is wrong."""
    found = [GroupError("unreachable", "a"), GroupError("auth-failed", "b"), GroupError("timeout", "c")]
    assert faults.most_telling(found).kind == "auth-failed"
    assert faults.most_telling(found[::2]).kind == "timeout"
