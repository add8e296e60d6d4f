"""The second part of the play: what the controller does about members, with and without access to their Kafka.

In: a `Stage` with the app of the examples, Ready with two members. Out: lines on the screen, and the Events in which the
controller says what it did. Main thread only. Invariant as in `scenes`: nothing is claimed that was not looked at.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from hack.demo import manifests
from hack.demo.scenes import IN, MEMBERS, app, settled, uids
from hack.demo.stage import NAMESPACE, PARTITIONS, Stage
from hack.demo.world import Stuck

if TYPE_CHECKING:
    from collections.abc import Mapping

SECONDS = 90.0
"""A start takes 2.4 s here; a frozen member is looked at three times before it is replaced."""
NEWS = "custom-columns=REASON:.reason,MESSAGE:.message"


def read_more(stage: Stage) -> None:
    """A topic that was added is read by somebody: static members have to be asked to share anew.

    The brokers of the examples cannot be reached from the controller, so no goodbye makes that needless.
    """
    stage.voice.scene("A new agent reads a new topic: after the rollout the group is asked to share it out")
    world = stage.world
    stage.kubectl.must("apply", *IN, "-f", "-", manifest=manifests.ADDED)
    world.wait(
        lambda: settled(world) and read(stage, manifests.ADDED_TOPIC) == PARTITIONS,
        SECONDS,
        f"every partition of {manifests.ADDED_TOPIC} to be read, and Ready",
    )
    news(stage, "RebalanceRequested")


def reach_kafka(stage: Stage) -> None:
    """The app moves to brokers that the controller can reach, too."""
    stage.voice.scene(
        "The members move to other brokers, one after the other; these the controller can reach"
    )
    world, old = stage.world, uids(stage.world)
    servers = stage.simulator.kafka(NAMESPACE)
    patch = json.dumps({"spec": {"bootstrapServers": servers}})
    stage.kubectl.must("patch", "kasprapp", name(stage), *IN, "--type=merge", "-p", patch)
    world.wait(
        lambda: settled(world) and len(uids(world)) == MEMBERS and not old & uids(world),
        SECONDS,
        "two new members, and Ready",
    )


def read_less(stage: Stage) -> None:
    """A topic that is no longer read must be in nobody's old assignment: that would kill the member's coordinator."""
    stage.voice.scene(
        "The agent goes again: each member's seat is taken away before its successor joins, so nobody dies"
    )
    world, old = stage.world, uids(stage.world)
    stage.kubectl.must("delete", "kaspragent", manifests.ADDED_NAME, *IN)
    world.wait(
        lambda: settled(world) and not old & uids(world) and read(stage, "orders") == PARTITIONS,
        SECONDS,
        "two new members that read everything else, and Ready",
    )
    zombies = [member.pod for member in stage.simulator.members if not member.calm]
    if zombies:
        raise Stuck(f"every member to process; {zombies} do not")
    news(stage, "SayingGoodbye")


def freeze(stage: Stage) -> None:
    """A process that stands still keeps its seat for two minutes; the controller replaces it, and only it."""
    stage.voice.scene("A member freezes: it alone is replaced, and what it read is read again")
    world, old = stage.world, pods(stage)
    frozen = max(old)
    stage.voice.say(f"{frozen} stands still from now on, as after kill -STOP.")
    stage.simulator.freeze(frozen, NAMESPACE)
    began = time.monotonic()
    world.wait(
        lambda: (
            settled(world)
            and pods(stage).get(frozen) not in (None, old[frozen])
            and read(stage, "orders") == PARTITIONS
        ),
        SECONDS,
        f"another {frozen}, and Ready",
    )
    if any(pods(stage)[other] != old[other] for other in old if other != frozen):
        raise Stuck("the other members should have been left alone")
    news(stage, "MemberReplaced")
    stage.voice.say(f"Ready again after {time.monotonic() - began:.0f} s; the other member was left alone.")


def name(stage: Stage) -> str:
    """The name of the app."""
    return str(app(stage.world)["metadata"]["name"])


def pods(stage: Stage) -> Mapping[str, Any]:
    """Pod UIDs by name."""
    return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in stage.world.all("Pod")}


def read(stage: Stage, topic: str) -> int:
    """How many partitions of a topic calm members read."""
    return len(stage.simulator.readers(f"{name(stage)}-app", topic, NAMESPACE))


def news(stage: Stage, reason: str) -> None:
    """The Events of one reason."""
    stage.kubectl.must("get", "events", *IN, "--field-selector", f"reason={reason}", "-o", NEWS)
