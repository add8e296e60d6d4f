"""Describe a group, and say goodbye for one of its members: the two requests of this room.

In: an address and credentials. Out: an answer of a known kind; nothing is ever raised. Called by `desk`, on its threads.
A request takes 10 s at most, connections included. A few connections are kept for a minute, because a rollout says its
goodbyes in a row; each is used by one request at a time. Passing faults (the group's broker has just moved, the kept
connection has just died) are tried again at once, over a new connection, as long as time remains.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar

from kaspr_controller.groups.address import Credentials, GroupAddress, Listener
from kaspr_controller.groups.answers import Farewell, GroupFault, GroupView
from kaspr_controller.groups.errors import GroupError
from kaspr_controller.groups.reading import assigned, read_lag, read_view
from kaspr_controller.telemetry import metrics

TOTAL_SECONDS = 10.0
IDLE_SECONDS = 60.0
"""Brokers close idle connections after 10 minutes; a minute outlasts the pauses of a rollout."""
MAX_KEPT = 8
"""Kept connections, of 0.7 MiB each; the one unused for longest goes first."""
ATTEMPTS = 4
PAUSE_SECONDS = 0.25
"""Before a passing fault is tried again: a broker that takes over a group needs about that."""
KEPT_SECONDS = 3.0
"""For the answer over a kept connection, before it counts as dead."""
REASON = "removed by kaspr-controller"
"""Shown in the log of brokers that know KIP-800."""

_LOST = ("unreachable", "timeout")

T = TypeVar("T")


class GroupClient(Protocol):
    """Who carries out requests; the real one is `KafkaGroupClient`. Nothing is raised."""

    def describe(
        self, address: GroupAddress, credentials: Credentials, *, lag: bool = False
    ) -> GroupView | GroupFault:
        """What the group looks like."""
        ...

    def goodbye(self, address: GroupAddress, credentials: Credentials, instance_id: str) -> Farewell:
        """Take the seat of a static member away."""
        ...

    def tidy(self) -> float | None:
        """Close what is idle; seconds until there is more to close, None when nothing is kept."""
        ...

    def close(self) -> None:
        """Give up every connection."""
        ...


class Connection(Protocol):
    """Logged in at one listener; see `admin.Connection`."""

    def describe(self, group: str, deadline: float) -> Mapping[str, Any]:
        """The group, decoded."""
        ...

    def remove(self, group: str, instance_id: str, reason: str, deadline: float) -> bool:
        """Whether there was such a seat."""
        ...

    def committed(self, group: str, deadline: float) -> dict[tuple[str, int], int]:
        """Committed offsets."""
        ...

    def ends(self, places: Iterable[tuple[str, int]], deadline: float) -> dict[tuple[str, int], int]:
        """Last stable offsets."""
        ...

    def pause(self, seconds: float) -> None:
        """Wait."""
        ...

    def close(self) -> None:
        """Give up."""
        ...


Connect: TypeAlias = Callable[[Listener, Credentials, float], Connection]
"""Connect to a listener as somebody until a deadline; raises GroupError."""
_Key: TypeAlias = tuple[Listener, Credentials]


class KafkaGroupClient:
    """Carries out requests with kafka-python; one object serves all threads.

    Args:
        connect: how to connect; by default with kafka-python, which is imported then.
        seconds: for one request in all.
        monotonic: the clock of the limits, in seconds.
    """

    def __init__(
        self,
        connect: Connect | None = None,
        *,
        seconds: float = TOTAL_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connect = connect or kafka_connect(ssl.create_default_context)
        self._seconds = seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, tuple[Connection, float]] = OrderedDict()

    def describe(
        self, address: GroupAddress, credentials: Credentials, *, lag: bool = False
    ) -> GroupView | GroupFault:
        """What the group looks like; with `lag` also how far behind it is, as far as ACLs let us see that."""
        group = address.group

        def ask(connection: Connection, deadline: float) -> GroupView:
            view = read_view(connection.describe(group, deadline))
            return view if not lag else _with_lag(view, group, connection, deadline)

        try:
            return self._request(address.listener, credentials, ask)
        except GroupError as error:
            return GroupFault(error.kind, error.reason)

    def goodbye(self, address: GroupAddress, credentials: Credentials, instance_id: str) -> Farewell:
        """Take the seat of a static member away.

        After a `timeout` the goodbye may have arrived nevertheless; said again, it would evict whoever has the name by
        then, so look at the group first.
        """
        if not instance_id:
            return Farewell("wrong", "a member without an instance id has no name to say goodbye to")
        try:
            known = self._request(
                address.listener,
                credentials,
                lambda connection, deadline: connection.remove(address.group, instance_id, REASON, deadline),
            )
        except GroupError as error:
            return Farewell(error.kind, error.reason)
        return Farewell("said") if known else Farewell("unknown-member", "the group has no such member")

    def tidy(self) -> float | None:
        """Close connections that nobody used for a minute; seconds until the next one is due."""
        due = self._monotonic() - IDLE_SECONDS
        closing = []
        with self._lock:
            while self._kept and next(iter(self._kept.values()))[1] <= due:
                closing.append(self._kept.popitem(last=False)[1][0])
            left = next(iter(self._kept.values()))[1] - due if self._kept else None
            metrics.GROUP_CONNECTIONS.set(len(self._kept))
        for connection in closing:
            connection.close()
        return left

    def close(self) -> None:
        """Close every kept connection; requests under way keep theirs to their end."""
        with self._lock:
            closing = [connection for connection, _ in self._kept.values()]
            self._kept.clear()
            metrics.GROUP_CONNECTIONS.set(0)
        for connection in closing:
            connection.close()

    def _request(
        self, listener: Listener, credentials: Credentials, ask: Callable[[Connection, float], T]
    ) -> T:
        end = self._monotonic() + self._seconds
        for attempt in range(1, ATTEMPTS + 1):
            connection = self._take(listener, credentials)
            kept = connection is not None
            # A line that was cut while nobody used it answers nothing: leave time for a new one.
            deadline = min(end, self._monotonic() + KEPT_SECONDS) if kept else end
            try:
                connection = connection or self._connect(listener, credentials, end)
                answer = ask(connection, deadline)
            except GroupError as error:
                over = attempt == ATTEMPTS or self._monotonic() + PAUSE_SECONDS >= end
                if not self._again(error, connection, kept=kept) or over:
                    raise
            else:
                self._keep(listener, credentials, connection)
                return answer
        raise AssertionError("the last attempt returns or raises")

    def _again(self, error: GroupError, connection: Connection | None, *, kept: bool) -> bool:
        """Whether the fault may be gone at once; the connection is given up either way."""
        moving = error.kind == "not-ready"
        if connection is not None:
            if moving:
                connection.pause(PAUSE_SECONDS)
            connection.close()
        return (moving and connection is not None) or (kept and error.kind in _LOST)

    def _take(self, listener: Listener, credentials: Credentials) -> Connection | None:
        with self._lock:
            found = self._kept.pop((listener, credentials), None)
        return found[0] if found else None

    def _keep(self, listener: Listener, credentials: Credentials, connection: Connection) -> None:
        closing = []
        with self._lock:
            if (listener, credentials) in self._kept:
                closing.append(self._kept.pop((listener, credentials))[0])
            self._kept[listener, credentials] = (connection, self._monotonic())
            while len(self._kept) > MAX_KEPT:
                closing.append(self._kept.popitem(last=False)[1][0])
            metrics.GROUP_CONNECTIONS.set(len(self._kept))
        for each in closing:
            each.close()


def kafka_connect(tls: Callable[[], ssl.SSLContext]) -> Connect:
    """Connect with kafka-python.

    Args:
        tls: makes the context that checks servers, once: reading the system's authorities takes 20 ms.
    """
    contexts: list[ssl.SSLContext] = []

    def context() -> ssl.SSLContext:
        if not contexts:
            contexts.append(tls())
        return contexts[0]

    def connect(listener: Listener, credentials: Credentials, deadline: float) -> Connection:
        # Late: most installations never say a goodbye in their first minutes, some never.
        from kaspr_controller.groups import admin

        return admin.Connection(listener, credentials, tls=context, deadline=deadline)

    return connect


def _with_lag(view: GroupView, group: str, connection: Connection, deadline: float) -> GroupView:
    """The view with its lag; without it where the ACLs of the app do not reach that far."""
    places = assigned(view)
    if not places:
        return view
    try:
        committed = connection.committed(group, deadline)
        wanted = [place for place in places if place in committed]
        ends = connection.ends(wanted, deadline) if wanted else {}
    except GroupError as error:
        if error.kind in _LOST:
            raise
        return view
    return GroupView(
        view.state, view.members, view.may_say_goodbye, lag=read_lag({p: committed[p] for p in wanted}, ends)
    )
