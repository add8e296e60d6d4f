"""Every state that the decisions about members can get the world into: the pass of a controller, the laws, the search.

`explore` goes on from its starts; the decisions that it runs are those of production, and each pass over each state
is held against the laws. `ends_well` follows a state along the path on which nothing more goes wrong.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from kaspr_controller.status import farewell, rebalancing, recovering, rolling
from kaspr_controller.status.actions import (
    AcknowledgeRebalance,
    Action,
    DeletePod,
    SayGoodbye,
    SetPartition,
    SignalRebalance,
)
from kaspr_controller.status.judging import Group
from kaspr_controller.status.rollout import Rollout
from tests.unit.status import world as the
from tests.unit.status.world import Parts, World


def decide(world: World) -> tuple[Parts, list[Action]]:
    """One pass of production code: judged once, decided four times."""
    group, rollout = the.look(world)
    one, two, three, four = world.parts
    hands: dict[str, Any] = {"paused": world.paused, "leading": world.leading}
    recovered = recovering.decide(
        the.RECOVERY,
        two,
        recovering.Facts(group, rollout, world.desired, goodbyes=world.kafka, **hands),
        now=0.0,
    )
    left = farewell.decide(
        the.FAREWELL,
        three,
        farewell.Facts(
            group,
            world.desired,
            the.TEXT[world.change][world.template],
            killed={kill.uid: kill.why for kill in recovered.part.kills},
            access="ok" if world.kafka else "failing",
            done=world.done,
            **hands,
        ),
        now=0.0,
    )
    balanced = rebalancing.decide(
        the.REBALANCE, one, _rebalance_facts(world, group, rollout, left.part), now=0.0
    )
    rolled = rolling.decide(
        the.ROLLING, four, rolling.Facts(group, rollout, world.desired, world.partition, **hands), now=0.0
    )
    parts = Parts(balanced.part, recovered.part, left.part, rolled.part)
    return parts, [*left.actions, *recovered.actions, *balanced.actions, *rolled.actions]


def _rebalance_facts(
    world: World, group: Group, rollout: Rollout, owed: farewell.Farewells
) -> rebalancing.Facts:
    return rebalancing.Facts(
        the.TEXT[world.change][world.template],
        group,
        rollout,
        world.desired,
        annotation="true" if world.annotated else None,
        ghosts=farewell.ghosts(owed, group),
        ghosts_for=farewell.ghosts_for(the.FAREWELL, owed, now=0.0),
        paused=world.paused,
        leading=world.leading,
    )


def carry_out(world: World, actions: Iterable[Action]) -> World:
    """What the actions do to the world."""
    world = world._replace(done=frozenset())
    for action in actions:
        match action:
            case SetPartition(partition):
                world = world._replace(partition=partition)
            case AcknowledgeRebalance():
                world = world._replace(annotated=False)
            case SignalRebalance():
                world = the.shared(world)._replace(signalled=0)
            case SayGoodbye(instance, gone):
                world = the.removed(world, int(instance[-1]))
                world = world._replace(done=world.done | {(instance, gone)})
            case DeletePod(uid):
                slot = int(uid.partition(".")[0])
                pod = world.pods[slot]
                if all(uid != each for each, _ in world.killed):
                    world = world._replace(killed=(*world.killed, (uid, 0)))
                if pod is not None and the.uid(slot, pod) == uid:
                    world = the.put(world, slot, pod._replace(phase="L", age=0))
    return world


def broken_laws(world: World, actions: Iterable[Action]) -> Iterator[str]:
    """What must never be asked for in this world, judged by the truth and not by what the controller sees."""
    actions = list(actions)
    if actions and (world.paused or not world.leading):
        yield "acts while paused or not leading"
    for action in actions:
        match action:
            case DeletePod(uid):
                yield from _kill(world, uid)
            case SayGoodbye(instance, gone):
                yield from _goodbye(world, int(instance[-1]), gone)
            case SignalRebalance():
                yield from _signal(world)
            case SetPartition(partition):
                freed = [
                    pod
                    for pod in world.pods[partition : min(world.partition, world.desired)]
                    if pod is not None and pod.rev != world.template and pod.phase == "C"
                ]
                if len(freed) > 1:
                    yield "puts two calm members out at once"
    new = {action.uid for action in actions if isinstance(action, DeletePod)}
    if len({uid for uid, _ in world.killed} | new) > the.RECOVERY.budget(world.desired) and new:
        yield "kills beyond the budget"


def _kill(world: World, uid: str) -> Iterator[str]:
    slot = int(uid.partition(".")[0])
    pod = world.pods[slot]
    if pod is None or the.uid(slot, pod) != uid or pod.phase not in "ZFH":
        yield f"kills a member that is not ill: {pod}"
    elif pod.age < 2:
        yield "kills before three strikes can have been counted"
    if world.dark >= 0 or all(each is None or each.phase in "FL" for each in world.pods):
        yield "kills while nobody can be reached"
    if len({each.rev for each in world.pods if each is not None}) > 1:
        yield "kills in a rollout"
    if any(each is None or _on_its_way(each) for each in world.pods[: world.desired]):
        yield "kills while the rest is not well"


def _on_its_way(pod: the.Seen) -> bool:
    """Starting, ending or rebalancing; who joins for longer than any start takes is as good as a zombie."""
    return pod.phase in "SAL" or (pod.phase == "J" and pod.age * the.TICK <= the.LIMITS.start)


def _goodbye(world: World, slot: int, gone: str) -> Iterator[str]:
    pod = world.pods[slot]
    if not world.kafka:
        yield "says goodbye without access"
    if pod is not None and the.uid(slot, pod) == gone:
        yield "says goodbye for a pod that is there"
    if pod is not None and pod.phase in "ACHXF":
        yield f"says goodbye for a member that has joined: {pod}"


def _signal(world: World) -> Iterator[str]:
    if world.signalled < the.REBALANCE.retry / the.TICK:
        yield "does not wait for the effect of its signal"
    if any(pod is None or pod.phase not in "CXF" for pod in world.pods[: world.desired]):
        yield "signals while members are not calm"
    if any(pod is not None and pod.rev != world.template for pod in world.pods):
        yield "signals while a member runs other definitions"
    if any(
        seat is not None and (pod is None or pod.phase == "L")
        for seat, pod in zip(world.seats, world.pods, strict=True)
    ):
        yield "signals while a ghost is in the group"
    if the.everything_read(world) and not world.parts.rebalance.forced and world.change != "mark":
        yield "signals although everything is read"


@dataclass(slots=True)
class Found:
    """What a search came to."""

    states: int = 0
    closed: bool = False
    acted: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[str, World]] = field(default_factory=list)
    lost: list[World] = field(default_factory=list)

    def enough(self, until: str) -> bool:
        """Whether the law that is looked for was broken; without one, whether there are ten faults to look at."""
        if until:
            return any(until in law for law, _ in self.broken)
        return len(self.broken) + len(self.lost) >= 10

    def note(self, world: World, actions: list[Action]) -> None:
        """Count what a pass asked for, and which laws that broke."""
        self.acted.update(type(action).__name__ for action in actions)
        self.broken.extend((law, world) for law in broken_laws(world, actions))


def successors(world: World, found: Found) -> Iterator[World]:
    """All that may come next; the pass that a controller makes now is held against the laws."""
    parts, actions = decide(world)
    found.note(world, actions)
    stored = world._replace(parts=parts)
    yield carry_out(stored, actions)
    if actions and world.faults:
        # Killed between the status and the first action.
        yield the.restarted(stored)._replace(faults=world.faults - 1)
    if world.faults and any(isinstance(action, SignalRebalance) for action in actions):
        # Answered with 200, and ignored.
        heard = [action for action in actions if not isinstance(action, SignalRebalance)]
        yield carry_out(stored, heard)._replace(faults=world.faults - 1, signalled=0)
    yield the.tick(world)
    yield the.workload(world)
    if world.faults:
        for slot, pod in enumerate(world.pods):
            if pod is None or pod.age < the.SLOWEST.get(pod.phase, 0):
                yield the.tick(world, slow=slot)
    yield from the.mishaps(world)


def benign(world: World, found: Found) -> World:
    """Nothing more goes wrong: whoever hampers us stops, the controller makes a pass, the world goes on."""
    # Nobody is touched on the word of members of which none is calm: then some have to get well by themselves.
    over = "XFH" if all(pod is None or pod.phase in "FLXH" for pod in world.pods) else "X"
    pods = tuple(
        pod._replace(phase="J", age=0) if pod is not None and pod.phase in over else pod for pod in world.pods
    )
    world = world._replace(pods=pods, dark=-1, leading=True, paused=False, faults=0)
    parts, actions = decide(world)
    found.note(world, actions)
    world = carry_out(world._replace(parts=parts), actions)
    return the.canonical(the.tick(the.workload(world)))


def explore(starts: Iterable[World], *, most: int, seed: int = 0, until: str = "") -> Found:
    """All states, or so many of them in a random order, which is deeper than breadth-first; ends at the tenth fault."""
    found, seen, good = Found(), set[int](), set[int]()
    same: dict[object, object] = {}
    rng, queue = random.Random(seed), list[World]()  # noqa: S311  # a search, not a secret
    for each in starts:
        begun = the.canonical(each)
        seen.add(hash(begun))
        queue.append(begun)
    while queue and found.states < most and not found.enough(until):
        # The last takes the place of the drawn one.
        drawn = rng.randrange(len(queue))
        queue[drawn], queue[-1] = queue[-1], queue[drawn]
        world = queue.pop()
        found.states += 1
        if not ends_well(world, good, found):
            found.lost.append(world)
        for following in successors(world, found):
            after = the.canonical(following)
            key = hash(after)
            if key not in seen:
                seen.add(key)
                queue.append(_shared(after, same))
    found.closed = not queue
    return found


def _shared(world: World, same: dict[object, object]) -> World:
    """The world made of parts that others are made of too: a million of them have to fit."""
    return World(*(same.setdefault(each, each) if isinstance(each, tuple) else each for each in world))  # type: ignore[arg-type]


def ends_well(world: World, good: set[int], found: Found, *, steps: int = 150) -> bool:
    """Whether the benign path leads to where everything is settled; `good` remembers states that it does lead from."""
    path: list[int] = []
    for _ in range(steps):
        key = hash(world)
        if key in good or the.settled(world):
            good.update(path)
            return True
        path.append(key)
        world = benign(world, found)
    return False


def beginnings(members: int, faults: int) -> Iterator[World]:
    """Each kind of change, with Kafka and without: from a quiet day to the middle of a bad one."""
    last = members - 1
    for change in the.TEXT:
        for kafka in (True, False):
            well = the.start(members, change, faults)._replace(kafka=kafka)
            yield well
            # Without mishaps to come: few ways to go, so all of them, for a long time.
            yield well._replace(dark=0, faults=0)
            yield well._replace(dark=0)
            asked = rebalancing.Rebalance(
                well.parts.rebalance.fingerprint, "Pending", forced=True, manual=True, requested_at=0.0
            )
            yield well._replace(parts=well.parts._replace(rebalance=asked))
            # A signal that was answered with 200 and ignored.
            sent = replace(asked, state="Signalled", attempts=1, last_attempt_at=0.0)
            yield well._replace(parts=well.parts._replace(rebalance=sent), signalled=0)
            yield well._replace(template=1)
            for phase in "FZHX":
                ill = the.put(well, last, the.Seen(0, 0, phase))
                yield ill
                yield ill._replace(faults=0, dark=0)
                # Halfway through a rollout; and two of them at once.
                yield the.put(well._replace(template=1, partition=last), last, the.Seen(9, 1, phase))
                yield the.put(ill, last - 1, the.Seen(0, 0, phase))
            yield the.put(well._replace(desired=last, annotated=True), last - 1, None)
            owed = farewell.Owed(the.name(last), f"{last}.1", "subscriptions-changed", 0.0)
            debts = replace(well.parts.farewell, owed=(owed,))
            yield well._replace(parts=well.parts._replace(farewell=debts))
