"""The play: what a stranger sees, scene by scene, and what must be true at the end of each.

In: an empty `Stage`. Out: lines on the screen; a reader learns how to install, apply, edit and read this controller's
objects with kubectl alone. Main thread only. Invariant: nothing is claimed that was not looked at; a scene that does not
come true raises `Stuck` with what was awaited.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from hack.demo import manifests
from hack.demo.controller import writes
from hack.demo.stage import NAMESPACE, Stage
from hack.demo.timeline import condition, holds
from hack.demo.world import Raw, Stuck

if TYPE_CHECKING:
    from hack.demo.world import World

IN = ("-n", NAMESPACE)
READY_SECONDS = 40.0
REACTION_SECONDS = 15.0
QUIET_SECONDS = 2.0
IDLE_SECONDS = 5.0
MEMBERS = 2


def set_up(stage: Stage) -> None:
    """Control plane, node, CRDs, controller."""
    stage.voice.scene("A Kubernetes API server, a simulated node, the CRDs and the controller")
    stage.voice.say(
        "No Docker, no cluster. The first run gets the programs, once for all runs; a build takes minutes."
    )
    stage.raise_cluster()
    stage.kubectl.must("apply", "--server-side", "-f", "manifests/crds")
    stage.kubectl.must(
        "wait", "--for=condition=Established", "--timeout=30s", "-f", "manifests/crds", discard=True
    )
    stage.raise_controller()
    stage.kubectl.must("create", "namespace", NAMESPACE)
    stage.follow()
    # Without its default account a namespace gets no pods.
    stage.world.wait(
        lambda: stage.world.find("ServiceAccount", "default"), REACTION_SECONDS, "the default service account"
    )


def apply_examples(stage: Stage) -> None:
    """From an empty namespace to an app that processes messages."""
    stage.voice.scene("Custom resources become a running app")
    began = time.monotonic()
    stage.kubectl.must("apply", *IN, "-f", "examples/")
    stage.world.wait(
        lambda: settled(stage.world), READY_SECONDS, "the app and all its components to be Ready"
    )
    stage.voice.say(
        f"Everything is Ready, {time.monotonic() - began:.1f} s after kubectl began. And it is true:"
    )
    show_members(stage)
    stage.kubectl.must("get", "kaspr", *IN)


def scale(stage: Stage) -> None:
    """A second member joins; the first one is left alone."""
    stage.voice.scene("A second member joins, the first one is left alone")
    world = stage.world
    first = uids(world)
    stage.kubectl.must("scale", "kasprapp", app(world)["metadata"]["name"], *IN, "--replicas=2")
    world.wait(
        lambda: settled(world) and len(uids(world)) == MEMBERS and first < uids(world),
        READY_SECONDS,
        "a second pod, the first one untouched, and Ready again",
    )
    stage.kubectl.must("get", "kasprapps", *IN)
    show_members(stage)


def edit_agent(stage: Stage) -> None:
    """One edit, one new revision, every pod replaced, and the new code really mounted."""
    stage.voice.scene("An edit of one agent rolls the app once")
    world = stage.world
    name = manifests.EDITED_NAME
    patch = manifests.edit(there(world, "KasprAgent", name))
    old_pods = uids(world)
    begin, starts = world.mark(), len(stage.simulator.starts)
    stage.voice.block(f"- {manifests.OLD_LINE}\n+ {manifests.NEW_LINE}")
    stage.kubectl.must("patch", "kaspragent", name, *IN, "--type=json", "-p", json.dumps(patch))
    world.wait(
        lambda: settled(world) and not old_pods & uids(world),
        READY_SECONDS,
        f"new pods, and Ready again after the edit of {name}",
    )
    revisions = [one for one in world.since(begin) if one.kind == "ControllerRevision" and one.old is None]
    if len(revisions) != 1:
        raise Stuck(f"exactly one new revision of the pod template; there are {len(revisions)}")
    stage.voice.say(f"One new revision, {len(old_pods)} pods replaced. What the new members have mounted:")
    for start in stage.simulator.starts[starts:]:
        path, line = manifests.mounted_line(start.files, manifests.NEW_LINE)
        stage.voice.block(f"{start.pod} {path}\n    {line}")


def refuse(stage: Stage) -> None:
    """What is wrong on the face of it never gets into the cluster."""
    stage.voice.scene("The API server refuses what can never work")
    answer = stage.kubectl.show("apply", *IN, "-f", "-", manifest=manifests.TWO_SOURCES)
    if answer.code == 0:
        raise Stuck("an agent with a topic and a channel was accepted; the CRD should refuse it")


def hold_back(stage: Stage) -> None:
    """What only the controller can see to be wrong is held back alone; the app goes on."""
    stage.voice.scene("Python that does not compile is held back, the app goes on")
    world = stage.world
    begin = world.mark()
    stage.kubectl.must("apply", *IN, "-f", "-", manifest=manifests.BROKEN)
    world.wait(
        lambda: (
            holds(world.find("KasprAgent", manifests.BROKEN_NAME), "Stalled") and not accepted(app(world))
        ),
        REACTION_SECONDS,
        f"KasprAgent {manifests.BROKEN_NAME} to be Stalled and the app to tell about it",
    )
    stage.kubectl.must("get", "kaspragent", manifests.BROKEN_NAME, *IN, "-o", "wide")
    stage.kubectl.must("get", "kasprapps", *IN)
    since = world.since(begin)
    if any(one.kind == "KasprApp" and not ready(one.new) for one in since):
        raise Stuck("the app should have stayed Ready while one agent is broken")
    if any(one.kind in {"ControllerRevision", "Pod"} for one in since):
        raise Stuck("no pod should have been touched because of a broken agent")
    stage.voice.say("The app stayed Ready and no pod was touched. Without the broken agent:")
    stage.kubectl.must("delete", "kaspragent", manifests.BROKEN_NAME, *IN)
    world.wait(lambda: settled(world) and accepted(app(world)), REACTION_SECONDS, "the app to be as before")


def idle(stage: Stage) -> None:
    """A settled fleet costs nothing but the lease."""
    stage.voice.scene(f"{IDLE_SECONDS:g} idle seconds cost no write")
    world = stage.world
    quiet = f"{QUIET_SECONDS:g} s without a change of any object"
    world.wait(lambda: world.silence() >= QUIET_SECONDS, REACTION_SECONDS, quiet)
    begin, before = world.mark(), stage.running.requests()
    ending = time.monotonic() + IDLE_SECONDS
    world.wait(lambda: time.monotonic() >= ending, IDLE_SECONDS * 2, "time to pass")
    counts = writes(stage.running.requests() - before)
    renewals = counts.pop("PUT", 0)
    changed = [one.known["metadata"]["name"] for one in world.since(begin)]
    if counts or changed:
        raise Stuck(f"no writes while idle; there were {dict(counts)}, changed objects {changed}")
    stage.voice.say(
        f"PATCH, POST, DELETE: 0. PUT: {renewals}, the renewals of the leader's lease. Changed objects: 0."
    )


def settled(world: World) -> bool:
    """Whether the app and all its components are Ready as of their newest generation, and nothing is under way."""
    objects = world.custom()
    return bool(objects) and all(holds(obj, "Ready") and not holds(obj, "Reconciling") for obj in objects)


def app(world: World) -> Raw:
    """The app of the examples."""
    return world.all("KasprApp")[0]


def show_members(stage: Stage) -> None:
    """What the simulated members themselves say, to hold the app's status against.

    Raises:
        Stuck: one of them does not process messages although the app is Ready.
    """
    for member in stage.simulator.members:
        if not member.calm:
            raise Stuck(f"the app is Ready, but its member {member.pod} is in phase {member.phase}")
        topics = (f"{topic} {partitions}" for topic, partitions in sorted(member.actives.items()))
        stage.voice.block(f"{member.pod} reads " + ", ".join(topic for topic in topics if "-" not in topic))


def there(world: World, kind: str, name: str) -> Raw:
    """An object that must be there.

    Raises:
        Stuck: it is not.
    """
    found = world.find(kind, name)
    if found is None:
        raise Stuck(f"there is no {kind} {name}")
    return found


def ready(obj: Raw | None) -> bool:
    """Whether Ready is True just now, of whatever generation."""
    found = condition(obj, "Ready") if obj else None
    return found is not None and found["status"] == "True"


def accepted(obj: Raw) -> bool:
    """Whether the app holds back none of its components."""
    return holds(obj, "ComponentsAccepted")


def uids(world: World) -> set[Any]:
    """The identities of all pods."""
    return {pod["metadata"]["uid"] for pod in world.all("Pod")}
