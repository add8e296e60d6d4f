"""Sockets to brokers, where kafka-python's own would leave something behind.

In: a host and a port. Out: a transport for the library's connections. Called by `admin`, on the loop of one request.
Imported late, with the library. Two differences: an attempt that fails closes its socket (the library leaves that to the
garbage collector), and what arrives together with the end of a connection is read before the end is noticed: a broker
that refuses a login answers and hangs up in one go, and the answer is all there is to know.
"""

from __future__ import annotations

import socket
import ssl

from kafka import errors
from kafka.net.inet import KafkaNetSocket
from kafka.net.selector import NetworkSelector
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport

from kaspr_controller.groups import faults
from kaspr_controller.groups.errors import GroupError


class _LastWords:
    """Hands over what was read even when the connection ended while reading."""

    def _sock_recv(self) -> tuple[bytes, Exception | None]:
        data, error = super()._sock_recv()  # type: ignore[misc]
        return data, None if data else error


class _Plain(_LastWords, KafkaTCPTransport):  # type: ignore[misc]
    """TCP."""


class _Encrypted(_LastWords, KafkaSSLTransport):  # type: ignore[misc]
    """TLS over TCP."""


async def open_transport(
    net: NetworkSelector, host: str, port: int, *, tls: ssl.SSLContext | None, timeout_at: float | None
) -> KafkaTCPTransport:
    """Connect to the first address of a host that accepts, TLS handshake included if `tls` is given."""
    connection = await _connect(net, host, port, timeout_at)
    if tls is None:
        return _Plain(net, connection, host=host)
    transport = _Encrypted(net, connection, host=host, ssl_context=tls)
    try:
        await transport.handshake()
    except Exception as error:
        transport.close()
        raise faults.handshake(error) from error
    except BaseException:
        transport.close()
        raise
    return transport


async def _connect(net: NetworkSelector, host: str, port: int, timeout_at: float | None) -> socket.socket:
    network = KafkaNetSocket()
    fault: Exception = GroupError("unreachable", "the name of a broker is not known")
    for family, kind, protocol, _, place in network.dns_lookup(host, port):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            await network.sock_connect(net, connection, place, timeout_at=timeout_at)
        except BaseException as error:
            # A cancelled attempt too: nobody else knows this socket.
            connection.close()
            if not isinstance(error, OSError | errors.KafkaError):
                raise
            fault = _told(error)
        else:
            return connection
    raise fault


def _told(error: Exception) -> GroupError | Exception:
    """The library has no type for a refused connection."""
    refused = isinstance(error, errors.KafkaConnectionError) and "ECONNREFUSED" in str(error)
    return GroupError("unreachable", "nobody listens on the port of the broker") if refused else error
