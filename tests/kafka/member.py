"""One static consumer in a process of its own, so that a test can freeze and kill it.

In: `member.py '{"bootstrap": ..., "group": ..., "instance": ..., "topics": [...], "session": seconds}'`. Out: a JSON line for
each assignment that the group hands over, as it was handed over, and one when another process has taken the instance id.
Run by `crew.py`; ends when its owner is gone (nobody reads its output any more).
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from typing import Any

from kafka import KafkaConsumer

POLL_MILLISECONDS = 60_000
"""Longer than any test: a poll that ends while a join is being answered loses the answer, and the member is gone."""
HEARTBEAT_MILLISECONDS = 300


class Fence(logging.Handler):
    """The consumer keeps it to its log that another process has its place."""

    def emit(self, record: logging.LogRecord) -> None:
        if "fenced" in record.getMessage():
            say({"fenced": True})


def say(words: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Consume until killed."""
    log = logging.getLogger("kafka")
    log.addHandler(Fence(logging.ERROR))
    # The library is loud about what these tests do on purpose.
    log.propagate = False
    wanted = json.loads(sys.argv[1])
    consumer = KafkaConsumer(
        *wanted["topics"],
        bootstrap_servers=wanted["bootstrap"],
        group_id=wanted["group"],
        group_instance_id=wanted["instance"],
        client_id=wanted["instance"],
        session_timeout_ms=int(wanted["session"] * 1000),
        heartbeat_interval_ms=HEARTBEAT_MILLISECONDS,
        # What a test says is committed stays committed.
        enable_auto_commit=False,
    )
    # Where the consumer learns what the group hands over, before it makes something of it. On a topic that it does not
    # subscribe to the real runtime's coordinator ends; this one would join again, which hides what the broker did.
    subscription = consumer._subscription
    accept = subscription.assign_from_subscribed

    def assign(assigned: Any) -> None:
        partitions = list(assigned)
        held: dict[str, list[int]] = {}
        for topic, partition in sorted(partitions):
            held.setdefault(topic, []).append(partition)
        say({"given": held})
        if held.keys() - set(wanted["topics"]):
            threading.Event().wait()
        accept(partitions)

    subscription.assign_from_subscribed = assign
    while True:
        consumer.poll(POLL_MILLISECONDS)


if __name__ == "__main__":
    main()
