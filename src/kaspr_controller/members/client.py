"""The two questions to a member: how are you, and please rejoin.

`polling` asks the first on its threads, the rebalance step of a reconcile the second on a worker. Both are bounded in
time (1 s to connect, 2 s between bytes, 3 s in all) and in size (1 MiB), follow no redirect, use no proxy and never raise:
however the other side behaves, there is an answer of a known kind. Nothing is tried twice here; the next poll is the
retry of the first, and the pending request in the status that of the second.
"""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING

import httpx

from kaspr_controller.members.reading import read_signal, read_status
from kaspr_controller.members.transport import DeadlineTransport
from kaspr_controller.status.observations import Answer, AnswerKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from kaspr_controller.members.targets import Target

CONNECT_SECONDS = 1.0
READ_SECONDS = 2.0
TOTAL_SECONDS = 3.0
MAX_BODY = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Signalled:
    """The outcome of one `POST /signal/rebalance`: `ok` means taken note of, not that anything was done (zombies too say ok)."""

    kind: AnswerKind
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Reply:
    kind: AnswerKind
    reason: str = ""
    body: bytes = b""


class MemberClient:
    """Asks members; one object serves all threads.

    Args:
        total: seconds for one question in all; lower it to be stricter than the defaults.
        monotonic: the clock of the time limits, in seconds.
    """

    def __init__(
        self, *, total: float = TOTAL_SECONDS, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._total = min(total, TOTAL_SECONDS)
        self._http = httpx.Client(
            transport=DeadlineTransport(monotonic),
            timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"},
            # A jar would let what answers store things with us, without bound, and send them to its successor.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            follow_redirects=False,
            trust_env=False,
        )

    def status(self, target: Target, *, namespace: str) -> Answer:
        """How the member is. `namespace` is the app's, to tell whether the right app answers."""
        reply = self._ask("GET", "/status/", target)
        if reply.kind != "ok":
            return Answer(reply.kind, reply.reason)
        return read_status(reply.body, app_id=target.app_id, namespace=namespace)

    def rebalance(self, target: Target) -> Signalled:
        """Ask the member to rejoin its group; asked of the leader, every member does.

        After a `timeout` the signal may have arrived nevertheless: ask again only when the assignment does not change.
        """
        reply = self._ask("POST", "/signal/rebalance", target)
        if reply.kind != "ok":
            return Signalled(reply.kind, reply.reason)
        fault = read_signal(reply.body)
        return Signalled("wrong", fault) if fault else Signalled("ok")

    def close(self) -> None:
        """Give up; only for the end of the process."""
        self._http.close()

    def _ask(self, method: str, path: str, target: Target) -> _Reply:
        if not target.addressable:
            return _Reply("refused", "the pod has no address")
        try:
            url = httpx.URL(scheme="http", host=target.ip, port=target.port, path=path)
            with self._http.stream(method, url, extensions={"total": self._total}) as response:
                return _judge(response)
        except httpx.TimeoutException:
            return _Reply("timeout", "no answer in time")
        except httpx.ConnectError as error:
            return _Reply("refused", _unconnected(error))
        except httpx.NetworkError:
            return _Reply("refused", "the connection was reset")
        except (httpx.HTTPError, httpx.InvalidURL):
            return _Reply("wrong", "the answer is not HTTP or is cut short")


def _judge(response: httpx.Response) -> _Reply:
    if response.status_code == httpx.codes.INTERNAL_SERVER_ERROR:
        return _Reply("starting", "the consumer has not started")
    if response.status_code != httpx.codes.OK:
        return _Reply("wrong", f"HTTP status {response.status_code}")
    if not response.headers.get("content-type", "").lower().startswith("application/json"):
        return _Reply("wrong", "the content is not JSON")
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        # Refused unread: a few bytes of it can be gigabytes.
        return _Reply("wrong", "the content is encoded")
    body = bytearray()
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > MAX_BODY:
            return _Reply("wrong", "the body is larger than 1 MiB")
    return _Reply("ok", body=bytes(body))


def _unconnected(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED:
            return "nobody listens on the port"
        cause = cause.__cause__
    return "the pod cannot be reached"
