"""Runs the broker of the end-to-end tests in its container: writes the configuration, formats a fresh volume, becomes Java.

In: HOST_IP (where a test outside the cluster reaches the node), NAME (the Service), the volume at /data. Out: a Kafka process as
process 1. Standard library only. It talks to itself on a listener of its own: not every network lets a pod reach itself through its
Service. The settings are those of `hack.kafka.listeners` where both have them.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

DATA = Path("/data/log")
CONFIG = Path("/data/server.properties")
CLUSTER = "a2FzcHItY29udHJvbGxlcg"
JAVA = [
    "java",
    "-Xms64m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-cp",
    "/opt/kafka/*",
]
PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@localhost:9093
controller.listener.names=CONTROLLER
inter.broker.listener.name=SELF
listeners=INSIDE://:9092,OUTSIDE://:9094,SELF://localhost:9095,CONTROLLER://localhost:9093
advertised.listeners=INSIDE://{name}:9092,OUTSIDE://{host}:{port},SELF://localhost:9095
listener.security.protocol.map=INSIDE:PLAINTEXT,OUTSIDE:PLAINTEXT,SELF:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
num.partitions=4
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""


def main() -> None:
    """Never returns."""
    CONFIG.write_text(
        PROPERTIES.format(
            name=os.environ["NAME"],
            host=os.environ["HOST_IP"],
            port=os.environ["HOST_PORT"],
            data=DATA,
        )
    )
    if not (DATA / "meta.properties").exists():
        command = [*JAVA, "kafka.tools.StorageTool", "format", "-t", CLUSTER, "-c", str(CONFIG)]
        subprocess.run(command, check=True)
    os.execvp(JAVA[0], [*JAVA, "kafka.Kafka", str(CONFIG)])  # noqa: S606  # it becomes process 1, which gets the signals


if __name__ == "__main__":
    main()
