"""A small world for the decisions about members: pods, seats in a group, a StatefulSet, faults. Everything but the decisions.

Time goes in ticks of 30 s; the present is always 0, so states that differ only in the date are the same state. The group
keeps the semantics of hack/nodesim/group.py: a seat outlives its process by the session timeout, who comes back to it gets
the old assignment, who finds none causes a rebalance, and a goodbye takes a seat away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from kaspr_controller.status import farewell, rebalancing, recovering, rolling, suspecting
from kaspr_controller.status.judging import Group, Limits, judge
from kaspr_controller.status.observations import Answer, Observation
from kaspr_controller.status.pods import Pod
from kaspr_controller.status.rollout import Rollout

TICK = 30.0
CAP = 8
"""Ticks after which an age makes no difference any more."""
SESSION = 4
"""Ticks of the session timeout; a restart takes three, so who comes back finds its seat."""
SLOWEST = {"S": CAP, "L": CAP, "J": 2, "A": 4}
"""Ticks that a healthy member may take for a phase: longer than a start may last, shorter than what tells it is none. Who
joins for longer beside a calm peer cannot be told from a zombie by anybody."""
LIMITS = Limits(start=30.0, session=SESSION * TICK, margin=TICK, frozen=30.0, frozen_polls=2, fresh=75.0)
REBALANCE = rebalancing.Policy(retry=2 * TICK, retry_limit=4 * TICK, expiry=6 * TICK, limits=LIMITS)
RECOVERY = suspecting.Policy(threshold=2 * TICK, window=4 * TICK, continuity=2 * TICK, limits=LIMITS)
FAREWELL = farewell.Policy(limits=LIMITS)
ROLLING = rolling.Policy(step=4 * TICK, progress=7 * TICK, limits=LIMITS)
TEXT = {"add": ("a", "a,b"), "remove": ("a,b", "a"), "mark": ("a,t:0", "a,t:1")}


class Seen(NamedTuple):
    """A pod. phase: S starting, J joining, A assigned, C calm, Z zombie, H hung, F frozen, X cut off, L leaving."""

    uid: int
    rev: int
    phase: str
    age: int = 0


class Seat(NamedTuple):
    version: int  # of the subscriptions that its assignment was made for
    quiet: int = 0  # ticks without heartbeats


class Parts(NamedTuple):
    rebalance: rebalancing.Rebalance = rebalancing.Rebalance()
    recovery: recovering.Recovery = recovering.Recovery()
    farewell: farewell.Farewells = farewell.Farewells()
    rolling: rolling.Rolling = rolling.Rolling()


class World(NamedTuple):
    pods: tuple[Seen | None, ...]
    seats: tuple[Seat | None, ...]
    change: str
    parts: Parts
    template: int = 0
    current: int = 0
    partition: int = 0
    desired: int = 3
    dark: int = -1  # ticks since no member can be reached
    up: int = CAP  # ticks since this process of ours began
    kafka: bool = True
    leading: bool = True
    paused: bool = False
    annotated: bool = False
    faults: int = 0  # that may still happen
    done: frozenset[tuple[str, str]] = frozenset()
    killed: tuple[tuple[str, int], ...] = ()  # by us: UID and ticks since
    signalled: int = CAP  # ticks since


def start(members: int, change: str, faults: int) -> World:
    """Everybody calm, tracked, nothing to do."""
    pods = tuple(Seen(0, 0, "C", CAP) for _ in range(members))
    tracked = rebalancing.Rebalance(fingerprint=rebalancing.digest_of(TEXT[change][0]))
    fingerprint = tracked.fingerprint or ""
    holders = tuple(farewell.Holder(name(slot), f"{slot}.0", fingerprint) for slot in range(members))
    parts = Parts(tracked, recovering.Recovery(), farewell.Farewells(holders), rolling.Rolling(members, "r0"))
    return World(
        pods, tuple(Seat(0) for _ in pods), change, parts, partition=members, desired=members, faults=faults
    )


def name(slot: int) -> str:
    return f"demo-app-{slot}"


def uid(slot: int, pod: Seen) -> str:
    return f"{slot}.{pod.uid}"


def settled(world: World) -> bool:
    """What everything has to end in: all calm, all of the template, every assignment up to date, nothing pending."""
    live = [pod for pod in world.pods if pod is not None]
    return (
        len(live) == world.desired
        and all(pod.phase == "C" and pod.rev == world.template for pod in live)
        and all((seat is None) == (slot >= world.desired) for slot, seat in enumerate(world.seats))
        and everything_read(world)
        and not world.parts.rebalance.required
        and not world.annotated
    )


def everything_read(world: World) -> bool:
    """A topic that was added is shared among those who knew it when the last rebalance came."""
    added = world.change == "add" and world.template == 1
    return not added or any(seat is not None and seat.version == 1 for seat in world.seats)


# What the controller gets to see


def topics(world: World) -> tuple[str, ...]:
    return tuple(item for item in TEXT[world.change][world.template].split(",") if ":" not in item)


def _answer(world: World, slot: int, pod: Seen) -> Answer:
    if pod.phase == "S":
        return Answer("starting")
    if pod.phase in "JZ":
        return Answer("ok", rebalancing=True)
    seat = world.seats[slot]
    leads = (
        min(other for other, each in enumerate(world.pods) if each is not None and each.phase in "CA")
        if pod.phase == "C"
        else -1
    )
    heirs = [other for other, each in enumerate(world.seats) if each is None] if slot == leads else []
    names = TEXT[world.change][seat.version if seat is not None else pod.rev].split(",")
    actives = {item: tuple(sorted({slot, *heirs})) for item in names if ":" not in item}
    return Answer("ok", rebalancing=pod.phase != "C", leader=slot == leads, actives=actives)


def _observation(world: World, slot: int, pod: Seen) -> Observation:
    since, began = -min(pod.age, world.up) * TICK, -world.up * TICK
    answer = Answer("ok", actives={"a": (slot,)}) if pod.phase == "F" else _answer(world, slot, pod)
    joining = since if answer.rebalancing else None
    empty = joining if not answer.assigned else None
    silent = pod.age if pod.phase == "F" else world.dark
    if pod.phase == "F" and world.dark >= 0:
        silent = max(silent, world.dark)
    if silent < 0:
        return Observation(answer, 0.0, since, began, 0, 0, None, answer, 0.0, joining, empty)
    quiet = -min(silent, world.up) * TICK
    count = int(-quiet / 2) + 1
    heard = answer if world.up > silent and answer.kind == "ok" else None
    known = heard is not None and pod.age > silent
    timeout = Answer("timeout")
    last = (heard, quiet - TICK if heard else None, joining if known else None, empty if known else None)
    return Observation(timeout, 0.0, quiet, began, count, count, quiet, *last)


def look(world: World) -> tuple[Group, Rollout]:
    """The members as the production code judges them, and the workload."""
    pods, seen = [], {}
    for slot, pod in enumerate(world.pods):
        if pod is None:
            continue
        text = TEXT[world.change][pod.rev]
        pods.append(
            Pod(
                name(slot), uid(slot, pod), slot, deleting=pod.phase == "L", revision=f"r{pod.rev}",
                subscriptions=text, running_for=(pod.age + (pod.phase != "S")) * TICK,
            )
        )  # fmt: skip
        seen[uid(slot, pod)] = _observation(world, slot, pod)
    group = judge(pods, seen, topics=topics(world), now=0.0, limits=LIMITS)
    updated = sum(pod is not None and pod.rev == world.template for pod in world.pods)
    state = Rollout(
        exists=True, observed=True, desired=world.desired, updated=updated, ready=len(pods), total=len(pods),
        complete=updated == len(pods) == world.desired, revision=f"r{world.template}",
    )  # fmt: skip
    return group, state


# What happens by itself


def shared(world: World) -> World:
    """A rebalance: everybody who takes part gets an assignment for what it reads."""
    pods, seats = list(world.pods), list(world.seats)
    for slot, pod in enumerate(pods):
        if pod is not None and pod.phase in "CAJH":
            pods[slot] = Seen(pod.uid, pod.rev, "A")
            seats[slot] = Seat(pod.rev)
    return world._replace(pods=tuple(pods), seats=tuple(seats))


def removed(world: World, slot: int) -> World:
    """A seat is taken away: the others share its partitions."""
    if world.seats[slot] is None:
        return world
    seats = tuple(None if other == slot else seat for other, seat in enumerate(world.seats))
    world = world._replace(seats=seats)
    joining = [pod for pod in world.pods if pod is not None and pod.phase in "CAH"]
    return _only_members(world) if joining else world


def _only_members(world: World) -> World:
    pods = [pod._replace(phase="A", age=0) if pod and pod.phase in "CAH" else pod for pod in world.pods]
    seats = [
        Seat(pod.rev) if pod is not None and pod.phase == "A" else seat
        for pod, seat in zip(pods, world.seats, strict=True)
    ]
    return world._replace(pods=tuple(pods), seats=tuple(seats))


def advance(world: World, slot: int) -> World:
    """The next step of one pod: of a start, of an end, of a replacement."""
    pod, seat = world.pods[slot], world.seats[slot]
    if pod is None:
        if slot >= world.desired:
            return world
        rev = world.template if slot >= world.partition else world.current
        return put(world, slot, Seen(9, rev, "S"))
    following = {"L": None, "S": pod._replace(phase="J", age=0), "A": pod._replace(phase="C", age=0)}
    if pod.phase in following:
        return put(world, slot, following[pod.phase])
    if pod.phase != "J":
        return world
    if seat is None:
        return shared(world)
    dies = world.change == "remove" and seat.version < pod.rev
    return put(world, slot, pod._replace(phase="Z" if dies else "A", age=0))


def put(world: World, slot: int, pod: Seen | None) -> World:
    return world._replace(pods=(*world.pods[:slot], pod, *world.pods[slot + 1 :]))


def workload(world: World) -> World:
    """The StatefulSet controller: scales, replaces the highest pod that it may, notices the end of a rollout."""
    for slot in reversed(range(len(world.pods))):
        pod = world.pods[slot]
        if pod is not None and pod.phase != "L" and slot >= world.desired:
            return put(world, slot, pod._replace(phase="L", age=0))
    live = world.pods[: world.desired]
    if any(pod is None or pod.phase == "L" for pod in live):
        return world
    for slot in reversed(range(world.partition, world.desired)):
        pod = world.pods[slot]
        if pod is not None and pod.rev != world.template:
            return put(world, slot, pod._replace(phase="L", age=0))
    if all(pod is not None and pod.rev == world.template for pod in live):
        return world._replace(current=world.template)
    return world


def tick(world: World, slow: int | None = None) -> World:
    """Time passes, and whoever is on the way gets on, but for the slow one."""
    pods = tuple(pod and pod._replace(age=min(CAP, pod.age + 1)) for pod in world.pods)
    killed = tuple((each, age + 1) for each, age in world.killed if age + 1 < RECOVERY.window / TICK)
    world = world._replace(
        pods=pods,
        dark=world.dark if world.dark < 0 else min(CAP, world.dark + 1),
        up=min(CAP, world.up + 1),
        parts=aged(world.parts),
        killed=killed,
        signalled=min(CAP, world.signalled + 1),
        seats=tuple(
            seat
            and seat._replace(
                quiet=0 if pod is not None and pod.phase in "JACH" else min(SESSION, seat.quiet + 1)
            )
            for pod, seat in zip(world.pods, world.seats, strict=True)
        ),
    )
    for slot, seat in enumerate(world.seats):
        if seat is not None and seat.quiet >= SESSION:
            world = removed(world, slot)
    for slot, pod in enumerate(pods):
        if slot != slow and world.pods[slot] == pod:
            world = advance(world, slot)
    return world


def _ago(at: float | None) -> float | None:
    return None if at is None else max(at - TICK, -CAP * TICK)


def _back(at: float) -> float:
    return max(at - TICK, -CAP * TICK)


def aged(parts: Parts) -> Parts:
    """The clocks of the status, a tick older."""
    one, two, three, four = parts
    if one.requested_at is not None or one.last_attempt_at is not None:
        one = replace(
            one,
            requested_at=_ago(one.requested_at),
            last_attempt_at=_ago(one.last_attempt_at),
            attempts=min(one.attempts, 3),
        )
    return Parts(
        one,
        recovering.Recovery(
            tuple(
                replace(each, since=_back(each.since), proven_at=_back(each.proven_at), struck_at=_ago(each.struck_at))
                for each in two.suspects
            ),
            tuple(replace(kill, at=_back(kill.at), asked_at=_back(kill.asked_at)) for kill in two.kills),
        ),
        farewell.Farewells(
            tuple(
                each if each.gone_at is None else replace(each, gone_at=_back(each.gone_at))
                for each in three.holders
            ),
            tuple(replace(each, since=_back(each.since), last_at=_ago(each.last_at)) for each in three.owed),
            tuple(at - TICK for at in three.said if at - TICK > -FAREWELL.window),
        ),
        replace(four, step_at=_ago(four.step_at), progress_at=_ago(four.progress_at)),
    )  # fmt: skip


def canonical(world: World) -> World:
    """The same world with small UIDs: the live pod of a slot is 0, others that are remembered are counted from 1."""
    if all(pod is None or pod.uid == 0 for pod in world.pods):
        # Only a new pod makes a new name.
        return world
    names: dict[str, str] = {}
    pods = list(world.pods)
    for slot, pod in enumerate(world.pods):
        if pod is not None:
            names[uid(slot, pod)] = f"{slot}.0"
            pods[slot] = pod._replace(uid=0)

    def rename(old: str) -> str:
        slot = old.partition(".")[0]
        taken = sum(new.startswith(f"{slot}.") and new != f"{slot}.0" for new in names.values())
        return names.setdefault(old, f"{slot}.{taken + 1}")

    one, two, three, four = world.parts
    two = recovering.Recovery(
        tuple(replace(each, uid=rename(each.uid)) for each in two.suspects),
        tuple(replace(kill, uid=rename(kill.uid)) for kill in two.kills),
    )
    three = farewell.Farewells(
        tuple(replace(each, uid=rename(each.uid)) for each in three.holders),
        tuple(replace(each, gone_uid=rename(each.gone_uid)) for each in three.owed),
        three.said,
    )
    done = frozenset((slot, rename(gone)) for slot, gone in world.done)
    killed = tuple((rename(each), age) for each, age in world.killed)
    return world._replace(pods=tuple(pods), parts=Parts(one, two, three, four), done=done, killed=killed)


def mishaps(world: World) -> Iterator[World]:
    """What may go wrong, be changed by a user, or end by itself."""
    if not world.faults:
        return
    left = world._replace(faults=world.faults - 1)
    for slot, pod in enumerate(world.pods):
        if pod is None:
            continue
        if pod.phase == "C":
            yield put(left, slot, pod._replace(phase="F", age=0))
            yield put(left, slot, pod._replace(phase="X", age=0))
            yield put(left, slot, pod._replace(phase="L", age=0))
        if pod.phase == "A":
            yield put(left, slot, pod._replace(phase="H", age=0))
        if pod.phase in "FX":
            yield put(left, slot, pod._replace(phase="J", age=0))
    yield left._replace(dark=-1 if world.dark >= 0 else 0)
    yield left._replace(kafka=not world.kafka)
    yield left._replace(leading=not world.leading)
    yield left._replace(paused=not world.paused)
    yield restarted(left)
    if world.template == 0:
        yield left._replace(template=1, partition=len(world.pods), signalled=CAP)
    if not world.annotated:
        yield left._replace(annotated=True, signalled=CAP)
    if world.desired == len(world.pods) > 1:
        yield left._replace(desired=world.desired - 1)


def restarted(world: World) -> World:
    """Another process of ours: what it saw is gone, what it stored is not."""
    return world._replace(done=frozenset(), up=0)
