"""How far may the rollout go now: the partition of the StatefulSet, stepped down as replaced members become calm.

In: the members, judged, the live partition, the clocks of the previous status. Out: the partition to render, and what holds
a rollout up. Left alone, a StatefulSet replaces the next pod as soon as the kubelet calls the last one ready, a second
after its start; a member needs 24 s to be calm, so all of them are out at once (real-runtime C16). Here one member is out
at a time. A new template is written with the partition above every ordinal, so that it starts nothing by itself; nothing
but live objects is needed to go on after a restart. A controller that stands still stalls a rollout, never
a running pod. The status part holds clocks only; a lost one makes a deadline begin anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kaspr_controller.status.actions import Action, Decision, Refusal, SetPartition, soonest
from kaspr_controller.status.conditions import Verdict, enumerate_few
from kaspr_controller.status.judging import SUSPECT, Group, Judged, Limits
from kaspr_controller.status.moments import seconds_of, text_of
from kaspr_controller.status.pods import Trouble
from kaspr_controller.status.rollout import Rollout


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say; times in seconds.

    Attributes:
        driven: step by step; otherwise the StatefulSet replaces its pods on its own.
        step: time for a replaced member to become calm; after it a member that runs is waited for no longer.
        progress: time without any progress after which the rollout is called stuck.
        named: time without progress after which `Ready` names a pod that does not get to run; in a start that goes well,
            too, pods wait for volumes and images.
        limits: of the members.
    """

    driven: bool = True
    step: float = 300.0
    progress: float = 600.0
    named: float = 30.0
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Rolling:
    """The status part: what was reached, and when, in seconds since 1970.

    Attributes:
        partition: what is to be rendered.
        revision: of the rollout that the rest is about.
        done: the most members of that revision that were calm at once.
        step_at: since when the partition has been what it is.
        progress_at: when something got better last; like `step_at` None once the rollout is complete.
    """

    partition: int = 0
    revision: str = ""
    done: int = 0
    step_at: float | None = None
    progress_at: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """One pass.

    Attributes:
        group: all pods, judged.
        rollout: the workload.
        desired: members that the workload asks for.
        partition: the live one, 0 when the field is not there.
        changing: this pass is about to write another pod template.
        asked: members are polled; otherwise the kubelet's word on them has to do.
        creation: why a pod cannot be created (quota, admission).
        paused: the app is.
        leading: this process may act.
    """

    group: Group
    rollout: Rollout
    desired: int
    partition: int = 0
    changing: bool = False
    asked: bool = True
    creation: Trouble | None = None
    paused: bool = False
    leading: bool = True


def decide(policy: Policy, part: Rolling, facts: Facts, *, now: float) -> Decision[Rolling]:
    """The partition for this pass; `now` in seconds since 1970."""
    if facts.paused or not facts.leading:
        return Decision(replace(part, partition=facts.partition), explanation="hands off")
    part = _clocks(policy, part, facts, now)
    target, text = _target(policy, part, facts, now)
    if target != facts.partition:
        part = replace(part, step_at=now, progress_at=now if target < facts.partition else part.progress_at)
    part = replace(part, partition=target)
    actions: tuple[Action, ...] = (SetPartition(target),) if target != facts.partition else ()
    if facts.rollout.complete or not facts.rollout.exists or facts.desired == 0:
        return Decision(part, actions, explanation=text)
    stuck = _stuck(policy, part, facts, now)
    after = soonest(
        _left(part.step_at, policy.step, now),
        _left(part.progress_at, policy.progress, now),
        _left(part.progress_at, policy.named, now) if _hindrance(facts) else None,
    )
    refused = (Refusal("WaitingForMember", text, after),) if not actions and _waiting(policy, facts) else ()
    return Decision(part, actions, after, stuck, refused, text)


def _clocks(policy: Policy, part: Rolling, facts: Facts, now: float) -> Rolling:
    """The clocks as they are before this step: a new revision starts them, what gets better moves them."""
    done = sum(_updated(member, facts) and _calm(policy, member, facts) for member in facts.group.members)
    known = part.done if part.revision == facts.rollout.revision else 0
    if facts.rollout.complete and not facts.changing:
        # No clock runs: a pod that is lost a week later begins a deadline of its own.
        return Rolling(facts.partition, facts.rollout.revision, max(done, known))
    if part.revision and part.step_at is None and not facts.changing and not facts.rollout.observed:
        return replace(
            part, partition=facts.partition
        )  # the clocks of the next revision, which is not known yet
    if part.revision != facts.rollout.revision:
        return Rolling(facts.partition, facts.rollout.revision, done, step_at=now, progress_at=now)
    step_at, progress_at = part.step_at, part.progress_at
    # Somebody else set the partition, or our write is not visible yet; a clock that was set back starts anew.
    if part.partition != facts.partition or step_at is None or step_at > now:
        step_at = now
    if done > part.done or progress_at is None or progress_at > now:
        progress_at = now
    return replace(part, done=max(done, part.done), step_at=step_at, progress_at=progress_at)


def _target(policy: Policy, part: Rolling, facts: Facts, now: float) -> tuple[int, str]:
    if not policy.driven:
        return 0, "the StatefulSet replaces its pods on its own"
    if facts.changing:
        return _hold(facts), "a new revision is about to be written; nothing is replaced by that alone"
    if not facts.rollout.exists or not facts.rollout.observed or not facts.rollout.revision:
        return (
            facts.partition,
            "the workload is not there, or its controller has not seen the newest generation",
        )
    old = [member for member in _members(facts) if not _updated(member, facts)]
    if not any(_worth(member, facts) for member in old):
        return _unopposed(facts, old)
    waiting = _waiting(policy, facts)
    if waiting and not _overdue(policy, part, waiting, now):
        return min(
            facts.partition, _hold(facts)
        ), f"waiting for {enumerate_few([_name(each) for each in waiting])}"
    return _next(facts, old)


def _unopposed(facts: Facts, old: Sequence[Judged]) -> tuple[int, str]:
    """Nobody of an older revision processes: go to the end at once, or hold until there is something to do."""
    if old:
        return 0, "no member of the older revision processes, nothing has to be spared"
    if facts.rollout.complete or facts.rollout.single:
        # Not held already now: that would be one more write, and the next template brings its own hold.
        return facts.partition, "there is no older revision"
    # Held, a pod that is missing now would come back with the older revision.
    return 0, "no member of an older revision is left"


def _next(facts: Facts, old: Sequence[Judged]) -> tuple[int, str]:
    """One member that processes, and those below it that do not anyway."""
    by_ordinal = {member.pod.ordinal: member for member in _members(facts)}
    highest = max(member.pod.ordinal for member in old)
    target = highest
    while target > 0 and not _worth_at(by_ordinal.get(target - 1), facts):
        target -= 1
    # A step is never taken back: what is below the live partition only grows.
    return min(
        target, facts.partition
    ), f"{facts.rollout.updated} of {facts.desired} replaced, next is number {highest}"


def _worth_at(member: Judged | None, facts: Facts) -> bool:
    return member is not None and (_updated(member, facts) or _worth(member, facts))


def _worth(member: Judged, facts: Facts) -> bool:
    """Whether a member of the older revision processes, as far as is known."""
    pod = member.pod
    if not pod.running or pod.deleting or pod.trouble is not None:
        return False
    if not facts.asked:
        return pod.ready
    # Not heard is not idle: after a restart of this program nobody has been heard.
    return member.state not in SUSPECT and (member.state != "starting" or member.watched is None)


def _waiting(policy: Policy, facts: Facts) -> list[Judged | int]:
    """Who was replaced, or may be now, and is not calm: members, or ordinals that have no pod."""
    by_ordinal = {member.pod.ordinal: member for member in _members(facts)}
    found: list[Judged | int] = []
    for ordinal in range(facts.desired):
        member = by_ordinal.get(ordinal)
        if member is None:
            found.append(ordinal)
        elif _updated(member, facts):
            if not _calm(policy, member, facts):
                found.append(member)
        elif ordinal >= facts.partition or member.pod.deleting:
            found.append(member)
    return found


def _overdue(policy: Policy, part: Rolling, waiting: Sequence[Judged | int], now: float) -> bool:
    """Whether to go on without them: the time of the step is over, and they run at least.

    One that does not run is broken by the new revision, most likely; the others stay with the old one. One that crashes
    again and again runs in between, so that only counts which has lasted longer than a start.
    """
    if part.step_at is None or now - part.step_at <= policy.step:
        return False
    return all(not isinstance(each, int) and _lasting(each, policy.limits) for each in waiting)


def _lasting(member: Judged, limits: Limits) -> bool:
    pod = member.pod
    if not pod.running or pod.deleting or pod.trouble is not None:
        return False
    return pod.running_for is not None and pod.running_for > limits.start


def _updated(member: Judged, facts: Facts) -> bool:
    return member.pod.revision == facts.rollout.revision and not member.pod.deleting


def _calm(policy: Policy, member: Judged, facts: Facts) -> bool:
    if not facts.asked:
        return member.pod.ready
    # More members than partitions: who has none after the time of a start will get none.
    return member.calm or (member.state == "not-begun" and member.age > policy.limits.start)


def _members(facts: Facts) -> list[Judged]:
    return [member for member in facts.group.members if member.pod.ordinal < facts.desired]


def _hold(facts: Facts) -> int:
    """Above every ordinal. One that is higher already is as good: it is not written anew after each scale-down."""
    return max(facts.partition, facts.desired, facts.rollout.total, 1)


def _name(each: Judged | int) -> str:
    return f"number {each}, which has no pod" if isinstance(each, int) else f"{each.pod.name} ({each.state})"


def hindrance(policy: Policy, part: Rolling, facts: Facts, *, now: float) -> Trouble | None:
    """What keeps a pod of an unfinished rollout from running, once nothing has got better for a moment."""
    if facts.rollout.complete or part.progress_at is None or now - part.progress_at < policy.named:
        return None
    return _hindrance(facts)


def _left(since: float | None, limit: float, now: float) -> float | None:
    left = since + limit - now if since is not None else None
    return left if left is not None and left > 0 else None


def _stuck(policy: Policy, part: Rolling, facts: Facts, now: float) -> tuple[Verdict, ...]:
    """The name of what holds the rollout up, once nothing has got better for too long."""
    if part.progress_at is None or now - part.progress_at <= policy.progress:
        return ()
    cause = _cause(policy, facts)
    text = f"no progress for {policy.progress:.0f} s: {cause.message}"
    return (Verdict("RolloutStuck", "True", cause.reason, text),)


def _cause(policy: Policy, facts: Facts) -> Trouble:
    """The first of: a pod cannot be created, a pod does not run, a member does not become calm."""
    if (trouble := _hindrance(facts)) is not None:
        return trouble
    waiting = _waiting(policy, facts)
    if not waiting:
        return Trouble("NoProgress", "the StatefulSet controller does not replace or ready the pods")
    missing = all(isinstance(each, int) for each in waiting)
    names = enumerate_few([_name(each) for each in waiting])
    return Trouble("PodsMissing" if missing else "MembersNotCalm", names)


def _hindrance(facts: Facts) -> Trouble | None:
    if facts.creation is not None:
        return facts.creation
    for member in facts.group.members:
        if member.pod.trouble is not None:
            trouble = member.pod.trouble
            return Trouble(trouble.reason, f"{member.pod.name}: {trouble.message}")
    return None


# The status


def read(raw: Any) -> Rolling:
    """The part in a status; what is not understood starts its clock anew."""
    if not isinstance(raw, Mapping):
        return Rolling()
    partition, done = raw.get("partition"), raw.get("done")
    return Rolling(
        partition=partition if isinstance(partition, int) and partition > 0 else 0,
        revision=str(raw.get("revision") or ""),
        done=done if isinstance(done, int) and done > 0 else 0,
        step_at=seconds_of(raw.get("stepAt")),
        progress_at=seconds_of(raw.get("progressAt")),
    )


def write(part: Rolling) -> dict[str, Any]:
    """The part as JSON, without what is empty."""
    fields = {
        "partition": part.partition,
        "revision": part.revision or None,
        "done": part.done or None,
        "stepAt": text_of(part.step_at) if part.step_at is not None else None,
        "progressAt": text_of(part.progress_at) if part.progress_at is not None else None,
    }
    return {key: value for key, value in fields.items() if value is not None}
