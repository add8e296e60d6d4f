"""One connection to the brokers of an app: kafka-python's admin client, driven by the calling thread up to a deadline.

In: a listener, credentials, a group. Out: what the broker answered as plain values, or `GroupError`. Called by `client`;
one thread at a time, any thread. Imported at the first request only (70 ms, 7 MiB).

Why not the admin client as it is: it waits for a thread of its own without any limit (a peer that accepts and then keeps
quiet during the TLS handshake holds the caller for ever), and it cannot tell a refused password from a dead broker: it
drops what came together with the end of a connection, and its bootstrap keeps faults to its log. Loop, transport and
bootstrap are replaced for that; the requests themselves are its own.
Invariants: no thread is made, no call outlasts its deadline by more than a name look-up, nothing the library logs gets
out (at debug level it logs its configuration, password included).
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kafka import TopicPartition, errors
from kafka.admin import KafkaAdminClient, MemberToRemove, OffsetSpec
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from kaspr_controller.groups import faults
from kaspr_controller.groups.errors import GroupError
from kaspr_controller.groups.transport import open_transport

if TYPE_CHECKING:
    import ssl

    from kaspr_controller.groups.address import Credentials, Listener

CLIENT_ID = "kaspr-controller"
CONNECT_SECONDS = 3.0
"""To reach one server, TLS handshake and login included."""
MAX_MESSAGE = 8 * 1024 * 1024
"""Bytes of one answer; the largest, a group's description, carries what the members' assignor wrote about each."""
_READ_COMMITTED = 1
_CODE = re.compile(r"^\[Error (\d+)\]")
_GROUP_NOT_FOUND = 69

logging.getLogger("kafka").setLevel(logging.CRITICAL + 1)


class _Loop(NetworkSelector):  # type: ignore[misc]
    """The library's event loop without a thread: whoever waits for an answer drives it, up to `deadline`."""

    deadline = 0.0

    def start(self) -> None:
        """Start nothing."""

    def run(self, coro: Any, *args: Any) -> Any:
        """The result of a coroutine or function; KafkaTimeoutError when the deadline passes first."""
        future = self.call_soon_with_future(coro, *args)
        self.poll(timeout_ms=max(0.0, self.deadline - time.monotonic()) * 1000, future=future)
        if not future.is_done:
            raise errors.KafkaTimeoutError("the deadline has passed")
        if future.exception is not None:
            raise future.exception
        return future.value


class _Manager(KafkaConnectionManager):  # type: ignore[misc]
    """Connections; the first one tries every server once and says why none would do."""

    async def _do_bootstrap(self, _deadline: float | None) -> bool:
        found = []
        for broker in self.cluster.bootstrap_brokers():
            try:
                await self._look_around(broker.node_id)
            except Exception as error:  # noqa: BLE001  # whatever it is: the next server may do
                found.append(faults.translate(error))
                if found[-1].kind == "auth-failed":
                    break  # its neighbours know the same users, and some lock an account after a few failures
            else:
                self.cluster.start_refresh_loop()
                return True
        raise faults.most_telling(found)

    async def _look_around(self, server: str) -> None:
        """Ask one server for the list of all brokers."""
        milliseconds = CONNECT_SECONDS * 1000
        connection = self.get_connection(
            server, timeout_ms=milliseconds, pop_on_close=False, refresh_metadata_on_err=False
        )
        try:
            await self.wait_for(connection.init_future, milliseconds)
            await self.cluster.refresh_metadata(server)
        finally:
            self._conns.pop(server, connection).close()
        if not self.cluster.brokers():
            raise errors.CoordinatorNotAvailableError

    async def _build_transport(self, node: Any, timeout_at: float | None = None) -> Any:
        tls = self.config["ssl_context"]
        return await open_transport(self._net, node.host, node.port, tls=tls, timeout_at=timeout_at)


class Connection:
    """Connections to the brokers behind one listener, logged in.

    Args:
        listener: where.
        credentials: who.
        tls: the context for checking servers; called only where TLS is spoken.
        deadline: on `time.monotonic`, for getting connected.

    Raises:
        GroupError: no server could be used.
    """

    def __init__(
        self,
        listener: Listener,
        credentials: Credentials,
        *,
        tls: Callable[[], ssl.SSLContext],
        deadline: float,
    ) -> None:
        self._net: KafkaNetClient | None = None
        self._deadline = deadline
        try:
            self._admin = KafkaAdminClient(
                kafka_client=self._client, **_settings(listener, credentials, tls, deadline)
            )
        except Exception as error:  # noqa: BLE001  # the library's own, and whatever a strange answer makes it stumble over
            self.close()
            raise faults.translate(error) from None

    def describe(self, group: str, deadline: float) -> Mapping[str, Any]:
        """The group as DescribeGroups gives it, decoded; state `Dead` for one that does not exist."""
        found: dict[str, Any] = self._ask(deadline, lambda: self._admin.describe_groups([group]))[group]
        code = _CODE.match(found.get("error") or "")
        if code and int(code[1]) == _GROUP_NOT_FOUND:
            return {"group_state": "Dead", "members": []}
        if found.get("error"):
            fault = faults.by_code(int(code[1])) if code else None
            raise fault or GroupError("wrong", "the description carries an unknown error")
        return found

    def remove(self, group: str, instance_id: str, reason: str, deadline: float) -> bool:
        """Take a static member's seat away (LeaveGroup, KIP-345); False when nobody has that seat."""
        member = MemberToRemove(group_instance_id=instance_id, reason=reason)
        results = self._ask(deadline, lambda: self._admin.remove_group_members(group, [member]))
        outcomes = list(results.values())
        if outcomes == [errors.NoError]:
            return True
        if outcomes == [errors.UnknownMemberIdError]:
            return False
        raise (
            faults.translate(outcomes[0]())
            if len(outcomes) == 1
            else GroupError("wrong", "the goodbye was not answered")
        )

    def committed(self, group: str, deadline: float) -> dict[tuple[str, int], int]:
        """The committed offset of each partition that has one."""
        found = self._ask(deadline, lambda: self._admin.list_group_offsets(group))[group]
        return {
            (place.topic, place.partition): known.offset
            for place, known in found.items()
            if known.offset >= 0
        }

    def ends(self, places: Iterable[tuple[str, int]], deadline: float) -> dict[tuple[str, int], int]:
        """The last stable offset of each partition."""
        wanted = {TopicPartition(topic, partition): OffsetSpec.LATEST for topic, partition in places}
        milliseconds = max(1, int((deadline - time.monotonic()) * 1000))
        found = self._ask(
            deadline,
            lambda: self._admin.list_partition_offsets(
                wanted, isolation_level=_READ_COMMITTED, timeout_ms=milliseconds
            ),
        )
        return {(place.topic, place.partition): known.offset for place, known in found.items()}

    def pause(self, seconds: float) -> None:
        """Wait a little while the connections live on."""
        if self._net is not None:
            self._net.poll(timeout_ms=seconds * 1000)

    def close(self) -> None:
        """Give up every connection; nothing may be asked afterwards."""
        if self._net is not None:
            self._net.close()
            self._net = None

    def _client(self, **configs: Any) -> KafkaNetClient:
        loop = _Loop(**configs)
        loop.deadline = self._deadline
        # The admin client has no setting for this one.
        configs["socket_connection_setup_timeout_ms"] = int(CONNECT_SECONDS * 1000)
        self._net = KafkaNetClient(net=loop, manager=_Manager(loop, **configs), **configs)
        return self._net

    def _ask(self, deadline: float, question: Callable[[], Any]) -> Any:
        if self._net is None:
            raise GroupError("unreachable", "the connection was closed")
        self._net._net.deadline = deadline  # noqa: SLF001  # it is ours
        try:
            return question()
        except Exception as error:  # noqa: BLE001  # as above
            raise faults.translate(error) from None


def _settings(
    listener: Listener, credentials: Credentials, tls: Callable[[], ssl.SSLContext], deadline: float
) -> dict[str, Any]:
    milliseconds = max(1, int((deadline - time.monotonic()) * 1000))
    settings: dict[str, Any] = {
        "bootstrap_servers": list(listener.bootstrap),
        "client_id": CLIENT_ID,
        "security_protocol": listener.protocol,
        "bootstrap_timeout_ms": milliseconds,
        "request_timeout_ms": milliseconds,
        "receive_message_max_bytes": MAX_MESSAGE,
    }
    if listener.tls:
        settings["ssl_context"] = tls()
    if listener.mechanism is not None:
        settings |= {
            "sasl_mechanism": listener.mechanism,
            "sasl_plain_username": credentials.username,
            "sasl_plain_password": credentials.password.reveal(),
        }
    return settings
