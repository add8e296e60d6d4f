"""Rights of the broker's users, and messages to be behind with."""

from __future__ import annotations

from kafka import KafkaProducer, TopicPartition
from kafka.admin import (
    ACL,
    ACLOperation,
    ACLPermissionType,
    KafkaAdminClient,
    ResourcePattern,
    ResourceType,
)
from kafka.structs import OffsetAndMetadata

from hack.kafka.broker import Broker
from hack.kafka.listeners import USERS
from kaspr_controller.groups.address import Credentials, GroupAddress, Secret, group_address

LOGINS = ("plain", "scram-sha-256", "scram-sha-512")


def grant(
    broker: Broker, user: str, operation: str, *, group: str | None = None, topic: str | None = None
) -> None:
    """Allow a user something on a group or a topic."""
    name = group or topic
    kind = ResourceType.GROUP if group else ResourceType.TOPIC
    acl = ACL(
        principal=f"User:{user}",
        host="*",
        operation=ACLOperation[operation],
        permission_type=ACLPermissionType.ALLOW,
        resource_pattern=ResourcePattern(kind, name),
    )
    admin = KafkaAdminClient(bootstrap_servers=broker.address())
    admin.create_acls([acl])
    admin.close()


def login(
    broker: Broker, user: str, group: str, *, authentication: str = "plain", tls: bool = False
) -> GroupAddress:
    """The address of a group behind a listener that asks for a login."""
    listener = broker.address("SASL_SSL" if tls else "SASL_PLAINTEXT")
    return group_address(listener, group, authentication=authentication, username=user, tls=tls)


def password(user: str) -> Credentials:
    """What the user logs in with."""
    return Credentials(user, Secret(USERS[user]))


def fill(broker: Broker, group: str, topic: str, *, messages: int, committed: int) -> None:
    """Write messages to partition 0 of a topic, and say that the group has read some of them."""
    producer = KafkaProducer(bootstrap_servers=broker.address())
    for _ in range(messages):
        producer.send(topic, b"x", partition=0)
    producer.flush()
    producer.close()
    admin = KafkaAdminClient(bootstrap_servers=broker.address())
    admin.alter_group_offsets(group, {TopicPartition(topic, 0): OffsetAndMetadata(committed, "", -1)})
    admin.close()
