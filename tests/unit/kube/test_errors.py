"""Every refusal of an API server becomes one error with one way to go on."""

from __future__ import annotations

import json

import pytest

from kaspr_controller.kube import errors
from tests.fakes.apiserver import status

UID_IN_DELETE = 'Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (x) does not match the UID in record (y).'
UID_IN_STORAGE = "Precondition failed: UID in precondition: x, UID in object meta: y"
UID_IN_APPLY = 'Operation cannot be fulfilled on configmaps "a": uid mismatch: the provided object specified uid x, and no existing object was found'
QUOTA = 'configmaps "a" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: 1, limited: 1'
TYPED = "failed to create typed patch object (ns/a; apps/v1, Kind=StatefulSet): duplicate entries for key"
TERMINATING = (
    'configmaps "a" is forbidden: unable to create new content in namespace n because it is being terminated'
)

TABLE = [
    (400, "BadRequest", "bad", None, errors.BadRequest, "terminal"),
    (401, "Unauthorized", "Unauthorized", None, errors.Unauthorized, "transient"),
    (403, "Forbidden", 'pods is forbidden: User "x" cannot list', None, errors.Forbidden, "wait"),
    (403, "Forbidden", QUOTA, None, errors.QuotaExceeded, "wait"),
    (403, "Forbidden", TERMINATING, None, errors.NamespaceTerminating, "wait"),
    (403, "Forbidden", "no", [{"reason": "NamespaceTerminating"}], errors.NamespaceTerminating, "wait"),
    (404, "NotFound", 'pods "a" not found', None, errors.NotFound, "wait"),
    (405, "MethodNotAllowed", "", None, errors.BadRequest, "terminal"),
    (409, "AlreadyExists", 'pods "a" already exists', None, errors.AlreadyExists, "transient"),
    (409, "Conflict", "the object has been modified", None, errors.Conflict, "transient"),
    (409, "Conflict", "conflict", [{"reason": "FieldManagerConflict"}], errors.ApplyConflict, "wait"),
    (409, "Conflict", UID_IN_DELETE, None, errors.UidMismatch, "transient"),
    (409, "Conflict", UID_IN_STORAGE, None, errors.UidMismatch, "transient"),
    (409, "Conflict", UID_IN_APPLY, None, errors.UidMismatch, "transient"),
    (410, "Expired", "too old resource version", None, errors.Expired, "transient"),
    (410, "Gone", "gone", None, errors.Gone, "transient"),
    (413, "RequestEntityTooLarge", "limit is 3145728", None, errors.TooLarge, "terminal"),
    (415, "UnsupportedMediaType", "", None, errors.BadRequest, "terminal"),
    (422, "Invalid", "field is immutable", None, errors.Invalid, "terminal"),
    (429, "TooManyRequests", "slow down", None, errors.TooManyRequests, "transient"),
    (500, "", TYPED, None, errors.Malformed, "terminal"),
    (500, "InternalError", "etcd failed", None, errors.ServerError, "transient"),
    (503, "ServiceUnavailable", "", None, errors.ServerError, "transient"),
    (
        504,
        "Timeout",
        "",
        [{"reason": "ResourceVersionTooLarge"}],
        errors.ResourceVersionTooLarge,
        "transient",
    ),
    (504, "Timeout", "etcd", None, errors.ServerError, "transient"),
]


@pytest.mark.parametrize(("code", "reason", "message", "causes", "kind", "category"), TABLE)
def test_a_status_becomes_the_error_of_its_meaning(
    code: int,
    reason: str,
    message: str,
    causes: list[dict[str, str]] | None,
    kind: type[errors.ApiError],
    category: errors.Category,
) -> None:
    """Code, reason, causes and, where the server has no word for it, the message decide; ERROR events count the same."""
    body = status(code, reason, message, causes)
    for error in (errors.from_response(code, json.dumps(body).encode()), errors.from_status(body)):
        assert type(error) is kind
        assert error.category == category
        assert error.status == code
        if message:
            assert str(error) == message


def test_causes_name_the_fields() -> None:
    """A condition can say which field the server refused."""
    cause = {"reason": "FieldValueInvalid", "field": "spec.replicas", "message": "must be >= 0"}
    error = errors.from_status(status(422, "Invalid", "bad", [cause]))
    assert error.causes == (errors.Cause("FieldValueInvalid", "spec.replicas", "must be >= 0"),)


@pytest.mark.parametrize(
    ("header", "detail", "seconds"),
    [
        ("7", None, 7.0),
        (None, 3, 3.0),
        ("7", 3, 7.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None, None),
        ("-4", 2, 2.0),
        ("inf", None, None),
        (None, None, None),
    ],
)
def test_the_wait_that_the_server_asks_for(
    header: str | None, detail: int | None, seconds: float | None
) -> None:
    """Header first, then the body; dates and nonsense count as nothing."""
    body = status(429, "TooManyRequests", "slow")
    if detail is not None:
        body["details"] = {"retryAfterSeconds": detail}
    error = errors.from_response(429, json.dumps(body).encode(), retry_after=header)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    "body", [b"<html>Bad Gateway</html>", b"", b"null", b"[]", b'{"kind":"Pod"}', b"\xff\xfe"]
)
def test_a_proxy_page_is_no_status(body: bytes) -> None:
    """Whatever stands between us and the API server may answer; its page is quoted, shortly."""
    error = errors.from_response(502, body * 100)
    assert type(error) is errors.ServerError
    assert "HTTP 502" in str(error)
    assert len(str(error)) < 300


def test_messages_are_bounded() -> None:
    """A message ends up in a condition; a schema error can be pages long."""
    error = errors.from_status(status(422, "Invalid", "x" * 5000))
    assert len(error.message) == errors.MESSAGE_LIMIT
    assert error.message.endswith("…")


def test_every_error_has_a_known_category() -> None:
    """A new class cannot forget to say how to go on."""
    todo = [errors.ApiError]
    seen = 0
    while todo:
        cls = todo.pop()
        seen += 1
        assert cls.category in {"terminal", "wait", "transient"}
        assert cls.__name__ in (errors.__doc__ or ""), f"{cls.__name__} is missing in the tree"
        # Other tests make errors of their own.
        todo += [each for each in cls.__subclasses__() if each.__module__ == errors.__name__]
    assert seen > 20
