"""Connections to the brokers: consumer, producer, administrator, all with the member's own settings.

In: the member's settings and environment. Out: clients of the Kafka library. Called by `session` on the consumer's thread.
Invariant: what is written is transactional and what is read is committed, so that a message is processed exactly once
whatever happens to the process, as with the real runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.admin import KafkaAdminClient
from kafka.errors import TopicAlreadyExistsError

from hack.nodesim.group import JoinRequest
from hack.nodesim.settings import Settings
from tests.e2e.member.assignor import SharedAssignor

MILLISECONDS = 1000
# The runtime's own limit is a thousand seconds; a rebalance waits that long for a member that heartbeats but never joins.
LONGEST_POLL = 1000 * MILLISECONDS
POLL_RECORDS = 100


@dataclass(frozen=True, slots=True)
class Links:
    """How to reach the brokers."""

    settings: Settings
    environment: Mapping[str, str]

    def common(self) -> dict[str, Any]:
        """Return what every client needs."""
        protocol = self.environment.get("K_KAFKA_SECURITY_PROTOCOL") or "PLAINTEXT"
        words: dict[str, Any] = {
            "bootstrap_servers": list(self.settings.brokers),
            "security_protocol": protocol,
            "client_id": self.settings.instance_id or self.settings.web_host,
        }
        if protocol.startswith("SASL"):
            words["sasl_mechanism"] = self.environment.get("K_KAFKA_SASL_MECHANISM") or "PLAIN"
            words["sasl_plain_username"] = self.environment.get("K_KAFKA_AUTH_USERNAME")
            words["sasl_plain_password"] = self.environment.get("K_KAFKA_AUTH_PASSWORD")
        return words

    def member(self, request: JoinRequest, assignor: SharedAssignor) -> Any:
        """Return the consumer that is a member of the group; it has subscribed to nothing yet."""
        return KafkaConsumer(
            **self.common(),
            group_id=self.settings.app_id,
            group_instance_id=request.instance_id,
            partition_assignment_strategy=[assignor],
            session_timeout_ms=int(request.session_timeout * MILLISECONDS),
            heartbeat_interval_ms=int(request.heartbeat * MILLISECONDS),
            max_poll_interval_ms=LONGEST_POLL,
            max_poll_records=POLL_RECORDS,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            # A topic that somebody creates later is found soon.
            metadata_max_age_ms=10 * MILLISECONDS,
        )

    def reader(self) -> Any:
        """Return a consumer without group, for changelogs."""
        return KafkaConsumer(
            **self.common(),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_records=10 * POLL_RECORDS,
        )

    def writer(self) -> Any:
        """Return the transactional producer; a predecessor of the same name is fenced by it."""
        name = f"{self.settings.app_id}-{self.settings.instance_id or self.settings.web_host}"
        producer = KafkaProducer(**self.common(), transactional_id=name, acks="all")
        producer.init_transactions()
        return producer

    def create(self, topics: Mapping[str, int], *, compacted: frozenset[str]) -> None:
        """Create the topics that the runtime itself creates, and wait until they can be used."""
        admin = KafkaAdminClient(**self.common())
        try:
            present = set(admin.list_topics())
            for name in sorted(set(topics) - present):
                configs = {"cleanup.policy": "compact"} if name in compacted else {}
                wanted = {"num_partitions": topics[name], "replication_factor": 1, "configs": configs}
                try:
                    admin.create_topics({name: wanted}, wait_for_metadata=True)
                except TopicAlreadyExistsError:
                    continue  # another member was faster
        finally:
            admin.close()
