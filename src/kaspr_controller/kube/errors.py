"""What a request can end in, as one tree; every error says how its caller should go on.

    ApiError
    ├── BadRequest 400, 405, 406, 415      terminal
    │   ├── Invalid 422                    terminal   the object breaks a rule of its kind
    │   ├── Malformed 500                  terminal   "failed to create typed patch object"
    │   └── TooLarge 413                   terminal
    ├── Unauthorized 401                   transient
    ├── Forbidden 403                      wait       a role is missing
    │   ├── QuotaExceeded                  wait
    │   └── NamespaceTerminating           wait
    ├── NotFound 404                       wait
    ├── Conflict 409                       transient  read again, then decide again
    │   ├── AlreadyExists                  transient
    │   ├── ApplyConflict                  wait       another field manager holds a field
    │   └── UidMismatch                    transient  the object is another incarnation
    ├── Gone 410 ── Expired                transient  list again
    ├── TooManyRequests 429                transient
    ├── ServerError 5xx                    transient
    │   └── ResourceVersionTooLarge 504    transient
    ├── TransportError (no answer)         transient
    │   ├── ConnectFailed                  nothing was sent
    │   │   └── CredentialsError           no readable token or CA; the message says what to set
    │   ├── ConnectionLost                 it may have been carried out
    │   ├── Timeout ── IdleTimeout         it may have been carried out; a silent watch
    │   ├── ProtocolError                  an answer that cannot be read
    │   └── Unavailable                    not tried: the breaker is open
    └── NotLeading                         transient  not sent: leadership is not proven

`terminal`: the same request fails again until its object changes. `wait`: something else has to change first.
`transient`: try again with a backoff. `from_response` is called by the client on any thread; values only.
"""

# ruff: noqa: N818 (the names of the API's reasons; "NotFoundError" would hide the kinship)
from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, TypeAlias

import pydantic_core

if TYPE_CHECKING:
    from collections.abc import Mapping

Category: TypeAlias = Literal["terminal", "wait", "transient"]

MESSAGE_LIMIT = 1024
"""Longest message in characters: it ends up in a condition or an Event, where 1024 is the limit for notes."""

_FOREIGN_BODY_LIMIT = 200

# As DELETE says it before and after it read the object, and an apply of an object that is gone.
_UID_WORDS = ("UID in the precondition", "UID in precondition", "uid mismatch")


class Cause(NamedTuple):
    """One entry of `details.causes`: machine word, path of the field, the server's words."""

    reason: str
    field: str
    message: str


class ApiError(Exception):
    """A request that did not succeed.

    Attributes:
        status: HTTP status, 0 when there was no answer.
        reason: the server's one-word reason (`AlreadyExists`), or ours.
        message: the server's words, at most 1024 characters.
        causes: field by field, as the server lists them.
        retry_after: seconds to wait at least, None when the server named none.
        request: `METHOD /path`, for logs.
    """

    category: ClassVar[Category] = "transient"

    def __init__(  # the fields of a Status
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        causes: tuple[Cause, ...] = (),
        retry_after: float | None = None,
        request: str = "",
    ) -> None:
        self.message = bounded(message)
        self.status = status
        self.reason = reason or type(self).__name__
        self.causes = causes
        self.retry_after = retry_after
        self.request = request
        super().__init__(self.message)


class BadRequest(ApiError):
    """The server cannot read the request; sending it again changes nothing."""

    category = "terminal"


class Invalid(BadRequest):
    """The object breaks a rule of its kind (422), for instance a change of an immutable field."""


class Malformed(BadRequest):
    """The applied object does not fit its schema: an unknown field or a key twice in a list. Answered with a 500."""


class TooLarge(BadRequest):
    """The body exceeds the server's limit (413)."""


class Unauthorized(ApiError):
    """The credentials were refused, fresh ones included (401)."""


class Forbidden(ApiError):
    """The service account lacks a permission, or an admission rule said no (403)."""

    category = "wait"


class QuotaExceeded(Forbidden):
    """A resource quota of the namespace is used up (403)."""


class NamespaceTerminating(Forbidden):
    """The namespace is being deleted and takes no new objects (403)."""


class NotFound(ApiError):
    """The object, its namespace or its kind does not exist (404)."""

    category = "wait"


class Conflict(ApiError):
    """The object changed since it was read (409)."""


class AlreadyExists(Conflict):
    """A create met an object of that name (409)."""


class ApplyConflict(Conflict):
    """An apply without force met a field of another manager (409); `causes` names manager and field."""

    category = "wait"


class UidMismatch(Conflict):
    """The UID precondition failed: the name now belongs to another incarnation, or to none (409)."""


class Gone(ApiError):
    """The resource version is too old (410)."""


class Expired(Gone):
    """The watch or the continue token fell out of the server's history (410): list again."""


class TooManyRequests(ApiError):
    """The server sheds load (429); obey `retry_after`."""


class ServerError(ApiError):
    """The server failed (5xx)."""


class ResourceVersionTooLarge(ServerError):
    """This API server has not seen the asked resource version yet (504): list with an empty one."""


class TransportError(ApiError):
    """There was no answer that could be read."""


class ConnectFailed(TransportError):
    """No connection came about, so nothing was sent: any request may be repeated."""


class CredentialsError(ConnectFailed):
    """There are no usable credentials, so nothing was sent; the message says what to set."""


class ConnectionLost(TransportError):
    """The connection ended before the answer did; the request may have been carried out."""


class Timeout(TransportError):
    """The time for the request ran out; it may have been carried out."""


class IdleTimeout(Timeout):
    """A watch stayed silent, without even a bookmark, for longer than its idle limit: resume it."""


class ProtocolError(TransportError):
    """The answer is not what the API promises: not JSON, or cut off."""


class Unavailable(TransportError):
    """Not tried: the last requests all failed to reach the server and the next probe is not due yet."""


class NotLeading(ApiError):
    """A write was refused by our own fence: this process cannot prove that it still holds the lease (rule L4)."""


def from_response(status: int, body: bytes, *, retry_after: str | None = None, request: str = "") -> ApiError:
    """The error for an answer of 400 and above.

    Args:
        status: HTTP status.
        body: usually a `Status` as JSON; a proxy's page is quoted up to 200 characters.
        retry_after: the `Retry-After` header, in seconds; dates are ignored.
        request: `METHOD /path`.
    """
    return _build(status, _status_of(body, status), retry_after=retry_after, request=request)


def from_status(status: Mapping[str, Any], *, request: str = "") -> ApiError:
    """The error for a `Status` object that came as the ERROR event of a watch."""
    return _build(int(status.get("code") or 0), status, retry_after=None, request=request)


def bounded(text: str, limit: int = MESSAGE_LIMIT) -> str:
    """The text, cut with an ellipsis when it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _build(code: int, status: Mapping[str, Any], *, retry_after: str | None, request: str) -> ApiError:
    details = status.get("details") or {}
    causes = tuple(
        Cause(str(cause.get("reason", "")), str(cause.get("field", "")), str(cause.get("message", "")))
        for cause in details.get("causes") or ()
    )
    reason, message = str(status.get("reason") or ""), str(status.get("message") or "")
    return _class_for(code, reason, message, causes)(
        message or f"HTTP {code}",
        status=code,
        reason=reason,
        causes=causes,
        retry_after=_seconds(retry_after, details.get("retryAfterSeconds")),
        request=request,
    )


def _status_of(body: bytes, code: int) -> Mapping[str, Any]:
    try:
        parsed = pydantic_core.from_json(body)
    except ValueError:
        parsed = None
    if isinstance(parsed, dict) and parsed.get("kind") == "Status":
        return parsed
    text = body[:_FOREIGN_BODY_LIMIT].decode(errors="replace").strip()
    return {"message": f"HTTP {code}, not from the Kubernetes API: {text}" if text else f"HTTP {code}"}


_BY_STATUS: Mapping[int, type[ApiError]] = {
    401: Unauthorized,
    404: NotFound,
    413: TooLarge,
    422: Invalid,
    429: TooManyRequests,
}


def _class_for(code: int, reason: str, message: str, causes: tuple[Cause, ...]) -> type[ApiError]:
    reasons = {cause.reason for cause in causes}
    if code == 403:  # noqa: PLR2004
        return _forbidden(message, reasons)
    if code == 409:  # noqa: PLR2004
        return _conflict(reason, message, reasons)
    if code == 410:  # noqa: PLR2004
        return Expired if reason == "Expired" else Gone
    if code >= 500:  # noqa: PLR2004
        return _server_error(message, reasons)
    return _BY_STATUS.get(code, BadRequest if code >= 400 else ServerError)  # noqa: PLR2004


def _forbidden(message: str, reasons: set[str]) -> type[ApiError]:
    if "exceeded quota" in message:
        return QuotaExceeded
    if "NamespaceTerminating" in reasons or "because it is being terminated" in message:
        return NamespaceTerminating
    return Forbidden


def _conflict(reason: str, message: str, reasons: set[str]) -> type[ApiError]:
    if reason == "AlreadyExists":
        return AlreadyExists
    if "FieldManagerConflict" in reasons:
        return ApplyConflict
    # The server has no word of its own for this.
    if any(words in message for words in _UID_WORDS):
        return UidMismatch
    return Conflict


def _server_error(message: str, reasons: set[str]) -> type[ApiError]:
    if "failed to create typed patch object" in message:
        return Malformed
    return ResourceVersionTooLarge if "ResourceVersionTooLarge" in reasons else ServerError


def _seconds(header: str | None, detail: Any) -> float | None:
    for value in (header, detail):
        try:
            seconds = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            continue
        if 0 <= seconds < float("inf"):
            return seconds
    return None
