"""Kafka's protocol in front of simulated groups: as much of it as a client needs to look at a group and say goodbye.

In: bytes of an ordinary Kafka client. Out: what `Groups` says, as a broker without authentication would. Called by the
simulator, and by tests as the smallest broker there is; event loop thread only.
Invariant: everything else is refused by closing the connection, as brokers do with requests they do not know. How the
groups behind it behave is held against a real broker by tests/conformance.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from kafka.protocol.admin import DescribeGroupsRequest, DescribeGroupsResponse
from kafka.protocol.consumer import LeaveGroupRequest, LeaveGroupResponse
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment, ConsumerProtocolSubscription
from kafka.protocol.metadata import (
    ApiVersionsRequest,
    ApiVersionsResponse,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    MetadataRequest,
    MetadataResponse,
)

from hack.nodesim.listening import Connection, Port

PORT = 9092
MAX_FRAME = 1024 * 1024
NODE = 1
UNKNOWN_MEMBER, NO_PERMISSION = 25, 30
OPERATIONS = (3, 6, 8)  # READ, DELETE, DESCRIBE
# Newest versions that Kafka 3.9 and the client both speak.
VERSIONS: dict[Any, int] = {
    ApiVersionsRequest: ApiVersionsRequest.max_version,
    MetadataRequest: 12,
    FindCoordinatorRequest: 4,
    DescribeGroupsRequest: 5,
    LeaveGroupRequest: 5,
}


@dataclass(frozen=True, slots=True)
class WireMember:
    """A seat; static where it has an instance id."""

    instance_id: str
    client_id: str = "kaspr"
    topics: tuple[str, ...] = ()
    assignment: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WireGroup:
    """A group; `state` as brokers write it: Stable, PreparingRebalance, Empty."""

    state: str
    members: tuple[WireMember, ...] = ()


class Groups(Protocol):
    """The groups behind a listener; PermissionError for those that the client may not touch."""

    def look(self, group: str) -> WireGroup | None:
        """Return a group, None for one that was never there."""

    def remove(self, group: str, instance_id: str) -> bool:
        """Take a seat away; False when there is none."""


class KafkaConnection(Connection):
    """One client connection; requests are answered in order."""

    def __init__(self, listener: KafkaListener) -> None:
        super().__init__(listener)
        self.listener = listener

    def data_received(self, data: bytes) -> None:
        """Answer every complete request in the buffer."""
        self.buffer += data
        while len(self.buffer) >= struct.calcsize(">i"):
            (length,) = struct.unpack_from(">i", self.buffer)
            if not 0 < length <= MAX_FRAME:
                self.transport.abort()
                return
            if len(self.buffer) < 4 + length:
                return
            frame, self.buffer = self.buffer[4 : 4 + length], self.buffer[4 + length :]
            answer = self.listener.answer(frame)
            if answer is None:
                self.transport.abort()
                return
            self.transport.write(answer)


class KafkaListener(Port):
    """An open port that speaks Kafka."""

    def __init__(self, address: str, port: int, groups: Groups) -> None:
        """Bind and listen at once; OSError when the address is in use."""
        super().__init__(address, port, lambda: KafkaConnection(self))
        self.groups = groups
        self.host, self.port = self.socket.getsockname()

    def answer(self, frame: bytes) -> bytes | None:
        """Return the framed answer to one request, None when the connection is to end."""
        key, version = struct.unpack_from(">hh", frame)
        kind = next((each for each in VERSIONS if key == each.API_KEY), None)
        if kind is None or not 0 <= version <= VERSIONS[kind]:
            return None
        request = kind.decode(frame, version=version, header=True)
        handlers: dict[Any, Callable[[Any], Any]] = {
            ApiVersionsRequest: self.api_versions,
            MetadataRequest: self.metadata,
            FindCoordinatorRequest: self.coordinator,
            DescribeGroupsRequest: self.describe,
            LeaveGroupRequest: self.leave,
        }
        response = handlers[kind](request)
        # In this order: a header of an answer has no place for a version.
        response.API_VERSION = version
        response.with_header(correlation_id=request.header.correlation_id)
        return bytes(response.encode(header=True, framed=True))

    def api_versions(self, _request: Any) -> Any:
        """Return what is spoken here."""
        keys = [
            ApiVersionsResponse.ApiVersion(api_key=kind.API_KEY, min_version=0, max_version=newest)
            for kind, newest in VERSIONS.items()
        ]
        return ApiVersionsResponse(error_code=0, api_keys=keys, throttle_time_ms=0)

    def metadata(self, _request: Any) -> Any:
        """Return a cluster of one broker without topics."""
        broker = MetadataResponse.MetadataResponseBroker(
            node_id=NODE, host=self.host, port=self.port, rack=None
        )
        return MetadataResponse(
            throttle_time_ms=0, brokers=[broker], cluster_id="simulated", controller_id=NODE, topics=[]
        )

    def coordinator(self, request: Any) -> Any:
        """Return this broker for every group."""
        place = {
            "node_id": NODE,
            "host": self.host,
            "port": self.port,
            "error_code": 0,
            "error_message": None,
        }
        keys = [
            FindCoordinatorResponse.Coordinator(key=key, **place)
            for key in request.coordinator_keys or [request.key]
        ]
        return FindCoordinatorResponse(throttle_time_ms=0, coordinators=keys, **place)

    def describe(self, request: Any) -> Any:
        """Return the groups that are asked for."""
        return DescribeGroupsResponse(
            throttle_time_ms=0, groups=[self.described(name) for name in request.groups]
        )

    def described(self, name: str) -> Any:
        """Return one group, or why not."""
        code = 0
        group: WireGroup | None = None
        try:
            group = self.groups.look(name)
        except PermissionError:
            code = NO_PERMISSION
        members = [] if group is None else [described_member(each) for each in group.members]
        return DescribeGroupsResponse.DescribedGroup(
            error_code=code,
            group_id=name,
            group_state="Dead" if group is None else group.state,
            protocol_type="consumer" if members else "",
            protocol_data="",
            members=members,
            authorized_operations=set(OPERATIONS),
        )

    def leave(self, request: Any) -> Any:
        """Take seats away."""
        members, code = [], 0
        try:
            for each in request.members:
                known = self.groups.remove(request.group_id, each.group_instance_id)
                members.append(
                    LeaveGroupResponse.MemberResponse(
                        member_id=each.member_id,
                        group_instance_id=each.group_instance_id,
                        error_code=0 if known else UNKNOWN_MEMBER,
                    )
                )
        except PermissionError:
            code = NO_PERMISSION
        return LeaveGroupResponse(throttle_time_ms=0, error_code=code, members=members)


def described_member(member: WireMember) -> Any:
    """Return a member with its subscription and assignment in the consumer's own format."""
    topics = [
        ConsumerProtocolAssignment.TopicPartition(topic=topic, partitions=list(held))
        for topic, held in sorted(member.assignment.items())
    ]
    subscription = ConsumerProtocolSubscription(version=0, topics=list(member.topics), user_data=b"")
    assignment = ConsumerProtocolAssignment(version=0, assigned_partitions=topics, user_data=b"")
    return DescribeGroupsResponse.DescribedGroup.DescribedGroupMember(
        member_id=f"{member.instance_id}-seat",
        group_instance_id=member.instance_id or None,
        client_id=member.client_id,
        client_host="/127.0.0.1",
        member_metadata=subscription.encode(),
        member_assignment=assignment.encode() if member.assignment else b"",
    )
